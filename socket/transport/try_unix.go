//go:build unix

package transport

import (
	"io"
	"net"
	"sync"
	"syscall"
)

// canTry says that reads and writes can be tried without blocking.
const canTry = true

// call is one system call on a descriptor, which does not wait. The functions that
// RawConn wants are made once for many calls.
type call struct {
	read, write, more, peek func(fd uintptr)

	b   []byte
	n   int
	err error
}

// Shared by all connections of the process.
var calls = sync.Pool{New: func() any {
	t := new(call)
	t.read = func(fd uintptr) { t.n, t.err = ignoreEINTR(syscall.Read, fd, t.b) }
	t.write = func(fd uintptr) { t.n, t.err = ignoreEINTR(syscall.Write, fd, t.b) }
	t.more = func(fd uintptr) { t.n, t.err = ignoreEINTR(sendMore, fd, t.b) }
	t.peek = func(fd uintptr) { t.n, t.err = peek(fd) }
	return t
}}

func ignoreEINTR(call func(int, []byte) (int, error), fd uintptr, b []byte) (int, error) {
	for {
		n, err := call(int(fd), b)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

func peek(fd uintptr) (int, error) {
	for {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// readNow reads what the kernel has into b. Nothing at the moment is n == 0 without
// an error, the end is io.EOF.
func (c *Conn) readNow(b []byte) (int, error) {
	t := calls.Get().(*call)
	t.b = b
	n, err := c.done(t, "read", c.raw.Control(t.read))
	if n == 0 && err == nil {
		err = io.EOF
	}
	return max(n, 0), err
}

// writeNow hands b to the kernel as far as it takes it at once.
func (c *Conn) writeNow(b []byte) (int, error) {
	t := calls.Get().(*call)
	t.b = b
	n, err := c.done(t, "write", c.raw.Control(t.write))
	return max(n, 0), err
}

// writeMore is writeNow for bytes that more follow at once.
func (c *Conn) writeMore(b []byte) (int, error) {
	t := calls.Get().(*call)
	t.b = b
	n, err := c.done(t, "write", c.raw.Control(t.more))
	return max(n, 0), err
}

// peekNow reports whether the connection under a TLS connection has bytes, or has
// ended: the TLS layer tells a clean end from a cut one.
func (c *Conn) peekNow() (bool, error) {
	t := calls.Get().(*call)
	n, err := c.done(t, "read", c.raw.Control(t.peek))
	return n >= 0, err
}

// done returns what came of a call, and gives it back. n is -1 when the kernel had
// nothing, or took nothing.
func (c *Conn) done(t *call, op string, err error) (int, error) {
	n, failed := t.n, t.err
	t.b = nil
	calls.Put(t)
	switch {
	case err != nil:
		return 0, err
	case failed == syscall.EAGAIN:
		return -1, nil
	case failed != nil:
		return 0, c.opError(op, failed)
	}
	return n, nil
}

// opError dresses a system call's error as package net does.
func (c *Conn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: c.nc.LocalAddr().Network(), Source: c.nc.LocalAddr(), Addr: c.nc.RemoteAddr(), Err: err}
}

// writeSome writes q as far as the kernel takes it at once, and reports whether
// something is left. Small frames are copied together: system calls are where
// the time goes.
func (c *Conn) writeSome(q *batch) (left bool, err error) {
	if !c.tryable() {
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
		q.skip(n)
		if n < len(b) {
			return true, nil
		}
	}
	return false, nil
}

// intake is a read that waits until there is something to read. The closure that
// RawConn wants is made once per connection. It holds nothing while it waits.
type intake struct {
	try func(fd uintptr) bool
	n   int
	err error
}

// wait calls the intake's function when the descriptor may have something, again
// and again until that does not answer EAGAIN. The wait is the runtime's.
func (c *Conn) wait(try func(fd uintptr) bool) (int, error) {
	in := &c.in
	if in.intake == nil {
		in.intake = &intake{try: try}
	}
	t := in.intake
	err := c.raw.Read(t.try)
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
func (c *Conn) fillRaw() (int, error) { return c.wait(c.tryRead) }

func (c *Conn) tryRead(fd uintptr) bool {
	in := &c.in
	t := in.intake
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
	_, err := c.wait(c.tryPeek)
	if err == io.EOF {
		return nil // the TLS layer tells a clean end from a cut one
	}
	return err
}

func (c *Conn) tryPeek(fd uintptr) bool {
	t := c.in.intake
	t.n, t.err = peek(fd)
	return t.err != syscall.EAGAIN
}
