package socket_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

func TestOneSocketsHandlersRunOneAtATimeAndInTheOrderInWhichThePeerSent(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		const n = 500
		var running atomic.Int32
		var got []int // not guarded: the race detector sees handlers that overlap
		server := e.serve()
		socket.Handle(server, "n", func(_ socket.Socket, i int) {
			if running.Add(1) != 1 {
				t.Error("two handlers run at the same time")
			}
			if i%100 == 0 {
				time.Sleep(20 * time.Second) // long enough for reading to be handed on
			}
			got = append(got, i)
			running.Add(-1)
		})
		c := e.connected()
		for i := range n {
			if err := c.Send("n", i); err != nil {
				t.Fatalf("Send(%d) = %v", i, err)
			}
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if want := count(n); !slices.Equal(got, want) {
			t.Errorf("%d messages came, in the order %v", len(got), got)
		}
	}, websocket, polling)
}

// count returns the numbers from 0 to n-1.
func count(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func TestDifferentSocketsRunInParallel(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var both sync.WaitGroup
		both.Add(2)
		server := e.serve()
		server.HandleFunc("meet", func(socket.Socket, interface{}) {
			both.Done()
			both.Wait() // needs the other handler at the same time
		})
		for range 2 {
			e.connected().Send("meet", nil)
		}
		both.Wait()
	}, websocket, polling)
}

func TestConnectRunsBeforeTheFirstMessage(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var tr trace
		server := e.serve()
		server.HandleFunc(socket.EventConnect, func(socket.Socket, interface{}) {
			time.Sleep(3 * time.Second)
			tr.add("connect")
		})
		socket.Handle(server, "n", func(_ socket.Socket, i int) { tr.add("%d", i) })
		c := e.connected()
		for i := range 3 {
			c.Send("n", i)
		}
		e.settle()
		tr.want(t)
		time.Sleep(5 * time.Second)
		tr.want(t, "connect", "0", "1", "2")
	}, websocket, polling)
}

func TestMessagesThatCameBeforeTheEndOfTheConnectionAreHandled(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var tr trace
		server := e.serve()
		server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) {
			time.Sleep(3 * time.Second)
			tr.add("connect, connected: %t", s.IsConnected())
		})
		socket.Handle(server, "n", func(_ socket.Socket, i int) { tr.add("%d", i) })
		server.HandleFunc(socket.EventDisconnect, func(socket.Socket, interface{}) { tr.add("disconnect") })
		c := e.connected()
		c.Send("n", 1)
		c.Send("n", 2)
		if err := c.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
		time.Sleep(10 * time.Second)
		tr.want(t, "connect, connected: false", "1", "2", "disconnect")
	}, websocket, polling)
}

func TestDisconnectRunsExactlyOnceAndLastWithTheReason(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(e *env, c *socket.Client)
		want func(reason error) bool
	}{
		{
			name: "client closes",
			end:  func(_ *env, c *socket.Client) { c.Close() },
			want: func(reason error) bool {
				var cerr *socket.ConnectionError
				return errors.As(reason, &cerr) && errors.Is(reason, socket.ErrConnectionClosed)
			},
		},
		{
			name: "connection is cut and the client does not come back",
			end: func(e *env, c *socket.Client) {
				e.setDown(errors.New("down"))
				e.cut()
			},
			want: func(reason error) bool {
				var cerr *socket.ConnectionError
				return errors.As(reason, &cerr) // a reset, or a client that stopped polling
			},
		},
		{
			name: "server closes",
			end:  func(_ *env, c *socket.Client) { c.Send("close", nil) },
			want: func(reason error) bool { return reason == socket.ErrConnectionClosed },
		},
		{
			name: "server closes, and the client in the same moment",
			end: func(_ *env, c *socket.Client) {
				c.Send("close", nil)
				c.Close()
			},
			want: func(reason error) bool { return errors.Is(reason, socket.ErrConnectionClosed) },
		},
		{
			name: "handler panics",
			end:  func(_ *env, c *socket.Client) { c.Send("panic", nil) },
			want: func(reason error) bool {
				var merr *socket.MessageError
				var perr *socket.PanicError
				return errors.As(reason, &merr) && merr.Event == "panic" && errors.As(reason, &perr) && perr.Value == "oh"
			},
		},
		{
			name: "server shuts down",
			end:  func(e *env, _ *socket.Client) { e.server.Shutdown(e.t.Context()) },
			want: func(reason error) bool { return reason == socket.ErrConnectionClosed },
		},
		{
			name: "client falls silent",
			end: func(e *env, _ *socket.Client) {
				e.setDown(errors.New("down"))
				e.stall()
			},
			want: func(reason error) bool {
				var cerr *socket.ConnectionError
				return errors.As(reason, &cerr) && errors.Is(reason, socket.ErrTimeout)
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				var mu sync.Mutex
				var reasons []error
				last := ""
				server := e.serve(socket.WithPingInterval(10*time.Second), socket.WithPingTimeout(5*time.Second))
				server.HandleFunc("close", func(s socket.Socket, _ interface{}) { s.Close() })
				server.HandleFunc("panic", func(s socket.Socket, _ interface{}) { panic("oh") })
				for _, event := range []string{socket.EventConnect, socket.EventError, socket.EventDisconnect, "n", "close"} {
					server.HandleFunc(event, func(_ socket.Socket, data interface{}) {
						mu.Lock()
						defer mu.Unlock()
						last = event
						if event == socket.EventDisconnect {
							reasons = append(reasons, data.(error))
						}
					})
				}
				c := e.connected(socket.WithReconnectAttempts(-1))
				c.Send("n", 1)
				e.settle()
				tt.end(e, c)
				time.Sleep(time.Minute)
				mu.Lock()
				defer mu.Unlock()
				if len(reasons) != 1 || !tt.want(reasons[0]) {
					t.Errorf("disconnect got %#v", reasons)
				}
				if last != socket.EventDisconnect {
					t.Errorf("%s came after disconnect", last)
				}
				if n := server.Count(); n != 0 {
					t.Errorf("Count() = %d after the end", n)
				}
			}, websocket, polling)
		})
	}
}

func TestSeveralHandlersOfOneEventRunInTheOrderTheyWereAdded(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var tr trace
		server := e.serve()
		for i := range 3 {
			server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) {
				tr.add("connect %d", i)
				s.On("x", func(interface{}) { tr.add("x %d of the socket", i) })
			})
			server.HandleFunc("x", func(socket.Socket, interface{}) { tr.add("x %d", i) })
		}
		server.HandleFunc("off", func(s socket.Socket, _ interface{}) { s.Off("x") })
		c := e.connected()
		c.Send("x", nil)
		c.Send("off", nil)
		c.Send("x", nil)
		e.settle()
		tr.want(t, "connect 0", "connect 1", "connect 2",
			"x 0", "x 1", "x 2", "x 0 of the socket", "x 1 of the socket", "x 2 of the socket",
			"x 0", "x 1", "x 2")
	}, websocket, polling)
}

func TestHandlerThatFailsDoesNotKeepTheOthersOfTheEventFromRunning(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var tr trace
		server := e.serve()
		socket.Handle(server, "x", func(_ socket.Socket, n int) { tr.add("int %d", n) })
		socket.Handle(server, "x", func(_ socket.Socket, s string) { tr.add("string %s", s) })
		server.HandleFunc(socket.EventError, func(_ socket.Socket, data interface{}) {
			tr.add("error %t", errors.Is(data.(error), socket.ErrInvalidMessage))
		})
		server.HandleFunc("panic", func(socket.Socket, interface{}) { panic("first") })
		server.HandleFunc("panic", func(socket.Socket, interface{}) { tr.add("second") })
		server.HandleFunc(socket.EventDisconnect, func(socket.Socket, interface{}) { panic("first") })
		server.HandleFunc(socket.EventDisconnect, func(s socket.Socket, _ interface{}) { tr.add("disconnect") })
		c := e.connected(socket.WithReconnectAttempts(-1))
		c.Send("x", "text")
		c.Send("x", 7)
		c.Send("panic", nil)
		time.Sleep(10 * time.Second)
		tr.want(t, "error true", "string text", "int 7", "error true", "error false", "second", "error false", "disconnect")
	}, websocket, polling)
}

func TestHandlerThatBlocksDelaysOnlyItsOwnSocket(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		block := make(chan struct{})
		server.HandleFunc("block", func(socket.Socket, interface{}) { <-block })
		socket.Handle(server, "echo", func(s socket.Socket, v int) { s.Send("echo", v) })
		blocked, other := e.connected(), e.connected()
		blocked.Send("block", nil)
		blocked.Send("echo", 0)
		e.settle()
		var tr trace
		socket.On(other, "echo", func(v int) { tr.add("other %d", v) })
		socket.On(blocked, "echo", func(v int) { tr.add("blocked %d", v) })
		for i := range 3 {
			other.Send("echo", i)
		}
		e.settle()
		tr.want(t, "other 0", "other 1", "other 2")
		close(block)
		e.settle()
		tr.want(t, "other 0", "other 1", "other 2", "blocked 0")
	}, websocket, polling)
}

// What a handler that blocks leaves unread holds the peer back, and nobody takes
// the silence on either side for the end of the connection.
func TestReadingStopsBehindAHandlerThatBlocksWhileHeartbeatsGoOn(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var got []int
		var over atomic.Bool
		e.webSocket = []transport.WebSocketOption{transport.WithWriteTimeout(-1)}
		server := e.serve()
		server.HandleFunc(socket.EventDisconnect, func(_ socket.Socket, data interface{}) {
			if !over.Load() {
				t.Errorf("disconnect: %v", data)
			}
		})
		socket.Handle(server, "n", func(_ socket.Socket, m struct {
			I   int
			Fat string
		}) {
			if m.I == 0 {
				time.Sleep(10 * time.Minute)
			}
			got = append(got, m.I)
		})
		c := e.connected()
		c.On(socket.EventDisconnect, func(data interface{}) {
			if !over.Load() {
				t.Errorf("client: disconnect: %v", data)
			}
		})
		const n = 1000
		fat := string(make([]byte, 1000))
		var sent atomic.Int32
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range n {
				for {
					err := c.Send("n", map[string]any{"i": i, "fat": fat})
					if err == nil {
						break
					}
					if !errors.Is(err, socket.ErrTimeout) || !c.IsConnected() {
						t.Errorf("Send(%d) = %v", i, err)
						return
					}
				}
				sent.Add(1)
			}
		}()
		time.Sleep(9 * time.Minute)
		if got := sent.Load(); got == n {
			t.Error("everything was sent while nothing was read")
		}
		time.Sleep(2 * time.Minute)
		<-done
		e.settle()
		over.Store(true)
		if !slices.Equal(got, count(n)) {
			t.Errorf("%d messages came, in the order %v", len(got), got)
		}
	}, websocket, polling)
}

func TestPanicInAHandlerIsCaughtReportedAndClosesThatOneSocket(t *testing.T) {
	for _, event := range []string{socket.EventConnect, "x", socket.EventMessage, socket.EventDisconnect, socket.EventError} {
		t.Run(event, func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				var tr trace
				server := e.serve()
				victim := ""
				server.HandleFunc("victim", func(s socket.Socket, _ interface{}) { victim = s.ID() })
				socket.Handle(server, "echo", func(s socket.Socket, v int) { s.Send("echo", v) })
				bystander := e.raw()
				server.HandleFunc(event, func(s socket.Socket, _ interface{}) {
					if s.ID() != bystander.SocketID() {
						panic(fmt.Errorf("oh: %w", errOh))
					}
				})
				server.HandleFunc(socket.EventError, func(s socket.Socket, data interface{}) {
					var merr *socket.MessageError
					if errors.As(data.(error), &merr) && errors.Is(merr, errOh) {
						tr.add("error %s", merr.Event)
					}
				})
				server.HandleFunc(socket.EventDisconnect, func(s socket.Socket, _ interface{}) { tr.add("disconnect") })
				p := e.raw()
				p.say(`{"event":"victim"}`)
				switch event {
				case "x":
					p.say(`{"event":"x"}`)
				case socket.EventMessage:
					p.say(`1`)
				case socket.EventError:
					p.say(`{`)
				case socket.EventDisconnect:
					e.settle()
					p.Close()
				}
				if _, err := p.Receive(); err == nil {
					t.Error("the socket was not closed")
				}
				e.settle()
				want := []string{"error " + event, "disconnect"}
				if event == socket.EventError {
					want = want[1:] // an error handler's own panic is only logged
				}
				tr.want(t, want...)
				if !e.logged("handler panicked", "event="+event, victim, "oh") {
					t.Error("the panic is not in the log")
				}
				bystander.say(`{"event":"echo","data":1}`)
				bystander.want(`{"event":"echo","data":1}`)
			}, websocket, polling)
		})
	}
}

var errOh = errors.New("oh")

// Every method, from every handler, and from outside at the same time.
func TestEveryMethodMayBeCalledFromAnyHandlerAndAnyGoroutine(t *testing.T) {
	methods := []struct {
		name string
		call func(server *socket.Server, s socket.Socket)
	}{
		{"Send", func(_ *socket.Server, s socket.Socket) { s.Send("x", 1) }},
		{"Broadcast", func(v *socket.Server, _ socket.Socket) { v.Broadcast("x", 1) }},
		{"BroadcastToRoom", func(v *socket.Server, _ socket.Socket) { v.BroadcastToRoom("a", "x", 1) }},
		{"BroadcastToRooms", func(v *socket.Server, _ socket.Socket) { v.BroadcastToRooms([]string{"a", "b"}, "x", 1) }},
		{"BroadcastParallel", func(v *socket.Server, _ socket.Socket) { v.BroadcastParallel("x", 1) }},
		{"Join and Leave", func(v *socket.Server, s socket.Socket) {
			v.Join(s.ID(), "a")
			s.Join("b")
			v.Leave(s.ID(), "a")
			s.Leave("b")
		}},
		{"In and RoomsOf", func(v *socket.Server, s socket.Socket) { v.In("a"); v.RoomsOf(s.ID()); s.Rooms(); v.LeaveAll(s.ID()) }},
		{"On and Off", func(_ *socket.Server, s socket.Socket) { s.On("y", func(interface{}) {}); s.Off("y") }},
		{"HandleFunc", func(v *socket.Server, _ socket.Socket) { v.HandleFunc("z", func(socket.Socket, interface{}) {}) }},
		{"Set and Get", func(_ *socket.Server, s socket.Socket) { s.Set("k", 1); s.Get("k"); s.Set("k", nil) }},
		{"Context and Request", func(_ *socket.Server, s socket.Socket) { s.Context().Err(); s.Request().Header.Set("A", "b") }},
		{"GetSocket and Count", func(v *socket.Server, s socket.Socket) { v.GetSocket(s.ID()); v.Count(); s.IsConnected() }},
		{"Close", func(_ *socket.Server, s socket.Socket) { s.Close() }},
	}
	for _, m := range methods {
		t.Run(m.name, func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				server := e.serve()
				var outside sync.WaitGroup
				var calls, ends atomic.Int32
				for _, event := range []string{socket.EventConnect, socket.EventDisconnect, socket.EventError, socket.EventMessage, "any"} {
					server.HandleFunc(event, func(s socket.Socket, _ interface{}) {
						outside.Go(func() { m.call(server, s) })
						m.call(server, s)
						calls.Add(1)
						if event == socket.EventDisconnect {
							ends.Add(1)
						}
					})
				}
				for range 3 {
					p := e.raw()
					p.Send([]byte(`{"event":"any"}`)) // it may be closed already
					p.Send([]byte(`{`))
					p.Send([]byte(`1`))
					e.settle()
					p.Close()
				}
				time.Sleep(10 * time.Second)
				outside.Wait()
				if want := int32(15); m.name != "Close" && calls.Load() != want {
					t.Errorf("%d handlers ran, want %d", calls.Load(), want)
				}
				if ends.Load() != 3 {
					t.Errorf("disconnect ran %d times for 3 sockets", ends.Load())
				}
			}, websocket, polling)
		})
	}
}

// Neither end may take the silence of the other for its end: not that of a
// client that only listens, nor that of a server that only listens.
func TestConnectionsOfTheDefaultsLastForHours(t *testing.T) {
	for _, tt := range []struct {
		name  string
		every time.Duration // between two messages of the client; 0: none
	}{
		{"idle", 0},
		{"client that sends", 10 * time.Second},
		{"client that sends just before each ping", 24 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				var over atomic.Bool
				e.serve()
				for range 5 {
					c := e.connected()
					c.On(socket.EventDisconnect, func(data interface{}) {
						if !over.Load() {
							t.Errorf("disconnect: %v", data)
						}
					})
					if tt.every > 0 {
						go func() {
							for !over.Load() {
								c.Send("x", nil)
								time.Sleep(tt.every)
							}
						}()
					}
				}
				time.Sleep(2 * time.Hour)
				over.Store(true)
				time.Sleep(time.Minute)
			}, websocket, polling)
		})
	}
}

// What is wrong with a message is told in its place, not behind those that came
// with it or behind the end.
func TestErrorsComeInTheOrderOfTheMessages(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var got []string
		server := e.serve()
		server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) {
			for i, data := range []interface{}{1, "two", 3} {
				if err := s.Send("n", data); err != nil {
					t.Errorf("Send %d: %v", i+1, err)
				}
			}
			s.Close()
		})
		c := e.client(socket.WithReconnectAttempts(-1))
		socket.On(c, "n", func(n int) {
			time.Sleep(time.Second) // the others and the end come meanwhile
			got = append(got, fmt.Sprint(n))
		})
		socket.On(c, socket.EventError, func(err error) { got = append(got, "error") })
		socket.On(c, socket.EventDisconnect, func(error) { got = append(got, "disconnect") })
		if err := c.Connect(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := []string{"1", "error", "3", "disconnect"}; !slices.Equal(got, want) {
			t.Errorf("the handlers were told %q, want %q", got, want)
		}
	}, websocket, polling)
}
