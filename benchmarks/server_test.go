package benchmarks

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// serve starts an HTTP server on the loopback interface and returns its
// WebSocket URL.
func serve(b *testing.B, h http.Handler) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &http.Server{Handler: h}
	go s.Serve(l) // ends with Close
	b.Cleanup(func() { s.Close() })
	return "ws://" + l.Addr().String() + "/"
}

// newServer starts a server with the events that the benchmarks use.
func newServer(b *testing.B) (server *socket.Server, url string) {
	b.Helper()
	server = socket.NewServer(socket.WithMaxConcurrency(0), socket.WithLogger(nil))
	server.HandleFunc("echo", func(s socket.Socket, data interface{}) { s.Send("echo", data) })
	socket.Handle(server, "typed", func(s socket.Socket, text string) { s.Send("typed", text) })
	socket.Handle(server, "join", func(s socket.Socket, room string) { s.Join(room) })
	return server, serve(b, server)
}

// dial opens a message-level connection, the cheapest client there is.
func dial(b *testing.B, url string) *transport.Conn {
	b.Helper()
	c, err := transport.Dial(context.Background(), url, &transport.DialOptions{
		Limits: transport.Limits{MaxMessageSize: 1 << 20},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.CloseNow() })
	return c
}

func send(b *testing.B, c *transport.Conn, message []byte) {
	if err := c.Write(context.Background(), transport.MessageText, message); err != nil {
		b.Fatal(err)
	}
}

func receive(b *testing.B, c *transport.Conn) {
	if _, _, err := c.Read(context.Background()); err != nil {
		b.Fatal(err)
	}
}

// text returns an event whose data is a string of n bytes.
func text(event string, n int) []byte {
	return []byte(`{"event":"` + event + `","data":"` + strings.Repeat("x", n) + `"}`)
}

// waitFor returns once ok does.
func waitFor(ok func() bool) {
	for !ok() {
		time.Sleep(time.Millisecond)
	}
}
