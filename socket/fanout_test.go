package socket_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/kleeedolinux/socket.go/socket"
)

// What is sent to one socket after a broadcast arrives after it, and what is
// broadcast after that arrives after that.
func TestOrderOfBroadcastsAndSends(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		m := e.crowd(2)
		var want []string
		for i := range 50 {
			server.Broadcast("x", i)
			m.sockets[0].Send("x", fmt.Sprint("alone", i))
			want = append(want, fmt.Sprint(i), fmt.Sprint("alone", i))
		}
		e.settle()
		m.want(t, strings.Join(want, " "))
	})
}

// Broadcasts to different rooms arrive in the order of the calls at a member of all.
func TestOrderOfBroadcastsToDifferentRooms(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		m := e.crowd(3)
		for i, s := range m.sockets {
			s.Join("all")
			if i < 2 {
				s.Join("some")
			}
		}
		var all, some []string
		for i := range 30 {
			server.BroadcastToRoom("some", "x", fmt.Sprint("some", i))
			server.BroadcastToRoom("all", "x", fmt.Sprint("all", i))
			server.BroadcastToRooms([]string{"some", "all"}, "x", fmt.Sprint("both", i))
			server.Broadcast("x", fmt.Sprint("every", i))
			rest := []string{fmt.Sprint("all", i), fmt.Sprint("both", i), fmt.Sprint("every", i)}
			some = append(append(some, fmt.Sprint("some", i)), rest...)
			all = append(all, rest...)
		}
		e.settle()
		m.want(t, strings.Join(some, " "), strings.Join(some, " "), strings.Join(all, " "))
	})
}

// A broadcast is for those who are in the room when it is called, whatever becomes
// of them afterwards.
func TestBroadcastIsForTheMembersOfThatMoment(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		m := e.crowd(4)
		stays, leaves, comes, goes := m.sockets[0], m.sockets[1], m.sockets[2], m.sockets[3]
		for _, s := range []socket.Socket{stays, leaves, goes} {
			s.Join("room")
		}
		server.BroadcastToRoom("room", "x", 1)
		leaves.Leave("room")
		comes.Join("room")
		goes.Close()
		server.BroadcastToRoom("room", "x", 2)
		server.LeaveAll(stays.ID())
		server.BroadcastToRoom("room", "x", 3)
		e.settle()
		m.want(t, "1 2", "1", "2 3", "1")
	})
}

// Publishers on many goroutines: each one's messages arrive in its order, none is
// lost, none comes twice.
func TestConcurrentPublishersKeepTheirOrder(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		m := e.crowd(3)
		for _, s := range m.sockets {
			s.Join("room")
		}
		const publishers, messages = 8, 100
		var wg sync.WaitGroup
		for p := range publishers {
			wg.Go(func() {
				for i := range messages {
					if i%10 == 9 {
						m.sockets[p%3].Send("y", nil)
					}
					server.BroadcastToRoom("room", "x", fmt.Sprintf("%d:%d", p, i))
				}
			})
		}
		wg.Wait()
		e.settle()
		for _, tr := range m.got {
			next := map[string]int{}
			for _, line := range tr.all() {
				p, i, _ := strings.Cut(line, ":")
				if i != fmt.Sprint(next[p]) {
					t.Fatalf("publisher %s: got message %s, want %d", p, i, next[p])
				}
				next[p]++
			}
			for p := range publishers {
				if n := next[fmt.Sprint(p)]; n != messages {
					t.Errorf("publisher %d: %d messages, want %d", p, n, messages)
				}
			}
		}
	})
}

// BroadcastParallel returns when nothing has to be done any more.
func TestBroadcastParallelWaitsUntilAllIsWritten(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		m := e.crowd(3)
		for i := range 3 {
			server.Broadcast("x", i)
			server.BroadcastParallel("x", fmt.Sprint("p", i))
			if busy := socket.FanoutBusy(server); busy {
				t.Error("something is left to do")
			}
		}
		e.settle()
		synctest.Wait()
		m.want(t, "0 p0 1 p1 2 p2", "0 p0 1 p1 2 p2", "0 p0 1 p1 2 p2")
	})
}
