package transport_test

import (
	"errors"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// A handler that ends its goroutine, as a test's FailNow does, ends neither the
// reading nor the connection.
func TestHandlerThatEndsItsGoroutineEndsNothingElse(t *testing.T) {
	for _, handOff := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c, w := memWire(t, wsproto.RoleServer, transport.Limits{})
			l := serve(c, func(c *transport.Conn, _ transport.MessageType, p []byte) {
				if string(p) == "end" {
					if handOff && !c.HandOff() {
						t.Error("HandOff() = false within a handler")
					}
					runtime.Goexit()
				}
			})
			w.send(w.text("a"), w.text("end"), w.text("b"), w.ping("?"))
			w.want("the connection is read on", gotPong("?"))
			w.send(w.text("c"), w.close(1000, ""))
			w.want("the close is answered", gotClose(1000, ""))
			if err := l.end(t); transport.CloseStatus(err) != transport.StatusNormalClosure {
				t.Errorf("OnClose got %v", err)
			}
			if got := l.got(); got != "a end b c" {
				t.Errorf("messages %q, want %q", got, "a end b c")
			}
		})
	}
}

// QueueClose does not wait, whoever reads, and whether anybody does.
func TestQueueCloseDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := memWire(t, wsproto.RoleServer, transport.Limits{})
		began := time.Now()
		must(t, c.Queue(transport.MessageText, []byte("last words")))
		must(t, c.QueueClose(transport.StatusGoingAway, "bye"))
		if d := since(began); d != 0 {
			t.Errorf("QueueClose took %v", d)
		}
		if err := c.QueueClose(transport.StatusGoingAway, "bye"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a second QueueClose: %v", err)
		}
		w.want("the close frame is the last", gotText("last words"), gotClose(1001, "bye"))
		l := serve(c, nil) // only now somebody reads
		w.send(w.text("too late"), w.close(1001, ""))
		if err := l.end(t); transport.CloseStatus(err) != transport.StatusGoingAway {
			t.Errorf("OnClose got %v", err)
		}
		if l.got() != "" {
			t.Errorf("messages %q after the close", l.got())
		}
		if d := since(began); d != 0 {
			t.Errorf("the end took %v", d)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c, _ := memWire(t, wsproto.RoleServer, transport.Limits{})
		began := time.Now()
		must(t, c.QueueClose(transport.StatusGoingAway, "bye"))
		<-c.Done() // nobody reads, nobody answers
		if d := since(began); d != 5*time.Second {
			t.Errorf("the connection was closed after %v, want the close timeout", d)
		}
	})
}
