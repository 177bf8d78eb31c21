package socket_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// bareClient connects a client that is nothing but a WebSocket, and offers a session if
// there is an offer.
func bareClient(t *testing.T, url, offer string) *transport.Conn {
	t.Helper()
	h := http.Header{}
	if offer != "" {
		h.Set("Socket-Session", offer)
	}
	c, err := transport.Dial(context.Background(), strings.Replace(url, "http", "ws", 1), &transport.DialOptions{Header: h})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// serveUntilEnd serves over loopback, and returns the URL.
func serveUntilEnd(t *testing.T, server *socket.Server) string {
	web := httptest.NewServer(server)
	t.Cleanup(func() {
		if err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		web.Close()
	})
	return web.URL
}

// TestASessionKeepsMessagesWithoutAllocating compares echoes with a session, whose client
// acknowledges with its next message, and without one.
func TestASessionKeepsMessagesWithoutAllocating(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	server := socket.NewServer(socket.WithLogger(nil))
	socket.Handle(server, "x", func(s socket.Socket, text string) { s.Send("x", text) })
	url := serveUntilEnd(t, server)
	echo := func(offer string) float64 {
		c, n, buf := bareClient(t, url, offer), uint64(0), make([]byte, 0, 256)
		return testing.AllocsPerRun(500, func() {
			buf = append(buf[:0], '{')
			if offer != "" {
				buf = append(strconv.AppendUint(append(buf, `"seq":`...), n+1, 10), ',')
				if n > 0 {
					buf = append(strconv.AppendUint(append(buf, `"ack":`...), n, 10), ',')
				}
			}
			n++
			buf = append(buf, `"event":"x","data":"hello"}`...)
			if err := c.Write(context.Background(), transport.MessageText, buf); err != nil {
				t.Fatal(err)
			}
			if _, p, err := c.Read(context.Background()); err != nil || !bytes.HasSuffix(p, []byte(`"event":"x","data":"hello"}`)) {
				t.Fatalf("Read = %q, %v", p, err)
			}
		})
	}
	if without, with := echo(""), echo("new"); with > without {
		t.Errorf("an echo allocates %v times with a session, and %v times without", with, without)
	}
}

// TestHandlersDoNotSeeTheSecretOfASession: the header that names a session has its token.
func TestHandlersDoNotSeeTheSecretOfASession(t *testing.T) {
	seen := make(chan *http.Request, 1)
	server := socket.NewServer(socket.WithLogger(nil))
	server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) { seen <- s.Request() })
	url := serveUntilEnd(t, server)
	bareClient(t, url, "id="+strings.Repeat("A", 22)+"; token="+strings.Repeat("A", 32)+"; last=0")
	if h := (<-seen).Header; h.Get("Socket-Session") != "" {
		t.Errorf("the request has the header of the session: %q", h)
	}
}
