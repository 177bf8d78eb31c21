package socket_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// away returns a client that has lost its connection and comes back within a minute, and
// what it is told. The server knows that it has none.
func away(t *testing.T, e *env, opts ...socket.ClientOption) (*socket.Client, *trace) {
	t.Helper()
	tr := new(trace)
	link := &switching{pick: func(int) socket.SessionTransport { return e.as("alice").transport().(socket.SessionTransport) }}
	c := socket.NewClient(link, append([]socket.ClientOption{socket.WithReconnectDelay(time.Minute), socket.WithReconnectAttempts(0)}, opts...)...)
	t.Cleanup(func() { c.Close() })
	c.On(socket.EventConnect, func(interface{}) { tr.add("connect") })
	c.On(socket.EventDisconnect, func(interface{}) { tr.add("disconnect") })
	socket.On(c, socket.EventError, func(err error) {
		var ce *transport.CloseError
		var lost *socket.SessionError
		switch {
		case errors.As(err, &lost):
			tr.add("%d unknown", len(lost.Unknown))
		case errors.Is(err, socket.ErrStopped) && errors.As(err, &ce):
			tr.add("stopped: %d %s", ce.Code, ce.Reason)
		default:
			tr.add("%v", err)
		}
	})
	e.connect(c)
	e.settle()
	lose(e, link)
	return c, tr
}

// lose ends a connection so that the server knows.
func lose(e *env, link *switching) {
	link.Abort()
	if e.kind == polling {
		time.Sleep(50 * time.Millisecond)
	}
	synctest.Wait()
}

// A client that had no connection when it was disconnected for good is told when it comes
// back: code and reason as if it had been there, once, and without a connect in between.
func TestVerdictWaitsForAClientWithoutAConnection(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithAuthenticator(byHeader))
		c, tr := away(t, e)
		if err := c.Send("n", 1); err != nil {
			t.Error(err)
		}
		if n := server.ToIdentity("alice").Disconnect(socket.DisconnectReason{Code: 4502, Reason: "signed out"}); n != 1 {
			t.Errorf("Disconnect() = %d", n)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		tr.want(t, "connect", "disconnect", "1 unknown", "stopped: 4502 signed out")
		if c.IsConnected() || server.Count() != 0 {
			t.Errorf("connected = %t, %d connections", c.IsConnected(), server.Count())
		}
		e.connect(c) // when its user signs in again
		e.settle()
		if !c.IsConnected() {
			t.Error("it cannot connect any more")
		}
	}, websocket, polling)
}

// The server may believe that there is a connection, which takes what it says and delivers
// nothing.
func TestVerdictWaitsForAClientBehindABlackHole(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithCloseTimeout(time.Second))
		c := e.client(socket.WithReconnectAttempts(0))
		var tr trace
		socket.On(c, socket.EventError, func(err error) {
			var ce *transport.CloseError
			if errors.Is(err, socket.ErrStopped) && errors.As(err, &ce) {
				tr.add("stopped: %d %s", ce.Code, ce.Reason)
			}
		})
		e.connect(c)
		e.settle()
		e.silence()
		server.ToAll().Disconnect(socket.DisconnectReason{Reason: "banned", Retry: socket.RetryNever})
		time.Sleep(20 * time.Second)
		e.setDown(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		tr.want(t, "stopped: 4500 banned")
		if server.Count() != 0 {
			t.Errorf("%d connections", server.Count())
		}
	}, websocket, polling)
}

// Over several transports it is the same.
func TestVerdictWaitsForAClientOverTheFirstOfSeveral(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		c := socket.NewClient(socket.FirstOf(
			transport.NewWebSocketTransport("ws://server/socket", transport.WithDialContext(e.dial)),
			transport.NewLongPollingTransport("http://server/socket", transport.WithDialContext(e.dial)),
		), socket.WithReconnectAttempts(0))
		defer c.Close()
		stopped := 0
		socket.On(c, socket.EventError, func(err error) {
			if errors.Is(err, socket.ErrStopped) && transport.CloseStatus(err) == 4500 {
				stopped++
			}
		})
		e.connect(c)
		e.settle()
		e.cut()
		synctest.Wait()
		server.ToAll().Disconnect(socket.DisconnectReason{Retry: socket.RetryNever})
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if stopped != 1 || server.Count() != 0 {
			t.Errorf("stopped %d times, %d connections", stopped, server.Count())
		}
	}, websocket)
}

// All other reasons bring the client back, with a new session.
func TestOtherVerdictsAreNotKept(t *testing.T) {
	for _, retry := range []socket.Retry{socket.RetryBackoff, socket.RetryNow} {
		run(t, func(t *testing.T, e *env) {
			server := e.serve(socket.WithAuthenticator(byHeader))
			c, tr := away(t, e)
			server.ToAll().Disconnect(socket.DisconnectReason{Retry: retry})
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			tr.want(t, "connect", "disconnect", "connect", "0 unknown")
			if !c.IsConnected() {
				t.Error("the client did not come back")
			}
		}, websocket, polling)
	}
}

// tell connects with an offer, and returns the close code that the server answers with, 0
// if it opens a connection.
func (e *env) tell(line string) transport.StatusCode {
	e.t.Helper()
	tr := e.transport().(socket.SessionTransport)
	defer tr.Abort()
	_, err := tr.ConnectSession(e.t.Context(), line)
	var ce *transport.CloseError
	var he *transport.HandshakeError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &ce) || !errors.As(err, &he) || he.Status != http.StatusGone:
		e.t.Errorf("ConnectSession() = %v", err)
		return 0
	}
	return ce.Code
}

// Only who has the token of the session, and is its owner, is told; and not for longer than
// the session would have been kept.
func TestVerdictIsForTheClientOfTheSessionAlone(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithAuthenticator(byHeader), socket.WithSessionWindow(time.Minute))
		p := e.as("alice").offer("new")
		p.say(`{"ack":0}`)
		e.settle()
		p.abort()
		synctest.Wait()
		empty := socket.MemoryUsed(server)
		server.ToAll().Disconnect(socket.DisconnectReason{Retry: socket.RetryNever})
		e.settle()
		if socket.MemoryUsed(server) <= empty {
			t.Error("what is kept is not counted")
		}
		line := func(token string) string { return fmt.Sprintf("id=%s; token=%s; last=0", p.id, token) }
		other := e.as("alice").offer("new") // whose token is a token, and not that one
		for _, tt := range []struct {
			name, who, token string
			want             transport.StatusCode
		}{
			{"its owner", "alice", p.token, 4500},
			{"its owner once more", "alice", p.token, 4500}, // an answer may get lost
			{"somebody without the token", "alice", other.token, 0},
			{"somebody else with the token", "bob", p.token, 0},
		} {
			if got := e.as(tt.who).tell(line(tt.token)); got != tt.want {
				t.Errorf("%s is told %d, want %d", tt.name, got, tt.want)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := e.as("alice").tell(line(p.token)); got != 0 {
			t.Errorf("after the window it is told %d", got)
		}
		other.abort()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if n := socket.MemoryUsed(server); n != empty {
			t.Errorf("%d bytes are counted at the end, %d before", n, empty)
		}
	}, websocket, polling)
}

// There are never more verdicts than there may be connections: the oldest go first.
func TestVerdictsAreBounded(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		const most = 5
		server := e.serve(socket.WithMaxConcurrency(most))
		var lines []string
		for range 3 * most {
			p := e.offer("new")
			p.say(`{"ack":0}`)
			e.settle()
			p.abort()
			synctest.Wait()
			server.ToAll().Disconnect(socket.DisconnectReason{Retry: socket.RetryNever})
			e.settle()
			lines = append(lines, fmt.Sprintf("id=%s; token=%s; last=0", p.id, p.token))
		}
		used := socket.MemoryUsed(server)
		for i, line := range slices.Backward(lines) { // those who are told nothing get connections
			want := transport.StatusCode(0)
			if i >= 2*most {
				want = 4500
			}
			if got := e.tell(line); got != want {
				t.Errorf("client %d is told %d, want %d", i, got, want)
			}
			if want == 0 {
				time.Sleep(time.Minute) // until the place is free again
			}
		}
		if limit := int64(most * 1024); used > limit {
			t.Errorf("%d bytes are counted, more than %d", used, limit)
		}
	}, websocket, polling)
}
