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
		c.limitUnsent(q.bytes)
	}
}

// writeBlocking writes all of q. The write timeout bounds the time in which the
// peer takes nothing, not the whole write.
func (c *Conn) writeBlocking(q *batch) error {
	// An old deadline would fail the next write, which may come much later.
	defer c.disarmWrite()
	if c.gathers() {
		return c.writeGathered(q)
	}
	bufs := make(net.Buffers, 0, len(q.items))
	for i := range q.items {
		if len(q.items[i].b) > 0 {
			bufs = append(bufs, q.items[i].b)
		}
	}
	return c.writePatiently(func() (int64, error) { return bufs.WriteTo(c.nc) })
}

// gathers reports whether frames are copied together for a blocking write: for
// connections that cannot write several at once, and make a record, a packet or a
// copy of each write, such as TLS.
func (c *Conn) gathers() bool {
	switch c.nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		return false
	}
	return true
}

// writeGathered is writeBlocking for connections of which gathers is true: small
// frames share one write.
func (c *Conn) writeGathered(q *batch) error {
	scratch := getBuffer(min(q.bytes, maxBuffer))
	defer putBuffer(scratch)
	write := c.writeOther
	if _, ok := c.nc.(*tls.Conn); ok {
		write = c.writeTLS
	}
	for i := 0; i < len(q.items); {
		b, next := gather(scratch.b, q.items[i:])
		i += next
		if err := write(b); err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) writeOther(b []byte) error {
	return c.writePatiently(func() (int64, error) {
		n, err := c.nc.Write(b)
		b = b[n:]
		return int64(n), err
	})
}

// maxRecord is how much of a message one TLS record holds, RFC 8446 section 5.1.
const maxRecord = 16 << 10

// writeTLS writes record by record, each within the write timeout: a TLS
// connection is corrupt once a write has timed out in part.
func (c *Conn) writeTLS(b []byte) error {
	for len(b) > 0 {
		c.armWrite(c.cfg.writeTimeout)
		n, err := c.nc.Write(b[:min(len(b), maxRecord)])
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// writePatiently calls write until it is done, as long as it makes progress
// within the write timeout. It looks four times in that time.
func (c *Conn) writePatiently(write func() (int64, error)) error {
	const looks = 4
	for idle := 0; ; {
		c.armWrite(c.cfg.writeTimeout / looks)
		n, err := write()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if n > 0 {
			idle = 0
		} else if idle++; idle == looks {
			return err
		}
	}
}

// armWrite lets writes fail after d.
func (c *Conn) armWrite(d time.Duration) {
	if d > 0 {
		// It fails only on a closed connection, and then so does the write.
		_ = c.nc.SetWriteDeadline(time.Now().Add(d))
	}
}

func (c *Conn) disarmWrite() {
	if c.cfg.writeTimeout > 0 {
		_ = c.nc.SetWriteDeadline(time.Time{}) // as in armWrite
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
