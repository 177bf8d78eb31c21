package socket_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// Whatever byte a resumption breaks at, which goes on with a session whose first
// connection was lost, in its handshake, in what is sent again, or in what comes after
// it; in either direction; whether the connection breaks or swallows everything from then
// on: every message of both ends arrives once and in order.
func TestSessionResumptionBrokenAtEveryByteLosesAndRepeatsNothing(t *testing.T) {
	for _, fault := range []string{"cut", "stall"} {
		for _, side := range []string{"client", "server"} {
			for _, nth := range []int{0, 1, 2} { // long polling makes more than one
				run(t, func(t *testing.T, e *env) {
					if e.kind == websocket && nth > 0 {
						t.Skip("there is one")
					}
					for n := 1; ; n += stride() {
						if over := resumptionBrokenAt(t, fault, side, nth, n, e.kind); over {
							t.Logf("%s, %s, connection %d: %d bytes", fault, side, nth, n)
							return
						}
					}
				}, websocket, polling)
			}
		}
	}
}

// resumptionBrokenAt breaks the nth connection after the loss of the first, behind so
// many bytes that one side has written.
func resumptionBrokenAt(t *testing.T, fault, side string, nth, bytes int, k kind) (over bool) {
	e := newEnv(t, k)
	e.webSocket = []transport.WebSocketOption{transport.WithReadTimeout(8 * time.Second)}
	e.longPolling = []transport.LongPollingOption{transport.WithTimeout(8 * time.Second)}
	var mu sync.Mutex
	armed, count, broken := false, 0, (*memnet.Conn)(nil)
	look := func(c *memnet.Conn) {
		mu.Lock()
		defer mu.Unlock()
		if !armed {
			return
		}
		if count++; count != nth+1 {
			return
		}
		broken = c
		if fault == "cut" {
			c.CutAfter(bytes)
		} else {
			c.StallAfter(bytes)
		}
	}
	if side == "client" {
		e.each(look, nil)
	} else {
		e.each(nil, look)
	}
	server := e.serve(socket.WithPingInterval(5*time.Second), socket.WithPingTimeout(2*time.Second))
	defer e.end()
	var up, down ledger
	up.countServer(server)
	c := socket.NewClient(e.transport(), socket.WithReconnectAttempts(0), socket.WithReconnectDelay(100*time.Millisecond))
	defer c.Close()
	down.count(c)
	e.connect(c)
	e.settle()
	s := socket.Sockets(server)[0]
	i := 0
	talk := func(n int) {
		for range n {
			event, data := number(i)
			if err := c.Send(event, data); err != nil {
				t.Errorf("%s at %d: Send = %v", fault, bytes, err)
			}
			if err := s.Send(event, data); err != nil {
				t.Errorf("%s at %d: Socket.Send = %v", fault, bytes, err)
			}
			i++
		}
	}
	talk(3)
	e.stall() // so that some must be sent again
	talk(3)
	mu.Lock()
	armed = true
	mu.Unlock()
	e.cut()
	socket.Cut(s) // long polling would go on
	synctest.Wait()
	talk(3)
	time.Sleep(2 * time.Second) // it is back, and goes on
	talk(3)
	time.Sleep(1500 * time.Millisecond)
	mu.Lock()
	if over = broken == nil || !broken.Broken(); broken != nil {
		broken.CutAfter(-1)
		broken.StallAfter(-1)
	}
	mu.Unlock()
	time.Sleep(time.Minute)
	e.settle()
	who := fmt.Sprintf("%s, %s, connection %d at %d", fault, side, nth, bytes)
	up.want(t, who+", to the server", i)
	down.want(t, who+", to the client", i)
	if n := server.Count(); n != 1 {
		t.Errorf("%s: %d sockets", who, n)
	}
	return over
}
