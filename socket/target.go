package socket

import (
	"slices"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// Target is a group of sockets to send to: those of rooms, of identities, or all, without
// those that are left out. It is made by [Server.To], [Server.ToAll] and
// [Server.ToIdentity] and is no snapshot: who is in it is looked up by each call. A Target
// is a value, which can be kept and used by several goroutines.
type Target struct {
	server *Server
	to     target
	narrow narrowing
}

// To returns the members of rooms. A socket in more than one of them counts once. Without
// rooms it is nobody.
func (s *Server) To(rooms ...string) Target {
	if len(rooms) == 1 {
		return Target{server: s, to: target{room: rooms[0]}}
	}
	return Target{server: s, to: target{rooms: append(make([]string, 0, len(rooms)), rooms...)}}
}

// ToAll returns every socket.
func (s *Server) ToAll() Target { return Target{server: s, to: target{all: true}} }

// ToIdentity returns the sockets that [WithAuthenticator] has given one of these
// identities: all connections of a user. The identity "" has none.
func (s *Server) ToIdentity(identities ...string) Target {
	t := Target{server: s, to: target{rooms: []string{}}}
	t.narrow.identities = append(make([]string, 0, len(identities)), identities...)
	return t
}

// Except returns t without the sockets with these ids.
func (t Target) Except(ids ...string) Target {
	t.narrow.ids = append(slices.Clip(t.narrow.ids), ids...)
	return t
}

// ExceptRooms returns t without the members of these rooms.
func (t Target) ExceptRooms(rooms ...string) Target {
	t.narrow.rooms = append(slices.Clip(t.narrow.rooms), rooms...)
	return t
}

// Broadcast is [Server.Broadcast] to the sockets of t: each gets one copy, and the order
// is the same. Who is left out is decided when Broadcast is called, as membership is.
func (t Target) Broadcast(event Event, data interface{}) error {
	return t.server.broadcast(event, data, t.target())
}

// Sockets returns the connected sockets of t, a snapshot.
func (t Target) Sockets() []Socket {
	var sockets []Socket
	for _, c := range t.receivers() {
		if c.IsConnected() {
			sockets = append(sockets, c)
		}
	}
	return sockets
}

// Disconnect is [Socket.Disconnect] for the sockets of t, and returns how many it has
// ended. With [Server.ToIdentity] it also ends the connections of an identity that are
// being made: those whose authenticator was asked before the call. So an identity whose
// rights have ended, for the authenticator first, has no connection from then on.
func (t Target) Disconnect(r DisconnectReason) (disconnected int) {
	r.check()
	for _, identity := range t.narrow.identities {
		if identity != "" {
			t.server.admissions.revoke(identity, r)
		}
	}
	for _, c := range t.receivers() {
		if c.disconnectFor(r) {
			disconnected++
		}
	}
	return disconnected
}

func (t Target) receivers() []*conn { return t.server.receivers(nil, t.target(), nil) }

// target returns t as the fan-out has it.
func (t Target) target() target {
	to := t.to
	if n := t.narrow; n.identities != nil || n.ids != nil || n.rooms != nil {
		to.narrow = &n
	}
	return to
}

// narrowing is what a target has beside rooms. It does not change once it is published.
type narrowing struct {
	identities []string // who is in it in place of rooms, if not nil
	ids        []string // who is not
	rooms      []string // whose members are not
}

// receivers is that of the server.
func (n *narrowing) receivers(s *Server, dst []*conn, to target, messages *transport.PreparedBatch) []*conn {
	begin := len(dst)
	if n.identities == nil {
		to.narrow = nil
		dst = s.receivers(dst, to, messages)
	}
	for i, identity := range n.identities {
		if !slices.Contains(n.identities[:i], identity) {
			dst = s.identities.appendMembers(dst, identity, nil)
		}
	}
	out := n.leftOut(s)
	kept := dst[begin:]
	switch len(out) {
	case 0:
		return dst
	case 1:
		kept = slices.DeleteFunc(kept, func(c *conn) bool { return c == out[0] })
	default:
		set := make(map[*conn]struct{}, len(out))
		for _, c := range out {
			set[c] = struct{}{}
		}
		kept = slices.DeleteFunc(kept, func(c *conn) bool { _, left := set[c]; return left })
	}
	return dst[:begin+len(kept)]
}

// leftOut returns the sockets that a message is not for.
func (n *narrowing) leftOut(s *Server) (out []*conn) {
	for _, id := range n.ids {
		if c := s.sockets.get(id); c != nil {
			out = append(out, c)
		}
	}
	for _, room := range n.rooms {
		out = s.rooms.appendMembers(out, room, nil)
	}
	return out
}

func (c *conn) BroadcastToRoom(room string, event Event, data interface{}) error {
	return c.server.To(room).Except(c.id).Broadcast(event, data)
}
