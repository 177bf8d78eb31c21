package transport

import "time"

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
	if o.ticking {
		o.ticking = false
		// One that has fired already uncorks a later batch: no harm is done.
		o.waits.timer.Stop()
	}
	c.flush()
}

// startCorkTimer bounds the wait of what is collected. The timer is the
// connection's own from its first answered batch on. Connections cannot share
// timers: one that was made in a bubble of testing/synctest must not be used
// outside of it. It is called with mu held.
func (c *Conn) startCorkTimer() {
	o := &c.out
	o.ticking = true
	w := o.waiting()
	if w.timer == nil {
		w.timer = time.AfterFunc(corkTime, c.uncork)
		return
	}
	w.timer.Reset(corkTime)
}
