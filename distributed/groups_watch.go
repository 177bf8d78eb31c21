package distributed

import (
	"context"
	"slices"
	"sync/atomic"
)

// GroupEventType says what a [GroupEvent] is about.
type GroupEventType string

// The events of a group.
const (
	MemberJoined GroupEventType = "member_joined"
	MemberLeft   GroupEventType = "member_left"

	// GroupMembers: so much has happened that it is not told one by one. Members are those
	// that there are now.
	GroupMembers GroupEventType = "group_members"
)

// GroupEvent tells who watches a group how its members have changed.
type GroupEvent struct {
	Group   string
	Type    GroupEventType
	Process ProcessID   // that has joined or left, once
	PID     PID         // the same
	Members []ProcessID // of GroupMembers, as [Node.Members] returns them; nil otherwise
}

// maxGroupEvents is how many events wait for a watcher at most, until they are replaced by
// a GroupMembers.
const maxGroupEvents = 4096

// groupWatcher is one who watches a group.
type groupWatcher struct {
	f       func(GroupEvent)
	stopped atomic.Bool

	// Guarded by the lock of the shard.
	waiting []groupChange
	lost    bool // more than waits has happened
	running bool // the goroutine that calls f
}

// groupChange is a GroupEvent to be.
type groupChange struct {
	p *Process
	t GroupEventType
}

// tell tells of a change. It is called with the lock of the shard held.
func (g *group) tell(p *Process, t GroupEventType) {
	for _, w := range g.watchers {
		switch {
		case w.lost:
		case len(w.waiting) >= maxGroupEvents:
			w.waiting, w.lost = nil, true
		default:
			w.waiting = append(w.waiting, groupChange{p, t})
		}
		if !w.running {
			w.running = true
			go p.node.pass(g, w) // owned by w: ends when no event waits
		}
	}
}

// pass calls the function of a watcher until no event waits.
func (n *Node) pass(g *group, w *groupWatcher) {
	s := n.groups.shard(g.name)
	for {
		s.mu.Lock()
		changes, lost := w.waiting, w.lost
		w.waiting, w.lost = nil, false
		var members []*Process
		if lost {
			members = g.share()
		}
		w.running = !w.stopped.Load() && (lost || len(changes) > 0)
		running := w.running
		s.mu.Unlock()
		if !running {
			return
		}
		if lost {
			w.f(GroupEvent{Group: g.name.name, Type: GroupMembers, Members: idsOf(members)})
		}
		for _, c := range changes {
			if w.stopped.Load() {
				break
			}
			w.f(GroupEvent{Group: g.name.name, Type: c.t, Process: c.p.ID(), PID: c.p.PID()})
		}
	}
}

// watch begins a watch, and returns the members at its beginning.
func (n *Node) watch(group string, f func(GroupEvent)) (w *groupWatcher, members []*Process, stop func()) {
	name := groupName{joined, group}
	s := n.groups.shard(name)
	w = &groupWatcher{f: f}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.group(name)
	g.watchers = append(g.watchers, w)
	return w, g.share(), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if w.stopped.Swap(true) {
			return
		}
		w.waiting = nil
		i := slices.Index(g.watchers, w)
		g.watchers = slices.Delete(g.watchers, i, i+1)
		s.tidy(g)
	}
}

// WatchGroup returns the members of a group, as [Node.Members] does, and has f called for
// each change from exactly then on: one after the other, in their order, on a goroutine of
// the node's. A group without members can be watched too. When f is late by more than 4096
// changes it is told the members at that time instead: see [GroupMembers]. stop ends the
// watch; an event that is on its way may still come. It panics if f is nil.
func (n *Node) WatchGroup(group string, f func(GroupEvent)) (members []ProcessID, stop func()) {
	if f == nil {
		panic("distributed: WatchGroup: nil function")
	}
	_, all, stop := n.watch(group, f)
	return idsOf(all), stop
}

// WatchGroup is [Node.WatchGroup] for a process, which gets each [GroupEvent] as a message,
// until it ends. They wait while its mailbox is full. It panics if the process takes
// other messages.
func (p *Process) WatchGroup(group string) (members []ProcessID, stop func()) {
	if !p.body.takesSignal(GroupEvent{}) {
		panic("distributed: WatchGroup: the process does not take a GroupEvent")
	}
	w, all, end := p.node.watch(group, func(e GroupEvent) {
		_ = p.body.pushAny(context.Background(), e) // it has ended, or has its own Overflow
	})
	p.mu.Lock()
	over := p.state >= ending
	if !over {
		p.atEnd(w, end)
	}
	p.mu.Unlock()
	if over {
		end()
	}
	return idsOf(all), func() {
		end()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.more().atEnd, w)
	}
}
