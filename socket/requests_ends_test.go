package socket_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

// silent does not answer before the end of its context, and then too late.
func silent(ctx context.Context, _ any) (any, error) {
	<-ctx.Done()
	time.Sleep(10 * time.Second)
	return nil, ctx.Err()
}

func TestARequestWithoutAReplyEndsWithItsContextOrAfterHalfAMinute(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		p := e.pair(func(s *socket.Server, c *socket.Client) { answerBoth(s, c, "silent", silent) })
		for who, caller := range p.callers() {
			within, cancel := context.WithTimeout(t.Context(), 40*time.Second)
			defer cancel()
			for _, tt := range []struct {
				ctx  context.Context
				want time.Duration
			}{{context.Background(), 30 * time.Second}, {within, 10 * time.Second}, {within, 0}} {
				began := time.Now()
				_, err := caller.Call(tt.ctx, "silent", nil)
				var merr *socket.MessageError
				if !errors.As(err, &merr) || merr.Event != "silent" || !errors.Is(err, socket.ErrTimeout) ||
					!errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, socket.ErrConnectionClosed) {
					t.Errorf("%s: the error is %v", who, err)
				}
				if d := time.Since(began); d != tt.want {
					t.Errorf("%s: it took %v, want %v", who, d, tt.want)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			began := time.Now()
			time.AfterFunc(time.Second, cancel)
			_, err := caller.Call(ctx, "silent", nil)
			if !errors.Is(err, context.Canceled) || errors.Is(err, socket.ErrTimeout) || time.Since(began) != time.Second {
				t.Errorf("%s: cancelled after a second: %v after %v", who, err, time.Since(began))
			}
			if _, err := caller.Call(ctx, "silent", nil); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: with a cancelled context: %v", who, err)
			}
		}
		p.wantNothingPending(t)
	}, websocket, polling)
}

// Nothing is read by the other end, and the queue is full.
func TestACancelledCallReturnsAtOnceWhileItsMessageCannotBeSent(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		p := e.pair(nil)
		e.stall()
		for who, caller := range p.callers() {
			for range 50 {
				go caller.Call(t.Context(), "much", make([]byte, 40<<10))
			}
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			if _, err := caller.Call(ctx, "x", nil); !errors.Is(err, socket.ErrTimeout) || time.Since(began) != time.Second {
				t.Errorf("%s: %v after %v", who, err, time.Since(began))
			}
			// Nor does what was given up leave anything behind that would be sent later.
			before := runtime.NumGoroutine()
			for range 100 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				caller.Call(ctx, "x", nil)
				cancel()
			}
			if more := runtime.NumGoroutine() - before; more > 10 {
				t.Errorf("%s: %d goroutines are left of 100 calls", who, more)
			}
		}
		p.client.Close()
	}, websocket)
}

func TestALateReplyIsDropped(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		p := e.pair(func(s *socket.Server, c *socket.Client) {
			answerBoth(s, c, "late", func(_ context.Context, n int) (int, error) {
				time.Sleep(time.Duration(n) * time.Second)
				return n, nil
			})
			s.HandleFunc(socket.EventMessage, func(socket.Socket, interface{}) { t.Error("a late reply came as a message") })
			c.On(socket.EventMessage, func(interface{}) { t.Error("a late reply came as a message") })
		})
		for who, caller := range p.callers() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := caller.Call(ctx, "late", 3); !errors.Is(err, socket.ErrTimeout) {
				t.Errorf("%s: %v", who, err)
			}
			cancel()
			// The reply to the first comes while this one waits.
			if got, err := socket.Call[int](t.Context(), caller, "late", 1); got != 1 || err != nil {
				t.Errorf("%s: %d, %v", who, got, err)
			}
			// And now nobody waits.
			ctx, cancel = context.WithTimeout(t.Context(), time.Second)
			caller.Call(ctx, "late", 2)
			cancel()
			time.Sleep(10 * time.Second)
		}
		p.wantNothingPending(t)
	}, websocket, polling)
}

func TestRequestsBeyondTheLimitAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name  string
		limit int
		want  int
	}{{"default", 0, 64}, {"3", 3, 3}} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				s := e.serve(socket.WithMaxRequests(tt.limit))
				c := e.client(socket.WithClientMaxRequests(tt.limit))
				answerBoth(s, c, "silent", silent)
				e.connect(c)
				synctest.Wait()
				p := pair{s, c, socket.Sockets(s)[0]}
				ctx, cancel := context.WithCancel(t.Context())
				for who, caller := range p.callers() {
					for range tt.want {
						go caller.Call(ctx, "silent", nil)
					}
					synctest.Wait()
					var merr *socket.MessageError
					if _, err := caller.Call(ctx, "silent", nil); !errors.Is(err, socket.ErrTooManyRequests) || !errors.As(err, &merr) {
						t.Errorf("%s: request %d: %v", who, tt.want+1, err)
					}
				}
				cancel()
				c.Close()                   // which ends the answers
				time.Sleep(5 * time.Minute) // a server that is in a handler may take it for a loss
				p.wantNothingPending(t)
			}, websocket, polling)
		})
	}
}

// wantClosed checks the errors of calls that the end of their connection has ended.
func wantClosed(t *testing.T, who string, err error) {
	t.Helper()
	var cerr *socket.ConnectionError
	if !errors.As(err, &cerr) || !errors.Is(err, socket.ErrConnectionClosed) || !errors.Is(err, net.ErrClosed) || errors.Is(err, socket.ErrTimeout) {
		t.Errorf("%s: the error is %v", who, err)
	}
}

func TestTheEndOfAConnectionEndsItsRequests(t *testing.T) {
	for name, end := range map[string]func(e *env, p pair){
		"Client.Close":              func(_ *env, p pair) { p.client.Close() },
		"Socket.Close":              func(_ *env, p pair) { p.socket.Close() },
		"Shutdown":                  func(_ *env, p pair) { p.server.Shutdown(context.Background()) },
		"a loss without a session":  func(e *env, _ pair) { e.cut() },
		"a black hole":              func(e *env, _ pair) { e.silence() },
		"a loss and no way back":    func(e *env, _ pair) { e.setDown(errors.New("down")); e.cut() },
		"a client that is too slow": func(e *env, p pair) { socket.Slow(p.socket) },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				if name == "a loss without a session" && e.kind == polling {
					t.Skip("long polling goes on")
				}
				p := e.pair(func(s *socket.Server, c *socket.Client) { answerBoth(s, c, "silent", silent) },
					socket.WithSession(name == "a loss and no way back"))
				errs := map[string]chan error{}
				for who, caller := range p.callers() {
					done := make(chan error, 1)
					errs[who] = done
					ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
					defer cancel()
					go func() {
						_, err := caller.Call(ctx, "silent", nil)
						done <- err
					}()
				}
				e.settle()
				end(e, p)
				for who, done := range errs {
					wantClosed(t, who, <-done)
				}
				e.setDown(nil)
				_, err := p.socket.Call(t.Context(), "silent", nil)
				wantClosed(t, "a socket that has ended", err)
				p.client.Close()
				_, err = p.client.Call(t.Context(), "silent", nil)
				wantClosed(t, "a client that was closed", err)
				time.Sleep(time.Minute) // the answers, which come too late, have ended
				p.wantNothingPending(t)
			}, websocket, polling)
		})
	}
}

func TestACallBeforeConnectFails(t *testing.T) {
	c := socket.NewClient(new(flaky))
	_, err := c.Call(t.Context(), "x", nil)
	wantClosed(t, "before Connect", err)
	if n := socket.Pending(c); n != 0 {
		t.Errorf("%d requests are pending", n)
	}
}

// Request and reply are ordinary messages of the session.
func TestAReplyIsFoundAcrossLostConnections(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		p := e.pair(func(s *socket.Server, c *socket.Client) {
			answerBoth(s, c, "slow", func(_ context.Context, n int) (int, error) {
				time.Sleep(time.Duration(n) * 100 * time.Millisecond)
				return n, nil
			})
		}, socket.WithReconnectDelay(300*time.Millisecond))
		e.settle() // the client has shown that it has the session
		lose := e.cut
		if e.kind == polling {
			lose = func() { socket.Cut(p.socket) }
		}
		for who, caller := range p.callers() {
			// The connection is lost before the request leaves, while it is on its way,
			// while it is answered, and while the reply is on its way.
			for i := range 20 {
				cut := time.AfterFunc(time.Duration(i)*50*time.Millisecond, lose)
				if i%4 == 0 {
					lose()
				}
				if got, err := socket.Call[int](t.Context(), caller, "slow", i); got != i || err != nil {
					t.Errorf("%s, %d: %d, %v", who, i, got, err)
				}
				cut.Stop()
			}
		}
		p.wantNothingPending(t)
		if n := p.client.ReconnectCount(); n == 0 {
			t.Error("there was no reconnect")
		}
	}, websocket, polling)
}

// The reply to a request of an earlier connection must not be taken for one to a request
// of this one, which has the same number.
func TestAReplyDoesNotReachAnotherConnectionsRequest(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		p := e.pair(func(_ *socket.Server, c *socket.Client) {
			socket.OnRequest(c, "slow", func(_ context.Context, name string) (string, error) {
				time.Sleep(30 * time.Second)
				return name, nil
			})
		}, socket.WithSession(false), socket.WithReconnectAttempts(0))
		go p.socket.Call(t.Context(), "slow", "old")
		e.settle()
		if e.kind == polling {
			p.socket.Close()
		}
		e.cut()
		time.Sleep(10 * time.Second)
		var fresh socket.Socket
		for _, s := range socket.Sockets(p.server) {
			if s != p.socket && s.IsConnected() {
				fresh = s
			}
		}
		if fresh == nil {
			t.Fatal("the client has not come back")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if got, err := socket.Call[string](ctx, fresh, "slow", "new"); got != "new" || err != nil {
			t.Errorf("the reply is %q, %v", got, err)
		}
	}, websocket, polling)
}

// A server that has lost the session does not have the requests either.
func TestALostSessionEndsTheRequestsOfTheClient(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		p := e.pair(func(s *socket.Server, c *socket.Client) { answerBoth(s, c, "silent", silent) }, socket.WithReconnectAttempts(0))
		done := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			_, err := p.client.Call(ctx, "silent", nil)
			done <- err
		}()
		e.settle()
		e.setDown(errors.New("down"))
		e.cut()
		time.Sleep(5 * time.Minute) // longer than the window
		select {
		case err := <-done:
			t.Errorf("the call ended while the session might go on: %v", err)
		default:
		}
		e.setDown(nil)
		wantClosed(t, "the client", <-done)
		if !p.client.IsConnected() {
			t.Error("the client is not connected")
		}
		if _, err := p.client.Call(t.Context(), "?", nil); err == nil || errors.Is(err, socket.ErrConnectionClosed) {
			t.Errorf("a request within the new session: %v", err)
		}
		p.wantNothingPending(t)
	}, websocket, polling)
}

func TestErrorsOfCallsSayWhatHappened(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		p := e.pair(func(s *socket.Server, c *socket.Client) { answerBoth(s, c, "silent", silent) }, socket.WithReconnectAttempts(-1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var got []string
		_, err := p.client.Call(t.Context(), "?", nil)
		got = append(got, err.Error())
		_, err = p.client.Call(ctx, "silent", nil)
		got = append(got, err.Error())
		p.client.Close()
		_, err = p.client.Call(t.Context(), "x", nil)
		got = append(got, err.Error())
		want := []string{
			`socket: reply: unknown_event: nothing answers requests of this event`,
			`socket: message "silent": no reply: socket: timeout: context deadline exceeded`,
			`socket: send: socket: connection closed`,
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}, websocket)
}
