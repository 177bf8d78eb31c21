package transport

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"
)

// writeAll writes q, and what joins the queue meanwhile, with writes that may
// block. It runs on a goroutine of its own, as the connection's writer.
func (c *Conn) writeAll(q *batch) {
	for {
		err := c.writeBlocking(q)
		if c.wrote(q, err) {
			return
		}
		q = c.take()
		c.out.mu.Unlock()
	}
}

// writeBlocking writes all of q. The write timeout bounds the time in which the
// peer takes nothing, not the whole write: progress starts it again.
func (c *Conn) writeBlocking(q *batch) error {
	if c.raw == nil {
		return c.writeGathered(q)
	}
	bufs := make(net.Buffers, 0, len(q.items))
	for i := range q.items {
		if len(q.items[i].b) > 0 {
			bufs = append(bufs, q.items[i].b)
		}
	}
	for {
		c.armWrite()
		n, err := bufs.WriteTo(c.nc)
		if err == nil || n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}

// writeGathered is writeBlocking for connections that make a record, a packet
// or a copy of each write, such as TLS: small frames share one.
func (c *Conn) writeGathered(q *batch) error {
	scratch := getBuffer(min(q.bytes, maxBuffer))
	defer putBuffer(scratch)
	_, isTLS := c.nc.(*tls.Conn)
	for i := 0; i < len(q.items); {
		b, next := gather(scratch.b, q.items[i:])
		i += next
		for len(b) > 0 {
			c.armWrite()
			n, err := c.nc.Write(b)
			b = b[n:]
			// A TLS connection is corrupt once a write has timed out.
			if err != nil && (n == 0 || isTLS || !errors.Is(err, os.ErrDeadlineExceeded)) {
				return err
			}
		}
	}
	return nil
}

// armWrite starts the write timeout.
func (c *Conn) armWrite() {
	if c.cfg.writeTimeout > 0 {
		// It fails only on a closed connection, and then so does the write.
		_ = c.nc.SetWriteDeadline(time.Now().Add(c.cfg.writeTimeout))
	}
}

// gather returns the bytes of the first items, as many as one write should
// take, and how many items they are. A large item goes alone and is not copied.
func gather(dst []byte, items []item) ([]byte, int) {
	if len(items) == 1 || len(items[0].b) > maxBuffer/4 {
		return items[0].b, 1
	}
	n, i := 0, 0
	for i < len(items) && n+len(items[i].b) <= len(dst) {
		n += copy(dst[n:], items[i].b)
		i++
	}
	if i == 0 {
		return items[0].b, 1
	}
	return dst[:n], i
}
