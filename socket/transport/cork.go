package transport

import (
	"sync"
	"sync/atomic"
	"time"
)

// corkTime is how long answers wait at most for the rest of the batch of input
// that they belong to.
const corkTime = time.Millisecond

// cork lets answers collect while a batch of input is handled.
func (c *Conn) cork() {
	c.out.mu.Lock()
	c.out.corked = true
	c.out.mu.Unlock()
}

// uncork writes what was collected.
func (c *Conn) uncork() {
	c.out.mu.Lock()
	c.uncorkLocked()
}

// uncorkLocked is uncork for callers that hold mu. It gives mu up.
func (c *Conn) uncorkLocked() {
	o := &c.out
	o.corked = false
	if o.timer != nil {
		o.timer.stop()
		o.timer = nil
	}
	c.flush()
}

// corkTimer uncorks a connection whose handler is slow. It is pooled: a batch
// of input that is answered needs one, a connection does not.
type corkTimer struct {
	timer *time.Timer
	conn  atomic.Pointer[Conn]
}

// Shared by all connections of the process.
var corkTimers sync.Pool

func startCorkTimer(c *Conn) *corkTimer {
	t, ok := corkTimers.Get().(*corkTimer)
	if !ok {
		t = new(corkTimer)
		t.conn.Store(c)
		t.timer = time.AfterFunc(corkTime, t.fire)
		return t
	}
	t.conn.Store(c)
	t.timer.Reset(corkTime)
	return t
}

func (t *corkTimer) fire() {
	if c := t.conn.Load(); c != nil {
		c.uncork()
	}
}

// stop ends the timer. One that has fired already, or is about to, is not used
// again: its call may still come, and then does no harm to its own connection.
func (t *corkTimer) stop() {
	if t.timer.Stop() {
		t.conn.Store(nil)
		corkTimers.Put(t)
	}
}
