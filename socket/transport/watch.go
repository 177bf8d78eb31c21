package transport

import (
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/netpoll"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// poller watches over all started connections of the process whose descriptor is
// at hand.
var poller netpoll.Poller

// watch is how a started connection waits without a goroutine: the poller wakes
// it when something has come. state says who reads; the rest but thorough is owned
// by the reader.
type watch struct {
	state    atomic.Uint32
	thorough atomic.Bool // only a read that brings nothing says that nothing is left
	drained  bool        // nothing was left when it was read last
	fd       int32       // guarded by the connection's closing.mu
	pause    *pause      // nil before a message has come in pieces
}

// pause is a wait for the rest of a message.
type pause struct {
	since time.Time   // zero: there is none at the moment
	timer *time.Timer // ends it
}

// The states of a watch.
const (
	unwatched uint32 = iota // a goroutine of its own reads, or nobody
	waiting                 // nobody reads; the next to wake it does
	reading
	readingAgain // something has come meanwhile
	watchOver
)

// errWaiting ends a turn of reading: the poller will wake the connection.
var errWaiting = errors.New("BUG: a connection that waits")

// watchable returns the descriptor that tells when something has come, nil when
// the connection needs a goroutine that waits: because there is no such
// descriptor, or because the peer's silence is bounded.
func (c *Conn) watchable() syscall.RawConn {
	if !netpoll.Supported || c.cfg.unwatched || c.cfg.readTimeout > 0 {
		return nil
	}
	return c.raw
}

// startWatch hands the connection to the poller, and reports false when it needs a
// goroutine of its own.
func (c *Conn) startWatch() bool {
	if c.watchable() == nil {
		return false
	}
	c.detach()
	raw := c.watchable() // it may have changed
	s, w := &c.closing, &c.in.watch
	// Under the lock, so that the descriptor is not closed and reused meanwhile,
	// and whoever closes it knows that it is watched. Nothing here waits.
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	// What has come with the handshake is for the caller to read first.
	first := waiting
	if len(c.in.rest) > 0 || c.sealed() || c.in.dec.InMessage() {
		first = reading
	}
	w.state.Store(first)
	added := false
	err := raw.Control(func(fd uintptr) {
		w.fd = int32(fd)
		added = poller.Add(int(fd), (*watcher)(c)) == nil
	})
	if err != nil || !added {
		w.state.Store(unwatched)
		return false
	}
	if first == reading {
		go c.serve(c.in.turn.state.Load()) // owned by c: ends when it waits
	}
	return true
}

// detach takes the descriptor away from package net, which would keep more memory
// for it than all else that a waiting connection costs. It does nothing for a
// connection that is being written or closed at the moment: others use the
// descriptor then.
func (c *Conn) detach() {
	o, s := &c.out, &c.closing
	if !c.tryable() {
		return
	}
	o.mu.Lock()
	if o.writing || o.err != nil {
		o.mu.Unlock()
		return
	}
	o.writing = true // what is sent meanwhile waits
	o.mu.Unlock()
	s.mu.Lock()
	if s.err == nil && s.table.Open() {
		if nc, raw, err := netpoll.Detach(c.nc, c.raw); err == nil {
			c.nc, c.raw = nc, raw
		}
	}
	s.mu.Unlock()
	o.mu.Lock()
	o.writing = false
	c.flush()
}

// stopWatch takes the connection out of the poller's hands, before its descriptor
// is closed.
func (c *Conn) stopWatch() {
	if c.in.watch.state.Load() == unwatched {
		return
	}
	c.closing.mu.Lock()
	fd := int(c.in.watch.fd)
	c.closing.mu.Unlock()
	poller.Remove(fd, (*watcher)(c))
}

// watcher is a Conn as the poller sees it.
type watcher Conn

// Ready reads what has come, and calls the handler for it.
func (w *watcher) Ready(thorough bool) {
	c := (*Conn)(w)
	if thorough {
		c.in.watch.thorough.Store(true)
	}
	if c.wake() {
		c.serve(c.in.turn.state.Load())
	}
}

// wake reports whether the caller is to read the connection now. If another does,
// that one will look again.
func (c *Conn) wake() bool {
	state := &c.in.watch.state
	for {
		switch s := state.Load(); {
		case s == waiting:
			if state.CompareAndSwap(waiting, reading) {
				c.in.watch.drained = false
				return true
			}
		case s == reading:
			if state.CompareAndSwap(reading, readingAgain) {
				return false
			}
		default:
			return false
		}
	}
}

// wakeReader lets a connection that waits be read, by a goroutine of its own: it
// has been closed, or has waited for long enough.
func (c *Conn) wakeReader() {
	if c.wake() {
		go c.serve(c.in.turn.state.Load()) // owned by c: ends when it waits
	}
}

// brought notes how much a read brought of what there was room for. One that brings
// less has left nothing, which saves the read that would say so.
func (w *watch) brought(n, room int) { w.drained = n < room && !w.thorough.Load() }

// wait lets the reader leave until something comes. It reports false when
// something has come already. When it reports true, the connection is another's.
func (w *watch) wait() bool {
	if w.state.CompareAndSwap(reading, waiting) {
		return true
	}
	w.state.Store(reading)
	w.drained = false
	return false
}

// fillWatched is fill for a connection that the poller watches over. It does not
// wait: when there is nothing to read it lets go of the connection and returns
// errWaiting.
func (c *Conn) fillWatched() error {
	in, w := &c.in, &c.in.watch
	if err := c.endWait(); err != nil {
		return err
	}
	for {
		if w.drained {
			c.beginWait()
			if w.wait() {
				return errWaiting
			}
			if err := c.endWait(); err != nil {
				return err
			}
		}
		n, err := c.readWatched()
		if n > 0 {
			return nil
		}
		w.drained = true
		in.release()
		if err != nil {
			return c.readFailed(err)
		}
		// Memory may have grown for what has not come yet.
		if err := c.chargeInput(inboundShare); err != nil {
			return err
		}
	}
}

// readWatched reads without waiting for a message to begin. Nothing at the moment
// is n == 0 without an error.
func (c *Conn) readWatched() (n int, err error) {
	if !c.tryable() {
		return c.readRecord()
	}
	in := &c.in
	if want := in.dec.Want(); want != nil {
		n, err = c.readNow(want)
		in.direct = int32(n)
		if n > 0 {
			in.watch.brought(n, len(want))
			in.received.Add(1)
		}
		return n, err
	}
	in.buf = getBuffer(in.bufferSize(c.cfg))
	n, err = c.readNow(in.buf.b)
	if n > 0 {
		in.watch.brought(n, len(in.buf.b))
		c.filled(n)
	}
	return n, err
}

// recordTime is how long the reader stays for the rest of a TLS record. Then it
// leaves the connection, its buffer and its goroutine until more comes: a peer may
// never send the rest, and some records bring nothing to read.
const recordTime = 5 * time.Millisecond

// readRecord is readWatched through TLS.
func (c *Conn) readRecord() (n int, err error) {
	in := &c.in
	in.buf = getBuffer(in.bufferSize(c.cfg))
	defer func() {
		if n > 0 {
			c.filled(n)
		}
	}()
	// TLS: what is inside its layer already comes first, where no descriptor
	// tells of it. A read whose deadline has passed brings that out and no more.
	in.armed = true
	n, err = c.readUntil(aLongTimeAgo)
	for n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		// Only this tells that nothing is left: with a machine as busy as that, a
		// deadline can pass before the read has begun.
		if ready, err := c.peekNow(); !ready || err != nil {
			return 0, err
		}
		begin := c.messageClock()
		n, err = c.readUntil(time.Now().Add(recordTime))
		if in.addWait(begin); in.waited > 0 && in.waited >= c.cfg.messageTimeout {
			return n, err
		}
	}
	return n, err
}

// readUntil reads through package net into the buffer.
func (c *Conn) readUntil(due time.Time) (int, error) {
	if err := c.deadline(due); err != nil {
		return 0, err
	}
	return c.nc.Read(c.in.buf.b)
}

// beginWait bounds the wait for the rest of a message that has begun.
func (c *Conn) beginWait() {
	in, w := &c.in, &c.in.watch
	if c.cfg.messageTimeout <= 0 || !in.dec.InMessage() {
		return
	}
	rest := c.cfg.messageTimeout - in.waited
	if w.pause == nil {
		w.pause = &pause{time.Now(), time.AfterFunc(rest, c.wakeReader)}
		return
	}
	w.pause.since = time.Now()
	w.pause.timer.Reset(rest)
}

// endWait adds up the waits for one message. The error is that of a message which
// took too long.
func (c *Conn) endWait() error {
	in, p := &c.in, c.in.watch.pause
	if p == nil || p.since.IsZero() {
		return nil
	}
	p.timer.Stop()
	in.waited += time.Since(p.since)
	p.since = time.Time{}
	if in.waited >= c.cfg.messageTimeout {
		return c.refuseSlowMessage()
	}
	return nil
}

// refuseSlowMessage fails the connection for a message that took too long.
func (c *Conn) refuseSlowMessage() error {
	return c.refuse(&wsproto.LimitError{
		Code: wsproto.ClosePolicyViolation, Limit: limitCompletion,
		Max: c.cfg.messageTimeout.Milliseconds(), Actual: c.in.waited.Milliseconds(),
	})
}
