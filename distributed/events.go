package distributed

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// EventType says what a [SystemEvent] is about.
type EventType string

// The events of a node, and what they tell:
//
//	Type                  ProcessID       Error
//	ProcessStarted        the process     nil
//	ProcessTerminated     the process     its reason
//	ProcessZombie         the process     ErrKilled
//	SupervisorRestarting  the supervisor  reason of the child that has ended
//
// Each process tells of its start before it tells of its end.
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
	ProcessID ProcessID
	NodeID    string // name of the node
	Error     error  // reason of an end; nil where there is none
}

// eventBus passes the events of a node to those who want to know.
type eventBus struct {
	watched atomic.Bool // there is somebody
	lost    atomic.Uint64

	mu      sync.Mutex // guards the fields below
	all     []*observer
	queue   []SystemEvent
	running bool
}

type observer struct{ f func(SystemEvent) }

// maxEvents is how many events wait at most; what is more is lost, and counted.
const maxEvents = 4096

// Monitor has f called for each event of the node from now on: one after the other, in the
// order in which they happened, on a goroutine of the node's. Events that are too many for
// f are dropped, and counted in [NodeStats]: 4096 may wait. stop ends it; an event that is
// on its way may still come.
func (n *Node) Monitor(f func(SystemEvent)) (stop func()) {
	if f == nil {
		panic("distributed: Monitor: nil function")
	}
	o := &observer{f}
	b := &n.events
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, o)
	b.watched.Store(true)
	return func() { b.remove(o) }
}

func (b *eventBus) remove(o *observer) {
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
		n.happened(t, p.ID(), err)
	}
}

// happened tells of an event. It may be called with the mu of a process held.
func (n *Node) happened(t EventType, id ProcessID, err error) {
	e := SystemEvent{Type: t, Timestamp: time.Now(), ProcessID: id, NodeID: n.identity.name, Error: err}
	b := &n.events
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) >= maxEvents {
		b.lost.Add(1)
		return
	}
	b.queue = append(b.queue, e)
	if !b.running {
		b.running = true
		go b.pass() // owned by b: ends when no event waits
	}
}

// pass calls the observers until no event waits.
func (b *eventBus) pass() {
	for {
		b.mu.Lock()
		events, all := b.queue, b.all
		b.queue = nil
		b.running = len(events) > 0
		b.mu.Unlock()
		if len(events) == 0 {
			return
		}
		for _, e := range events {
			for _, o := range all {
				o.f(e)
			}
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
