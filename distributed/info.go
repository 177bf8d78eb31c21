package distributed

import (
	"cmp"
	"container/heap"
	"fmt"
	"iter"
	"path"
	"reflect"
	"runtime"
	"slices"
	"time"
)

// ProcessState is what a process does at a moment.
type ProcessState string

// The states of a process.
const (
	StateIdle    ProcessState = "idle"    // there is nothing to do, and no goroutine
	StateRunning ProcessState = "running" // it handles messages, on a goroutine
	StateEnding  ProcessState = "ending"  // it takes nothing more
)

// ProcessInfo is what there is to know about a process at one moment.
type ProcessInfo struct {
	ID      ProcessID
	PID     PID
	Names   []ProcessID // that it is registered under
	State   ProcessState
	Handler string // type of its handler, or name of the function
	Parent  ProcessID

	Queue   int // messages that wait, with those that were put aside
	Free    int // how many more may
	Senders int // that wait for room
	Callers int // calls and others that wait for a reply of the process, or for its end

	Links        []ProcessID // processes that are linked to it
	Monitors     []ProcessID // that it monitors, once for each monitor
	MonitoredBy  []ProcessID // that monitor it, once for each monitor
	Groups       []string    // that it is a member of, once each
	Capabilities []string
	TrapsExits   bool

	Handled uint64        // messages whose handler has begun
	Errors  uint64        // that the handler has returned, see WithErrorsLogged
	Busy    time.Duration // for which it had something to do, ever

	// BusyFor is for how long it has had something to do without a rest. Its handler has had
	// the message that it is handling for no longer. 0: it has nothing to do.
	BusyFor time.Duration
}

// Processes returns the addresses of all processes, in no order. A process that begins or
// ends meanwhile may be among them or not.
func (n *Node) Processes() iter.Seq[ProcessID] {
	return func(yield func(ProcessID) bool) {
		var some []*Process
		for i := range n.registry.serials {
			some = n.registry.shard(i, some[:0])
			for _, p := range some {
				if !yield(p.address()) {
					return
				}
			}
		}
	}
}

// Info returns what there is to know about a process. The error is [ErrProcessNotFound] or
// [ErrNoConnection].
func (n *Node) Info(id ProcessID) (ProcessInfo, error) {
	p, err := n.find(id)
	if err != nil {
		return ProcessInfo{}, err
	}
	return p.info(), nil
}

// LongestQueues returns the processes for which most messages wait, the longest queue
// first, and at most so many. Those for which none waits are left out. It looks at every
// process of the node.
func (n *Node) LongestQueues(most int) []ProcessInfo {
	top := make(longest, 0, min(max(most, 0), 1024))
	var some []*Process
	for i := range n.registry.serials {
		some = n.registry.shard(i, some[:0])
		for _, p := range some {
			p.mu.Lock()
			waiting := p.body.waiting()
			p.mu.Unlock()
			top.offer(queued{p, waiting}, most)
		}
	}
	infos := make([]ProcessInfo, len(top))
	for i, q := range top.sorted() {
		infos[i] = q.p.info()
		infos[i].Queue = q.waiting // as they were compared
	}
	return infos
}

// queued is a process with messages that wait.
type queued struct {
	p       *Process
	waiting int
}

// longest is a heap of them, the shortest queue in front.
type longest []queued

func (l longest) Len() int           { return len(l) }
func (l longest) Less(i, j int) bool { return l[i].waiting < l[j].waiting }
func (l longest) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *longest) Push(x any)        { *l = append(*l, x.(queued)) }
func (l *longest) Pop() any {
	old := *l
	last := old[len(old)-1]
	*l = old[:len(old)-1]
	return last
}

// offer takes q in if it is among the most that are longest.
func (l *longest) offer(q queued, most int) {
	switch {
	case q.waiting == 0 || most <= 0:
	case len(*l) < most:
		heap.Push(l, q)
	case (*l)[0].waiting < q.waiting:
		(*l)[0] = q
		heap.Fix(l, 0)
	}
}

// sorted sorts the heap, which it is no longer then: the longest queue first, and the
// older process of two with as many.
func (l longest) sorted() []queued {
	slices.SortFunc(l, func(a, b queued) int {
		return cmp.Or(cmp.Compare(b.waiting, a.waiting), cmp.Compare(a.p.serial, b.p.serial))
	})
	return l
}

// address is ID that leaves nothing behind: who looks at a million processes does not want
// each to keep an id.
func (p *Process) address() ProcessID {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.id != "" {
		return p.id
	}
	return uniqueID(p.serial, p.node.identity.creation)
}

// info returns what there is to know about the process.
func (p *Process) info() ProcessInfo {
	now := p.node.now()
	i := ProcessInfo{PID: p.PID(), Handler: handlerName(p.body.handlerOf())}
	var parent *Process
	var links []*Process
	var watching []watch
	var watchedBy []*Process

	p.mu.Lock()
	i.ID, i.State = p.id, p.state.public()
	i.Queue, i.TrapsExits = p.body.waiting(), p.trapped
	i.Free = max(p.body.free(), 0)
	i.Handled, i.Errors = p.body.handled(), uint64(p.stats.errors)
	i.Busy = p.stats.busy
	if began := p.stats.began; began != 0 {
		i.BusyFor = now - began
		i.Busy += i.BusyFor
	}
	for w := p.watches; w != nil; w = w.next {
		if w.watcher == nil {
			i.Callers++
		} else {
			watchedBy = append(watchedBy, w.watcher)
		}
	}
	if p.kin != nil {
		parent = p.kin.parent
		links = p.linked(nil)
	}
	if x := p.more(); x != nil {
		i.Names = slices.Clone(x.names)
		i.Senders = len(x.senders)
		for w := x.watching; w != nil; w = w.after {
			watching = append(watching, watch{target: w.target, id: w.id})
		}
		for _, m := range x.groups.appendAll(nil) {
			if m.g.name.scope == capable {
				i.Capabilities = append(i.Capabilities, m.g.name.name)
			} else {
				i.Groups = append(i.Groups, m.g.name.name)
			}
		}
	}
	p.mu.Unlock()

	if i.ID == "" {
		i.ID = i.PID.ID()
	}
	if parent != nil {
		i.Parent = parent.address()
	}
	i.Links = addresses(links)
	i.MonitoredBy = addresses(watchedBy)
	for _, w := range watching {
		id := w.id
		if w.target != nil {
			id = w.target.address()
		}
		i.Monitors = append(i.Monitors, id)
	}
	slices.Sort(i.Names)
	slices.Sort(i.Monitors)
	slices.Sort(i.Groups)
	slices.Sort(i.Capabilities)
	return i
}

// addresses returns the addresses of processes, sorted; nil if there are none.
func addresses(all []*Process) []ProcessID {
	var ids []ProcessID
	for _, p := range all {
		ids = append(ids, p.address())
	}
	slices.Sort(ids)
	return ids
}

// public returns what others call the state.
func (s state) public() ProcessState {
	switch s {
	case idle:
		return StateIdle
	case running:
		return StateRunning
	}
	return StateEnding
}

// handlerName returns what a person would call a handler: its type, or the function if it
// is one.
func handlerName(h any) string {
	if _, ok := h.(standIn); ok {
		return "socket"
	}
	if v := reflect.ValueOf(h); v.Kind() == reflect.Func {
		if f := runtime.FuncForPC(v.Pointer()); f != nil {
			return path.Base(f.Name()) // without the directories of the package
		}
	}
	return fmt.Sprintf("%T", h)
}
