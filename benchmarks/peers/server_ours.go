package main

import (
	"context"
	"net"
	"net/http"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// messageServer is the message layer of this module.
type messageServer struct{}

func (messageServer) serve(l net.Listener, mode string) error {
	u := transport.NewUpgrader(&transport.AcceptOptions{Limits: transport.Limits{MaxMessageSize: 1 << 20}})
	h := &messageHandler{broadcast: mode != "echo"}
	return httpServe(l, func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Accept(w, r, nil)
		if err != nil {
			return
		}
		if h.broadcast {
			h.members.add(c)
		}
		c.Start(h)
	})
}

type messageHandler struct {
	broadcast bool
	members   members[*transport.Conn]
}

func (h *messageHandler) OnMessage(c *transport.Conn, typ transport.MessageType, p []byte) {
	if !h.broadcast {
		if c.Queue(typ, p) == transport.ErrQueueFull {
			c.Write(context.Background(), typ, p)
		}
		return
	}
	m := transport.NewPreparedMessage(typ, p)
	h.members.each(func(c *transport.Conn) { c.QueuePrepared(m) })
}

func (h *messageHandler) OnClose(c *transport.Conn, _ error) {
	if h.broadcast {
		h.members.remove(c)
	}
}

// eventServer is the whole of this module: JSON events, handlers, rooms.
type eventServer struct{}

func (eventServer) serve(l net.Listener, mode string) error {
	// The load does not answer pings.
	s := socket.NewServer(socket.WithMaxConcurrency(0), socket.WithMaxMessageSize(1<<20), socket.WithLogger(nil), socket.WithPingInterval(-1))
	if mode != "echo" {
		s.HandleFunc(socket.EventConnect, func(c socket.Socket, _ interface{}) { c.Join("room") })
		socket.Handle(s, "m", func(_ socket.Socket, text string) { s.BroadcastToRoom("room", "m", text) })
	} else {
		socket.Handle(s, "m", func(c socket.Socket, text string) { c.Send("m", text) })
	}
	return http.Serve(l, s)
}
