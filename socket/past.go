package socket

import (
	"sync"
	"sync/atomic"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// past is what the messages to a group of sockets may refer back to: its history, and
// the order in which messages have come to it. They are compressed by those who publish
// them, before they are in the fan-out's log: the lock under which a message is
// compressed keeps only those waiting who publish to the same group, and whoever settles
// the log finds in it what only has to be queued.
type past struct {
	make    func() *transport.History // nil: the server's connections cannot use one
	readers atomic.Int64              // sockets of the group that can

	mu      sync.Mutex         // held from a place in the history to that in the log: both are in one order
	history *transport.History // nil before it is needed
	closed  bool               // the group has no members any more
}

// of returns the past of those whom a message is for, nil if there is none, or nobody
// has any use for it.
func (p *past) of(to target, r *rooms) *past {
	if p.make == nil || to.rooms != nil {
		return nil
	}
	if !to.all {
		p = r.past(to.room)
	}
	if p == nil || p.readers.Load() == 0 {
		return nil
	}
	return p
}

// add adds m to the history, then calls log, and returns what that does.
func (p *past) add(m *transport.PreparedMessage, log func() bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.history == nil && !p.closed {
		p.history = p.make()
	}
	p.history.Add(m)
	return log()
}

// count counts a socket that comes, or with -1 goes.
func (p *past) count(c *conn, n int64) {
	if c.refers {
		p.readers.Add(n)
	}
}

// close lets go of the memory, once nobody is left. p may be nil.
func (p *past) close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.history.Close()
}
