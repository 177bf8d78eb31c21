package distributed

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// EventType says what a [SystemEvent] is about.
type EventType string

// The events of a node, and what they tell:
//
//	Type                  ProcessID, PID  Child                     Error
//	ProcessStarted        the process                               nil
//	ProcessTerminated     the process                               its reason
//	ProcessZombie         the process                               ErrKilled
//	SupervisorRestarting  the supervisor  the child that has ended  its reason
//
// Each process tells of its start before it tells of its end. Its supervisor, and whoever is
// linked to it or monitors it, learns of the end once that has been told: so the end of a
// child comes before the restart, and before the start of its successor.
const (
	ProcessStarted       EventType = "process_started"
	ProcessTerminated    EventType = "process_terminated"
	SupervisorRestarting EventType = "supervisor_restarting"

	// ProcessZombie: a process was killed, and its handler does not return. For everybody
	// else it has ended.
	ProcessZombie EventType = "process_zombie"
)

// SystemEvent is something that has happened on a node.
type SystemEvent struct {
	Type      EventType
	Timestamp time.Time
	ProcessID ProcessID // a name may be that of several processes, one after the other
	PID       PID       // the process of ProcessID
	Child     PID       // see SupervisorRestarting; zero for other events, and if it was a start that has failed
	NodeID    string    // name of the node
	Error     error     // reason of an end; nil where there is none
}

// eventBus passes the events of a node to those who want to know.
type eventBus struct {
	watched atomic.Bool // there is somebody
	lost    atomic.Uint64

	mu      sync.Mutex  // guards the fields below
	all     []*observer // only ever appended to, or replaced
	queue   []news
	running bool
}

// news is an event and those who are still to be told: they were there when it happened.
type news struct {
	SystemEvent
	observers []*observer
}

type observer struct {
	f       func(SystemEvent)
	stopped atomic.Bool
}

// maxEvents is how many events wait at most; what is more is lost, and counted.
const maxEvents = 4096

// Monitor has f called for each event of the node from now on: one after the other, in the
// order in which they happened, on a goroutine of the node's. A panic of f is logged. Events
// that are too many for f are dropped, and counted in [NodeStats]: 4096 may wait. stop ends
// it; f may be running then, and is not called any more. It panics if f is nil.
//
// A process that wants to know of the end of another has [Process.Monitor], which loses
// nothing.
func (n *Node) Monitor(f func(SystemEvent)) (stop func()) {
	if f == nil {
		panic("distributed: Monitor: nil function")
	}
	o := &observer{f: f}
	b := &n.events
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, o)
	b.watched.Store(true)
	return func() { b.remove(o) }
}

func (b *eventBus) remove(o *observer) {
	o.stopped.Store(true)
	b.mu.Lock()
	defer b.mu.Unlock()
	var rest []*observer
	for _, other := range b.all {
		if other != o {
			rest = append(rest, other)
		}
	}
	b.all = rest
	b.watched.Store(len(rest) > 0)
}

// tell tells of an event of a process.
func (n *Node) tell(t EventType, p *Process, err error) {
	if n.events.watched.Load() {
		n.happened(SystemEvent{Type: t, ProcessID: p.ID(), PID: p.PID(), Error: err})
	}
}

// tellLocked is tell with the mu of p held. It is a function of its own so that an event,
// which is big, is no part of the stack where nobody watches: the stack of a new goroutine
// is small, and to make it grow costs more than most of what a process does at its begin
// and its end.
//
//go:noinline
func (n *Node) tellLocked(t EventType, p *Process, err error) {
	n.happened(SystemEvent{Type: t, ProcessID: p.ident(), PID: p.PID(), Error: err})
}

// tellRestart tells that a supervisor starts a child again.
//
//go:noinline
func (n *Node) tellRestart(p *Process, ended PID, reason error) {
	n.happened(SystemEvent{Type: SupervisorRestarting, ProcessID: p.ID(), PID: p.PID(), Child: ended, Error: reason})
}

// happened tells of an event, which needs no time and no node. It may be called with the mu
// of a process held.
func (n *Node) happened(e SystemEvent) {
	e.NodeID = n.identity.name
	b := &n.events
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.all) == 0 {
		return
	}
	if len(b.queue) >= maxEvents {
		b.lost.Add(1)
		return
	}
	e.Timestamp = time.Now()
	b.queue = append(b.queue, news{e, b.all})
	if !b.running {
		b.running = true
		go n.passEvents() // owned by b: ends when no event waits
	}
}

// next returns whom to tell of what; ok is false if there is nothing to tell any more.
func (b *eventBus) next() (o *observer, e SystemEvent, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 {
		b.queue, b.running = nil, false
		return nil, e, false
	}
	first := &b.queue[0]
	o, e = first.observers[0], first.SystemEvent
	if first.observers = first.observers[1:]; len(first.observers) == 0 {
		*first = news{}
		b.queue = b.queue[1:]
	}
	return o, e, true
}

// passEvents calls the observers until no event waits.
func (n *Node) passEvents() {
	over := false
	defer func() {
		if over {
			return
		}
		// An observer has panicked, or ended the goroutine by runtime.Goexit.
		if v := recover(); v != nil {
			n.log.Error("distributed: an observer has panicked", "node", n.identity.name, "panic", v, "stack", string(debug.Stack()))
		}
		go n.passEvents() // owned by the eventBus, as this one
	}()
	for {
		o, e, ok := n.events.next()
		if !ok {
			over = true
			return
		}
		if !o.stopped.Load() {
			o.f(e)
		}
	}
}

// logCrash logs an end that is not in good order.
func (n *Node) logCrash(p *Process, reason error) {
	if !n.log.Enabled(context.Background(), slog.LevelError) {
		return
	}
	attrs := []any{"node", n.identity.name, "process", p.ID(), "err", reason}
	var pe *PanicError
	if errors.As(reason, &pe) {
		attrs = append(attrs, "stack", string(pe.Stack))
	}
	n.log.Error("distributed: process ended", attrs...)
}
