package socket

import (
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// rooms are the groups that sockets have joined. They are spread over shards so
// that joins of different rooms do not wait for each other.
type rooms struct {
	seed    maphash.Seed
	make    func() *transport.History // nil: rooms have no history
	watches atomic.Int64              // of all rooms
	shards  [roomShards]roomShard
}

const roomShards = 32

type roomShard struct {
	mu    sync.RWMutex // guards rooms and all groups in it
	rooms map[string]*group
}

// group is a set of sockets. A broadcast walks it as a slice in the order of
// joining, which the processor's caches like better than a map.
type group struct {
	members []*membership
	past    *past      // of a room; nil if rooms have no history
	watch   *roomWatch // the first of a room; nil: nobody watches
}

// membership is a socket's place in a group.
type membership struct {
	room  string
	c     *conn
	index int // in the group's members; guarded by its shard
}

func newRooms() *rooms { return &rooms{seed: maphash.MakeSeed()} }

func (r *rooms) shard(room string) *roomShard {
	return &r.shards[maphash.String(r.seed, room)%roomShards]
}

// add makes m a member of its room.
func (r *rooms) add(m *membership) {
	s := r.shard(m.room)
	s.mu.Lock()
	defer s.mu.Unlock()
	g := r.group(s, m.room)
	g.add(m)
	if g.past != nil {
		g.past.count(m.c, 1)
	}
	if g.watch != nil {
		g.tell(RoomEvent{Kind: RoomJoined, Room: m.room, Socket: m.c})
	}
}

// group returns the group of a room, which is made if there is none. It is called with the
// shard's mu held.
func (r *rooms) group(s *roomShard, room string) *group {
	g := s.rooms[room]
	if g == nil {
		if s.rooms == nil {
			s.rooms = make(map[string]*group)
		}
		g = &group{past: r.newPast()}
		s.rooms[room] = g
	}
	return g
}

// newPast returns the past of a new room, nil if rooms have no history.
func (r *rooms) newPast() *past {
	if r.make == nil {
		return nil
	}
	return &past{make: r.make}
}

// remove ends a membership; reason says why the socket is disconnected, if it is. An empty
// room costs nothing.
func (r *rooms) remove(m *membership, reason error) {
	if p := r.drop(m, reason); p != nil {
		p.close()
	}
}

// drop takes m out of its room, and returns the past of a room that is gone.
func (r *rooms) drop(m *membership, reason error) *past {
	s := r.shard(m.room)
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.rooms[m.room]
	g.remove(m)
	if g.past != nil {
		g.past.count(m.c, -1)
	}
	if g.watch != nil {
		g.tell(RoomEvent{Kind: RoomLeft, Room: m.room, Socket: m.c, Reason: reason})
	}
	if len(g.members) > 0 {
		return nil
	}
	gone := g.past
	if g.watch != nil {
		g.past = r.newPast() // the room stays for those who watch it, and has no history
	} else {
		delete(s.rooms, m.room)
	}
	return gone
}

// past returns the past of a room, nil if it has no members.
func (r *rooms) past(room string) *past {
	s := r.shard(room)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if g := s.rooms[room]; g != nil {
		return g.past
	}
	return nil
}

// appendMembers appends the sockets that are in a room to dst. No lock is held
// when it returns, so nothing waits while they are written to. Those who watch the room
// are told of messages for it, if that is not nil, as long as nobody comes or goes.
func (r *rooms) appendMembers(dst []*conn, room string, messages *transport.PreparedBatch) []*conn {
	s := r.shard(room)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if g := s.rooms[room]; g != nil {
		dst = g.append(dst)
		if messages != nil && g.watch != nil {
			g.tellBroadcast(room, messages)
		}
	}
	return dst
}

func (g *group) add(m *membership) {
	m.index = len(g.members)
	g.members = append(g.members, m)
}

// remove puts the last member in the place of m.
func (g *group) remove(m *membership) {
	last := len(g.members) - 1
	moved := g.members[last]
	g.members[m.index] = moved
	moved.index = m.index
	g.members[last] = nil
	g.members = g.members[:last]
	if cap(g.members) > 64 && last < cap(g.members)/4 {
		g.members = append(make([]*membership, 0, cap(g.members)/2), g.members...)
	}
}

func (g *group) append(dst []*conn) []*conn {
	for _, m := range g.members {
		dst = append(dst, m.c)
	}
	return dst
}

// RoomError is the refusal of a join.
type RoomError struct {
	Room   string
	Reason string // names the limit and the option that sets it
	Err    error  // what the function of [WithJoinPolicy] said; nil if it was a limit
}

// Error returns the reason with the room's name, shortened to 64 bytes.
func (e *RoomError) Error() string { return fmt.Sprintf("socket: join %.64q: %s", e.Room, e.Reason) }

// Unwrap returns Err.
func (e *RoomError) Unwrap() error { return e.Err }

func (c *conn) Join(room string) error {
	policy := c.server.opts.joinPolicy
	if policy != nil {
		if idle, err := c.askJoin(policy, room); idle || err != nil {
			return err
		}
	}
	c.server.fanout.settle()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason != nil || c.member(room) >= 0 {
		return nil
	}
	if err := c.checkJoin(room, policy == nil); err != nil {
		return err
	}
	m := &membership{room: room, c: c}
	c.rooms = append(c.rooms, m)
	c.server.rooms.add(m)
	return nil
}

// checkJoin returns why a join is not within the limits, nil if it is. Only the first
// check of a join counts for the client's rate. It is called with mu held.
func (c *conn) checkJoin(room string, first bool) error {
	limits := &c.server.opts
	switch {
	case room == "":
		return &RoomError{Room: room, Reason: "the name is empty"}
	case len(room) > limits.maxRoomName:
		return &RoomError{Room: room, Reason: fmt.Sprintf("the name has %d bytes, more than %d (WithMaxRooms)", len(room), limits.maxRoomName)}
	case len(c.rooms) >= limits.maxRooms:
		return &RoomError{Room: room, Reason: fmt.Sprintf("the socket is in %d rooms, the most it may be in (WithMaxRooms)", len(c.rooms))}
	}
	if first {
		return c.admitJoin(room)
	}
	return nil
}

func (c *conn) Leave(room string) {
	c.server.fanout.settle()
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.member(room)
	if i < 0 {
		return
	}
	c.server.rooms.remove(c.rooms[i], c.reason)
	c.rooms = append(c.rooms[:i], c.rooms[i+1:]...)
}

// member returns the index of a room in c.rooms, -1 if the socket is not in it.
// It is called with mu held.
func (c *conn) member(room string) int {
	for i, m := range c.rooms {
		if m.room == room {
			return i
		}
	}
	return -1
}

// leaveAll ends all memberships.
func (c *conn) leaveAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.rooms {
		c.server.rooms.remove(m, c.reason)
	}
	c.rooms = nil
}

func (c *conn) Rooms() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := make([]string, len(c.rooms))
	for i, m := range c.rooms {
		names[i] = m.room
	}
	return names
}

// Join makes a socket a member of a room. It does nothing for an unknown id, for
// one that is disconnected, and for a member. The error is a *[RoomError]: an
// empty or too long name, or a socket that is in too many rooms, see
// [WithMaxRooms], or what [WithJoinPolicy] refuses.
func (s *Server) Join(id, room string) error {
	if c := s.sockets.get(id); c != nil {
		return c.Join(room)
	}
	return nil
}

// Leave ends a socket's membership. It does nothing when there is none.
func (s *Server) Leave(id, room string) {
	if c := s.sockets.get(id); c != nil {
		c.Leave(room)
	}
}

// LeaveAll ends all memberships of a socket.
func (s *Server) LeaveAll(id string) {
	s.fanout.settle()
	if c := s.sockets.get(id); c != nil {
		c.leaveAll()
	}
}

// RoomsOf returns the rooms that a socket is in, in the order it joined them;
// none for an unknown id.
func (s *Server) RoomsOf(id string) []string {
	if c := s.sockets.get(id); c != nil {
		return c.Rooms()
	}
	return nil
}

// In returns the connected sockets in a room, a snapshot. A room exists while it
// has members.
func (s *Server) In(room string) []Socket {
	var members []Socket
	for _, c := range s.rooms.appendMembers(nil, room, nil) {
		if c.IsConnected() {
			members = append(members, c)
		}
	}
	return members
}
