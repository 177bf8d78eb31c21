package memnet

import (
	"context"
	"net"
	"strconv"
	"sync"
	"syscall"
)

// Backlog is the number of connections that a [Listener] holds for Accept.
const Backlog = 128

// Listener makes connections in memory: each Dial gives one end to its caller
// and the other to Accept. It implements [net.Listener].
type Listener struct {
	// Buffer is the number of bytes that each direction of a connection holds.
	// Zero means [DefaultBuffer]. It is read by every Dial; set it before the
	// first.
	Buffer int

	addr Addr

	mu      sync.Mutex // guards the fields below
	changed sync.Cond
	backlog []*Conn
	dialled int
	closed  bool
}

// Listen returns a listener with the given address, such as "server:80". The
// address is a name and nothing more: several listeners may have the same.
func Listen(addr string) *Listener {
	l := &Listener{addr: Addr(addr)}
	l.changed.L = &l.mu
	return l
}

// Accept waits for the next connection. It fails with [net.ErrClosed] after
// Close. The connection is a [*Conn].
func (l *Listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if l.closed {
			return nil, l.fail("accept", net.ErrClosed)
		}
		if len(l.backlog) > 0 {
			c := l.backlog[0]
			l.backlog[0] = nil
			l.backlog = l.backlog[1:]
			l.changed.Broadcast()
			return c, nil
		}
		l.changed.Wait()
	}
}

// Dial makes a connection. Like a TCP connection it exists before it is
// accepted; Dial waits only while [Backlog] connections wait for Accept. It
// fails with syscall.ECONNREFUSED after Close, and when ctx is done.
func (l *Listener) Dial(ctx context.Context) (*Conn, error) {
	stop := context.AfterFunc(ctx, func() {
		l.mu.Lock()
		l.changed.Broadcast()
		l.mu.Unlock()
	})
	defer stop()

	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		// As in package net, a context that is done wins: no connection is made.
		if err := ctx.Err(); err != nil {
			return nil, l.fail("dial", err)
		}
		if l.closed {
			return nil, l.fail("dial", syscall.ECONNREFUSED)
		}
		if len(l.backlog) < Backlog {
			l.dialled++
			from := Addr("client:" + strconv.Itoa(l.dialled))
			near, far := newPair(l.Buffer, from, l.addr)
			l.backlog = append(l.backlog, far)
			l.changed.Broadcast()
			return near, nil
		}
		l.changed.Wait()
	}
}

// DialContext is [Listener.Dial] in the shape that http.Transport and others
// want. It ignores network and address: every call reaches this listener.
func (l *Listener) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := l.Dial(ctx)
	if err != nil {
		return nil, err // not a nil *Conn in a net.Conn
	}
	return c, nil
}

// Close stops listening and unblocks Accept and Dial. Connections that were not
// accepted are cut; the others live on. A second Close fails with
// [net.ErrClosed].
func (l *Listener) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return l.fail("close", net.ErrClosed)
	}
	l.closed = true
	waiting := l.backlog
	l.backlog = nil
	l.changed.Broadcast()
	l.mu.Unlock()

	for _, c := range waiting {
		c.Cut()
	}
	return nil
}

// Addr returns the address that was given to [Listen], an [Addr].
func (l *Listener) Addr() net.Addr { return l.addr }

func (l *Listener) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: l.addr.Network(), Addr: l.addr, Err: err}
}
