package socket_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

func TestUseConnectRunsInOrderAndBeforeTheConnectHandlers(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		var tr trace
		for i := range 3 {
			server.UseConnect(func(s socket.Socket) error {
				tr.add("passes %d", i)
				s.Set("passed", i)
				return nil
			})
		}
		server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) {
			passed, _ := s.Get("passed")
			tr.add("connected, passed %v", passed)
		})
		server.HandleFunc("hello", func(socket.Socket, interface{}) { tr.add("hello") })
		c := e.connected()
		c.Send("hello", nil)
		e.settle()
		tr.want(t, "passes 0", "passes 1", "passes 2", "connected, passed 2", "hello")
	}, websocket, polling)
}

func TestUseConnectRefusesWithACodeAndNoHandlerRuns(t *testing.T) {
	for _, tt := range []struct {
		name   string
		refuse func(s socket.Socket) error
		code   transport.StatusCode
		reason string
	}{
		{"any error", func(socket.Socket) error { return errors.New("table users is on fire") }, 1008, "the connection was refused"},
		{"a reason", func(socket.Socket) error {
			return fmt.Errorf("banned: %w", socket.DisconnectReason{Code: 4507, Reason: "not you"})
		}, 4507, "not you"},
		{"a verdict", func(socket.Socket) error { return socket.DisconnectReason{Retry: socket.RetryNever} }, 4500, ""},
		{"an impossible reason", func(socket.Socket) error { return socket.DisconnectReason{Code: 1006} }, 1011, ""},
		{"a panic", func(socket.Socket) error { panic("trouble") }, 1011, ""},
		{"an end of the goroutine", func(socket.Socket) error { runtime.Goexit(); return nil }, 1011, ""},
		{"a close", func(s socket.Socket) error { return s.Close() }, 1000, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				server := e.serve(socket.WithMaxConcurrency(1))
				server.UseConnect(func(s socket.Socket) error {
					s.Join("room")
					return tt.refuse(s)
				})
				server.UseConnect(func(socket.Socket) error { t.Error("the next one runs"); return nil })
				for _, event := range []socket.Event{socket.EventConnect, socket.EventDisconnect, "hello"} {
					server.HandleFunc(event, func(socket.Socket, interface{}) { t.Errorf("the handler of %s runs", event) })
				}
				for _, session := range []bool{true, false} {
					ends := make(chan error, 1)
					c := e.client(socket.WithSession(session), socket.WithReconnectDelay(time.Hour))
					socket.On(c, socket.EventDisconnect, func(err error) {
						select {
						case ends <- err:
						default:
						}
					})
					e.connect(c)
					c.Send("hello", nil)
					err := <-ends
					var ce *transport.CloseError
					if !errors.As(err, &ce) || ce.Code != tt.code || ce.Reason != tt.reason {
						t.Errorf("the client is told %v, want %d %q", err, tt.code, tt.reason)
					}
					c.Close()
					e.settle()
					if n := server.Count(); n != 0 || socket.RoomCount(server) != 0 {
						t.Errorf("%d places are taken, %d rooms are left", n, socket.RoomCount(server))
					}
				}
			}, websocket, polling)
		})
	}
}

// As long as UseConnect has not let a connection pass nobody can find it.
func TestNobodySeesAConnectionBeforeItHasPassed(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithAuthenticator(byHeader))
		waits, goOn := make(chan string), make(chan struct{})
		server.UseConnect(func(s socket.Socket) error {
			waits <- s.ID()
			<-goOn
			return nil
		})
		c := e.as("alice").client()
		var tr trace
		c.OnAny(func(event socket.Event, _ interface{}) { tr.add("%s", event) })
		done := make(chan error, 1)
		go func() { done <- c.Connect() }()
		id := <-waits
		if _, ok := server.GetSocket(id); ok || len(server.ToIdentity("alice").Sockets()) > 0 || len(server.ToAll().Sockets()) > 0 {
			t.Error("it can be found")
		}
		server.Broadcast("early", 1)
		server.ToIdentity("alice").Broadcast("early", 1)
		synctest.Wait()
		if c.IsConnected() {
			t.Error("the client believes to be connected")
		}
		close(goOn)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		server.Broadcast("late", 1)
		e.settle()
		tr.want(t, "late")
	}, websocket, polling)
}

func TestUseConnectRunsOnceForASession(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		var tr trace
		server.UseConnect(func(s socket.Socket) error { tr.add("passes"); return nil })
		link := &switching{pick: func(int) socket.SessionTransport { return e.transport().(socket.SessionTransport) }}
		c := socket.NewClient(link)
		defer c.Close()
		c.On(socket.EventConnect, func(interface{}) { tr.add("connected") })
		e.connect(c)
		e.settle()
		link.Abort()
		e.settle()
		tr.want(t, "passes", "connected", "connected")
	}, websocket, polling)
}

// Shutdown passes a connection by that is being made, which is closed all the same.
func TestShutdownDuringUseConnectClosesTheConnection(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		waits, goOn := make(chan struct{}), make(chan struct{})
		server.UseConnect(func(socket.Socket) error {
			close(waits)
			<-goOn
			return nil
		})
		c := e.client(socket.WithReconnectAttempts(-1))
		ends := make(chan error, 1)
		socket.On(c, socket.EventDisconnect, func(err error) { ends <- err })
		go c.Connect()
		<-waits
		down := make(chan error, 1)
		go func() { down <- server.Shutdown(t.Context()) }()
		synctest.Wait()
		close(goOn)
		if err := <-down; err != nil {
			t.Errorf("Shutdown() = %v", err)
		}
		if code := transport.CloseStatus(<-ends); code != transport.StatusGoingAway {
			t.Errorf("code %d", code)
		}
	}, websocket, polling)
}

func TestUseEventWrapsTheHandlersInOrder(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		var tr trace
		for _, name := range []string{"outer", "inner"} {
			server.UseEvent(func(_ socket.Socket, event socket.Event, next func()) {
				tr.add("%s begins %s", name, event)
				next()
				next() // does nothing
				tr.add("%s ends %s", name, event)
			})
		}
		server.HandleFunc("a", func(_ socket.Socket, data interface{}) { tr.add("a: %v", data) })
		server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) {
			tr.add("connected")
			s.On("a", func(data interface{}) { tr.add("own a: %v", data) })
		})
		server.HandleAny(func(_ socket.Socket, event socket.Event, data interface{}) { tr.add("any %s: %v", event, data) })
		server.HandleFunc(socket.EventError, func(_ socket.Socket, err interface{}) { tr.add("error") })
		p := e.raw()
		p.say(`{"event":"a","data":1}`, `{"event":"connect"}`, `[2]`)
		p.SendBinary([]byte{3})
		e.settle()
		tr.want(t, "connected",
			"outer begins a", "inner begins a", "a: 1", "own a: 1", "any a: 1", "inner ends a", "outer ends a",
			"error",
			"outer begins message", "inner begins message", "any message: [2]", "inner ends message", "outer ends message",
			"outer begins message", "inner begins message", "any message: [3]", "inner ends message", "outer ends message")
	}, websocket, polling)
}

func TestUseEventDropsAMessageByNotCallingNext(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		var tr trace
		var late func()
		server.UseEvent(func(_ socket.Socket, event socket.Event, next func()) {
			if event == "forbidden" {
				late = next
				return
			}
			if late != nil {
				late() // too late: it does nothing
			}
			next()
		})
		server.HandleAny(func(_ socket.Socket, event socket.Event, data interface{}) { tr.add("%s %v", event, data) })
		server.HandleFunc("forbidden", func(socket.Socket, interface{}) { tr.add("forbidden") })
		c := e.connected()
		c.Send("forbidden", 1)
		c.Send("allowed", 2)
		e.settle()
		tr.want(t, "allowed 2")
	}, websocket, polling)
}

// Whatever ends a function around the handlers, or a handler within, is reported once
// and closes that one socket.
func TestPanicInsideUseEventIsReportedOnce(t *testing.T) {
	boom := map[string]func(){"panic": func() { panic("boom") }, "goexit": runtime.Goexit}
	for _, tt := range []struct{ where, how, want string }{
		{"before", "panic", "[error disconnect]"},
		{"before", "goexit", "[error disconnect]"},
		{"handler", "panic", "[error any after disconnect]"},
		{"handler", "goexit", "[error any disconnect]"},
		{"after", "panic", "[any after error disconnect]"},
		{"after", "goexit", "[any after error disconnect]"},
	} {
		t.Run(tt.where+" "+tt.how, func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				server := e.serve()
				var tr trace
				at := func(where string) {
					if where == tt.where {
						boom[tt.how]()
					}
				}
				server.UseEvent(func(_ socket.Socket, _ socket.Event, next func()) {
					at("before")
					next()
					tr.add("after")
					at("after")
				})
				server.HandleFunc("go", func(socket.Socket, interface{}) { at("handler") })
				server.HandleAny(func(socket.Socket, socket.Event, interface{}) { tr.add("any") })
				socket.Handle(server, socket.EventError, func(_ socket.Socket, err error) {
					var p *socket.PanicError
					if !errors.As(err, &p) {
						t.Errorf("error: %v", err)
					}
					tr.add("error")
				})
				server.HandleFunc(socket.EventDisconnect, func(socket.Socket, interface{}) { tr.add("disconnect") })
				c := e.client(socket.WithReconnectAttempts(-1))
				ends := make(chan error, 1)
				socket.On(c, socket.EventDisconnect, func(err error) { ends <- err })
				e.connect(c)
				c.Send("go", nil)
				if code := transport.CloseStatus(<-ends); code != transport.StatusInternalError {
					t.Errorf("code %d", code)
				}
				e.settle()
				if got := fmt.Sprint(tr.all()); got != tt.want {
					t.Errorf("what happened: %s, want %s", got, tt.want)
				}
			}, websocket, polling)
		})
	}
}

func TestMiddlewareThatIsNilPanics(t *testing.T) {
	server := socket.NewServer()
	for name, use := range map[string]func(){
		"UseConnect": func() { server.UseConnect(nil) },
		"UseEvent":   func() { server.UseEvent(nil) },
		"HandleAny":  func() { server.HandleAny(nil) },
		"OnAny":      func() { socket.NewClient(&flaky{}).OnAny(nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s takes nil", name)
				}
			}()
			use()
		}()
	}
}
