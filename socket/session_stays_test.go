package socket_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// While the connection lives a server need not keep all that is on its way. A probe that
// comes just then, and could not be given all of that, leaves the session where it is.
func TestFirstOfDoesNotReturnAtThePriceOfTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSky(t, socket.WithSessionBuffer(-1, 10))
		s.set(forbidden)
		c := s.clientOf(
			transport.NewWebSocketTransport("ws://server/socket", transport.WithDialContext(s.dialWebSocket)),
			transport.NewLongPollingTransport("http://server/socket", transport.WithDialContext(s.dial), transport.WithTimeout(8*time.Second)),
			socket.WithProbeDelay(10*time.Second, time.Minute))
		tr := newTraffic(t, c, s.server)
		var events trace
		for _, event := range []string{socket.EventConnect, socket.EventDisconnect, socket.EventError} {
			c.On(event, func(data interface{}) { events.add("%s", event) })
		}
		s.connect(c)
		s.set(fine)
		time.Sleep(9 * time.Second)
		s.stall() // what is on its way stays there for a while
		for range 50 {
			tr.server.Broadcast(number(tr.n))
			tr.n++
		}
		time.Sleep(5 * time.Second)
		if tries, _ := s.count(); tries != 2 {
			t.Errorf("WebSocket was tried %d times, want 2", tries)
		}
		s.over(c, "when messages would have been lost", s.lp)
		time.Sleep(2 * time.Minute)
		s.over(c, "when they have arrived", s.ws)
		events.want(t, "connect")
		id := c.ID()
		s.cut()
		tr.server.Broadcast(number(tr.n))
		tr.n++
		time.Sleep(10 * time.Second)
		tr.down.want(t, "the client", tr.n)
		if c.ID() != id {
			t.Error("the session did not outlive the next loss")
		}
		if n := s.server.Count(); n != 1 {
			t.Errorf("%d sockets", n)
		}
	})
}

// A client that has lost its connection before the server knows, and needs messages that
// are not kept: both ends are told, the server as soon as it knows of the loss.
func TestSessionThatItsClientHasLeftEndsWithItsConnection(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithSessionBuffer(-1, 10), socket.WithPingInterval(8*time.Second), socket.WithPingTimeout(20*time.Second))
		ends := make(chan error, 1)
		server.HandleFunc(socket.EventDisconnect, func(_ socket.Socket, reason interface{}) { ends <- reason.(error) })
		e.webSocket = []transport.WebSocketOption{transport.WithReadTimeout(10 * time.Second)}
		c := e.client(socket.WithReconnectAttempts(0))
		var told int
		c.On(socket.EventError, func(data interface{}) {
			var se *socket.SessionError
			if errors.As(data.(error), &se) {
				told++
			}
		})
		e.connect(c)
		e.settle()
		id := c.ID()
		e.stall()
		began := time.Now()
		for i := range 50 {
			server.Broadcast("n", i)
		}
		var se *socket.SessionError
		if err := <-ends; !errors.As(err, &se) || len(se.Unknown)+se.Dropped != 50 {
			t.Errorf("the session ended with %v, want 50 messages that are unknown", err)
		}
		if d := time.Since(began); d > 30*time.Second {
			t.Errorf("the server was told after %v", d)
		}
		e.settle()
		if told != 1 || !c.IsConnected() || c.ID() == id || server.Count() != 1 {
			t.Errorf("the client was told %d times, IsConnected() = %t, id %s after %s, %d sockets", told, c.IsConnected(), c.ID(), id, server.Count())
		}
	}, websocket)
}
