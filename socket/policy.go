package socket

import (
	"sync"
	"sync/atomic"
	"time"
)

// Policy says what becomes of a broadcast for a client that does not keep up. There is
// one for the server ([WithSlowPolicy]), one for each room that has been given one
// ([Server.SetRoomPolicy]), and one for single messages ([Server.Under]); the nearest to
// the message counts. The zero Policy is none at all: that of the room, or else of the
// server, counts.
//
// Under every policy but [CloseSlow] a client keeps up as long as less than a quarter of
// its queue is taken (see [WithSendQueue]). The rest of the queue is for what waits: only
// there are messages dropped, replaced, or waited for. The order of what is sent is kept.
// A client that has missed messages is told before the next one, see [EventGap], with the
// name of the room if they were all for one. One that
// takes nothing at all for the write timeout is closed under any policy.
//
// Policies apply to broadcasts; [Socket.Send] always waits, and [Socket.SendVolatile] never
// does.
type Policy struct {
	kind policyKind
	key  string
	wait time.Duration
}

type policyKind uint8

const (
	noPolicy policyKind = iota
	closeSlow
	dropNewest
	dropOldest
	keepLatest
	waitThenClose
	volatileOnly
)

// CloseSlow closes a client whose queue is full, with code 1013, so that it never sees a
// gap. It is the default of the server.
func CloseSlow() Policy { return Policy{kind: closeSlow} }

// DropNewest drops the message if it finds no room behind what waits already.
func DropNewest() Policy { return Policy{kind: dropNewest} }

// DropOldest makes room for the message by dropping what has waited for longest, of what
// was sent under DropOldest or [KeepLatest].
func DropOldest() Policy { return Policy{kind: dropOldest} }

// KeepLatest replaces a message that waits by the next one with the same key to the same
// room: of a value that changes faster than a client reads, it gets the latest. The new
// message takes the place of the old one, so that a key that changes all the time is not
// held up by others. An empty key stands for the name of the event. Where there is no
// room it is [DropOldest].
func KeepLatest(key string) Policy { return Policy{kind: keepLatest, key: key} }

// WaitSlow makes the broadcast wait until all its clients keep up, for d at most, and then
// closes those that still do not, with code 1013. It panics when d is not positive.
func WaitSlow(d time.Duration) Policy {
	if d <= 0 {
		panic("socket: WaitSlow: the time is not positive")
	}
	return Policy{kind: waitThenClose, wait: d}
}

// Volatile drops the message for all clients that do not keep up at the moment, and for
// those whose session has no connection: nothing of it waits. In a session it is not sent
// again when it is lost with a connection, and then the client is not told.
func Volatile() Policy { return Policy{kind: volatileOnly} }

// WithSlowPolicy sets what becomes of broadcasts for clients that do not keep up.
// Default: [CloseSlow]; the zero Policy means the default.
func WithSlowPolicy(p Policy) ServerOption {
	return func(o *serverOptions) { o.slow = p }
}

// SetRoomPolicy sets what becomes of the messages to a room for members that do not keep
// up, from now on. It stays set while the room has no members; the zero Policy takes it
// back. A message to several rooms goes by the first of them that has a policy.
func (s *Server) SetRoomPolicy(room string, p Policy) {
	r := &s.policies
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.kind == noPolicy {
		delete(r.rooms, room)
	} else {
		if r.rooms == nil {
			r.rooms = make(map[string]Policy)
		}
		r.rooms[room] = p
	}
	r.any.Store(len(r.rooms) > 0)
}

// roomPolicies are the policies of a server's rooms.
type roomPolicies struct {
	any   atomic.Bool  // there are some
	mu    sync.RWMutex // guards rooms
	rooms map[string]Policy
}

// of returns the policy of the first room that has one.
func (r *roomPolicies) of(to *target) Policy {
	if !r.any.Load() || to.all {
		return Policy{}
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if to.rooms == nil {
		return r.rooms[to.room]
	}
	for _, room := range to.rooms {
		if p, ok := r.rooms[room]; ok {
			return p
		}
	}
	return Policy{}
}

// Under returns the broadcasts of s under a policy of their own.
func (s *Server) Under(p Policy) PolicyBroadcasts { return PolicyBroadcasts{s, p} }

// PolicyBroadcasts are the broadcasts of a [Server] under a [Policy], see [Server.Under].
type PolicyBroadcasts struct {
	server *Server
	policy Policy
}

// Broadcast is [Server.Broadcast] under the policy.
func (b PolicyBroadcasts) Broadcast(event Event, data interface{}) error {
	return b.server.broadcastUnder(b.policy, event, data, target{all: true})
}

// BroadcastToRoom is [Server.BroadcastToRoom] under the policy.
func (b PolicyBroadcasts) BroadcastToRoom(room string, event Event, data interface{}) error {
	return b.server.broadcastUnder(b.policy, event, data, target{room: room})
}

// BroadcastToRooms is [Server.BroadcastToRooms] under the policy.
func (b PolicyBroadcasts) BroadcastToRooms(rooms []string, event Event, data interface{}) error {
	return b.server.broadcastUnder(b.policy, event, data, target{rooms: append(make([]string, 0, len(rooms)), rooms...)})
}

// broadcastUnder broadcasts under p, or what counts where that is none.
func (s *Server) broadcastUnder(p Policy, event Event, data interface{}, to target) error {
	if p.kind == noPolicy {
		p = s.policies.of(&to)
	}
	if p.kind == noPolicy {
		p = s.opts.slow
	}
	m, err := prepare(event, data)
	if err != nil {
		return err
	}
	to.rule = p.rule(event)
	s.fanout.publish(to, m)
	if p.kind == waitThenClose {
		s.fanout.await(to.rule.ticket, p.wait)
	}
	return nil
}

// rule is a policy as it applies to a message. nil is that of CloseSlow.
type rule struct {
	kind   policyKind
	key    string  // of KeepLatest
	ticket *ticket // of WaitSlow
}

// The rules that are the same for all messages.
var (
	newestRule   = &rule{kind: dropNewest}
	oldestRule   = &rule{kind: dropOldest}
	volatileRule = &rule{kind: volatileOnly}
)

func (p Policy) rule(event Event) *rule {
	switch p.kind {
	case dropNewest:
		return newestRule
	case dropOldest:
		return oldestRule
	case volatileOnly:
		return volatileRule
	case keepLatest:
		if p.key == "" {
			return &rule{kind: keepLatest, key: event}
		}
		return &rule{kind: keepLatest, key: p.key}
	case waitThenClose:
		return &rule{kind: waitThenClose, ticket: new(ticket)}
	}
	return nil
}

// equal reports whether messages under r and under s may be queued in one go.
func (r *rule) equal(s *rule) bool { return r == s || r != nil && s != nil && *r == *s }

// droppable reports whether a client may miss a message under r.
func (r *rule) droppable() bool {
	return r != nil && r.kind != waitThenClose
}

// yields reports whether a message under r, which waits, may be dropped for a later one.
func (r *rule) yields() bool {
	return r != nil && (r.kind == dropOldest || r.kind == keepLatest)
}

// Gap is the data of [EventGap].
type Gap struct {
	// Missed is how many messages the client was not sent, or no longer, at this place
	// in the order.
	Missed int `json:"missed"`
	// Room is the room that all of them were for, "" if they were for several, or for
	// everybody.
	Room string `json:"room,omitempty"`
}

// add counts messages that were for a room.
func (g *Gap) add(n int, room string) {
	switch {
	case n == 0:
		return
	case g.Missed == 0:
		g.Room = room
	case g.Room != room:
		g.Room = ""
	}
	g.Missed += n
}

// SlowStats counts what has become of clients that did not keep up, since the server was
// made. Messages count once for each client.
type SlowStats struct {
	DroppedNewest   uint64 // messages under DropNewest, and others that found no room
	DroppedOldest   uint64 // messages that were dropped for later ones
	DroppedVolatile uint64 // messages under Volatile
	Replaced        uint64 // messages under KeepLatest, by later ones
	Closed          uint64 // clients closed as slow consumers, for their queue or the write timeout
}

// SlowStats returns what has been counted so far.
func (s *Server) SlowStats() SlowStats {
	c := &s.slow
	return SlowStats{
		DroppedNewest:   c.newest.Load(),
		DroppedOldest:   c.oldest.Load(),
		DroppedVolatile: c.volatile.Load(),
		Replaced:        c.replaced.Load(),
		Closed:          c.closed.Load(),
	}
}

// slowCounters are the SlowStats of a server at work.
type slowCounters struct {
	newest, oldest, volatile, replaced, closed atomic.Uint64
}
