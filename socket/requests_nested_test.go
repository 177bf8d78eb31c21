package socket_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

// countDown registers an answer to "down" on both ends which asks the other end, until
// it is 0.
func countDown(s *socket.Server, c *socket.Client) {
	socket.HandleRequest(s, "down", func(ctx context.Context, s socket.Socket, n int) (int, error) {
		if n == 0 {
			return 0, nil
		}
		deeper, err := socket.Call[int](ctx, s, "down", n-1)
		return deeper + 1, err
	})
	socket.OnRequest(c, "down", func(ctx context.Context, n int) (int, error) {
		if n == 0 {
			return 0, nil
		}
		deeper, err := socket.Call[int](ctx, c, "down", n-1)
		return deeper + 1, err
	})
}

// atOnce checks that something takes no time, apart from the milliseconds that messages are
// corked and the pauses of polls.
func atOnce(t *testing.T, what string, f func()) {
	t.Helper()
	began := time.Now()
	f()
	if d := time.Since(began); d > 4*time.Second {
		t.Errorf("%s took %v", what, d)
	}
}

// A handler asks the other end, whose handler asks back, and so on.
func TestHandlersAskEachOtherAsDeepAsRequestsMayWait(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		p := e.pair(countDown)
		for who, caller := range p.callers() {
			for _, depth := range []int{1, 2, 3, 20, 100} {
				atOnce(t, fmt.Sprint(who, " to the depth of ", depth), func() {
					if got, err := socket.Call[int](t.Context(), caller, "down", depth); got != depth || err != nil {
						t.Errorf("%s: %d, %v, want %d", who, got, err, depth)
					}
				})
			}
			// 64 of each end wait for replies at most.
			atOnce(t, who+" too deep", func() {
				var rerr *socket.ReplyError
				if _, err := caller.Call(t.Context(), "down", 200); !errors.As(err, &rerr) || rerr.Code != socket.CodeInternal {
					t.Errorf("%s, to the depth of 200: %v", who, err)
				}
			})
		}
		p.wantNothingPending(t)
	}, websocket, polling)
}

func TestAHandlerOfAnEventAsksItsOwnPeer(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		done := make(chan string, 4)
		p := e.pair(func(s *socket.Server, c *socket.Client) {
			countDown(s, c)
			ask := func(who string, caller socket.Caller) {
				got, err := socket.Call[int](context.Background(), caller, "down", 5)
				done <- fmt.Sprint(who, " ", got, " ", err)
			}
			s.HandleFunc("ask", func(s socket.Socket, _ interface{}) { ask("server", s) })
			c.On("ask", func(interface{}) { ask("client", c) })
			c.On(socket.EventConnect, func(interface{}) { ask("client", c) })
		})
		if got := <-done; got != "client 5 <nil>" {
			t.Errorf("a connect handler: %s", got)
		}
		atOnce(t, "asking from a handler of the server", func() {
			p.client.Send("ask", nil)
			if got := <-done; got != "server 5 <nil>" {
				t.Error(got)
			}
		})
		atOnce(t, "asking from a handler of the client", func() {
			p.socket.Send("ask", nil)
			if got := <-done; got != "client 5 <nil>" {
				t.Error(got)
			}
		})
		p.wantNothingPending(t)
	}, websocket, polling)
}

// Two handlers that ask each other's end at the same time would wait for each other, were
// their requests to wait for the handlers.
func TestHandlersOfBothEndsThatAskAtTheSameTimeDoNotWaitForEachOther(t *testing.T) {
	for _, delay := range []time.Duration{0, 10 * time.Millisecond, time.Second} {
		run(t, func(t *testing.T, e *env) {
			done := make(chan error, 2)
			p := e.pair(func(s *socket.Server, c *socket.Client) {
				answerBoth(s, c, "sum", sum)
				s.HandleFunc("ask", func(s socket.Socket, _ interface{}) {
					time.Sleep(time.Second)
					_, err := s.Call(context.Background(), "sum", nil)
					done <- err
				})
				c.On("ask", func(interface{}) {
					time.Sleep(time.Second + delay)
					_, err := c.Call(context.Background(), "sum", nil)
					done <- err
				})
			})
			atOnce(t, "asking each other", func() {
				p.client.Send("ask", nil)
				p.socket.Send("ask", nil)
				for range 2 {
					if err := <-done; err != nil {
						t.Error(err)
					}
				}
			})
			p.wantNothingPending(t)
		}, websocket, polling)
	}
}

// What waits behind a handler, and holds the peer back as a rule, does not keep the reply
// from coming that the handler waits for.
func TestReplyComesBehindMoreMessagesThanMayWaitForAHandler(t *testing.T) {
	for _, session := range []bool{true, false} {
		run(t, func(t *testing.T, e *env) {
			const n = 500
			var atServer, atClient int
			done := make(chan error, 2)
			p := e.pair(func(s *socket.Server, c *socket.Client) {
				socket.Handle(s, "n", func(_ socket.Socket, n int) { atServer++ })
				socket.On(c, "n", func(n int) { atClient++ })
				socket.HandleRequest(s, "flood", func(_ context.Context, s socket.Socket, _ any) (any, error) {
					for i := range n {
						s.Send("n", i)
					}
					return nil, nil
				})
				socket.OnRequest(c, "flood", func(context.Context, any) (any, error) {
					for i := range n {
						c.Send("n", i)
					}
					return nil, nil
				})
				s.HandleFunc("ask", func(s socket.Socket, _ interface{}) {
					_, err := s.Call(context.Background(), "flood", nil)
					if atServer != 0 {
						t.Error("a handler ran beside another one")
					}
					done <- err
				})
				c.On("ask", func(interface{}) {
					_, err := c.Call(context.Background(), "flood", nil)
					if atClient != 0 {
						t.Error("a handler ran beside another one")
					}
					done <- err
				})
			}, socket.WithSession(session))
			atOnce(t, "asking for a flood", func() {
				p.client.Send("ask", nil)
				if err := <-done; err != nil {
					t.Errorf("the server's: %v", err)
				}
				p.socket.Send("ask", nil)
				if err := <-done; err != nil {
					t.Errorf("the client's: %v", err)
				}
			})
			e.settle()
			if atServer != n || atClient != n {
				t.Errorf("the handlers have seen %d and %d of %d messages", atServer, atClient, n)
			}
			p.wantNothingPending(t)
		}, websocket, polling)
	}
}

// The reader may wait for room already when the handler asks.
func TestReplyComesToAHandlerWhoseBacklogWasFullBefore(t *testing.T) {
	for _, session := range []bool{true, false} {
		run(t, func(t *testing.T, e *env) {
			const n = 200
			var atServer, atClient atomic.Int32
			done := make(chan error, 2)
			p := e.pair(func(s *socket.Server, c *socket.Client) {
				answerBoth(s, c, "sum", sum)
				socket.Handle(s, "n", func(socket.Socket, int) { atServer.Add(1) })
				socket.On(c, "n", func(int) { atClient.Add(1) })
				s.HandleFunc("ask", func(s socket.Socket, _ interface{}) {
					time.Sleep(time.Minute) // reading is handed on meanwhile
					_, err := s.Call(context.Background(), "sum", nil)
					done <- err
				})
				c.On("ask", func(interface{}) {
					time.Sleep(10 * time.Second)
					_, err := c.Call(context.Background(), "sum", nil)
					done <- err
				})
			}, socket.WithSession(session))
			p.client.Send("ask", nil)
			for i := range n {
				p.client.Send("n", i)
			}
			if err := <-done; err != nil {
				t.Errorf("the server's: %v", err)
			}
			p.socket.Send("ask", nil)
			for i := range n {
				p.socket.Send("n", i)
			}
			if err := <-done; err != nil {
				t.Errorf("the client's: %v", err)
			}
			time.Sleep(time.Minute)
			if atServer.Load() != n || atClient.Load() != n {
				t.Errorf("the handlers have seen %d and %d of %d messages", atServer.Load(), atClient.Load(), n)
			}
			p.wantNothingPending(t)
		}, websocket, polling)
	}
}

// A call from elsewhere has its reply while a handler runs, which begins before the call
// or after it.
func TestReplyDoesNotWaitForAnUnrelatedHandler(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		p := e.pair(func(s *socket.Server, c *socket.Client) {
			s.HandleFunc("slow", func(socket.Socket, interface{}) { time.Sleep(time.Minute) })
			c.On("slow", func(interface{}) { time.Sleep(time.Minute) })
			answerBoth(s, c, "wait", func(_ context.Context, d time.Duration) (any, error) {
				time.Sleep(d)
				return nil, nil
			})
			socket.OnRequest(c, "slow first", func(context.Context, any) (any, error) { return nil, c.Send("slow", nil) })
		})
		ask := func(event string, data any) {
			t.Helper()
			atOnce(t, event, func() {
				if _, err := p.socket.Call(t.Context(), event, data); err != nil {
					t.Error(err)
				}
			})
		}
		p.client.Send("slow", nil)
		synctest.Wait()
		ask("wait", 0) // the handler runs already
		time.Sleep(2 * time.Minute)
		ask("slow first", nil) // it begins in front of the reply
		time.Sleep(2 * time.Minute)
		p.socket.Send("slow", nil)
		synctest.Wait()
		atOnce(t, "a call of the client", func() {
			if _, err := p.client.Call(t.Context(), "wait", 0); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(2 * time.Minute)
	}, websocket, polling)
}

// Beside a handler that asks, and only then, requests run out of their place.
func TestARequestWaitsForAHandlerThatAsksNothing(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var tr trace
		p := e.pair(func(s *socket.Server, c *socket.Client) {
			slow := func(who string) {
				tr.add("%s begins", who)
				time.Sleep(20 * time.Second)
				tr.add("%s ends", who)
			}
			s.HandleFunc("slow", func(socket.Socket, interface{}) { slow("server") })
			c.On("slow", func(interface{}) { slow("client") })
			answerBoth(s, c, "x", func(context.Context, any) (any, error) { tr.add("answered"); return nil, nil })
			answerBoth(s, c, "wait", func(context.Context, any) (any, error) { time.Sleep(5 * time.Second); return nil, nil })
		})
		// A call that began before the handler does not count.
		go p.socket.Call(t.Context(), "wait", nil)
		synctest.Wait()
		p.client.Send("slow", nil)
		if _, err := p.client.Call(t.Context(), "x", nil); err != nil {
			t.Error(err)
		}
		go p.client.Call(t.Context(), "wait", nil)
		synctest.Wait()
		p.socket.Send("slow", nil)
		if _, err := p.socket.Call(t.Context(), "x", nil); err != nil {
			t.Error(err)
		}
		tr.want(t, "server begins", "server ends", "answered", "client begins", "client ends", "answered")
	}, websocket, polling)
}

// What goes wrong beside a handler is reported as anywhere else.
func TestAPanicBesideAHandlerClosesTheSocket(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var tr trace
		p := e.pair(func(s *socket.Server, c *socket.Client) {
			answerBoth(s, c, "panic", func(context.Context, any) (any, error) { panic("no") })
			socket.OnRequest(c, "ask back", func(ctx context.Context, _ any) (any, error) {
				_, err := c.Call(ctx, "panic", nil)
				tr.add("client fails: %t", err != nil) // with the reply or the end of the connection
				return nil, nil
			})
			s.HandleFunc("ask", func(s socket.Socket, _ interface{}) {
				_, err := s.Call(context.Background(), "ask back", nil)
				tr.add("server") // the reply or the end of the socket, whichever comes first
				_ = err
			})
			s.HandleFunc(socket.EventError, func(_ socket.Socket, err interface{}) { tr.add("reported: %v", err) })
			s.HandleFunc(socket.EventDisconnect, func(_ socket.Socket, err interface{}) { tr.add("disconnect: %v", err) })
		}, socket.WithReconnectAttempts(-1))
		p.client.Send("ask", nil)
		time.Sleep(10 * time.Second)
		got := tr.all()
		want := map[string]bool{
			"client fails: true": true,
			"server":             true,
			`reported: socket: message "panic": handler panicked: no`:   true,
			`disconnect: socket: message "panic": handler panicked: no`: true,
		}
		for _, line := range got {
			delete(want, line)
		}
		reported := slices.Index(got, `reported: socket: message "panic": handler panicked: no`)
		disconnect := slices.Index(got, `disconnect: socket: message "panic": handler panicked: no`)
		if len(want) > 0 || len(got) != 4 || disconnect < reported {
			t.Errorf("what happened: %q", got)
		}
		p.wantNothingPending(t)
	}, websocket, polling)
}
