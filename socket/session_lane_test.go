package socket_test

import (
	"context"
	"io"
	"net"
	"sync"
	"syscall"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
)

// lane is what lies between one client and the server of an env, with faults that happen
// to that client only.
type lane struct {
	e *env

	mu     sync.Mutex // guards the fields below
	conns  []*memnet.Conn
	held   []*memnet.Conn // stalled, and to be let go later
	down   bool           // dialling fails
	hangs  chan struct{}  // dialling waits until it is closed, if not nil
	twice  bool           // the next request is made twice
	before bool           // its copy comes first
}

func (l *lane) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	l.mu.Lock()
	down, hangs := l.down, l.hangs
	l.mu.Unlock()
	if hangs != nil {
		select {
		case <-hangs:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if down {
		return nil, syscall.ECONNREFUSED
	}
	nc, err := l.e.net.DialContext(ctx, "", "")
	if err != nil {
		return nil, err
	}
	c := nc.(*memnet.Conn)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = append(l.conns, c)
	if l.twice {
		l.twice = false
		return &copied{Conn: c, l: l, before: l.before}, nil
	}
	return c, nil
}

// cut breaks all connections.
func (l *lane) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		c.Cut()
	}
	l.conns = nil
}

// stall makes black holes of all connections. If they are held, let makes what is in them
// arrive.
func (l *lane) stall(held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		c.Stall()
	}
	if held {
		l.held = append(l.held, l.conns...)
	}
	l.conns = nil
}

// let lets arrive what has been held, however late that is.
func (l *lane) let() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.held {
		c.Resume()
	}
	l.conns = append(l.conns, l.held...)
	l.held = nil
}

func (l *lane) setDown(down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = down
}

// freeze keeps the client from dialling until thaw.
func (l *lane) freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hangs == nil {
		l.hangs = make(chan struct{})
	}
}

func (l *lane) thaw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hangs != nil {
		close(l.hangs)
		l.hangs = nil
	}
}

// double has the next request on a new connection made twice, by a proxy that repeats
// what it believes to be lost.
func (l *lane) double(before bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.twice, l.before = true, before
}

// copied is a connection whose first Write, an opening request or a POST, is made on
// another one too.
type copied struct {
	*memnet.Conn
	l      *lane
	before bool
	once   sync.Once
}

func (c *copied) Write(p []byte) (n int, err error) {
	c.once.Do(func() {
		if c.before {
			c.copy(p)
			n, err = c.Conn.Write(p)
			return
		}
		n, err = c.Conn.Write(p)
		c.copy(p)
		p = nil
	})
	if n > 0 || err != nil {
		return n, err
	}
	return c.Conn.Write(p)
}

// copy makes a request whose answer nobody wants, and hangs up after it.
func (c *copied) copy(p []byte) {
	other, err := c.l.e.net.DialContext(context.Background(), "", "")
	if err != nil {
		return
	}
	if _, err = other.Write(p); err == nil {
		_, _ = io.ReadAtLeast(other, make([]byte, 4096), 12) // the status line, if there is an answer at all
	}
	_ = other.Close()
}
