package socket_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// blocking adds a handler that waits until release is called, and counts how
// often it was called.
func blocking(s *socket.Server) (handled *atomic.Int32, release func()) {
	handled, gate := new(atomic.Int32), make(chan struct{})
	s.HandleFunc("slow", func(socket.Socket, interface{}) {
		handled.Add(1)
		<-gate
	})
	return handled, func() { close(gate) }
}

// Messages that wait behind a slow handler count. When the budget has no room for
// them the client is not read, and nothing is lost once the handler returns.
func TestMessagesBehindASlowHandlerAreHeldBackWhenMemoryIsShort(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		const budget = 8 << 20
		server := e.serve(socket.WithMemoryBudget(budget), socket.WithPingInterval(4*time.Second), socket.WithPingTimeout(-1))
		handled, release := blocking(server)
		const clients, messages = 60, 120
		var peers []*peer
		for range clients {
			peers = append(peers, e.raw())
		}
		message := `{"event":"slow","data":"` + strings.Repeat("x", 3<<10) + `"}`
		for _, p := range peers {
			go func() {
				for range messages {
					p.Send([]byte(message))
				}
			}()
		}
		time.Sleep(5 * time.Second)
		e.settle()
		if used := socket.MemoryUsed(server); used < budget/2 || used > budget*125/100 {
			t.Errorf("%d bytes are counted of a budget of %d", used, budget)
		}
		if n := server.Count(); n != clients {
			t.Errorf("%d clients are left of %d that wait for a handler", n, clients)
		}
		if n := handled.Load(); n > clients {
			t.Errorf("the handler was called %d times at once for %d clients", n, clients)
		}
		release()
		time.Sleep(20 * time.Second)
		e.settle()
		if n := handled.Load(); n != clients*messages {
			t.Errorf("%d messages were handled of %d; the log:\n%s", n, clients*messages, strings.Join(e.log, ""))
		}
		if used := socket.MemoryUsed(server); used != 0 {
			t.Errorf("%d bytes are counted when nothing waits", used)
		}
	}, websocket, polling)
}

// What a message decodes to counts while a handler has it. A client whose message
// is too much is closed, and the others go on.
func TestDecodedMessagesCountWhileTheirHandlerRuns(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithMemoryBudget(4 << 20))
		_, release := blocking(server)
		defer release()
		echoed := make(chan int, 1)
		socket.Handle(server, "small", func(_ socket.Socket, n int) { echoed <- n })
		objects := `{"event":"slow","data":[` + strings.Repeat(`{"":1},`, 5000) + `1]}`
		var peers []*peer
		for range 4 {
			peers = append(peers, e.raw())
		}
		for i, p := range peers[:3] {
			p.say(objects)
			e.settle()
			if used := socket.MemoryUsed(server); used < int64(min(i+1, 2))*1500<<10 || used > 4<<20 {
				t.Errorf("%d bytes are counted for %d times 5,000 objects", used, i+1)
			}
		}
		if _, err := peers[2].Receive(); transport.CloseStatus(err) != transport.StatusTryAgainLater {
			t.Errorf("Receive = %v for a message that there is no memory for, want close code 1013", err)
		}
		e.settle()
		if n := server.Count(); n != 3 {
			t.Fatalf("%d clients are left, want all but the one that there is no memory for", n)
		}
		if !e.logged("no memory for a message", "option=WithMemoryBudget", "max=") {
			t.Error("the limit is not in the log")
		}
		peers[3].say(`{"event":"small","data":7}`)
		e.settle()
		if n := <-echoed; n != 7 {
			t.Errorf("a small message came as %d", n)
		}
	}, websocket)
}
