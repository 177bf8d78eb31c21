package socket_test

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

// A handler that ends its goroutine, as t.FailNow does, is one that panicked.
func TestHandlerThatEndsItsGoroutineClosesThatOneSocket(t *testing.T) {
	for _, event := range []string{socket.EventConnect, "end", socket.EventDisconnect, socket.EventError} {
		t.Run(event, func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				var tr trace
				server := e.serve()
				server.HandleFunc(event, func(socket.Socket, interface{}) {
					tr.add("%s begins", event)
					runtime.Goexit()
				})
				server.HandleFunc(socket.EventDisconnect, func(s socket.Socket, data interface{}) {
					var merr *socket.MessageError
					tr.add("disconnect %t", errors.As(data.(error), &merr))
				})
				p := e.raw()
				if event == "end" {
					p.say(`{"event":"end"}`)
				}
				if event == socket.EventError {
					p.say(`{`)
				}
				e.settle()
				if event == socket.EventDisconnect {
					p.Close()
				}
				if _, err := p.Receive(); err == nil {
					t.Error("the socket was not closed")
				}
				time.Sleep(10 * time.Second)
				tr.want(t, event+" begins", "disconnect "+map[bool]string{true: "false", false: "true"}[event == socket.EventDisconnect])
				if n := server.Count(); n != 0 {
					t.Errorf("Count() = %d, want 0", n)
				}
			}, websocket, polling)
		})
	}
}

func TestClientHandlerThatEndsItsGoroutineGivesTheConnectionUp(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var tr trace
		server := e.serve()
		server.HandleFunc("hello", func(s socket.Socket, _ interface{}) { s.Send("end", nil) })
		c := e.client()
		c.On(socket.EventConnect, func(interface{}) { tr.add("connect") })
		c.On("end", func(interface{}) { runtime.Goexit() })
		c.On(socket.EventError, func(data interface{}) {
			var perr *socket.PanicError
			tr.add("error %t", errors.As(data.(error), &perr))
		})
		c.On(socket.EventDisconnect, func(data interface{}) {
			var perr *socket.PanicError
			tr.add("disconnect %t", errors.As(data.(error), &perr))
		})
		e.connect(c)
		c.Send("hello", nil)
		time.Sleep(5 * time.Second)
		tr.want(t, "connect", "error true", "disconnect true", "connect")
	}, websocket, polling)
}
