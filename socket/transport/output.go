package transport

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ErrQueueFull is returned when a message finds the connection's queue of
// outgoing messages full, by bytes or by count. The message was not queued; the
// connection stays as it is.
var ErrQueueFull = errors.New("websocket: send queue full")

// output is the sending half of a connection. There is no writer goroutine:
// whoever finds no write in progress becomes the writer, takes the whole queue,
// writes it, and looks again. A goroutine exists only while the kernel takes no
// more bytes.
type output struct {
	mu       sync.Mutex // guards the fields below
	queue    *batch     // frames that wait, in order; nil when none do
	deferred *batch     // messages that wait for an open Writer to finish its own
	pong     *batch     // at most one pong, the latest; it overtakes the queue
	bytes    int        // in all frames that are queued or being written
	frames   int32
	sent     int32       // before limited was set, bytes; the writer's, as that is
	final    atomic.Bool // the close frame is queued: nothing may follow it
	writing  bool        // somebody writes, and will look at the queue again
	corked   bool        // a batch of input is being handled; its end will write
	ticking  bool        // the timer is to uncork
	stream   bool        // a Writer has begun a message and not finished it
	blocked  bool        // a goroutine writes: what is queued stays for a while
	several  bool        // more than one frame is being written
	cut      bool        // a close frame takes the place of those that have not begun to leave
	limited  bool        // limitUnsent has nothing left to do
	err      error       // nothing can be sent any more
	waits    *waits      // nil before something has waited
}

// waits are what an output needs once something has to wait in it. The mutex of the
// output guards it.
type waits struct {
	leaving int           // memory of what a blocked writer writes, bytes
	charged int64         // of the memory that is held, to the budget
	timer   *time.Timer   // ends the wait of what is corked; nil before something was
	room    chan struct{} // closed when a write has made room; nil when nobody waits
	notify  func()        // called when a write has made room; nil when nobody wants it
	free    chan struct{} // closed when a Writer has finished; nil when nobody waits
}

// waiting returns the waits. It is called with mu held.
func (o *output) waiting() *waits {
	if o.waits == nil {
		o.waits = new(waits)
	}
	return o.waits
}

// full reports whether a frame of n bytes finds no place beside what is queued,
// not counting what is in apart. A message larger than the whole bound is let
// through when nothing else waits: the bound is there for peers that do not
// read, not to limit the size of messages. It is called with mu held.
func (o *output) full(cfg *config, apart *batch, n int) bool {
	bytes, frames := o.bytes, int(o.frames)
	if apart != nil {
		bytes -= apart.bytes
		frames -= apart.frames
	}
	return frames > 0 && (frames >= cfg.queueMessages || bytes+n > cfg.queueBytes)
}

// list returns the list that a data message joins: the queue, or what waits for
// an open Writer. It is called with mu held.
func (o *output) list() *batch {
	p := &o.queue
	if o.stream {
		p = &o.deferred
	}
	if *p == nil {
		*p = getBatch()
	}
	return *p
}

// added accounts for a frame of n bytes. It is called with mu held.
func (o *output) added(n int) {
	o.bytes += n
	o.frames++
}

// fail records why nothing can be sent any more and drops what waits. It is
// called with mu held.
func (o *output) fail(err error) {
	if o.err == nil {
		o.err = err
	}
	o.discard(dropQueued)
	o.bytes, o.frames = 0, 0
	if o.waits != nil {
		o.waits.notify = nil
	}
	o.wake()
}

// discard drops what a close frame cuts off: the rest of a message that a Writer
// has begun, what waits behind it, and, if asked to, all that is queued. It is
// called with mu held.
func (o *output) discard(q queued) {
	drop := [...]**batch{&o.deferred, &o.queue, &o.pong}
	n := 1
	if q == dropQueued {
		n = len(drop)
	}
	for _, p := range drop[:n] {
		if *p != nil {
			o.bytes -= (*p).bytes
			o.frames -= int32((*p).frames)
			putBatch(*p)
			*p = nil
		}
	}
	o.endStream()
}

// wake lets those who wait for room look again. It is called with mu held.
func (o *output) wake() {
	w := o.waits
	if w == nil {
		return
	}
	if w.room != nil {
		close(w.room)
		w.room = nil
	}
	if f := w.notify; f != nil {
		w.notify = nil
		f()
	}
}

// NotifyQueue has f called, once, when the next write has made room in the queue, and at
// once if nothing is queued. It is [Conn.WaitQueue] for those who watch over many
// connections. f is called with locks held: it must not block, nor call methods of c, but
// only let somebody else look. A later call takes the place of this one; f is not called
// when the connection can send no more.
func (c *Conn) NotifyQueue(f func()) {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.err != nil:
	case o.frames == 0:
		f()
	default:
		o.waiting().notify = f
	}
}

// WaitQueue blocks until a write has made room in the queue, the connection can
// send no more, or ctx ends. The queue may be full again when it returns: it is
// for callers of Queue that try again.
func (c *Conn) WaitQueue(ctx context.Context) error {
	o := &c.out
	o.mu.Lock()
	if o.err != nil || o.frames == 0 {
		defer o.mu.Unlock()
		return o.err
	}
	w := o.waiting()
	if w.room == nil {
		w.room = make(chan struct{})
	}
	room := w.room
	c.uncorkLocked()
	select {
	case <-room:
		return nil
	default:
	}
	select {
	case <-room:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// flush writes what is queued, unless somebody else does or the end of a batch
// of input will. It is called with mu held and gives it up. It does not block
// on the peer.
func (c *Conn) flush() {
	o := &c.out
	if o.writing || o.queue == nil && o.pong == nil {
		if o.blocked {
			c.chargeOutput()
		}
		o.mu.Unlock()
		return
	}
	if o.corked && o.bytes < min(maxBuffer, c.cfg.queueBytes/2) && int(o.frames) < c.cfg.queueMessages/2 {
		if !o.ticking {
			c.startCorkTimer()
		}
		o.mu.Unlock()
		return
	}
	o.writing = true
	c.writeQueue()
}

// writeQueue writes what is queued, as the writer. It is called with mu held and
// something queued, and gives mu up.
func (c *Conn) writeQueue() {
	for {
		q := c.take()
		c.out.mu.Unlock()
		c.limitUnsent(q.bytes)
		left, err := c.writeSome(q)
		if left {
			c.writeLater(q)
			return
		}
		if c.wrote(q, err) {
			return
		}
	}
}

// writeLater leaves what the kernel did not take to a goroutine: it may block, and
// the caller must not. The goroutine ends when the queue is empty, the peer has taken
// nothing for the write timeout, or the connection is closed.
func (c *Conn) writeLater(q *batch) {
	o := &c.out
	o.mu.Lock()
	o.blocked, o.waiting().leaving = true, q.memory
	c.chargeOutput()
	o.mu.Unlock()
	go c.writeAll(q)
}

// take hands the queue to the writer, a waiting pong first. It is called with
// mu held and something to take.
func (c *Conn) take() *batch {
	o := &c.out
	q := o.queue
	if p := o.pong; p != nil {
		if q != nil {
			p.append(q)
		}
		q = p
	}
	o.queue, o.pong = nil, nil
	o.several, o.cut = q.frames > 1, false
	if o.blocked {
		o.waiting().leaving = q.memory
	}
	return q
}

// writerCost is the memory of a goroutine that waits in a write, in bytes.
const writerCost = 8 << 10

// chargeOutput counts the memory that a blocked connection holds for its peer
// against the budget. It is called with mu held.
func (c *Conn) chargeOutput() {
	o := &c.out
	w := o.waits
	if w == nil {
		return // it was never blocked
	}
	var held int
	if o.blocked && o.err == nil {
		held = writerCost + w.leaving
		if c.gathers() {
			held += min(w.leaving, maxBuffer) // what writeGathered copies it to
		}
		for _, q := range [...]*batch{o.queue, o.deferred, o.pong} {
			if q != nil {
				held += q.memory
			}
		}
	}
	c.cfg.budget.charge(&w.charged, int64(held), anyShare)
	if z := c.codec(); z != nil && o.err != nil {
		z.forget(c.cfg.budget)
	}
}

// wrote accounts for a batch that was written, or failed to be, and reports
// whether the writer is done. If it is not, mu is held and there is more to
// take.
func (c *Conn) wrote(q *batch, err error) bool {
	bytes, frames := q.bytes, q.frames
	putBatch(q)
	o := &c.out
	o.mu.Lock()
	if o.waits != nil {
		o.waits.leaving = 0
	}
	if o.err == nil {
		o.bytes -= bytes
		o.frames -= int32(frames)
	}
	if err != nil {
		err = lostError(err)
		o.fail(err)
		o.writing, o.blocked = false, false
		c.chargeOutput()
		o.mu.Unlock()
		_ = c.end(err) // the reader learns of it from the connection
		return true
	}
	o.wake()
	more := o.err == nil && (o.queue != nil || o.pong != nil)
	o.blocked = o.blocked && more
	c.chargeOutput()
	if more {
		return false
	}
	o.writing = false
	final := o.final.Load() && o.err == nil
	o.mu.Unlock()
	if final {
		c.closeSent()
	}
	return true
}

// Buffered returns the bytes and the frames that wait to be written, those that
// a blocked write holds included.
func (c *Conn) Buffered() (bytes, frames int) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.bytes, int(c.out.frames)
}
