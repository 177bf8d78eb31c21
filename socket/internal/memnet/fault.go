package memnet

import "time"

// Cut breaks the connection, whichever end it is called on. Both ends can read
// what has arrived, after that every Read and Write fails with
// syscall.ECONNRESET, blocked ones included. What [Conn.Stall] holds is lost.
func (c *Conn) Cut() {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.link.sever()
}

// CutAfter breaks the connection as [Conn.Cut] does, behind the nth byte that
// this end writes from now on: the peer reads exactly n bytes more. The Write
// that would pass the nth byte takes the bytes before it and fails. Zero cuts
// at once, a negative n takes an earlier CutAfter back.
func (c *Conn) CutAfter(n int) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.out.cutAfter = n
	if n == 0 {
		c.link.sever()
	}
}

// Vanish breaks the connection for this end only, in the way of [Conn.Cut]. The
// other end is left with a black hole, see [Conn.Stall]: it is not told, not even
// that this end closes.
func (c *Conn) Vanish() {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.lost = true
	c.link.stalled = true
	c.in.wake()
	c.out.wake()
}

// Delay makes all that is sent from now on, in either direction, arrive d after
// its Write, the news of a Close included. Nothing overtakes what was sent before.
// Bytes on their way count as in the buffer. Zero, the default, means at once;
// [Conn.Resume] lets all that is on its way arrive.
func (c *Conn) Delay(d time.Duration) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	for i := range c.link.halves {
		c.link.halves[i].delay = max(d, 0)
	}
}

// SlowReads makes Read of this end give no more than this number of bytes in a
// second, in pieces of a twentieth. Zero, the default, and less mean no limit.
func (c *Conn) SlowReads(bytesPerSecond int) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.in.pace = pace{rate: max(bytesPerSecond, 0)}
	c.in.wake()
}

// Stall turns the connection into a black hole, in both directions: writes go
// on until the buffer is full, but nothing arrives, not even the news that an
// end has closed. What had arrived before can be read.
func (c *Conn) Stall() {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.link.stalled = true
}

// StallAfter stalls the connection as [Conn.Stall] does, behind the nth byte that this
// end writes from now on: what follows does not arrive. A negative n takes an earlier
// StallAfter back.
func (c *Conn) StallAfter(n int) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.out.stallAfter = n
	if n == 0 {
		c.link.stalled = true
	}
}

// Broken reports whether the connection was cut or is a black hole.
func (c *Conn) Broken() bool {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return c.link.cut || c.link.stalled
}

// Resume ends a Stall. Everything in flight arrives, in order.
func (c *Conn) Resume() {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.link.resume()
}
