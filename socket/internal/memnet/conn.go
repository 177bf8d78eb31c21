package memnet

import (
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// Conn is one end of a connection in memory. It implements [net.Conn]; make one
// with [Pipe], [PipeBuffer] or [Listener.Dial].
type Conn struct {
	link          *link
	in, out       *half
	local, remote Addr
	peer          *Conn
	closed, lost  bool // guarded by link.mu
}

// Pipe returns the two ends of a connection that holds [DefaultBuffer] bytes in
// each direction.
func Pipe() (*Conn, *Conn) { return PipeBuffer(DefaultBuffer) }

// PipeBuffer returns the two ends of a connection that holds n bytes in each
// direction. Zero and less mean [DefaultBuffer].
func PipeBuffer(n int) (*Conn, *Conn) { return newPair(n, "pipe:1", "pipe:2") }

func newPair(buffer int, a, b Addr) (*Conn, *Conn) {
	l := newLink(buffer)
	there, back := &l.halves[0], &l.halves[1]
	near := &Conn{link: l, in: back, out: there, local: a, remote: b}
	far := &Conn{link: l, in: there, out: back, local: b, remote: a, peer: near}
	near.peer = far
	return near, far
}

// Peer returns the other end, for faults of it.
func (c *Conn) Peer() *Conn { return c.peer }

// Read takes what has arrived, and waits for the first byte if nothing has. It
// returns [io.EOF] behind the last byte of a peer that closed.
func (c *Conn) Read(b []byte) (int, error) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, c.fail("read", net.ErrClosed)
		case len(b) == 0:
			return 0, nil
		case c.in.readDeadline.passed():
			return 0, c.fail("read", os.ErrDeadlineExceeded)
		case c.in.arrived() > 0:
			if n := c.in.pace.allow(c.in, min(len(b), c.in.arrived())); n > 0 {
				c.in.ring.read(b[:n])
				c.in.writable.Broadcast()
				return n, nil
			}
		case c.link.cut, c.lost:
			return 0, c.fail("read", syscall.ECONNRESET)
		case c.in.finArrived:
			return 0, io.EOF
		}
		c.in.readable.Wait()
	}
}

// Write puts b into the buffer and waits for room as long as it does not fit.
// It does not retain b. When it fails, the number of bytes that it took is
// returned beside the error.
func (c *Conn) Write(b []byte) (int, error) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	// The bytes of one Write stay together: the others wait for their turn.
	for c.out.writing {
		if err := c.checkWrite(); err != nil {
			return 0, err
		}
		c.out.writable.Wait()
	}
	c.out.writing = true
	n, err := c.write(b)
	c.out.writing = false
	c.out.writable.Broadcast()
	return n, err
}

func (c *Conn) write(b []byte) (int, error) {
	n := 0
	for {
		if err := c.checkWrite(); err != nil {
			return n, err
		}
		n += c.send(b[n:])
		if n == len(b) {
			return n, nil
		}
		if !c.link.cut {
			c.out.writable.Wait()
		}
	}
}

func (c *Conn) checkWrite() error {
	switch {
	case c.closed:
		return c.fail("write", net.ErrClosed)
	case c.out.writeDeadline.passed():
		return c.fail("write", os.ErrDeadlineExceeded)
	case c.link.cut, c.lost:
		return c.fail("write", syscall.ECONNRESET)
	case c.out.fin, c.out.goneArrived:
		return c.fail("write", syscall.EPIPE)
	}
	return nil
}

// send moves as much of b into the buffer as there is room for, and breaks the
// connection where CutAfter asked for it.
func (c *Conn) send(b []byte) int {
	h := c.out
	if first := h.stallAfter; first >= 0 && first < len(b) {
		n := c.sendUpTo(b[:first])
		if n == first {
			h.stallAfter, c.link.stalled = -1, true
			n += c.sendUpTo(b[first:])
		}
		return n
	}
	n := c.sendUpTo(b)
	if h.stallAfter >= 0 {
		h.stallAfter -= n
	}
	return n
}

// sendUpTo is send as far as the connection is to be cut off.
func (c *Conn) sendUpTo(b []byte) int {
	h := c.out
	if h.cutAfter >= 0 {
		b = b[:min(len(b), h.cutAfter)]
	}
	var n int
	if h.gone {
		n = len(b) // towards a peer that is gone, across a stalled link: lost
	} else {
		n = h.ring.write(b)
		switch {
		case c.link.stalled:
			h.inFlight += n
		case h.delayed():
			h.inFlight += n
			c.link.depart(h, flight{bytes: n})
		}
	}
	if n > 0 {
		h.readable.Broadcast()
	}
	if h.cutAfter >= 0 {
		h.cutAfter -= n
		if h.cutAfter == 0 {
			c.link.sever()
		}
	}
	return n
}

// Close ends both directions at once. The peer reads what was written before,
// then io.EOF; its writes fail with EPIPE. Blocked calls of this end return
// [net.ErrClosed], and so does a second Close.
func (c *Conn) Close() error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if c.closed {
		return c.fail("close", net.ErrClosed)
	}
	c.closed = true
	c.in.readDeadline.clear()
	c.out.writeDeadline.clear()
	c.link.end(c.out)
	c.link.abandon(c.in)
	return nil
}

// CloseWrite ends the direction from this end to the peer: the peer reads what
// was written before, then io.EOF. Reading goes on. A later Write fails with
// EPIPE.
func (c *Conn) CloseWrite() error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if c.closed {
		return c.fail("close", net.ErrClosed)
	}
	c.link.end(c.out)
	return nil
}

// LocalAddr returns the address of this end, an [Addr].
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the other end, an [Addr].
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets the deadlines of Read and of Write.
func (c *Conn) SetDeadline(t time.Time) error {
	return c.setDeadlines(func() {
		c.in.readDeadline.set(t, &c.in.readable)
		c.out.writeDeadline.set(t, &c.out.writable)
	})
}

// SetReadDeadline sets the time after which Read fails with
// [os.ErrDeadlineExceeded], a blocked one too. The zero time means never.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.setDeadlines(func() { c.in.readDeadline.set(t, &c.in.readable) })
}

// SetWriteDeadline sets the time after which Write fails with
// [os.ErrDeadlineExceeded], a blocked one too. The zero time means never.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.setDeadlines(func() { c.out.writeDeadline.set(t, &c.out.writable) })
}

func (c *Conn) setDeadlines(set func()) error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if c.closed {
		return c.fail("set", net.ErrClosed)
	}
	set()
	return nil
}

// fail wraps err as package net does.
func (c *Conn) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: c.local.Network(), Source: c.local, Addr: c.remote, Err: err}
}
