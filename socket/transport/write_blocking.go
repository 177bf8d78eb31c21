package transport

import (
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
// peer takes nothing, not the whole write: it is looked at four times in that time.
// Once the connection is closing, the close timeout bounds it.
func (c *Conn) writeBlocking(q *batch) error {
	write := c.writeVector
	if c.gathers() {
		if c.sealed() {
			return c.writeRecords(q)
		}
		scratch := getBuffer(min(q.bytes, maxBuffer))
		defer putBuffer(scratch)
		write = func(items []item) (int, error) {
			b, _ := gather(scratch.b, items)
			return c.nc.Write(b)
		}
	}
	// An old deadline would fail the next write, which may come much later.
	defer c.armWrite(0)
	const looks = 4
	for idle := 0; ; {
		c.cutBatch(q, c.cfg.writeTimeout/looks)
		items := q.left()
		if len(items) == 0 {
			return nil
		}
		n, err := write(items)
		q.skip(n)
		switch {
		case err == nil || n > 0 && errors.Is(err, os.ErrDeadlineExceeded):
			idle = 0
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case c.out.final.Load():
			// It was interrupted, or need not make progress any more.
		default:
			if idle++; idle >= looks && !c.stalled() {
				return err
			}
		}
	}
}

// writeVector writes items with one system call for many.
func (c *Conn) writeVector(items []item) (int, error) {
	bufs := make(net.Buffers, 0, len(items))
	for i := range items {
		if len(items[i].b) > 0 {
			bufs = append(bufs, items[i].b)
		}
	}
	n, err := bufs.WriteTo(c.nc)
	return int(n), err
}

// cutBatch does what cutWrite has asked for, and lets the next write fail after d,
// unless the connection is closing.
func (c *Conn) cutBatch(q *batch, d time.Duration) {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.cut {
		o.cut = false
		bytes, frames := q.bytes, q.frames
		q.cut()
		o.waiting().leaving = q.memory
		if o.err == nil {
			o.bytes -= bytes - q.bytes
			o.frames -= int32(frames - q.frames)
		}
		c.chargeOutput()
	}
	switch {
	case o.final.Load():
		c.armWrite(0)
	case d > 0 && !c.sealed():
		c.armWrite(d)
	}
}

// cutWrite makes the writer drop the frames that have not begun to leave, in favour of
// a close frame. A write that is on its way is interrupted if there may be such. It is
// called with the queue's mu held, while somebody writes.
func (c *Conn) cutWrite() {
	o := &c.out
	o.cut = true
	// A TLS connection is corrupt once a write has timed out: there it is cut behind
	// the present record.
	if o.blocked && o.several && !c.sealed() {
		_ = c.nc.SetWriteDeadline(aLongTimeAgo) // fails only on a closed connection
	}
}

// stalled is told that the peer has taken nothing for the write timeout, and reports
// whether the connection is being closed for that, which gives the peer the close
// timeout to read again.
func (c *Conn) stalled() bool {
	if c.in.served.Load() {
		if h, ok := c.in.turn.handler.(StallHandler); ok {
			h.OnStall(c)
		}
	}
	return c.out.final.Load() || c.ended() != nil
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

// maxRecord is how much of a message one TLS record holds, RFC 8446 section 5.1.
const maxRecord = 16 << 10

// writeRecords is writeBlocking through TLS, record by record, each within the write
// timeout.
func (c *Conn) writeRecords(q *batch) error {
	scratch := getBuffer(min(q.bytes, maxRecord))
	defer putBuffer(scratch)
	var timer *time.Timer
	if d := c.cfg.writeTimeout; d > 0 {
		timer = time.AfterFunc(d, func() {
			if !c.stalled() {
				_ = c.nc.SetWriteDeadline(aLongTimeAgo) // fails only on a closed connection
			}
		})
		defer timer.Stop()
	}
	for {
		c.cutBatch(q, 0)
		items := q.left()
		if len(items) == 0 {
			return nil
		}
		if timer != nil {
			timer.Reset(c.cfg.writeTimeout)
		}
		b, _ := gather(scratch.b[:min(len(scratch.b), maxRecord)], items)
		n, err := c.nc.Write(b[:min(len(b), maxRecord)])
		if err != nil {
			return err
		}
		q.skip(n)
	}
}

// armWrite lets writes fail after d, or never when d is zero.
func (c *Conn) armWrite(d time.Duration) {
	if c.cfg.writeTimeout <= 0 && !c.out.final.Load() {
		return // no deadline was ever set
	}
	var t time.Time
	if d > 0 {
		t = time.Now().Add(d)
	}
	_ = c.nc.SetWriteDeadline(t) // it fails only on a closed connection, and then so does the write
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
