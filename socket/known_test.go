package socket_test

import (
	"testing"

	"github.com/kleeedolinux/socket.go/socket"
)

// Connect has returned: the server has the socket, and whatever is sent to it
// from then on arrives.
func TestConnectedClientIsKnownToTheServer(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		for i := range 50 {
			c := e.client()
			got := make(chan string, 10)
			socket.On(c, "x", func(s string) { got <- s })
			e.connect(c)
			s, ok := server.GetSocket(c.ID())
			if !ok || !s.IsConnected() {
				t.Fatalf("the server does not know connection %d", i)
			}
			server.Broadcast("x", "all")
			s.Join("room")
			server.BroadcastToRoom("room", "x", "room")
			s.Send("x", "one")
			for _, want := range []string{"all", "room", "one"} {
				if g := <-got; g != want {
					t.Errorf("the client got %q, want %q", g, want)
				}
			}
			c.Close()
		}
	}, websocket, polling)
}
