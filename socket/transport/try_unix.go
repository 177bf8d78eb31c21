//go:build unix

package transport

import (
	"io"
	"net"
	"syscall"
)

// canTry says that reads and writes can be tried without blocking.
const canTry = true

// attempt is one write that does not wait. The closure that RawConn wants is
// made once per connection that ever sends, not once per write.
type attempt struct {
	fn  func(fd uintptr) bool
	b   []byte
	n   int
	err error
}

// writeNow hands b to the kernel as far as it takes it at once.
func (c *Conn) writeNow(b []byte) (int, error) {
	t := &c.out.try
	if t.fn == nil {
		t.fn = func(fd uintptr) bool {
			t.n, t.err = ignoreEINTR(syscall.Write, fd, t.b)
			return true
		}
	}
	t.b = b
	err := c.raw.Write(t.fn)
	t.b = nil
	switch {
	case err != nil:
		return 0, err
	case t.err == syscall.EAGAIN:
		return 0, nil
	case t.err != nil:
		return 0, c.opError("write", t.err)
	}
	return t.n, nil
}

// writeSome writes q as far as the kernel takes it at once, and reports whether
// something is left. Small frames are copied together: system calls are where
// the time goes.
func (c *Conn) writeSome(q *batch) (left bool, err error) {
	if c.raw == nil {
		return true, nil
	}
	var scratch *buffer
	if len(q.items) > 1 {
		scratch = getBuffer(min(q.bytes, maxBuffer))
		defer putBuffer(scratch)
	}
	for i := 0; i < len(q.items); {
		b, next := q.items[i].b, 1
		if scratch != nil {
			b, next = gather(scratch.b, q.items[i:])
		}
		i += next
		n, err := c.writeNow(b)
		if err != nil {
			return false, err
		}
		if n < len(b) {
			q.skip(n)
			return true, nil
		}
		q.skip(n)
	}
	return false, nil
}

// intake is a read that waits until there is something to read. As in attempt,
// the closure is made once per connection. It holds nothing while it waits.
type intake struct {
	fn  func(fd uintptr) bool
	n   int
	err error
}

// wait calls the intake's function when the descriptor may have something, again
// and again until that does not answer EAGAIN. The wait is the runtime's.
func (c *Conn) wait(raw syscall.RawConn) (int, error) {
	t := &c.in.try
	err := raw.Read(t.fn)
	switch {
	case err != nil:
		return 0, err
	case t.err != nil:
		return 0, c.opError("read", t.err)
	case t.n <= 0:
		return 0, io.EOF
	}
	return t.n, nil
}

// fillRaw reads what the kernel has into a buffer that it borrows only once
// there is something to read.
func (c *Conn) fillRaw() (int, error) {
	if c.in.try.fn == nil {
		c.in.try.fn = c.tryRead
	}
	return c.wait(c.raw)
}

func (c *Conn) tryRead(fd uintptr) bool {
	in := &c.in
	t := &in.try
	in.buf = getBuffer(in.bufferSize(c.cfg))
	t.n, t.err = ignoreEINTR(syscall.Read, fd, in.buf.b)
	if t.n <= 0 || t.err != nil {
		putBuffer(in.buf)
		in.buf = nil
	}
	return t.err != syscall.EAGAIN
}

// waitRecord waits until the connection under a TLS connection has bytes, and
// leaves them there.
func (c *Conn) waitRecord() error {
	if c.in.try.fn == nil {
		c.in.try.fn = c.tryPeek
	}
	_, err := c.wait(c.under)
	if err == io.EOF {
		return nil // the TLS layer tells a clean end from a cut one
	}
	return err
}

func (c *Conn) tryPeek(fd uintptr) bool {
	t := &c.in.try
	var peek [1]byte
	t.n, _, t.err = syscall.Recvfrom(int(fd), peek[:], syscall.MSG_PEEK)
	if t.err == syscall.EINTR {
		t.n, t.err = 1, nil // let the read itself try again
	}
	return t.err != syscall.EAGAIN
}

func ignoreEINTR(call func(int, []byte) (int, error), fd uintptr, b []byte) (int, error) {
	for {
		n, err := call(int(fd), b)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// opError dresses a system call's error as package net does.
func (c *Conn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: c.nc.LocalAddr().Network(), Source: c.nc.LocalAddr(), Addr: c.nc.RemoteAddr(), Err: err}
}
