package distributed

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// registry finds the processes of a node, by serial number and by name.
type registry struct {
	serials [shards]rows // by the serial numbers without their last bits
	names   [shards]shard[ProcessID, *Process]
}

// shard is a part of the registry.
type shard[K comparable, V any] struct {
	mu   sync.RWMutex // guards the fields below
	m    map[K]V      // which never gets smaller by itself
	most int          // that m has had
}

// put is called with mu held.
func (s *shard[K, V]) put(k K, v V) {
	s.m[k] = v
	s.most = max(s.most, len(s.m))
}

// remove is called with mu held. A map that is mostly empty is replaced.
func (s *shard[K, V]) remove(k K) {
	delete(s.m, k)
	if s.most > 256 && len(s.m) < s.most/4 {
		s.shrink()
	}
}

// shrink is not a part of remove for the sake of the stack: see tellLocked.
//
//go:noinline
func (s *shard[K, V]) shrink() {
	m := make(map[K]V, len(s.m))
	maps.Copy(m, s.m)
	s.m, s.most = m, len(m)
}

// rows is a part of the registry by serial number.
type rows struct {
	shard[uint64, *row]
	latest    *row // was added to last, and is in m; nil: none
	latestKey uint64
}

// row are the processes of rowLen serial numbers in a row, which are spawned one after the
// other: to find a place in a map for each would be most of what it costs to spawn one.
type row struct {
	all [rowLen]*Process
	n   int
}

const (
	shards = 64 // locks; a power of two
	rowLen = 32 // a power of two
)

func (r *registry) init() {
	for i := range shards {
		r.serials[i].m = make(map[uint64]*row)
		r.names[i].m = make(map[ProcessID]*Process)
	}
}

func (r *registry) add(p *Process) {
	key := p.serial / rowLen
	s := &r.serials[key%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest == nil || s.latestKey != key { // those of one row most often come one after the other
		w := s.m[key]
		if w == nil {
			w = new(row)
			s.put(key, w)
		}
		s.latest, s.latestKey = w, key
	}
	s.latest.all[p.serial%rowLen] = p
	s.latest.n++
}

func (r *registry) remove(p *Process) {
	key := p.serial / rowLen
	s := &r.serials[key%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.m[key]
	w.all[p.serial%rowLen] = nil
	if w.n--; w.n == 0 {
		s.remove(key)
		if s.latest == w {
			s.latest = nil
		}
	}
}

func (r *registry) bySerial(serial uint64) *Process {
	key := serial / rowLen
	s := &r.serials[key%shards]
	s.mu.RLock()
	defer s.mu.RUnlock()
	if w := s.m[key]; w != nil {
		return w.all[serial%rowLen]
	}
	return nil
}

// shardOf is the shard of a name, by FNV-1a.
func shardOf(name ProcessID) uint32 {
	h := uint32(2166136261)
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	return h % shards
}

func (r *registry) byName(name ProcessID) *Process {
	s := &r.names[shardOf(name)]
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.m[name]
}

// claim registers p under a name, and reports whether it was free.
func (r *registry) claim(name ProcessID, p *Process) bool {
	s := &r.names[shardOf(name)]
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.m[name]; taken {
		return false
	}
	s.put(name, p)
	return true
}

// free ends a registration of p, and reports whether there was one.
func (r *registry) free(name ProcessID, p *Process) bool {
	s := &r.names[shardOf(name)]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m[name] != p {
		return false
	}
	s.remove(name)
	return true
}

// all appends all processes to dst.
func (r *registry) all(dst []*Process) []*Process {
	for i := range r.serials {
		dst = r.shard(i, dst)
	}
	return dst
}

// shard appends the processes of one shard to dst.
func (r *registry) shard(i int, dst []*Process) []*Process {
	s := &r.serials[i]
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, w := range s.m {
		for _, p := range w.all {
			if p != nil {
				dst = append(dst, p)
			}
		}
	}
	return dst
}

// find returns the process at an address. The error is ErrProcessNotFound or
// ErrNoConnection.
func (n *Node) find(id ProcessID) (*Process, error) {
	name, node, remote := strings.Cut(string(id), "@")
	if remote && node != n.identity.name {
		return nil, ErrNoConnection
	}
	var p *Process
	if strings.HasPrefix(name, "#") {
		if serial, ok := parseUnique(name, n.identity.creation); ok {
			p = n.registry.bySerial(serial)
		}
	} else {
		p = n.registry.byName(ProcessID(name))
	}
	if p == nil {
		return nil, ErrProcessNotFound
	}
	return p, nil
}

// pidOf returns the process that a unique id of this node is of, whether it has ended or
// not; zero if there was never one, or for a name.
func (n *Node) pidOf(id ProcessID) PID {
	unique, node, remote := strings.Cut(string(id), "@")
	if remote && node != n.identity.name || !strings.HasPrefix(unique, "#") {
		return PID{}
	}
	serial, ok := parseUnique(unique, n.identity.creation)
	if !ok || serial == 0 || serial > n.serial.Load() {
		return PID{}
	}
	return PID{n.identity, serial}
}

// Register gives a process a name, beside those that it has. It keeps it until it ends or
// [Node.Unregister] is called. The error is [ErrNameTaken], [ErrBadName], or
// [ErrProcessNotFound] for a process that has ended.
func (n *Node) Register(name, id ProcessID) error {
	if err := checkName(name); err != nil {
		return err
	}
	p, err := n.find(id)
	if err != nil {
		return err
	}
	return p.register(name)
}

// register gives a process a name, unless it ends.
func (p *Process) register(name ProcessID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state >= ending {
		return ErrProcessNotFound
	}
	return p.take(name)
}

// take is register for a process that does not end. It is called with mu held.
func (p *Process) take(name ProcessID) error {
	if !p.node.registry.claim(name, p) {
		return ErrNameTaken
	}
	x := p.extra()
	x.names = append(x.names, name)
	return nil
}

// Unregister frees a name. The process that has it goes on. The error is
// [ErrProcessNotFound] if none has it.
func (n *Node) Unregister(name ProcessID) error {
	p := n.registry.byName(name)
	if p == nil || !n.registry.free(name, p) {
		return ErrProcessNotFound
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.more().names, name); i >= 0 {
		p.more().names = slices.Delete(p.more().names, i, i+1)
	}
	return nil
}

// Whereis returns the process that has a name, or is at another address.
func (n *Node) Whereis(id ProcessID) (PID, bool) {
	p, err := n.find(id)
	if err != nil {
		return PID{}, false
	}
	return p.PID(), true
}
