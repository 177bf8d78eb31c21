package transport

import "context"

// Handler is told what happens on a connection that [Conn.Serve] drives.
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

// Serve reads the connection until it ends and calls h for what happens. It
// returns when the connection has ended, or when [Conn.HandOff] passed the
// reading on. Call it once, and not together with Read or Reader, which fail
// from then on. It does not recover panics of the handler.
//
// Call it on a fresh goroutine and return from the HTTP handler: then an idle
// connection costs one small stack, no read buffer, and nothing of net/http.
//
// All complete messages that one read brought are handled before the answers
// to them are written, in one write. Answers wait for a slow handler in the
// middle of such a batch for a millisecond at most.
func (c *Conn) Serve(h Handler) {
	in := &c.in
	in.turn.handler = h
	if in.served.Swap(true) {
		panic("transport: Conn.Serve called twice")
	}
	if !in.reading.tryTake() {
		// A Close came first and reads: it is relieved.
		c.interrupt()
		in.reading.take(nil)
		c.resume()
	}
	in.reading.keep()
	c.serve(in.turn.state.Load())
}

// serve reads as the goroutine whose turn is mine.
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
	for {
		ev, err := c.next(context.Background())
		if err != nil {
			in.release()
			c.uncharge()
			c.uncork()
			h.OnClose(c, err)
			return
		}
		if len(in.rest) > 0 && !in.corked {
			in.corked = true
			c.cork()
		}
		held := in.buf
		charged = in.charged
		in.turn.begin(mine)
		calling = true
		h.OnMessage(c, messageType(ev.Opcode), ev.Payload)
		calling = false
		if !in.turn.end(mine) {
			putBuffer(held)
			c.cfg.budget.charge(&charged, 0, anyShare)
			return
		}
	}
}
