package socket_test

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// only returns the one socket of a server.
func (e *env) only() socket.Socket {
	e.t.Helper()
	all := socket.Sockets(e.server)
	if len(all) != 1 {
		e.t.Fatalf("%d sockets", len(all))
	}
	return all[0]
}

// Every code of the table in docs/protocol.md, on the wire.
func TestDisconnectTellsTheClientCodeAndReason(t *testing.T) {
	for _, tt := range []struct {
		reason socket.DisconnectReason
		code   transport.StatusCode
	}{
		{socket.DisconnectReason{}, 4000},
		{socket.DisconnectReason{Retry: socket.RetryBackoff, Reason: "moved"}, 4000},
		{socket.DisconnectReason{Retry: socket.RetryNow}, 4400},
		{socket.DisconnectReason{Retry: socket.RetryNever, Reason: "signed out"}, 4500},
		{socket.DisconnectReason{Code: 4999, Reason: "banned"}, 4999},
		{socket.DisconnectReason{Code: 4399, Retry: socket.RetryBackoff}, 4399},
		{socket.DisconnectReason{Code: 4499, Retry: socket.RetryNow}, 4499},
		{socket.DisconnectReason{Code: 1000}, 1000},
		{socket.DisconnectReason{Code: 1001, Retry: socket.RetryBackoff}, 1001},
		{socket.DisconnectReason{Code: 1008, Reason: "no"}, 1008},
		{socket.DisconnectReason{Code: 1013}, 1013},
	} {
		t.Run(fmt.Sprint(tt.reason.Code, tt.code), func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				server := e.serve()
				var told error
				socket.Handle(server, socket.EventDisconnect, func(_ socket.Socket, reason error) { told = reason })
				p := e.raw()
				s := e.only()
				if err := s.Send("last", 1); err != nil {
					t.Error(err)
				}
				s.Disconnect(tt.reason)
				s.Disconnect(socket.DisconnectReason{Code: 4321, Reason: "a second one does nothing"})
				p.want(`{"event":"last","data":1}`)
				_, err := p.Receive()
				var ce *transport.CloseError
				if !errors.As(err, &ce) || ce.Code != tt.code || ce.Reason != tt.reason.Reason {
					t.Errorf("the client is told %v, want %d %q", err, tt.code, tt.reason.Reason)
				}
				e.settle()
				if told != tt.reason || !errors.Is(told, socket.ErrConnectionClosed) || !errors.Is(told, net.ErrClosed) {
					t.Errorf("the disconnect handler is told %v, want %v", told, tt.reason)
				}
			}, websocket, polling)
		})
	}
}

func TestDisconnectReasonThatIsTooLongIsCutOff(t *testing.T) {
	for _, reason := range []string{strings.Repeat("x", 200), strings.Repeat("größer ", 30), "broken \xff" + strings.Repeat("€", 60)} {
		run(t, func(t *testing.T, e *env) {
			e.serve()
			p := e.raw()
			e.only().Disconnect(socket.DisconnectReason{Retry: socket.RetryNever, Reason: reason})
			_, err := p.Receive()
			var ce *transport.CloseError
			if !errors.As(err, &ce) || ce.Code != 4500 {
				t.Fatalf("the client is told %v", err)
			}
			valid := strings.ToValidUTF8(reason, "\uFFFD")
			if n := len(ce.Reason); n > 123 || n < 120 || !utf8.ValidString(ce.Reason) || !strings.HasPrefix(valid, ce.Reason) {
				t.Errorf("%d bytes: %q", n, ce.Reason)
			}
		}, websocket, polling)
	}
}

func TestImpossibleDisconnectReasonsPanic(t *testing.T) {
	for _, r := range []socket.DisconnectReason{
		{Code: 1006}, {Code: 1002}, {Code: 3000}, {Code: 5000}, {Code: 999}, {Code: 1011},
		{Code: 4500, Retry: socket.RetryNow},
		{Code: 4000, Retry: socket.RetryNever},
		{Code: 1001, Retry: socket.RetryNever},
		{Retry: socket.RetryNever + 1},
	} {
		run(t, func(t *testing.T, e *env) {
			e.serve()
			e.raw()
			s := e.only()
			for _, disconnect := range []func(){func() { s.Disconnect(r) }, func() { e.server.ToAll().Disconnect(r) }} {
				func() {
					defer func() {
						if text := fmt.Sprint(recover()); !strings.Contains(text, "socket: DisconnectReason: ") {
							t.Errorf("%+v: %s", r, text)
						}
					}()
					disconnect()
				}()
			}
			if !s.IsConnected() {
				t.Errorf("%+v has ended the connection", r)
			}
		}, websocket)
	}
}

func TestRetryNeverKeepsTheClientAway(t *testing.T) {
	for _, session := range []bool{true, false} {
		run(t, func(t *testing.T, e *env) {
			server := e.serve()
			var tr trace
			c := e.client(socket.WithReconnectAttempts(0), socket.WithSession(session))
			socket.On(c, socket.EventDisconnect, func(err error) { tr.add("disconnect %d", transport.CloseStatus(err)) })
			socket.On(c, socket.EventError, func(err error) {
				var ce *transport.CloseError
				if !errors.Is(err, socket.ErrStopped) || !errors.As(err, &ce) || ce.Reason != "signed out" {
					t.Errorf("error: %v", err)
				}
				tr.add("stopped")
			})
			e.connect(c)
			e.settle()
			dialled := e.dialled()
			e.only().Disconnect(socket.DisconnectReason{Reason: "signed out", Retry: socket.RetryNever})
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			tr.want(t, "disconnect 4500", "stopped")
			if n := e.dialled(); e.kind == websocket && n != dialled {
				t.Errorf("%d more dials", n-dialled)
			}
			if err := c.Send("n", 1); !errors.Is(err, socket.ErrConnectionClosed) {
				t.Errorf("Send() = %v", err)
			}
			if n := server.Count(); n != 0 {
				t.Errorf("%d sockets", n)
			}
			e.connect(c) // it may be told otherwise
		}, websocket, polling)
	}
}

// reconnects lets the server end the connections of a client, and returns how long it
// took each time to be back.
func reconnects(t *testing.T, e *env, r socket.DisconnectReason, n int, lasting time.Duration) (pauses []time.Duration) {
	t.Helper()
	server := e.serve()
	up := make(chan struct{}, 1)
	c := e.client(socket.WithReconnectAttempts(0), socket.WithReconnectDelay(10*time.Second))
	c.On(socket.EventConnect, func(interface{}) { up <- struct{}{} })
	e.connect(c)
	<-up
	for range n {
		time.Sleep(lasting)
		synctest.Wait()
		begin := time.Now()
		if n := server.ToAll().Disconnect(r); n != 1 {
			t.Fatalf("%d sockets", n)
		}
		<-up
		pauses = append(pauses, time.Since(begin))
	}
	c.Close()
	return pauses
}

func TestRetryNowBringsTheClientBackAtOnce(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		for _, pause := range reconnects(t, e, socket.DisconnectReason{Retry: socket.RetryNow}, 5, 10*time.Second) {
			if pause != 0 {
				t.Errorf("it was back after %v", pause)
			}
		}
	}, websocket, polling)
}

func TestRetryNowMakesNoStormOfShortConnections(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		for _, pause := range reconnects(t, e, socket.DisconnectReason{Retry: socket.RetryNow}, 5, 9*time.Second) {
			if pause < time.Second || pause > 10*time.Second {
				t.Errorf("it was back after %v", pause)
			}
		}
	}, websocket, polling)
}

func TestAllOtherCodesBringTheClientBackAfterAPause(t *testing.T) {
	for _, code := range []transport.StatusCode{0, 1000, 1001, 1008, 1013, 4000, 4399} {
		run(t, func(t *testing.T, e *env) {
			for _, pause := range reconnects(t, e, socket.DisconnectReason{Code: code}, 3, time.Minute) {
				if pause < time.Second || pause > 10*time.Second {
					t.Errorf("%d: it was back after %v", code, pause)
				}
			}
		}, websocket, polling)
	}
}

func TestDisconnectByRoomAndByIdentityEndsThoseAndNoOthers(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithAuthenticator(byHeader))
		server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) {
			s.Join("of " + s.Identity())
			s.Join("all")
		})
		var tr trace
		for i, user := range []string{"alice", "alice", "bob", "carol", ""} {
			c := e.as(user).connected(socket.WithSession(i%2 == 0))
			c.On(socket.EventDisconnect, func(interface{}) { tr.add("%s", user) })
		}
		e.settle()
		never := socket.DisconnectReason{Retry: socket.RetryNever}
		for _, tt := range []struct {
			target socket.Target
			want   []string
		}{
			{server.ToIdentity(""), nil},
			{server.ToIdentity(), nil},
			{server.To(), nil},
			{server.ToIdentity("alice", "alice", "dave"), []string{"alice", "alice"}},
			{server.ToIdentity("alice"), nil}, // they have gone
			{server.To("of bob", "of nobody"), []string{"bob"}},
			{server.To("all").ExceptRooms("of "), []string{"carol"}},
			{server.ToAll(), []string{""}},
		} {
			before := len(tr.all())
			if n := tt.target.Disconnect(never); n != len(tt.want) {
				t.Errorf("Disconnect() = %d, want %d: %q", n, len(tt.want), tt.want)
			}
			e.settle()
			if got := tr.all()[before:]; !slices.Equal(got, tt.want) && len(got)+len(tt.want) > 0 {
				t.Errorf("disconnected: %q, want %q", got, tt.want)
			}
		}
		if n := socket.IdentityCount(server); n != 0 {
			t.Errorf("%d identities are kept", n)
		}
	}, websocket, polling)
}

// A session whose client is away ends as well, and the client finds a new one when it
// comes back, if the authenticator lets it.
func TestDisconnectEndsASessionWithoutAConnection(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithAuthenticator(byHeader))
		var reason error
		socket.Handle(server, socket.EventDisconnect, func(_ socket.Socket, r error) { reason = r })
		link := &switching{pick: func(int) socket.SessionTransport { return e.as("alice").transport().(socket.SessionTransport) }}
		c := socket.NewClient(link, socket.WithReconnectDelay(time.Minute), socket.WithReconnectAttempts(0))
		defer c.Close()
		e.connect(c)
		e.settle()
		id := c.ID()
		link.Abort()
		synctest.Wait()
		never := socket.DisconnectReason{Code: 4502, Reason: "signed out"}
		if n := server.ToIdentity("alice").Disconnect(never); n != 1 {
			t.Errorf("Disconnect() = %d", n)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if reason != never {
			t.Errorf("the disconnect handler is told %v", reason)
		}
		if _, ok := server.GetSocket(id); ok || c.IsConnected() || server.Count() != 0 {
			t.Errorf("%s is there: %t; connected: %t; %d connections", id, ok, c.IsConnected(), server.Count())
		}
	}, websocket, polling)
}

// A client that sends when its server disconnects it finds out what the server has said,
// and gets what it had sent before.
func TestVerdictReachesAClientThatIsSending(t *testing.T) {
	for _, session := range []bool{true, false} {
		for pause := range 4 {
			run(t, func(t *testing.T, e *env) {
				server := e.serve()
				const most = 100 // more than one answer to a poll takes
				server.HandleFunc("go", func(s socket.Socket, _ interface{}) {
					for n := range most {
						if err := s.Send("n", n); err != nil {
							t.Error(err)
						}
					}
					s.Disconnect(socket.DisconnectReason{Retry: socket.RetryNever})
				})
				var got ledger
				stopped := make(chan struct{})
				c := e.client(socket.WithSession(session))
				socket.On(c, "n", got.add)
				socket.On(c, socket.EventError, func(err error) {
					if errors.Is(err, socket.ErrStopped) {
						close(stopped)
					}
				})
				e.connect(c)
				c.Send("go", nil)
				for {
					time.Sleep(time.Duration(pause) * time.Millisecond)
					if err := c.Send("more", nil); err != nil {
						break
					}
				}
				select {
				case <-stopped:
				case <-time.After(time.Minute):
					t.Error("the client was not stopped")
				}
				got.want(t, "the client", most)
			}, websocket, polling)
		}
	}
}
