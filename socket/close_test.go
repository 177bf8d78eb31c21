package socket_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// Close in each phase of a client's life ends it: no further attempt, and as many
// disconnects as connects.
func TestCloseEndsTheClientInEveryPhase(t *testing.T) {
	for _, tt := range []struct {
		name string
		// until brings the client to the phase and returns in it. close closes it.
		until    func(e *env, c *socket.Client, close func())
		connects int
	}{
		{
			name:  "before Connect",
			until: func(_ *env, _ *socket.Client, close func()) { close() },
		},
		{
			name: "connecting",
			until: func(e *env, c *socket.Client, close func()) {
				e.setHangs(true)
				failed := make(chan error)
				go func() { failed <- c.Connect() }()
				synctest.Wait()
				close()
				if err := <-failed; !errors.Is(err, socket.ErrConnectionClosed) {
					e.t.Errorf("Connect() = %v, want ErrConnectionClosed", err)
				}
			},
		},
		{
			name: "connected",
			until: func(e *env, c *socket.Client, close func()) {
				e.connect(c)
				e.settle()
				close()
			},
			connects: 1,
		},
		{
			name: "connected a moment ago",
			until: func(e *env, c *socket.Client, close func()) {
				e.connect(c)
				close()
			},
			connects: 1,
		},
		{
			name: "pause before a reconnect",
			until: func(e *env, c *socket.Client, close func()) {
				e.connect(c)
				e.settle()
				e.setDown(syscall.ECONNREFUSED)
				lost := make(chan struct{}, 10)
				c.On(socket.EventDisconnect, func(interface{}) { lost <- struct{}{} })
				e.cut()
				<-lost
				synctest.Wait()
				close()
			},
			connects: 1,
		},
		{
			name: "reconnecting",
			until: func(e *env, c *socket.Client, close func()) {
				e.connect(c)
				e.settle()
				e.setHangs(true)
				e.lose()
				time.Sleep(3 * time.Second)
				close()
			},
			connects: 1,
		},
		{
			name: "after a reconnect",
			until: func(e *env, c *socket.Client, close func()) {
				e.connect(c)
				e.settle()
				e.lose()
				time.Sleep(time.Minute)
				close()
			},
			connects: 2,
		},
		{
			name: "in the connect handler",
			until: func(e *env, c *socket.Client, close func()) {
				c.On(socket.EventConnect, func(interface{}) { close() })
				e.connect(c)
			},
			connects: 1,
		},
		{
			name: "in the connect handler of a reconnect",
			until: func(e *env, c *socket.Client, close func()) {
				c.On(socket.EventConnect, func(interface{}) {
					if c.ReconnectCount() > 0 {
						close()
					}
				})
				e.connect(c)
				e.settle()
				e.lose()
				time.Sleep(time.Minute)
			},
			connects: 2,
		},
		{
			name: "in a message's handler",
			until: func(e *env, c *socket.Client, close func()) {
				c.On("x", func(interface{}) { close() })
				e.connect(c)
				for range 100 {
					e.server.Broadcast("x", nil)
				}
				e.settle()
			},
			connects: 1,
		},
		{
			name: "in the disconnect handler",
			until: func(e *env, c *socket.Client, close func()) {
				c.On(socket.EventDisconnect, func(interface{}) { close() })
				e.connect(c)
				e.settle()
				e.lose()
				e.settle()
			},
			connects: 1,
		},
		{
			name: "in the error handler",
			until: func(e *env, c *socket.Client, close func()) {
				c.On(socket.EventError, func(interface{}) { close() })
				e.connect(c)
				e.settle()
				e.setDown(syscall.ECONNREFUSED)
				e.lose()
				time.Sleep(time.Minute)
			},
			connects: 1,
		},
		{
			name: "while a handler blocks",
			until: func(e *env, c *socket.Client, close func()) {
				done := make(chan struct{})
				c.On("x", func(interface{}) { <-done })
				e.connect(c)
				for range 200 { // more than wait behind a handler
					e.server.Broadcast("x", nil)
				}
				e.settle()
				began := time.Now()
				close()
				if d := time.Since(began); d > time.Nanosecond { // which is the check's
					e.t.Errorf("Close took %v", d)
				}
				done <- struct{}{}
			},
			connects: 1,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				e.serve()
				c := e.client(socket.WithReconnectAttempts(0))
				var connects, disconnects, dials atomic.Int32
				c.On(socket.EventConnect, func(interface{}) { connects.Add(1) })
				c.On(socket.EventDisconnect, func(interface{}) { disconnects.Add(1) })
				var closed atomic.Bool
				tt.until(e, c, func() {
					if closed.Swap(true) {
						return
					}
					dials.Store(int32(e.dialled()))
					var both sync.WaitGroup
					for range 2 { // the second call does nothing
						both.Go(func() {
							if err := c.Close(); err != nil {
								t.Errorf("Close() = %v", err)
							}
						})
					}
					both.Wait()
					if c.IsConnected() {
						t.Error("IsConnected() after Close")
					}
					// net/http dials on goroutines of its own, also for a request that
					// has found a connection meanwhile: let those begin that it has
					// made already.
					time.Sleep(time.Nanosecond)
					dials.Store(int32(e.dialled()))
				})
				time.Sleep(time.Hour)
				if !closed.Load() {
					t.Fatal("the phase was not reached")
				}
				if n := e.dialled(); n != int(dials.Load()) {
					t.Errorf("%d connections were dialled after Close", n-int(dials.Load()))
				}
				if n := int(connects.Load()); n != tt.connects || disconnects.Load() != connects.Load() {
					t.Errorf("%d connects and %d disconnects, want %d of each", n, disconnects.Load(), tt.connects)
				}
				if n := e.server.Count(); n != 0 {
					t.Errorf("%d connections on the server", n)
				}
				e.setDown(nil)
				e.setHangs(false)
				c.Off(socket.EventConnect)
				c.Off("x")
				e.connect(c) // a client that was closed can be connected again
				e.settle()
				if !c.IsConnected() {
					t.Error("not connected after another Connect")
				}
			}, websocket, polling)
		})
	}
}

func TestCloseTellsDisconnectBeforeItReturns(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		e.serve()
		c := e.connected()
		e.settle()
		var reason error // not guarded: Close orders the accesses
		c.On(socket.EventDisconnect, func(data interface{}) { reason = data.(error) })
		c.Close()
		if reason != socket.ErrConnectionClosed {
			t.Errorf("disconnect got %v before Close returned, want ErrConnectionClosed", reason)
		}
	}, websocket, polling)
}

func TestCloseDeliversWhatWasSent(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var n, ends atomic.Int32
		server := e.serve()
		server.HandleFunc("x", func(socket.Socket, interface{}) { n.Add(1) })
		server.HandleFunc(socket.EventDisconnect, func(socket.Socket, interface{}) { ends.Add(1) })
		c := e.connected()
		for range 500 {
			c.Send("x", "some text that takes a little room")
		}
		if err := c.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
		e.settle()
		if n.Load() != 500 || ends.Load() != 1 {
			t.Errorf("%d of 500 messages came, %d disconnects", n.Load(), ends.Load())
		}
	}, websocket, polling)
}

// A Socket closed in the very first moment, before anybody reads it, neither
// holds up the one who closes nor stays.
func TestServerMayCloseAConnectionFromItsFirstMoment(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var tr trace
		server := e.serve()
		server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) {
			began := time.Now()
			s.Close()
			tr.add("connect %v", time.Since(began))
		})
		server.HandleFunc(socket.EventDisconnect, func(_ socket.Socket, reason interface{}) {
			tr.add("disconnect %t", reason == socket.ErrConnectionClosed)
		})
		for range 20 {
			tr = trace{}
			p := e.raw()
			_, err := p.Receive()
			if got := transport.CloseStatus(err); got != transport.StatusNormalClosure {
				t.Errorf("the peer was told %v", err)
			}
			e.settle()
			tr.want(t, "connect 0s", "disconnect true")
		}
	}, websocket, polling)
}

func TestShutdownDoesTheFourStepsOfTheGuide(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var tr trace
		server := e.serve()
		server.HandleFunc(socket.EventDisconnect, func(socket.Socket, interface{}) {
			time.Sleep(time.Second)
			tr.add("disconnect")
		})
		p := e.raw()
		e.settle()
		for i := range 3 {
			server.Broadcast("n", i)
		}
		shut := make(chan error)
		began := time.Now()
		go func() { shut <- server.Shutdown(t.Context()) }()
		go func() { shut <- server.Shutdown(t.Context()) }() // idempotent, and both wait
		p.want(`{"event":"n","data":0}`, `{"event":"n","data":1}`, `{"event":"n","data":2}`)
		_, err := p.Receive()
		if transport.CloseStatus(err) != transport.StatusGoingAway {
			t.Errorf("the client is told %v, want close code 1001", err)
		}
		for range 2 {
			if err := <-shut; err != nil {
				t.Errorf("Shutdown() = %v", err)
			}
		}
		if d := time.Since(began); d > 3*time.Second {
			t.Errorf("Shutdown took %v", d)
		}
		tr.want(t, "disconnect")
		var cerr *socket.ConnectionError
		if err := e.client().Connect(); !errors.As(err, &cerr) {
			t.Errorf("Connect() = %v after Shutdown", err)
		}
		if err := server.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown() once more = %v", err)
		}
	}, websocket, polling)
}

func TestShutdownClosesWhatIsLeftWhenTimeRunsOut(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var ends atomic.Int32
		server := e.serve(socket.WithCloseTimeout(time.Hour))
		server.HandleFunc(socket.EventDisconnect, func(socket.Socket, interface{}) { ends.Add(1) })
		for range 3 {
			e.raw()
		}
		e.settle()
		e.silence() // they will not answer
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown() = %v, want the error of its context", err)
		}
		if d := time.Since(began); d != 5*time.Second {
			t.Errorf("Shutdown took %v", d)
		}
		synctest.Wait()
		if ends.Load() != 3 || server.Count() != 0 {
			t.Errorf("%d disconnects, %d connections left", ends.Load(), server.Count())
		}
	}, websocket, polling)
}

// Connections that are being opened meanwhile are refused or closed, none stays.
func TestShutdownRacesWithNewConnections(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		for round := range 20 {
			server := e.serve(socket.WithMaxConcurrency(0))
			var connects, disconnects atomic.Int32
			server.HandleFunc(socket.EventConnect, func(socket.Socket, interface{}) { connects.Add(1) })
			server.HandleFunc(socket.EventDisconnect, func(socket.Socket, interface{}) { disconnects.Add(1) })
			var clients sync.WaitGroup
			for i := range 20 {
				clients.Go(func() {
					c := e.client(socket.WithReconnectAttempts(-1))
					if i > round {
						time.Sleep(time.Millisecond)
					}
					c.Connect() // refused or not
				})
			}
			time.Sleep(time.Millisecond)
			if err := server.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown() = %v", err)
			}
			clients.Wait()
			time.Sleep(10 * time.Second)
			if n := server.Count(); n != 0 || connects.Load() != disconnects.Load() {
				t.Errorf("%d connections left, %d connects, %d disconnects", n, connects.Load(), disconnects.Load())
			}
			e.net.Close()
		}
	}, websocket, polling)
}

func TestShutdownFromAHandlerEndsWithItsContext(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		done := make(chan error, 1)
		server.HandleFunc("stop", func(socket.Socket, interface{}) {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			defer cancel()
			done <- server.Shutdown(ctx)
		})
		e.connected(socket.WithReconnectAttempts(-1)).Send("stop", nil)
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown() = %v", err)
		}
		if err := server.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown() = %v afterwards", err)
		}
	}, websocket, polling)
}

func TestPeerThatDoesNotAnswerTheCloseIsCutOff(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var ends atomic.Int32
		server := e.serve() // the close timeout is 5 s
		server.HandleFunc(socket.EventDisconnect, func(socket.Socket, interface{}) { ends.Add(1) })
		e.raw()
		e.settle()
		e.silence()
		for _, s := range socket.Sockets(server) {
			s.Close()
			s.Close()
		}
		time.Sleep(4 * time.Second)
		if n := ends.Load(); n != 0 {
			t.Errorf("%d disconnects before the close timeout", n)
		}
		time.Sleep(3 * time.Second)
		if n := ends.Load(); n != 1 || server.Count() != 0 {
			t.Errorf("%d disconnects, %d connections after it", n, server.Count())
		}
	}, websocket, polling)
}

func TestSocketAfterItsEnd(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		sockets := make(chan socket.Socket, 1)
		server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) {
			s.Join("a")
			sockets <- s
		})
		var atEnd []string
		server.HandleFunc(socket.EventDisconnect, func(s socket.Socket, _ interface{}) {
			s.Join("b")
			atEnd = server.RoomsOf(s.ID())
		})
		c := e.connected()
		s := <-sockets
		ctx := s.Context()
		if ctx.Err() != nil || !s.IsConnected() {
			t.Error("the socket is not connected")
		}
		c.Close()
		<-ctx.Done()
		e.settle()
		if len(atEnd) != 1 || atEnd[0] != "a" {
			t.Errorf("rooms in the disconnect handler: %v, want [a]", atEnd)
		}
		var cerr *socket.ConnectionError
		if cause := context.Cause(ctx); !errors.As(cause, &cerr) {
			t.Errorf("the context's cause is %v", cause)
		}
		if err := s.Send("x", nil); !errors.As(err, &cerr) || !errors.Is(err, socket.ErrConnectionClosed) {
			t.Errorf("Send() = %v", err)
		}
		if err := s.Join("c"); err != nil || len(s.Rooms()) != 0 || len(server.In("c")) != 0 {
			t.Errorf("Join() = %v, rooms %v", err, s.Rooms())
		}
		if _, ok := server.GetSocket(s.ID()); ok || s.IsConnected() || server.Count() != 0 {
			t.Error("the socket is still there")
		}
		if s.Close() != nil || s.Context().Err() == nil || s.Request().URL.Path != "/socket" {
			t.Error("the socket cannot be used after its end")
		}
	}, websocket, polling)
}
