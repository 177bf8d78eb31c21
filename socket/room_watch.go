package socket

import (
	"encoding/json"
	"log/slog"
	"sync"

	"github.com/kleeedolinux/socket.go/socket/internal/envelope"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// RoomEventKind says what a [RoomEvent] is about.
type RoomEventKind string

// The kinds.
const (
	RoomJoined    RoomEventKind = "joined"    // Socket has become a member
	RoomLeft      RoomEventKind = "left"      // Socket is no member any more; if it is disconnected, Reason says why
	RoomBroadcast RoomEventKind = "broadcast" // the room is sent a message
	RoomMissed    RoomEventKind = "missed"    // as many events as Missed says were dropped at this place
)

// RoomEvent is something that has happened in a room, see [Server.WatchRoom].
type RoomEvent struct {
	Kind   RoomEventKind
	Room   string
	Socket Socket // nil where the kind does not say it
	Reason error  // nil for a socket that is connected

	// The message of a RoomBroadcast: its event, and its data as JSON. A bare binary one has
	// its bytes in Binary instead. All who watch share the memory: it may be
	// kept, and must not be changed.
	Event  Event
	Data   json.RawMessage
	Binary []byte

	Missed int
}

// What waits at most for one who watches a room.
const (
	maxWatchedEvents = 4096
	maxWatchedBytes  = 4 << 20 // of messages; a larger one may wait alone
)

// WatchRoom has f called for everything that happens in a room from now on: sockets that
// join and leave it, and messages to it, in the order in which they take effect. A message
// is for those who are members at its place in the order. members are the sockets that are
// in the room as the watch begins, those included that are about to leave because they are
// disconnected: with the events it is known at every place who is a member.
//
// Messages to the room are those of [Server.BroadcastToRoom], [Server.BroadcastToRooms],
// [Socket.BroadcastToRoom] and [Server.To], whether the room has members or not and whoever
// is left out; not those to everybody or to an identity. That a message is told does not
// mean that every member has got it.
//
// f is called on a goroutine of the watch, one event after the other. Nothing waits for f:
// for one that is slow 4096 events may wait, with 4 MiB of messages. What is more is
// dropped, and a [RoomMissed] takes its place. A panic of f is logged, and the next event
// comes. stop ends the watch; a call of f that has begun goes on.
//
// A room that nobody watches costs nothing. WatchRoom panics when f is nil.
func (s *Server) WatchRoom(room string, f func(RoomEvent)) (members []Socket, stop func()) {
	if f == nil {
		panic("socket: WatchRoom: nil function")
	}
	w := &roomWatch{f: f, room: room, log: s.log}
	for _, c := range s.rooms.watch(w) {
		members = append(members, c)
	}
	return members, func() {
		s.rooms.unwatch(w)
		w.stop()
	}
}

// watch has w told of its room, and returns the members that the room has.
func (r *rooms) watch(w *roomWatch) []*conn {
	r.watches.Add(1)
	s := r.shard(w.room)
	s.mu.Lock()
	defer s.mu.Unlock()
	g := r.group(s, w.room)
	w.next, g.watch = g.watch, w
	return g.append(nil)
}

// unwatch ends that. It does nothing the second time.
func (r *rooms) unwatch(w *roomWatch) {
	s := r.shard(w.room)
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.rooms[w.room]
	if g == nil {
		return
	}
	for at := &g.watch; *at != nil; at = &(*at).next {
		if *at == w {
			*at = w.next
			r.watches.Add(-1)
			break
		}
	}
	if len(g.members) == 0 && g.watch == nil {
		delete(s.rooms, w.room) // its past has never been used
	}
}

// tell tells those who watch a room. It is called with the shard's mu held.
func (g *group) tell(e RoomEvent) {
	for w := g.watch; w != nil; w = w.next {
		w.add(e)
	}
}

// tellBroadcast tells those who watch a room of messages for it. It is called with the
// shard's mu held, for reading at least.
func (g *group) tellBroadcast(room string, messages *transport.PreparedBatch) {
	for _, m := range messages.Messages() {
		e := RoomEvent{Kind: RoomBroadcast, Room: room}
		if m.Type() == transport.MessageBinary {
			e.Event, e.Binary = EventMessage, m.Payload()
		} else {
			e.Data = m.Payload() // taken apart by who is told
		}
		g.tell(e)
	}
}

// roomWatch is one who watches a room, and what waits to be told.
type roomWatch struct {
	f    func(RoomEvent)
	room string
	log  *slog.Logger
	next *roomWatch // of the same room; guarded by the shard's mu

	mu      sync.Mutex // guards the fields below
	queue   []RoomEvent
	bytes   int  // of messages in queue
	running bool // pass is on its way
	stopped bool
}

// size is what an event that waits counts for, bytes.
func (e *RoomEvent) size() int { return len(e.Data) + len(e.Binary) }

// add makes e the last that waits. It does not block.
func (w *roomWatch) add(e RoomEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	n := e.size()
	if len(w.queue) >= maxWatchedEvents || w.bytes > 0 && w.bytes+n > maxWatchedBytes {
		if last := &w.queue[len(w.queue)-1]; last.Kind == RoomMissed {
			last.Missed++
			return
		}
		e, n = RoomEvent{Kind: RoomMissed, Room: w.room, Missed: 1}, 0
	}
	w.queue = append(w.queue, e)
	w.bytes += n
	if !w.running {
		w.running = true
		go w.pass() // owned by w: ends when no event waits
	}
}

// pass calls f until no event waits.
func (w *roomWatch) pass() {
	returned := false
	defer func() {
		if !returned {
			err := newPanicError(recover())
			w.log.Error("socket: the function of WatchRoom has panicked", "room", w.room, "err", err, "stack", string(err.Stack))
			go w.pass() // owned by w: f has ended this goroutine
		}
	}()
	for {
		e, ok := w.take()
		if !ok {
			returned = true
			return
		}
		if e.Kind == RoomBroadcast && e.Binary == nil {
			e.Event, e.Data = envelope.Parts(e.Data)
		}
		w.f(e)
	}
}

// take takes the first event out, if there is one.
func (w *roomWatch) take() (e RoomEvent, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		w.queue, w.running = nil, false
		return e, false
	}
	e = w.queue[0]
	w.queue[0] = RoomEvent{}
	w.queue = w.queue[1:]
	w.bytes -= e.size()
	return e, true
}

// stop forgets what waits.
func (w *roomWatch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue, w.bytes, w.stopped = nil, 0, true
}
