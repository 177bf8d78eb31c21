package socket_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

// What came first is told first, wherever it waited: in the queue of the connection, behind
// it because it was full, or above that for something under a policy.
func TestWhatIsToldAtTheEndIsInTheOrderInWhichItWasSent(t *testing.T) {
	for name, end := range map[string]func(socket.Socket){
		"disconnect": func(s socket.Socket) { s.Disconnect(socket.DisconnectReason{}) },
		"slow":       func(socket.Socket) {},
		"lost": func(s socket.Socket) {
			s.Disconnect(socket.DisconnectReason{})
			socket.Cut(s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				server := e.serve(socket.WithSendQueue(0, 16))
				told := listenEnds(server)
				c := e.client(socket.WithReconnectAttempts(0))
				e.connect(c)
				e.settle()
				s, _ := server.GetSocket(c.ID())
				s.Join("room")
				e.stall()
				server.BroadcastParallel("fill", strings.Repeat("f", 70_000))
				synctest.Wait()
				sent := 0
				for range 20 {
					if err := server.BroadcastToRoom("room", "late", sent); err != nil {
						t.Fatal(err)
					}
					sent++
				}
				synctest.Wait()
				if socket.Behind(server) == 0 {
					t.Fatal("nothing waits behind the queue")
				}
				for range 3 {
					if err := server.Under(socket.DropOldest()).BroadcastToRoom("room", "late", sent); err != nil {
						t.Fatal(err)
					}
					sent++
				}
				end(s)
				e.settle()
				time.Sleep(time.Minute)
				e.settle()
				told.wantUnknown(t, 0, sent-1)
			}, websocket, polling)
		})
	}
}

// A broadcast under a policy finds a client that does not keep up, and whose connection has
// ended while a handler runs.
func TestNothingStaysHeldForASocketThatHasEnded(t *testing.T) {
	runSlow(t, func(t *testing.T, d *slowOne) {
		server := d.e.server
		before := socket.MemoryUsed(server)
		busy := make(chan struct{})
		server.HandleFunc("busy", func(socket.Socket, interface{}) { <-busy })
		if err := d.c.Send("busy", 1); err != nil {
			t.Fatal(err)
		}
		d.e.settle()
		d.dam()
		more := func() {
			for range 8 {
				server.Under(socket.DropOldest()).BroadcastToRoom("room", "x", strings.Repeat("m", 2000))
			}
			synctest.Wait()
		}
		more()
		d.e.cut()
		d.c.Close()
		time.Sleep(5 * time.Minute)
		more()
		close(busy)
		d.e.settle()
		time.Sleep(5 * time.Minute)
		d.e.settle()
		if n := server.Count(); n != 0 {
			t.Fatalf("%d sockets", n)
		}
		if used := socket.MemoryUsed(server); used > before {
			t.Errorf("%d bytes are counted, %d before", used, before)
		}
	}, socket.WithMemoryBudget(64<<20))
}
