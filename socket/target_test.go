package socket_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

func TestBroadcastToRoomOfASocketReachesAllMembersButItself(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		socket.Handle(server, "join", func(s socket.Socket, room string) { s.Join(room) })
		socket.Handle(server, "say", func(s socket.Socket, text string) {
			if err := s.BroadcastToRoom("room", "said", text); err != nil {
				t.Error(err)
			}
		})
		var tr trace
		clients := map[string]*socket.Client{}
		for _, name := range []string{"ann", "bob", "cyd", "outsider"} {
			c := e.connected()
			socket.On(c, "said", func(text string) { tr.add("%s hears %s", name, text) })
			if name != "outsider" {
				c.Join("room")
			}
			clients[name] = c
		}
		e.settle()
		clients["ann"].Send("say", "hi")
		e.settle()
		got := tr.all()
		slices.Sort(got)
		if !slices.Equal(got, []string{"bob hears hi", "cyd hears hi"}) {
			t.Errorf("%q", got)
		}
		clients["outsider"].Send("say", "let me in")
		e.settle()
		if n := len(tr.all()); n != 5 {
			t.Errorf("one who is no member is heard by %d", n-2)
		}
	}, websocket, polling)
}

// Whatever is sent to whomever in whatever order: each socket gets one copy of what is
// for it, in the order of the calls, with every kind of compression.
func TestTargetsSendOneCopyInTheOrderOfCalls(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			run(t, func(t *testing.T, e *env) { targetSchedule(t, e, seed) }, websocket, polling)
		})
	}
}

// guestOf is a socket of these tests, with what its client has got and should have.
type guestOf struct {
	socket.Socket
	got   trace
	want  []string
	rooms map[string]bool
}

func (g *guestOf) isIn(rooms []string) bool {
	return slices.ContainsFunc(rooms, func(r string) bool { return g.rooms[r] })
}

func targetSchedule(t *testing.T, e *env, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 11))
	server := e.serve(withPast, socket.WithAuthenticator(byHeader))
	rooms, users := []string{"a", "b", "c"}, []string{"x", "y", ""}
	var guests []*guestOf
	var ids []string
	for i := range 6 {
		g := &guestOf{rooms: map[string]bool{}}
		e.as(users[i%3])
		if i < 4 {
			e.webSocket = append(e.webSocket, transport.WithCompressionOptions(transport.Compression{}))
		}
		c := e.connected(socket.WithSession(i%2 == 0))
		socket.On(c, "n", func(text string) { g.got.add("%s", text) })
		g.Socket, _ = server.GetSocket(c.ID())
		guests, ids = append(guests, g), append(ids, c.ID())
	}
	some := func(of []string) (picked []string) {
		for _, name := range of {
			if rng.IntN(3) == 0 {
				picked = append(picked, name)
			}
		}
		return picked
	}
	text := strings.Repeat("the quick brown fox jumps over the lazy dog ", 20)
	for n := range 150 {
		g, room := guests[rng.IntN(len(guests))], rooms[rng.IntN(len(rooms))]
		switch rng.IntN(4) {
		case 0:
			g.Join(room)
			g.rooms[room] = true
		case 1:
			g.Leave(room)
			g.rooms[room] = false
		}
		what := fmt.Sprint(n, " ", text[rng.IntN(200):])
		to, users, out, outRooms := some(rooms), some(users), some(ids), some(rooms)
		var target socket.Target
		var is func(g *guestOf) bool
		switch kind := rng.IntN(5); kind {
		case 0:
			target, is = server.ToAll(), func(*guestOf) bool { return true }
		case 1:
			target, is = server.ToIdentity(users...), func(g *guestOf) bool {
				return g.Identity() != "" && slices.Contains(users, g.Identity())
			}
		case 2:
			to = []string{room}
			target, is = server.To(room), func(g *guestOf) bool { return g.rooms[room] }
		case 3:
			target, is = server.To(to...), func(g *guestOf) bool { return g.isIn(to) }
		case 4: // as a chat does it
			out, outRooms = []string{g.ID()}, nil
			target, is = server.To(room), func(g *guestOf) bool { return g.rooms[room] }
		}
		for _, id := range out {
			target = target.Except(id)
		}
		target = target.ExceptRooms(outRooms...)
		members := 0
		for _, g := range guests {
			if is(g) && !slices.Contains(out, g.ID()) && !g.isIn(outRooms) {
				g.want = append(g.want, what)
				members++
			}
		}
		if got := len(target.Sockets()); got != members {
			t.Errorf("number %d: %d sockets, want %d", n, got, members)
		}
		if err := target.Broadcast("n", what); err != nil {
			t.Error(err)
		}
		if rng.IntN(8) == 0 {
			g.Send("n", "alone")
			g.want = append(g.want, "alone")
		}
		if rng.IntN(20) == 0 {
			e.settle()
		}
	}
	e.settle()
	e.settle()
	for _, g := range guests {
		g.got.want(t, g.want...)
	}
}

// A target is a value: what one is made from stays as it is.
func TestTargetsDoNotChangeEachOther(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		var ids []string
		for range 4 {
			ids = append(ids, e.connected().ID())
		}
		base := server.ToAll().Except(ids[0]).Except(ids[1]).Except("nobody")
		a, b := base.Except(ids[2]), base.Except(ids[3])
		for _, tt := range []struct {
			target socket.Target
			want   string
		}{{base, ids[2] + " " + ids[3]}, {a, ids[3]}, {b, ids[2]}} {
			var got []string
			for _, s := range tt.target.Sockets() {
				got = append(got, s.ID())
			}
			want := strings.Fields(tt.want)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		}
	}, websocket)
}

func TestTargetsRefuseDataThatCannotBeEncoded(t *testing.T) {
	server := socket.NewServer()
	var me *socket.MessageError
	if err := server.To("room").Broadcast("n", func() {}); !errors.As(err, &me) {
		t.Errorf("Broadcast() = %v", err)
	}
}
