package socket_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// told returns what a close reason says about coming back, and fails the test if it does
// not.
func told(t *testing.T, err error) time.Duration {
	t.Helper()
	var ce *transport.CloseError
	if !errors.As(err, &ce) || ce.Code != transport.StatusGoingAway {
		t.Fatalf("the client was told %v, want close code 1001", err)
	}
	text, ok := strings.CutPrefix(ce.Reason, "retry-in=")
	ms, err := strconv.Atoi(text)
	if !ok || err != nil {
		t.Fatalf("the reason is %q, want retry-in= and a number", ce.Reason)
	}
	return time.Duration(ms) * time.Millisecond
}

// Clients go one after the other over the time, each with everything that was sent to it
// before and a time of its own to come back.
func TestShutdownOverSpreadsTheClients(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		const clients, spread, first = 20, 10 * time.Second, 250 * time.Millisecond
		server := e.serve(socket.WithCloseTimeout(time.Second))
		var disconnects atomic.Int32
		server.HandleFunc(socket.EventDisconnect, func(socket.Socket, interface{}) { disconnects.Add(1) })
		var mu sync.Mutex // guards the fields below
		var ends, returns []time.Duration
		var all sync.WaitGroup
		began := time.Now()
		for range clients {
			p := e.raw()
			all.Go(func() {
				last := ""
				for {
					data, err := p.Receive()
					if err == nil {
						last = string(data)
						continue
					}
					mu.Lock()
					ends, returns = append(ends, time.Since(began)), append(returns, told(t, err))
					mu.Unlock()
					at := time.Since(began)
					if i := (at - first) / time.Second; at > first && last != fmt.Sprintf(`{"event":"n","data":"%d more"}`, i) {
						t.Errorf("the last message after %v was %q: it was not served until its turn", at, last)
					}
					return
				}
			})
		}
		e.settle()
		began = time.Now()
		shut := make(chan error, 1)
		go func() { shut <- server.ShutdownOver(t.Context(), spread) }()
		time.Sleep(first)
		for i := range 10 {
			server.Broadcast("n", i)
			server.Broadcast("n", fmt.Sprint(i, " more"))
			time.Sleep(time.Second)
		}
		if err := <-shut; err != nil {
			t.Errorf("ShutdownOver() = %v", err)
		}
		if took := time.Since(began); took < 9*time.Second || took > spread+2*time.Second {
			t.Errorf("it took %v", took)
		}
		if n := disconnects.Load(); n != clients || server.Count() != 0 {
			t.Errorf("%d disconnect handlers have run and %d connections are left when it returns", n, server.Count())
		}
		all.Wait()
		slices.Sort(ends)
		for i, at := range ends {
			if want := spread * time.Duration(i) / clients; at < want-time.Millisecond || at > want+time.Second {
				t.Errorf("client %d went after %v, want %v", i, at, want)
			}
		}
		slices.Sort(returns)
		if returns[0] < 100*time.Millisecond || returns[clients-1] > spread || len(slices.Compact(returns)) < clients-2 {
			t.Errorf("they were told %v", returns)
		}
	}, websocket, polling)
}

// A Client stays away for as long as it was told, whatever its own backoff.
func TestClientComesBackWhenItWasTold(t *testing.T) {
	for _, session := range []bool{false, true} {
		t.Run(fmt.Sprintf("session=%t", session), func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				server := e.serve(socket.WithReturnDelay(40*time.Second, 50*time.Second))
				var tr trace
				var mu sync.Mutex // guards the fields below
				var gone time.Time
				var said time.Duration
				c := e.client(socket.WithSession(session))
				c.On(socket.EventConnect, func(interface{}) {
					mu.Lock()
					defer mu.Unlock()
					if gone.IsZero() {
						tr.add("connect")
						return
					}
					if away := time.Since(gone); away < said || away > said+time.Second {
						t.Errorf("it came back after %v, and was told %v", away, said)
					}
					tr.add("again after %d", c.ReconnectCount())
				})
				socket.On(c, socket.EventDisconnect, func(reason error) {
					mu.Lock()
					defer mu.Unlock()
					if !gone.IsZero() {
						return // the end of the test
					}
					gone, said = time.Now(), told(t, reason)
					tr.add("disconnect")
				})
				e.connect(c)
				e.settle()
				if err := server.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				e.settle()
				mu.Lock()
				if said < 40*time.Second || said > 50*time.Second {
					t.Errorf("it was told %v, want 40 s to 50 s", said)
				}
				mu.Unlock()
				e.net.HTTPServer().Close()
				e.serve()
				time.Sleep(time.Minute)
				synctest.Wait()
				tr.want(t, "connect", "disconnect", "again after 1")
			}, websocket, polling)
		})
	}
}

// Close ends the wait of a client that was told to stay away.
func TestCloseEndsTheWaitThatTheServerAskedFor(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithReturnDelay(time.Hour, time.Hour))
		c := e.connected()
		server.Shutdown(t.Context())
		synctest.Wait()
		began := time.Now()
		if err := c.Close(); err != nil || time.Since(began) > time.Second {
			t.Errorf("Close() = %v after %v", err, time.Since(began))
		}
	}, websocket, polling)
}

// A reason that only looks like one is none, and no server keeps a client away for long.
func TestRetryInIsReadWithCare(t *testing.T) {
	closed := func(code transport.StatusCode, reason string) error {
		return &socket.ConnectionError{Op: "read", Err: &transport.CloseError{Code: code, Reason: reason}}
	}
	for _, tt := range []struct {
		err  error
		want time.Duration
	}{
		{closed(1001, "retry-in=7340"), 7340 * time.Millisecond},
		{closed(1001, "retry-in=0"), 0},
		{closed(1001, "retry-in=4294967295"), 10 * time.Minute},
		{closed(1001, "retry-in=99999999999999999999"), 0},
		{closed(1001, "retry-in=-1"), 0},
		{closed(1001, "retry-in=1s"), 0},
		{closed(1001, "retry-in="), 0},
		{closed(1001, "come back later"), 0},
		{closed(1013, "retry-in=7340"), 0},
		{errors.New("retry-in=7340"), 0},
		{nil, 0},
	} {
		if got := socket.RetryIn(tt.err); got != tt.want {
			t.Errorf("RetryIn(%v) = %v, want %v", tt.err, got, tt.want)
		}
	}
}

// New connections are refused meanwhile, each with a time of its own behind the end.
func TestNewConnectionsAreToldWhenToComeBack(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		for range 3 {
			e.raw()
		}
		e.settle()
		shut := make(chan error, 1)
		go func() { shut <- server.ShutdownOver(t.Context(), 30*time.Second) }()
		time.Sleep(time.Second)
		client := &http.Client{Transport: &http.Transport{DialContext: e.dial}}
		defer client.CloseIdleConnections()
		var times []int
		for range 20 {
			r, err := client.Post("http://server/socket?transport=polling", "", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Body.Close()
			after, err := strconv.Atoi(r.Header.Get("Retry-After"))
			if r.StatusCode != http.StatusServiceUnavailable || err != nil || after < 30 || after > 60 {
				t.Errorf("status %d, Retry-After %q, want 503 and 30 s to 60 s", r.StatusCode, r.Header.Get("Retry-After"))
			}
			times = append(times, after)
		}
		slices.Sort(times)
		if len(slices.Compact(times)) < 5 {
			t.Errorf("all are told %v", times)
		}
		if err := <-shut; err != nil {
			t.Error(err)
		}
	}, websocket)
}

// Sessions without a connection end at once, and a plain Shutdown, or the end of its
// context, ends a spread one.
func TestShutdownOverDoesNotWaitForWhoIsNotThere(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		var tr trace
		began := time.Now()
		socket.Handle(server, socket.EventDisconnect, func(s socket.Socket, _ error) {
			who, _ := s.Get("who")
			tr.add("%v after %d s", who, int(time.Since(began).Seconds()))
		})
		away, _ := server.GetSocket(e.connected().ID())
		away.Set("who", "away")
		e.settle()
		e.setDown(errors.New("no network"))
		socket.Cut(away)
		synctest.Wait()
		e.setDown(nil)
		for range 2 {
			s, _ := server.GetSocket(e.connected(socket.WithReconnectAttempts(-1)).ID())
			s.Set("who", "there")
		}
		e.setDown(errors.New("no network")) // so that the first does not come back
		began = time.Now()
		shut := make(chan error, 1)
		go func() { shut <- server.ShutdownOver(t.Context(), time.Hour) }()
		time.Sleep(5 * time.Second)
		if err := server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-shut; err != nil || time.Since(began) > 20*time.Second {
			t.Errorf("ShutdownOver() = %v after %v, want the end of the other", err, time.Since(began))
		}
		got := tr.all()
		slices.Sort(got)
		if len(got) != 3 || got[0] != "away after 0 s" {
			t.Errorf("the ends: %q", got)
		}
	}, websocket)
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		e.raw()
		e.raw()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		if err := server.ShutdownOver(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 5*time.Second {
			t.Errorf("ShutdownOver() = %v after %v", err, time.Since(began))
		}
	}, websocket, polling)
}

// Beside the Shutdown of an http.Server, in whatever order, nothing gets stuck, and all
// disconnect handlers have run when both have returned.
func TestShutdownBesideTheShutdownOfTheHTTPServer(t *testing.T) {
	type orders = []struct {
		name string
		run  func(t *testing.T, server *socket.Server, web *http.Server) error
	}
	const spread = 3 * time.Second
	for _, tt := range (orders{
		{"this one first", func(t *testing.T, server *socket.Server, web *http.Server) error {
			return errors.Join(server.ShutdownOver(t.Context(), spread), web.Shutdown(t.Context()))
		}},
		{"the other first", func(t *testing.T, server *socket.Server, web *http.Server) error {
			return errors.Join(web.Shutdown(t.Context()), server.ShutdownOver(t.Context(), spread))
		}},
		{"both at once", func(t *testing.T, server *socket.Server, web *http.Server) error {
			shut := make(chan error, 1)
			go func() { shut <- web.Shutdown(t.Context()) }()
			return errors.Join(server.ShutdownOver(t.Context(), spread), <-shut)
		}},
		{"registered", func(t *testing.T, server *socket.Server, web *http.Server) error {
			shut := make(chan error, 1)
			web.RegisterOnShutdown(func() { shut <- server.ShutdownOver(t.Context(), spread) })
			return errors.Join(web.Shutdown(t.Context()), <-shut)
		}},
	}) {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				server := e.serve()
				var connects, disconnects atomic.Int32
				server.HandleFunc(socket.EventConnect, func(socket.Socket, interface{}) { connects.Add(1) })
				server.HandleFunc(socket.EventDisconnect, func(socket.Socket, interface{}) {
					time.Sleep(300 * time.Millisecond)
					disconnects.Add(1)
				})
				for i := range 6 {
					c := e.connected(socket.WithSession(i%2 == 0), socket.WithReconnectAttempts(2))
					defer c.Close()
				}
				e.raw()
				e.settle()
				began := time.Now()
				if err := tt.run(t, server, e.net.HTTPServer()); err != nil {
					t.Error(err)
				}
				if n := disconnects.Load(); n != connects.Load() || n < 7 || server.Count() != 0 {
					t.Errorf("%d connects, %d disconnects, %d connections left", connects.Load(), n, server.Count())
				}
				// A poll that was held before ends when its time is over, a client between two
				// polls expires.
				if took := time.Since(began); took > time.Minute {
					t.Errorf("it took %v", took)
				}
			}, websocket, polling)
		})
	}
}
