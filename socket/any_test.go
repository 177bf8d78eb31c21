package socket_test

import (
	"testing"
	"testing/synctest"

	"github.com/kleeedolinux/socket.go/socket"
)

func TestHandleAnySeesEachMessageAfterItsHandlers(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		var tr trace
		server.HandleAny(func(s socket.Socket, event socket.Event, data interface{}) { tr.add("any %s: %v", event, data) })
		server.HandleFunc("a", func(_ socket.Socket, data interface{}) { tr.add("a: %v", data) })
		socket.Handle(server, "a", func(_ socket.Socket, data string) { t.Error("the data is no string") })
		server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) {
			tr.add("connect")
			s.On("a", func(data interface{}) { tr.add("own a: %v", data) })
		})
		server.HandleFunc(socket.EventError, func(socket.Socket, interface{}) { tr.add("error") })
		server.HandleFunc(socket.EventDisconnect, func(socket.Socket, interface{}) { tr.add("disconnect") })
		p := e.raw()
		p.say(`{"event":"a","data":1}`, `{"event":"b"}`, `[2]`, `{"event":"error"}`)
		p.SendBinary([]byte{3})
		e.settle()
		p.Close()
		e.settle()
		tr.want(t, "connect", "a: 1", "error", "own a: 1", "any a: 1", "any b: <nil>", "any message: [2]", "error",
			"any message: [3]", "disconnect")
	}, websocket, polling)
}

func TestOnAnySeesEachMessageAfterItsHandlers(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		var tr trace
		c := e.client()
		c.OnAny(func(event socket.Event, data interface{}) { tr.add("any %s: %v", event, data) })
		c.On("a", func(data interface{}) { tr.add("a: %v", data) })
		c.On(socket.EventConnect, func(interface{}) { tr.add("connect") })
		c.On(socket.EventDisconnect, func(interface{}) { tr.add("disconnect") })
		c.Once("off", func(interface{}) { t.Error("it was removed") })
		c.Off("off")
		e.connect(c)
		e.settle()
		for _, event := range []socket.Event{"a", "off", "error", socket.EventMessage} {
			server.Broadcast(event, 1)
		}
		server.Broadcast(socket.EventMessage, []byte{2})
		e.settle()
		c.Close()
		synctest.Wait()
		tr.want(t, "connect", "a: 1", "any a: 1", "any off: 1", "any error: 1", "any message: 1", "any message: [2]", "disconnect")
	}, websocket, polling)
}

func TestOnceOfASocketRunsOnce(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		var tr trace
		server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) {
			s.Once("a", func(data interface{}) {
				tr.add("first %v", data)
				s.Once("a", func(data interface{}) { tr.add("next %v", data) })
			})
			s.On("a", func(data interface{}) { tr.add("each %v", data) })
			s.Once("b", func(interface{}) { t.Error("it was removed") })
			s.Off("b")
		})
		c := e.connected()
		for i := range 3 {
			c.Send("a", i)
		}
		c.Send("b", 1)
		e.settle()
		tr.want(t, "first 0", "each 0", "each 1", "next 1", "each 2")
	}, websocket, polling)
}
