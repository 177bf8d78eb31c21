package socket_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// describe is an event of a room as a line, with sockets by the names that they have.
func describe(e socket.RoomEvent, names map[string]string) string {
	switch e.Kind {
	case socket.RoomJoined, socket.RoomLeft:
		line := fmt.Sprintf("%s %s %s", names[e.Socket.ID()], e.Kind, e.Room)
		if e.Reason != nil {
			line += " disconnected"
		}
		return line
	case socket.RoomBroadcast:
		if e.Binary != nil {
			return fmt.Sprintf("%s: %s %q", e.Room, e.Event, e.Binary)
		}
		return fmt.Sprintf("%s: %s %s", e.Room, e.Event, string(e.Data))
	}
	return fmt.Sprintf("%s: %d %s", e.Room, e.Missed, e.Kind)
}

func TestWhoWatchesARoomIsToldWhatHappensInIt(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(withPast)
		m := e.crowd(4)
		a, b, c, d := m.sockets[0], m.sockets[1], m.sockets[2], m.sockets[3]
		names := map[string]string{a.ID(): "a", b.ID(): "b", c.ID(): "c", d.ID(): "d"}
		a.Join("red")
		var tr trace
		var why error
		members, stop := server.WatchRoom("red", func(e socket.RoomEvent) {
			tr.add("%s", describe(e, names))
			if e.Reason != nil {
				why = e.Reason
			}
		})
		if len(members) != 1 || members[0] != a {
			t.Errorf("members %v, want the one that was there", members)
		}
		b.Join("red")
		b.Join("red") // a member already
		server.BroadcastToRoom("red", "x", map[string]string{"to": "red"})
		server.BroadcastToRoom("blue", "x", "elsewhere")
		server.Broadcast("x", "to all")
		server.BroadcastToRooms([]string{"blue", "red", "red"}, "x", 2)
		a.BroadcastToRoom("red", "x", "to all but a")
		server.ToAll().ExceptRooms("red").Broadcast("x", "to the others")
		server.BroadcastToRoom("red", socket.EventMessage, []byte("bytes"))
		b.Leave("red")
		b.Leave("red") // no member
		c.Join("red")
		server.LeaveAll(c.ID())
		d.Join("red")
		m.clients[3].Close()
		e.settle()
		a.Disconnect(socket.DisconnectReason{Reason: "enough", Retry: socket.RetryNever})
		e.settle()
		server.Under(socket.Volatile()).BroadcastToRoom("red", "x", "to nobody")
		e.settle()
		stop()
		stop()
		b.Join("red")
		server.BroadcastToRoom("red", "x", "after the end")
		e.settle()
		tr.want(t, "b joined red", `red: x {"to":"red"}`, "red: x 2", `red: x "to all but a"`, `red: message "bytes"`,
			"b left red", "c joined red", "c left red", "d joined red", "d left red disconnected",
			"a left red disconnected", `red: x "to nobody"`)
		var r socket.DisconnectReason
		if !errors.As(why, &r) || r.Reason != "enough" {
			t.Errorf("the last has left for %v", why)
		}
		b.Leave("red")
		if n := socket.RoomCount(server); n != 0 {
			t.Errorf("%d rooms cost something when all is over", n)
		}
	}, websocket, polling)
}

func TestARoomOnAServerWithoutSocketsCanBeWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := socket.NewServer()
		var tr trace
		_, stop := server.WatchRoom("red", func(e socket.RoomEvent) { tr.add("%s", describe(e, nil)) })
		server.BroadcastToRoom("red", "x", 1)
		server.To("red", "blue").Broadcast("x", 2)
		synctest.Wait()
		tr.want(t, "red: x 1", "red: x 2")
		stop()
		server.BroadcastToRoom("red", "x", 3)
		synctest.Wait()
		tr.want(t, "red: x 1", "red: x 2")
		if n := socket.RoomCount(server); n != 0 {
			t.Errorf("%d rooms cost something when all is over", n)
		}
	})
}

// Sockets come and go while messages are sent, all at once. By the events of the room it
// is known who has got what.
func TestEventsOfARoomAreInTheOrderInWhichTheyTakeEffect(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(withPast)
		const sockets, messages = 6, 60
		m := e.crowd(sockets)
		want := map[string][]string{}
		inside := map[string]bool{}
		var mu sync.Mutex // guards both
		_, stop := server.WatchRoom("red", func(e socket.RoomEvent) {
			mu.Lock()
			defer mu.Unlock()
			switch e.Kind {
			case socket.RoomJoined:
				inside[e.Socket.ID()] = true
			case socket.RoomLeft:
				delete(inside, e.Socket.ID())
			case socket.RoomBroadcast:
				for id := range inside {
					want[id] = append(want[id], string(e.Data))
				}
			case socket.RoomMissed:
				t.Errorf("%d missed", e.Missed)
			}
		})
		defer stop()
		var work sync.WaitGroup
		for i, s := range m.sockets {
			rng := rand.New(rand.NewPCG(uint64(i), 7))
			work.Go(func() {
				for n := range messages {
					switch rng.IntN(4) {
					case 0:
						s.Join("red")
					case 1:
						s.Leave("red")
					default:
						server.BroadcastToRooms([]string{"red", "blue"}, "x", 1000*i+n)
					}
					if rng.IntN(3) == 0 {
						runtime.Gosched()
					}
				}
			})
		}
		work.Wait()
		e.settle()
		mu.Lock()
		defer mu.Unlock()
		for i, s := range m.sockets {
			if got := m.got[i].all(); !slices.Equal(got, want[s.ID()]) {
				t.Errorf("socket %d got\n%v\nand the events of the room say\n%v", i, got, want[s.ID()])
			}
		}
	}, websocket, polling)
}

func TestNothingWaitsForOneWhoWatchesARoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := socket.NewServer()
		goOn := make(chan struct{})
		var got []socket.RoomEvent
		_, stop := server.WatchRoom("red", func(e socket.RoomEvent) {
			<-goOn
			got = append(got, e)
		})
		defer stop()
		const sent = 5000
		for n := range sent {
			server.BroadcastToRoom("red", "x", n)
		}
		synctest.Wait() // all were sent, though the first is not dealt with
		close(goOn)
		synctest.Wait()
		server.BroadcastToRoom("red", "x", sent)
		synctest.Wait()
		next := 0
		for _, e := range got {
			if e.Kind == socket.RoomMissed {
				next += e.Missed
				continue
			}
			if string(e.Data) != fmt.Sprint(next) {
				t.Fatalf("%s in the place of %d", e.Data, next)
			}
			next++
		}
		// One in hand, 4096 that wait, the mark, and the last.
		if next != sent+1 || len(got) != 1+4096+1+1 {
			t.Errorf("%d events, which count for %d of %d", len(got), next, sent+1)
		}
	})
}

func TestMessagesThatWaitForOneWhoWatchesARoomAreBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := socket.NewServer()
		goOn := make(chan struct{})
		bytes, missed := 0, 0
		_, stop := server.WatchRoom("red", func(e socket.RoomEvent) {
			<-goOn
			bytes += len(e.Binary)
			missed += e.Missed
		})
		defer stop()
		server.BroadcastToRoom("red", socket.EventMessage, []byte("in hand"))
		synctest.Wait()
		const size = 1 << 20
		for range 10 {
			server.BroadcastToRoom("red", socket.EventMessage, make([]byte, size))
			synctest.Wait()
		}
		close(goOn)
		synctest.Wait()
		if bytes != 4*size+len("in hand") || missed != 6 {
			t.Errorf("%d bytes, %d missed", bytes, missed)
		}
	})
}

func TestAPanicOfOneWhoWatchesARoomIsLogged(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		var tr trace
		_, stop := server.WatchRoom("red", func(e socket.RoomEvent) {
			tr.add("%s", string(e.Data))
			switch string(e.Data) {
			case "1":
				panic("no")
			case "2":
				runtime.Goexit()
			}
		})
		defer stop()
		for n := range 4 {
			server.BroadcastToRoom("red", "x", n)
		}
		e.settle()
		tr.want(t, "0", "1", "2", "3")
		if !e.logged("WatchRoom", "red", "handler panicked: no") {
			t.Error("not logged")
		}
	}, websocket)
}

func TestEachOfThoseWhoWatchARoomMayStop(t *testing.T) {
	for last := range 3 {
		synctest.Test(t, func(t *testing.T) {
			server := socket.NewServer()
			var heard [3]trace
			var stops [3]func()
			for i := range heard {
				_, stops[i] = server.WatchRoom("red", func(e socket.RoomEvent) { heard[i].add("%s", string(e.Data)) })
			}
			server.BroadcastToRoom("red", "x", 1)
			synctest.Wait()
			for i, stop := range stops {
				if i != last {
					stop()
				}
			}
			server.BroadcastToRoom("red", "x", 2)
			synctest.Wait()
			for i := range heard {
				want := []string{"1"}
				if i == last {
					want = append(want, "2")
				}
				heard[i].want(t, want...)
			}
			stops[last]()
			if n := socket.RoomCount(server); n != 0 {
				t.Errorf("%d rooms cost something when all is over", n)
			}
		})
	}
}

func TestWhoStopsToWatchARoomIsToldNothingThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := socket.NewServer()
		goOn := make(chan struct{})
		var tr trace
		_, stop := server.WatchRoom("red", func(e socket.RoomEvent) {
			tr.add("%s", string(e.Data))
			<-goOn
		})
		for n := range 4 {
			server.BroadcastToRoom("red", "x", n)
		}
		synctest.Wait()
		stop()
		close(goOn)
		synctest.Wait()
		tr.want(t, "0")
	})
}

// A history that a room has for compression is not kept while the room is only watched.
func TestAWatchedRoomWithoutMembersHasNoHistory(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		e.webSocket = []transport.WebSocketOption{transport.WithCompressionOptions(transport.Compression{})}
		server := e.serve(withPast)
		_, stop := server.WatchRoom("red", func(socket.RoomEvent) {})
		defer stop()
		m := e.crowd(1)
		text := strings.Repeat("the quick brown fox jumps over the lazy dog ", 20)
		var want []string
		for n := range 3 {
			m.sockets[0].Join("red")
			for i := range 3 {
				line := fmt.Sprint(n, i, text)
				server.BroadcastToRoom("red", "x", line)
				want = append(want, line)
			}
			m.sockets[0].Leave("red")
			server.BroadcastToRoom("red", "x", "to nobody")
		}
		e.settle()
		m.got[0].want(t, want...)
	}, websocket)
}

func TestWatchingARoomIsForFunctions(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic for a nil function")
		}
	}()
	socket.NewServer().WatchRoom("red", nil)
}

// Data may be decoded as it is.
func ExampleServer_WatchRoom() {
	server := socket.NewServer()
	heard := make(chan string)
	_, stop := server.WatchRoom("lobby", func(e socket.RoomEvent) {
		if e.Kind == socket.RoomBroadcast {
			var text string
			json.Unmarshal(e.Data, &text)
			heard <- e.Event + ": " + text
		}
	})
	defer stop()
	server.BroadcastToRoom("lobby", "chat", "hello")
	fmt.Println(<-heard)
	// Output: chat: hello
}
