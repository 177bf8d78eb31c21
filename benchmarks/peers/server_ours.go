package main

import (
	"context"
	"net"
	"net/http"
	"runtime"
	"sync"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// messageServer is the message layer of this module.
type messageServer struct{}

func (messageServer) serve(l net.Listener, row workload) error {
	mode := row.mode()
	opts := transport.AcceptOptions{Limits: transport.Limits{MaxMessageSize: 1 << 20}}
	switch row.deflate {
	case alone:
		opts.Compression = &transport.Compression{Threshold: compressFrom}
	case takeover:
		opts.Compression = &transport.Compression{Takeover: transport.WindowTakeover, PeerWindow: 12}
	}
	u := transport.NewUpgrader(&opts)
	h := &messageHandler{broadcast: mode != "echo"}
	h.bursts.members = &h.members
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
	bursts    bursts
}

func (h *messageHandler) OnMessage(c *transport.Conn, typ transport.MessageType, p []byte) {
	if !h.broadcast {
		if c.Queue(typ, p) == transport.ErrQueueFull {
			c.Write(context.Background(), typ, p)
		}
		return
	}
	h.bursts.publish(transport.NewPreparedMessage(typ, p))
}

func (h *messageHandler) OnClose(c *transport.Conn, _ error) {
	if h.broadcast {
		h.members.remove(c)
	}
}

// bursts broadcasts on the message layer as package socket does on its own:
// messages of about the same time are staged for everybody, then written.
type bursts struct {
	members *members[*transport.Conn]

	mu      sync.Mutex // guards the fields below
	log     transport.PreparedBatch
	running bool
}

func (b *bursts) publish(m *transport.PreparedMessage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log.Append(m)
	if !b.running {
		b.running = true
		go b.run() // ends when the log is empty
	}
}

func (b *bursts) run() {
	runtime.Gosched() // others publish now
	for log := b.take(); len(log.Messages()) > 0; log = b.take() {
		b.members.each(func(c *transport.Conn) { c.StagePrepared(&log) })
		b.members.each(func(c *transport.Conn) { c.Flush() })
	}
}

func (b *bursts) take() transport.PreparedBatch {
	b.mu.Lock()
	defer b.mu.Unlock()
	log := b.log
	b.log, b.running = transport.PreparedBatch{}, len(log.Messages()) > 0
	return log
}

// eventServer is the whole of this module: JSON events, handlers, rooms.
type eventServer struct{}

func (eventServer) serve(l net.Listener, row workload) error {
	mode := row.mode()
	// The load does not answer pings.
	s := socket.NewServer(socket.WithMaxConcurrency(0), socket.WithMaxMessageSize(1<<20), socket.WithLogger(nil), socket.WithPingInterval(-1))
	if mode != "echo" {
		s.HandleFunc(socket.EventConnect, func(c socket.Socket, _ interface{}) { c.Join("room") })
		socket.Handle(s, "m", func(_ socket.Socket, text string) { s.BroadcastToRoom("room", "m", text) })
	} else {
		socket.Handle(s, "m", func(c socket.Socket, text string) { c.Send("m", text) })
		socket.Handle(s, "n", func(socket.Socket, string) {})
	}
	return http.Serve(l, s)
}
