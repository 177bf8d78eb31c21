package socket_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

// crowd is some clients that note what they get.
type crowd struct {
	clients []*socket.Client
	sockets []socket.Socket
	got     []*trace
}

// crowd connects n clients that note the event x.
func (e *env) crowd(n int, opts ...socket.ClientOption) *crowd {
	e.t.Helper()
	m := new(crowd)
	for range n {
		c, tr := e.client(opts...), new(trace)
		c.On("x", func(data interface{}) { tr.add("%v", data) })
		e.connect(c)
		s, ok := e.server.GetSocket(c.ID())
		if !ok {
			e.t.Fatalf("the server does not know %q", c.ID())
		}
		m.clients, m.sockets, m.got = append(m.clients, c), append(m.sockets, s), append(m.got, tr)
	}
	return m
}

// want reports clients that did not get this, one string for each client.
func (m *crowd) want(t *testing.T, lines ...string) {
	t.Helper()
	for i, want := range lines {
		if got := strings.Join(m.got[i].all(), " "); got != want {
			t.Errorf("client %d got %q, want %q", i, got, want)
		}
	}
}

// ids returns the ids of sockets, sorted.
func ids(sockets []socket.Socket) []string {
	var all []string
	for _, s := range sockets {
		all = append(all, s.ID())
	}
	slices.Sort(all)
	return all
}

func TestRoomsOfTheServer(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		m := e.crowd(3)
		a, b, c := m.sockets[0], m.sockets[1], m.sockets[2]

		server.Join(a.ID(), "red")
		server.Join(b.ID(), "red")
		server.Join(b.ID(), "blue")
		b.Join("blue") // a member already
		c.Join("green")
		if got := ids(server.In("red")); !slices.Equal(got, ids([]socket.Socket{a, b})) {
			t.Errorf("In(red) = %v", got)
		}
		if got := server.RoomsOf(b.ID()); !slices.Equal(got, []string{"red", "blue"}) || !slices.Equal(b.Rooms(), got) {
			t.Errorf("RoomsOf = %v, Rooms = %v: want them in the order of joining", got, b.Rooms())
		}
		server.BroadcastToRoom("red", "x", 1)
		server.BroadcastToRooms([]string{"red", "blue", "red", "none"}, "x", 2)
		server.BroadcastToRoom("none", "x", 3)
		server.BroadcastToRooms(nil, "x", 4)
		e.settle()
		m.want(t, "1 2", "1 2", "") // one copy each

		server.Leave(b.ID(), "red")
		b.Leave("red")
		server.Leave(b.ID(), "none")
		server.BroadcastToRoom("red", "x", 5)
		server.LeaveAll(b.ID())
		server.BroadcastToRoom("blue", "x", 6)
		e.settle()
		m.want(t, "1 2 5", "1 2", "")
		if got := server.RoomsOf(b.ID()); len(got) != 0 || len(server.In("blue")) != 0 {
			t.Errorf("after LeaveAll: RoomsOf = %v, In(blue) = %v", got, server.In("blue"))
		}

		m.clients[0].Close()
		e.settle()
		if got := server.In("red"); len(got) != 0 || len(server.RoomsOf(a.ID())) != 0 {
			t.Errorf("In(red) = %v after the end of its member", got)
		}
		// An unknown id is a no-op.
		server.Leave("nobody", "red")
		server.LeaveAll("nobody")
		if err := server.Join("nobody", "red"); err != nil || len(server.In("red")) != 0 || len(server.RoomsOf("nobody")) != 0 {
			t.Errorf("Join of an unknown id = %v", err)
		}
	}, websocket, polling)
}

func TestRoomsHaveLimits(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		e.serve(socket.WithMaxRooms(2, 10))
		s := e.crowd(1).sockets[0]
		for _, tt := range []struct {
			room   string
			reason string // in the error; "": none
		}{
			{"a", ""},
			{"", "empty"},
			{"12345678901", "WithMaxRooms"},
			{"1234567890", ""},
			{"a", ""}, // a member already
			{"c", "WithMaxRooms"},
		} {
			err := s.Join(tt.room)
			var rerr *socket.RoomError
			if tt.reason == "" && err != nil || tt.reason != "" && (!errors.As(err, &rerr) || !strings.Contains(err.Error(), tt.reason)) {
				t.Errorf("Join(%q) = %v, want an error about %q", tt.room, err, tt.reason)
			}
		}
		if got := s.Rooms(); !slices.Equal(got, []string{"a", "1234567890"}) {
			t.Errorf("Rooms() = %v", got)
		}
	}, websocket, polling)
}

// Joins and leaves of one socket while it ends: it must be in no room then.
func TestJoinRacesWithDisconnect(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		for range 20 {
			m := e.crowd(2)
			var done atomic.Bool
			var work sync.WaitGroup
			for i, s := range m.sockets {
				work.Go(func() {
					for n := 0; !done.Load(); n++ {
						room := fmt.Sprint("room ", n%5)
						s.Join(room)
						server.Join(s.ID(), "all")
						server.BroadcastToRooms([]string{"all", room}, "x", i)
						if n%3 == 0 {
							server.Leave(s.ID(), room)
						}
						time.Sleep(time.Millisecond)
					}
				})
			}
			time.Sleep(5 * time.Millisecond)
			m.clients[0].Close()
			m.sockets[1].Close()
			m.clients[1].Close()
			time.Sleep(10 * time.Second)
			done.Store(true)
			work.Wait()
			for _, room := range []string{"all", "room 0", "room 1", "room 2", "room 3", "room 4"} {
				if got := server.In(room); len(got) != 0 {
					t.Errorf("In(%s) = %v after the end of all", room, got)
				}
			}
			if got := socket.RoomCount(server); got != 0 {
				t.Errorf("%d rooms cost something", got)
			}
		}
	}, websocket, polling)
}

func TestBroadcastReachesEverySocketOnce(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithMaxConcurrency(0))
		m := e.crowd(200) // more than one chunk of BroadcastParallel
		server.Broadcast("x", "a")
		server.BroadcastParallel("x", "b")
		server.Broadcast(socket.EventMessage, []byte("binary, which nobody here takes"))
		server.BroadcastParallel("x", nil)
		e.settle()
		for i := range m.got {
			if got := strings.Join(m.got[i].all(), " "); got != "a b <nil>" {
				t.Errorf("client %d got %q", i, got)
			}
		}
	}, websocket, polling)
}

func TestBroadcastsWhileSocketsComeAndGo(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithMaxConcurrency(0))
		server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) { s.Join("room") })
		steady := e.crowd(3)
		e.settle()
		var done atomic.Bool
		var work sync.WaitGroup
		for range 5 {
			work.Go(func() {
				for !done.Load() {
					c := e.client(socket.WithReconnectAttempts(-1))
					e.connect(c)
					time.Sleep(3 * time.Millisecond)
					c.Close()
				}
			})
		}
		var want []string
		for i := range 300 {
			switch i % 3 {
			case 0:
				server.Broadcast("x", i)
			case 1:
				server.BroadcastToRoom("room", "x", i)
			case 2:
				server.BroadcastParallel("x", i)
			}
			want = append(want, fmt.Sprint(i))
			time.Sleep(time.Millisecond)
		}
		done.Store(true)
		work.Wait()
		e.settle()
		all := strings.Join(want, " ")
		steady.want(t, all, all, all)
		if n := server.Count(); n != 3 {
			t.Errorf("Count() = %d, want the 3 that stayed", n)
		}
	}, websocket, polling)
}
