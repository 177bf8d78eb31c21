package transport_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// echoAll answers every message with itself.
type echoAll struct{}

func (echoAll) OnMessage(c *transport.Conn, typ transport.MessageType, p []byte) {
	_ = c.Queue(typ, p) // the test looks at what arrives
}
func (echoAll) OnClose(*transport.Conn, error) {}

// A timer of one bubble must not be used in another: what connections leave to
// later ones holds none.
func TestConnectionsOfSeveralBubblesShareNoTimers(t *testing.T) {
	const handshake = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	bubble := func(t *testing.T) {
		l := memnet.Listen("server:80")
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c, err := transport.Accept(w, r, nil); err == nil {
				c.Start(echoAll{})
			}
		})}
		go server.Serve(l)
		defer server.Close()
		nc, err := l.Dial(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		// Two messages in one write: the answer to the first waits for the second.
		if _, err := io.WriteString(nc, handshake+"\x82\x81\x00\x00\x00\x00a\x82\x81\x00\x00\x00\x00b"); err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(nc)
		if _, err := http.ReadResponse(r, nil); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 6)
		if _, err := io.ReadFull(r, answer); err != nil || string(answer) != "\x82\x01a\x82\x01b" {
			t.Errorf("got %q, %v, want both messages", answer, err)
		}
	}
	for range 5 {
		synctest.Test(t, bubble)
		bubble(t) // and with real time
	}
}
