package distributed

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// registry finds the processes of a node, by serial number and by name.
type registry struct {
	serials [shards]shard[uint64]
	names   [shards]shard[ProcessID]
}

// shard is a part of the registry.
type shard[K comparable] struct {
	mu   sync.RWMutex   // guards the fields below
	m    map[K]*Process // which never gets smaller by itself
	most int            // that m has had
}

// put is called with mu held.
func (s *shard[K]) put(k K, p *Process) {
	s.m[k] = p
	s.most = max(s.most, len(s.m))
}

// remove is called with mu held. A map that is mostly empty is replaced.
func (s *shard[K]) remove(k K) {
	delete(s.m, k)
	if s.most > 256 && len(s.m) < s.most/4 {
		m := make(map[K]*Process, len(s.m))
		maps.Copy(m, s.m)
		s.m, s.most = m, len(m)
	}
}

// shards is how many locks the registry has, a power of two.
const shards = 64

func (r *registry) init() {
	for i := range shards {
		r.serials[i].m = make(map[uint64]*Process)
		r.names[i].m = make(map[ProcessID]*Process)
	}
}

func (r *registry) add(p *Process) {
	s := &r.serials[p.serial%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(p.serial, p)
}

func (r *registry) remove(p *Process) {
	s := &r.serials[p.serial%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(p.serial)
}

func (r *registry) bySerial(serial uint64) *Process {
	s := &r.serials[serial%shards]
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.m[serial]
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
		s := &r.serials[i]
		s.mu.RLock()
		for _, p := range s.m {
			dst = append(dst, p)
		}
		s.mu.RUnlock()
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
	if i := slices.Index(p.more.names, name); i >= 0 {
		p.more.names = slices.Delete(p.more.names, i, i+1)
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
