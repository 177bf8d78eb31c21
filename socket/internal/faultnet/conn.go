package faultnet

import (
	"io"
	"net"
	"sync"
	"time"
)

// Conn is one connection through a [Proxy].
type Conn struct {
	p        *Proxy
	up, down direction // from the client to the server, and back
	shape    Shape
	twice    bool

	mu     sync.Mutex // guards the fields below
	change sync.Cond  // of them
	held   bool       // nothing is passed on
	ended  bool
}

// direction is one of the two ways of a connection.
type direction struct {
	from, to *net.TCPConn
	up       bool
	left     int  // bytes until the connection is reset; negative: never
	done     bool // the sender has ended it
}

func newConn(p *Proxy, client, server *net.TCPConn) *Conn {
	c := &Conn{p: p}
	c.up = direction{from: client, to: server, up: true, left: -1}
	c.down = direction{from: server, to: client, left: -1}
	c.change.L = &c.mu
	return c
}

// Reset ends the connection towards both ends by a reset, which overtakes what has not
// been read.
func (c *Conn) Reset() {
	c.end()
	reset(c.up.from)
	reset(c.up.to)
}

// Finish ends the connection towards both ends in order.
func (c *Conn) Finish() {
	c.end()
	_ = c.up.from.Close() // fails only when it is closed already
	_ = c.up.to.Close()
}

// HalfClose tells the server that the client sends no more. The client may think it does.
func (c *Conn) HalfClose() { _ = c.up.to.CloseWrite() } // fails only when it has ended

// Hold passes nothing on any more, not even the end of the connection, until
// [Conn.Release]. What has come by then arrives late.
func (c *Conn) Hold() { c.setHeld(true) }

// Release ends a Hold.
func (c *Conn) Release() { c.setHeld(false) }

func (c *Conn) setHeld(held bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = held
	c.change.Broadcast()
}

// ResetAfter resets the connection when n bytes more have been passed on from the client
// to the server, or the other way.
func (c *Conn) ResetAfter(n int, fromClient bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if fromClient {
		c.up.left = n
	} else {
		c.down.left = n
	}
}

// end makes an end of both pumps.
func (c *Conn) end() {
	c.mu.Lock()
	c.ended = true
	c.change.Broadcast()
	c.mu.Unlock()
	c.p.forget(c)
}

// pump passes on what comes in one direction.
func (c *Conn) pump(d *direction) {
	buf := make([]byte, 16<<10)
	for {
		n, err := d.from.Read(buf)
		for rest := buf[:n]; len(rest) > 0; {
			chunk := rest
			if size := c.shape.Chunk; size > 0 {
				chunk = rest[:min(size, len(rest))]
			}
			if !c.pass(d, chunk) {
				return
			}
			rest = rest[len(chunk):]
		}
		if err != nil {
			c.finished(d, err)
			return
		}
	}
}

// pass writes a chunk, and reports whether the connection goes on.
func (c *Conn) pass(d *direction, chunk []byte) bool {
	wait := c.shape.Delay
	if rate := c.shape.BytesPerSecond; rate > 0 {
		wait += time.Duration(len(chunk)) * time.Second / time.Duration(rate)
	}
	if wait > 0 {
		time.Sleep(wait)
	}
	c.mu.Lock()
	for c.held && !c.ended {
		c.change.Wait()
	}
	cut := d.left >= 0 && d.left <= len(chunk)
	if cut {
		chunk = chunk[:d.left]
	} else if d.left >= 0 {
		d.left -= len(chunk)
	}
	ended, twice := c.ended, d.up && c.twice
	c.twice = c.twice && !twice
	c.mu.Unlock()
	if ended {
		return false
	}
	if twice {
		c.copy(chunk)
	}
	_, err := d.to.Write(chunk)
	if cut || err != nil {
		c.Reset()
		return false
	}
	return true
}

// copy makes a request once more, before the original, and hangs up when it is answered.
func (c *Conn) copy(request []byte) {
	other, err := net.Dial("tcp", c.p.target)
	if err != nil {
		return
	}
	defer other.Close()
	_ = other.SetDeadline(time.Now().Add(time.Second)) // fails only on a closed connection
	if _, err := other.Write(request); err == nil {
		_, _ = io.ReadAtLeast(other, make([]byte, 4096), 12) // whatever it is
	}
}

// finished passes on the end of one direction.
func (c *Conn) finished(d *direction, err error) {
	c.mu.Lock()
	for c.held && !c.ended {
		c.change.Wait()
	}
	d.done = true
	both, ended := c.up.done && c.down.done, c.ended
	c.mu.Unlock()
	switch {
	case ended:
	case err != io.EOF:
		c.Reset()
	case both:
		c.Finish()
	default:
		_ = d.to.CloseWrite() // fails only when it has ended
	}
}

// reset closes a connection by a reset.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0) // fails only on a closed connection
	_ = c.Close()
}
