package memnet

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
