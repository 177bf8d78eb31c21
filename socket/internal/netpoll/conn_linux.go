package netpoll

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// conn is a connection whose descriptor package net and the runtime's poller know
// nothing of. Those keep some 900 bytes for each, and look up when anything arrives
// on it; a connection that a [Poller] watches needs neither.
//
// What may have to wait (Read, Write, and what has a deadline) goes through a file
// on a copy of the descriptor, which is made for the first such call and has all
// that the runtime needs for waiting. Calls through the RawConn do without.
type conn struct {
	fd    int
	users atomic.Uint32 // calls that use fd, and connClosed; fd is closed when it is that alone

	local, remote netip.AddrPort // over TCP: a net.Addr of it takes 80 bytes
	others        *addresses     // over anything else; nil over TCP

	mu   sync.Mutex // guards the fields below
	file *os.File   // nil until something may have to wait
}

// connClosed is set in users by Close.
const connClosed = 1 << 31

// addresses are those of both ends.
type addresses struct{ local, remote net.Addr }

// Detach returns nc, whose descriptor raw is, as a connection that costs less while
// it waits. nc is closed. After an error it is as before. Nobody may use nc at the
// same time.
func Detach(nc net.Conn, raw syscall.RawConn) (net.Conn, syscall.RawConn, error) {
	var fd int
	var failed error
	if err := raw.Control(func(old uintptr) { fd, failed = duplicate(int(old)) }); err != nil {
		return nil, nil, err
	}
	if failed != nil {
		return nil, nil, failed
	}
	c := &conn{fd: fd}
	local, ok := nc.LocalAddr().(*net.TCPAddr)
	remote, ok2 := nc.RemoteAddr().(*net.TCPAddr)
	if ok && ok2 {
		c.local, c.remote = local.AddrPort(), remote.AddrPort()
	} else {
		c.others = &addresses{nc.LocalAddr(), nc.RemoteAddr()}
	}
	_ = nc.Close() // the connection lives on in its copy
	return c, (*rawConn)(c), nil
}

// duplicate returns another descriptor for what fd stands for.
func duplicate(fd int) (int, error) {
	for {
		n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return -1, os.NewSyscallError("fcntl", errno)
		}
	}
}

func (c *conn) LocalAddr() net.Addr {
	if c.others != nil {
		return c.others.local
	}
	return net.TCPAddrFromAddrPort(c.local)
}

func (c *conn) RemoteAddr() net.Addr {
	if c.others != nil {
		return c.others.remote
	}
	return net.TCPAddrFromAddrPort(c.remote)
}

// use keeps fd open until release, and reports false when c is closed.
func (c *conn) use() bool {
	if c.users.Add(1)&connClosed == 0 {
		return true
	}
	c.release()
	return false
}

func (c *conn) release() {
	if c.users.Add(^uint32(0)) == connClosed {
		c.closeDescriptor()
	}
}

// closeDescriptor may be called several times, when late calls find c closed.
func (c *conn) closeDescriptor() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd >= 0 {
		_ = syscall.Close(c.fd) // nobody is left who could act on the error
		c.fd = -1
	}
}

// Close ends the connection. Calls that wait fail.
func (c *conn) Close() error {
	if c.users.Or(connClosed)&connClosed != 0 {
		return c.wrap("close", net.ErrClosed)
	}
	c.mu.Lock()
	f := c.file
	c.mu.Unlock()
	if f != nil {
		_ = f.Close() // nobody is left who could act on the error
	}
	if c.users.Load() == connClosed {
		c.closeDescriptor()
	}
	return nil
}

// CloseWrite tells the peer that no more is sent.
func (c *conn) CloseWrite() error {
	if !c.use() {
		return c.wrap("close", net.ErrClosed)
	}
	defer c.release()
	return c.wrap("close", os.NewSyscallError("shutdown", syscall.Shutdown(c.fd, syscall.SHUT_WR)))
}

// waiter returns the file for calls that may have to wait.
func (c *conn) waiter() (*os.File, error) {
	if !c.use() {
		return nil, net.ErrClosed
	}
	defer c.release()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == nil {
		fd, err := duplicate(c.fd)
		if err != nil {
			return nil, err
		}
		c.file = os.NewFile(uintptr(fd), "connection")
		if c.users.Load()&connClosed != 0 {
			_ = c.file.Close() // Close came before there was a file
		}
	}
	return c.file, nil
}

func (c *conn) hasWaiter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.file != nil
}

func (c *conn) Read(b []byte) (int, error) {
	f, err := c.waiter()
	if err != nil {
		return 0, c.wrap("read", err)
	}
	n, err := f.Read(b)
	return n, c.wrap("read", err)
}

func (c *conn) Write(b []byte) (int, error) {
	f, err := c.waiter()
	if err != nil {
		return 0, c.wrap("write", err)
	}
	n, err := f.Write(b)
	return n, c.wrap("write", err)
}

func (c *conn) SetDeadline(t time.Time) error { return c.setDeadline(t, (*os.File).SetDeadline) }

func (c *conn) SetReadDeadline(t time.Time) error {
	return c.setDeadline(t, (*os.File).SetReadDeadline)
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline(t, (*os.File).SetWriteDeadline)
}

func (c *conn) setDeadline(t time.Time, set func(*os.File, time.Time) error) error {
	if t.IsZero() && !c.hasWaiter() {
		return nil // there is none to lift
	}
	f, err := c.waiter()
	if err == nil {
		err = set(f, t)
	}
	return c.wrap("set", err)
}

// wrap dresses an error as package net does.
func (c *conn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	var pe *os.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	if errors.Is(err, os.ErrClosed) {
		err = net.ErrClosed
	}
	local, remote := c.LocalAddr(), c.RemoteAddr()
	return &net.OpError{Op: op, Net: local.Network(), Source: local, Addr: remote, Err: err}
}

// rawConn is a conn as a [syscall.RawConn].
type rawConn conn

// Control calls f with the descriptor, which does not block. It is not closed
// before f returns.
func (r *rawConn) Control(f func(fd uintptr)) error {
	c := (*conn)(r)
	if !c.use() {
		return c.wrap("raw-control", net.ErrClosed)
	}
	defer c.release() // f may panic
	f(uintptr(c.fd))
	return nil
}

// Read calls f whenever there may be something to read, until it returns true.
func (r *rawConn) Read(f func(fd uintptr) bool) error {
	return r.wait("raw-read", f, syscall.RawConn.Read)
}

// Write calls f whenever something may be taken, until it returns true.
func (r *rawConn) Write(f func(fd uintptr) bool) error {
	return r.wait("raw-write", f, syscall.RawConn.Write)
}

func (r *rawConn) wait(op string, f func(fd uintptr) bool, wait func(syscall.RawConn, func(fd uintptr) bool) error) error {
	c := (*conn)(r)
	file, err := c.waiter()
	if err != nil {
		return c.wrap(op, err)
	}
	raw, err := file.SyscallConn()
	if err == nil {
		err = wait(raw, f)
	}
	return c.wrap(op, err)
}
