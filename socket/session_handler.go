package socket

import "github.com/kleeedolinux/socket.go/socket/transport"

// firstHandler is the sessionHandler of the first connection, which is the only one of most
// sessions: it takes no memory.
type firstHandler sessionLink

func (h *firstHandler) OnMessage(_ *transport.Conn, typ transport.MessageType, payload []byte) {
	(*sessionLink)(h).received(0, typ, payload)
}

func (h *firstHandler) OnStall(*transport.Conn) { (*sessionLink)(h).stalled(0) }

func (h *firstHandler) OnClose(_ *transport.Conn, err error) { (*sessionLink)(h).lost(0, err) }

// handler returns what is told of a WebSocket connection of a generation.
func (l *sessionLink) handler(gen uint32) transport.Handler {
	if gen == 0 {
		return (*firstHandler)(l)
	}
	return sessionHandler{l, gen}
}

// sessionHandler passes what happens on a WebSocket connection to its session.
type sessionHandler struct {
	l   *sessionLink
	gen uint32
}

func (h sessionHandler) OnMessage(_ *transport.Conn, typ transport.MessageType, payload []byte) {
	h.l.received(h.gen, typ, payload)
}

func (h sessionHandler) OnStall(*transport.Conn) { h.l.stalled(h.gen) }

func (h sessionHandler) OnClose(_ *transport.Conn, err error) { h.l.lost(h.gen, err) }
