package fuzz

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// wire is a network connection in memory that works in a bubble of
// testing/synctest: two ends, and a bounded buffer in each direction.
type wire struct {
	mu    sync.Mutex // guards everything
	moved sync.Cond
	cut   bool // the connection was reset
	stall bool // nothing arrives, and nobody learns of it
	flows [2]flow
}

// flow is one direction.
type flow struct {
	buf     []byte
	left    int  // bytes until the connection is reset, 0: it is not
	fin     bool // the writer sends no more
	gone    bool // the reader takes no more
	readBy  deadline
	writeBy deadline
}

// deadline is a time with a timer that wakes whoever waits for it.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

// end is one end of a wire.
type end struct {
	w       *wire
	in, out *flow
	closed  bool
}

// wireBuffer is how many bytes a direction holds.
const wireBuffer = 64 << 10

func newWire() (*end, *end) {
	w := new(wire)
	w.moved.L = &w.mu
	return &end{w: w, in: &w.flows[0], out: &w.flows[1]}, &end{w: w, in: &w.flows[1], out: &w.flows[0]}
}

func (e *end) Read(p []byte) (int, error) {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	for {
		switch {
		case e.closed:
			return 0, net.ErrClosed
		case e.in.readBy.passed():
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case e.w.stall && !e.w.cut:
		case len(e.in.buf) > 0:
			n := copy(p, e.in.buf)
			e.in.buf = e.in.buf[n:]
			e.w.moved.Broadcast()
			return n, nil
		case e.w.cut:
			return 0, syscall.ECONNRESET
		case e.in.fin:
			return 0, io.EOF
		}
		e.w.moved.Wait()
	}
}

func (e *end) Write(p []byte) (n int, err error) {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	for {
		switch {
		case e.closed:
			return n, net.ErrClosed
		case e.out.writeBy.passed():
			return n, os.ErrDeadlineExceeded
		case e.w.cut:
			return n, syscall.ECONNRESET
		case e.out.gone || e.out.fin:
			return n, syscall.EPIPE
		case n == len(p):
			return n, nil
		}
		if room := wireBuffer - len(e.out.buf); room > 0 {
			m := min(room, len(p)-n)
			if e.out.left > 0 {
				m = min(m, e.out.left)
			}
			e.out.buf = append(e.out.buf, p[n:n+m]...)
			n += m
			if e.out.left > 0 {
				e.out.left -= m
				e.w.cut = e.out.left == 0
			}
			e.w.moved.Broadcast()
			if n == len(p) {
				return n, nil
			}
			continue
		}
		e.w.moved.Wait()
	}
}

// Close ends both directions. The other end reads what was written before.
func (e *end) Close() error {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	if e.closed {
		return net.ErrClosed
	}
	e.closed, e.out.fin, e.in.gone = true, true, true
	e.in.buf = nil
	e.in.readBy.stop()
	e.out.writeBy.stop()
	e.w.moved.Broadcast()
	return nil
}

// CloseWrite ends the direction to the other end.
func (e *end) CloseWrite() error {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	e.out.fin = true
	e.w.moved.Broadcast()
	return nil
}

// Cut resets the connection: what is on its way is lost.
func (e *end) Cut() {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	e.w.cut = true
	e.in.buf, e.out.buf = nil, nil
	e.w.moved.Broadcast()
}

// CutAfter resets the connection when a direction has carried n more bytes, which
// arrive. It is that from this end, or else that to it.
func (e *end) CutAfter(n int, outgoing bool) {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	if outgoing {
		e.out.left = n
	} else {
		e.in.left = n
	}
}

// Stall keeps everything from arriving until Resume.
func (e *end) Stall() {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	e.w.stall = true
}

func (e *end) Resume() {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	e.w.stall = false
	e.w.moved.Broadcast()
}

func (e *end) SetDeadline(t time.Time) error {
	_ = e.SetReadDeadline(t) // the next line fails in the same way
	return e.SetWriteDeadline(t)
}

func (e *end) SetReadDeadline(t time.Time) error  { return e.set(&e.in.readBy, t) }
func (e *end) SetWriteDeadline(t time.Time) error { return e.set(&e.out.writeBy, t) }

func (e *end) set(d *deadline, t time.Time) error {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	if e.closed {
		return net.ErrClosed
	}
	d.stop()
	d.at = t
	if wait := time.Until(t); !t.IsZero() && wait > 0 {
		d.timer = time.AfterFunc(wait, func() {
			e.w.mu.Lock()
			defer e.w.mu.Unlock()
			e.w.moved.Broadcast()
		})
	}
	e.w.moved.Broadcast()
	return nil
}

func (d *deadline) passed() bool { return !d.at.IsZero() && time.Until(d.at) <= 0 }

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
	*d = deadline{}
}

func (e *end) LocalAddr() net.Addr  { return address("local") }
func (e *end) RemoteAddr() net.Addr { return address("remote") }

type address string

func (address) Network() string  { return "memory" }
func (a address) String() string { return string(a) }

// listener hands the far ends of wires to a server.
type listener struct {
	calls chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newListener() *listener {
	return &listener{calls: make(chan net.Conn, 16), done: make(chan struct{})}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.calls:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *listener) Addr() net.Addr { return address("listener") }

// dial makes a wire to the server.
func (l *listener) dial() *end {
	near, far := newWire()
	select {
	case l.calls <- far:
	case <-l.done:
		near.Cut()
	}
	return near
}

// DialContext is dial in the shape that clients want.
func (l *listener) DialContext(context.Context, string, string) (net.Conn, error) {
	return l.dial(), nil
}
