package transport_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// Whoever has an answer is known to the server, and what the server sends at once
// follows the answer.
func TestAcceptFuncComesBeforeTheAnswer(t *testing.T) {
	for _, tt := range []struct {
		name   string
		opened func(c *transport.Conn)
		want   string               // the first message
		end    transport.StatusCode // what the end is told with, if there is no message
	}{
		{"a message", func(c *transport.Conn) { c.Queue(transport.MessageText, []byte("first")) }, "first", 0},
		{"a close", func(c *transport.Conn) { c.QueueClose(transport.StatusGoingAway, "") }, "", transport.StatusGoingAway},
		{"a refusal", func(c *transport.Conn) { c.Refuse(transport.StatusTryAgainLater, "") }, "", transport.StatusTryAgainLater},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				known := false // ordered by the connection
				l := serveUpgrades(t, func(w http.ResponseWriter, r *http.Request) {
					c, err := transport.NewUpgrader(nil).AcceptFunc(w, r, nil, func(c *transport.Conn) {
						synctest.Wait() // a client that could go on would have
						known = true
						tt.opened(c)
					})
					if err != nil {
						t.Error(err)
						return
					}
					c.Start(echoAll{})
				})
				c, err := transport.Dial(t.Context(), "ws://server/", &transport.DialOptions{DialContext: l.DialContext})
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				if !known {
					t.Error("the client had its answer first")
				}
				_, p, err := c.Read(t.Context())
				if string(p) != tt.want || err != nil && transport.CloseStatus(err) != tt.end {
					t.Errorf("Read() = %q, %v", p, err)
				}
			})
		})
	}
}

// When the answer cannot be sent the connection has ended, and reading tells.
func TestAcceptFuncWithoutAnAnswerIsALostConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		l := serveUpgrades(t, func(w http.ResponseWriter, r *http.Request) {
			c, err := transport.NewUpgrader(nil).AcceptFunc(w, r, nil, func(c *transport.Conn) { c.CloseNow() })
			if err != nil {
				t.Error(err)
				return
			}
			_, _, err = c.Read(context.Background())
			ended <- err
		})
		if _, err := transport.Dial(t.Context(), "ws://server/", &transport.DialOptions{DialContext: l.DialContext}); err == nil {
			t.Error("Dial worked")
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read() = %v, want an end", err)
		}
	})
}

// serveUpgrades serves f in memory until the test ends.
func serveUpgrades(t *testing.T, f http.HandlerFunc) *memnet.Listener {
	l := memnet.Listen("server:80")
	server := &http.Server{Handler: f}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return l
}
