package transport

import (
	"context"
	"runtime"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// Handler is told what happens on a connection that [Conn.Start] has started.
type Handler interface {
	// OnMessage is called for every message, in order and one at a time. The
	// payload is valid until it returns and may be changed. While it runs the
	// connection is not read, so a slow handler slows down its own peer and
	// nobody else; see [Conn.HandOff] for handlers that take long. One that ends
	// its goroutine (runtime.Goexit) ends neither the reading nor the connection.
	OnMessage(c *Conn, typ MessageType, payload []byte)

	// OnClose is called once, after the last OnMessage was called. err is a
	// *[CloseError] when the peer said why, a *[ProtocolError] or *[LimitError]
	// when the connection was failed, and matches [net.ErrClosed] when it was
	// closed on this side; otherwise the connection was lost.
	OnClose(c *Conn, err error)
}

// StallHandler is a [Handler] that is told when the peer has taken nothing for the
// write timeout. Other connections are cut then.
type StallHandler interface {
	Handler

	// OnStall is called once or more, on a goroutine of its own, while messages are
	// handled or not. If it closes the connection, with [Conn.Refuse] for
	// instance, the peer has the close timeout to read again and to find out why;
	// otherwise the connection is cut as soon as OnStall returns.
	OnStall(c *Conn)
}

// Start lets h have what arrives from now on, until the connection ends. It
// returns at once; OnClose tells of the end. Call it once, and not together with
// Read or Reader, which fail from then on. Panics of the handler are not
// recovered.
//
// Between messages a connection costs no buffer and, where the system allows it,
// no goroutine: on Linux, for TCP and Unix connections and TLS over them, unless
// [Limits].ReadTimeout is set. Otherwise it has one with a small stack. Return from
// the HTTP handler after Start: then nothing of net/http is left either.
//
// On Linux, Start takes the descriptor of a *[net.TCPConn] or *[net.UnixConn] away
// from it, because package net keeps some 900 bytes for each. Whoever has kept that
// connection, from a listener or a dialer, finds it closed, and cannot close the Conn
// through it; a connection of any other type stays as it is. The network connection
// must be closed by methods of the Conn only: a close behind its back may go
// unnoticed until something is sent.
//
// All complete messages that one read brought are handled before the answers
// to them are written, in one write. Answers wait for a slow handler in the
// middle of such a batch for a millisecond at most.
func (c *Conn) Start(h Handler) {
	in := &c.in
	in.turn.handler = h
	if in.served.Swap(true) {
		panic("transport: Conn.Start called twice")
	}
	if !in.reading.tryTake() {
		go c.relieve() // owned by c: ends with the connection
		return
	}
	c.start()
}

// relieve starts a connection that a Close has begun to read.
func (c *Conn) relieve() {
	c.interrupt()
	c.in.reading.take(nil)
	c.resume()
	c.start()
}

// start is Start for the caller who has the right to read.
func (c *Conn) start() {
	c.in.reading.keep()
	if !c.startWatch() {
		go c.serve(c.in.turn.state.Load()) // owned by c: ends with the connection
	}
}

// maxTurns is how many reads in a row a connection gets that always has more,
// before others do that are ready too.
const maxTurns = 8

// serve reads as the goroutine whose turn is mine, until the connection ends or
// waits.
func (c *Conn) serve(mine uint32) {
	in := &c.in
	h := in.turn.handler
	calling := false
	var charged int64 // of what the handler has in its hands, to the budget
	defer func() {
		switch {
		case !calling:
		case in.turn.end(mine):
			go c.serve(mine) // owned by c: ends with the connection
		default:
			c.cfg.budget.charge(&charged, 0, anyShare)
		}
	}()
	var ev wsproto.Event
	for turns := in.received.Load() + maxTurns; ; {
		err := c.next(context.Background(), &ev)
		if err == errWaiting {
			return
		}
		if err != nil {
			in.release()
			c.uncharge()
			c.uncork()
			in.watch.state.Store(watchOver)
			h.OnClose(c, err)
			return
		}
		if len(in.rest) > 0 && !in.corked {
			in.corked = true
			c.cork()
		}
		held, kept := in.buf, in.kept
		charged = in.charged
		in.turn.begin(mine)
		calling = true
		h.OnMessage(c, messageType(ev.Opcode), ev.Payload)
		calling = false
		if !in.turn.end(mine) {
			putBuffer(held)
			putBuffer(kept)
			c.cfg.budget.charge(&charged, 0, anyShare)
			return
		}
		if now := in.received.Load(); int32(now-turns) >= 0 {
			turns = now + maxTurns
			runtime.Gosched()
		}
	}
}
