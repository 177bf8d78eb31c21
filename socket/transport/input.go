package transport

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// input is the receiving half of a connection. It is owned by whoever reads:
// the goroutine inside Read, Reader or Close, which holds reading, or the one
// inside serve, which holds the turn too.
type input struct {
	reading lock
	dec     wsproto.Decoder

	buf     *buffer // what rest lies in; nil while the connection waits
	rest    []byte  // received and not decoded
	kept    *buffer // what the message in progress lies in, if it once was buf
	direct  int32   // bytes that were read to where the decoder wanted them
	size    int32   // of the next buffer, bytes
	*intake         // of a goroutine that waits; nil before one has

	waited  time.Duration  // for the rest of the message that has begun
	charged int64          // of dec's memory and of buf, to the budget
	reader  *messageReader // of the message that is read in pieces; nil if none is

	controlsSince time.Duration // begin of the present window, since the config's start
	controls      int32         // control frames in it

	armed    bool // a read deadline is set
	corked   bool // answers are being collected since the last fill
	skipping bool // the message in progress was left by its reader

	received atomic.Uint32 // reads that brought something
	served   atomic.Bool   // Start was called
	muted    atomic.Bool   // this side has closed: messages are discarded
	cancel   struct {
		sync.Mutex // guards called, and the read deadline
		called     bool
	}
	turn  turn
	watch watch
}

// aLongTimeAgo is a deadline that has passed.
var aLongTimeAgo = time.Unix(1, 0)

// next sets ev to the next event that concerns the application: a message or a
// piece of one. Control frames are dealt with here. An error is final, except
// errCancelled, when ctx has ended or Start wants the connection, and errWaiting,
// when the poller is to wake it.
func (c *Conn) next(ctx context.Context, ev *wsproto.Event) error {
	in := &c.in
	for {
		if err := in.decode(ev); err != nil {
			return c.refuse(err)
		}
		if ev.Kind != wsproto.KindNone && !in.dec.InMessage() {
			in.waited = 0
		}
		if ev.Kind >= wsproto.KindPing {
			if err := c.countControl(); err != nil {
				return err
			}
		}
		switch ev.Kind {
		case wsproto.KindPing:
			c.sendPong(ev.Payload)
		case wsproto.KindPong:
			if p := c.pings.Load(); p != nil {
				p.answered(ev.Payload)
			}
		case wsproto.KindClose:
			return c.peerClosed(*ev)
		case wsproto.KindNone:
			if in.corked {
				in.corked = false
				c.uncork()
			}
			in.release()
			if err := c.chargeInput(inboundShare); err != nil {
				return err
			}
			if err := c.fill(ctx); err != nil {
				return err
			}
		default:
			if in.skipping {
				in.skipping = !ev.Final
				continue
			}
			if c.codec() != nil {
				if err := c.chargeWindow(); err != nil {
					return err
				}
			}
			if in.muted.Load() {
				continue // RFC 6455 section 1.4: data after our close frame is discarded
			}
			if in.dec.Held() > smallInput {
				return c.chargeInput(inboundShare) // it stays while a handler works on it
			}
			return nil
		}
	}
}

// decode sets ev to the decoder's next event.
func (in *input) decode(ev *wsproto.Event) (err error) {
	if n := in.direct; n > 0 {
		in.direct = 0
		*ev, err = in.dec.Filled(int(n))
		return err
	}
	var n int
	*ev, n, err = in.dec.Decode(in.rest)
	in.rest = in.rest[n:]
	return err
}

// chargeInput counts the memory of the input against the budget: that of an
// unfinished message, and that of finished ones unless it is little. A charge
// that is refused ends the connection.
func (c *Conn) chargeInput(share int64) error {
	b := c.cfg.budget
	if b == nil {
		return nil
	}
	in := &c.in
	held := int64(in.dec.Held())
	if kept := in.dec.Kept(); in.kept.holds(kept) {
		held += int64(len(in.kept.b) - cap(kept)) // what lay before the message
	}
	if in.buf != nil {
		held += int64(len(in.buf.b))
	}
	if held <= smallInput && !in.dec.InMessage() {
		held = 0
	}
	if b.charge(&in.charged, held, share) {
		return nil
	}
	return c.refuse(&wsproto.LimitError{
		Code: wsproto.CloseTryAgainLater, Limit: limitBudget, Max: b.max, Actual: b.used.Load() + held - in.charged,
	})
}

// uncharge gives back what of the budget the input holds, when it has ended.
func (c *Conn) uncharge() {
	c.cfg.budget.charge(&c.in.charged, 0, anyShare)
	if z := c.codec(); z != nil && z.window != 0 {
		c.cfg.budget.charge(&z.window, 0, anyShare)
	}
}

// settleInput is uncharge for those who do not read, once the connection has
// ended. If somebody reads at the moment, that one calls it again.
func (c *Conn) settleInput() {
	if c.ended() != nil && c.in.reading.tryTake() {
		c.uncharge()
		c.in.reading.give()
	}
}

// controlWindow is the time in which MaxControlFrames may come.
const controlWindow = 10 * time.Second

// countControl refuses a peer that sends control frames without measure. The
// clock is read once in a window, not for each of them.
func (c *Conn) countControl() error {
	in := &c.in
	if in.controls == 0 {
		in.controlsSince = time.Since(c.cfg.start)
	}
	if in.controls++; int(in.controls) <= c.cfg.maxControl {
		return nil
	}
	n := in.controls
	in.controls = 0
	if time.Since(c.cfg.start)-in.controlsSince >= controlWindow {
		return nil
	}
	return c.refuse(&wsproto.LimitError{
		Code: wsproto.ClosePolicyViolation, Limit: limitControl, Max: int64(c.cfg.maxControl), Actual: int64(n),
	})
}

// fill waits for bytes from the peer. The buffer must have been released.
func (c *Conn) fill(ctx context.Context) error {
	in := &c.in
	if in.watch.state.Load() != unwatched {
		return c.fillWatched()
	}
	defer c.interruptible(ctx)()
	begin := c.messageClock()
	if err := c.armRead(); err != nil {
		return c.readFailed(err)
	}
	var n int
	var err error
	switch {
	case c.tryable():
		n, err = c.fillRaw()
	default:
		n, err = c.fillConn()
	}
	in.addWait(begin)
	if n == 0 && err != nil {
		in.release()
		return c.readFailed(err)
	}
	c.filled(n)
	return nil
}

// filled accounts for n bytes that were read into buf.
func (c *Conn) filled(n int) {
	in := &c.in
	in.rest = in.buf.b[:n]
	in.received.Add(1)
	in.adapt(c.cfg, n)
	if len(in.buf.b) > smallInput {
		// It never fails: the buffer is full already, and few are so large when
		// memory is short.
		_ = c.chargeInput(anyShare)
	}
}

// messageClock returns the time if a message has begun that must not take for ever,
// and the zero time otherwise.
func (c *Conn) messageClock() time.Time {
	if c.cfg.messageTimeout > 0 && c.in.dec.InMessage() {
		return time.Now()
	}
	return time.Time{}
}

// addWait adds the time since begin, unless that is zero, to the waits for the
// message in progress.
func (in *input) addWait(begin time.Time) {
	if !begin.IsZero() {
		in.waited += time.Since(begin)
	}
}

// fillConn is fill for connections whose descriptor cannot be read directly.
func (c *Conn) fillConn() (int, error) {
	in := &c.in
	if c.raw != nil { // under TLS
		// A whole record may already be inside the TLS layer, where no
		// descriptor tells of it. A read that may not wait brings it out.
		if err := c.deadline(aLongTimeAgo); err != nil {
			return 0, err
		}
		in.armed = true
		in.buf = getBuffer(in.bufferSize(c.cfg))
		n, err := c.nc.Read(in.buf.b)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		in.release()
		if err := c.armRead(); err != nil {
			return 0, err
		}
		if err := c.waitRecord(); err != nil {
			return 0, err
		}
	}
	in.buf = getBuffer(in.bufferSize(c.cfg))
	return c.nc.Read(in.buf.b)
}

// release gives back what a waiting connection need not hold.
func (in *input) release() {
	putInflated(in.dec.Release())
	kept := in.dec.Kept()
	if !in.kept.holds(kept) {
		putBuffer(in.kept)
		in.kept = nil
	}
	if in.buf.holds(kept) {
		in.kept, in.buf = in.buf, nil
	}
	putBuffer(in.buf)
	in.buf, in.rest = nil, nil
}

// bufferSize returns how much to read at once: little when memory is short.
func (in *input) bufferSize(cfg *config) int {
	size := max(int(in.size), cfg.bufferSize)
	if size > smallInput && cfg.budget.beyond(largeShare) {
		return smallInput
	}
	return size
}

// adapt makes the next buffer larger after one that was filled, and smaller
// again when the peer sends little.
func (in *input) adapt(cfg *config, n int) {
	switch size := len(in.buf.b) - spare; {
	case n == len(in.buf.b) && size < maxBuffer:
		in.size = int32(size * classStep)
	case n < size/(classStep*classStep):
		in.size = int32(size / classStep)
	}
}

// armRead sets the deadline of the read that follows, if there is one: for the
// rest of a message that has begun, and for the silence of a peer.
func (c *Conn) armRead() error {
	in := &c.in
	var due time.Time
	if c.cfg.messageTimeout > 0 && in.dec.InMessage() {
		due = time.Now().Add(c.cfg.messageTimeout - in.waited)
	}
	if c.cfg.readTimeout > 0 {
		if d := time.Now().Add(c.cfg.readTimeout); due.IsZero() || d.Before(due) {
			due = d
		}
	}
	if due.IsZero() && !in.armed {
		return c.cancelled()
	}
	in.armed = !due.IsZero()
	return c.deadline(due)
}

// deadline sets the read deadline, unless the wait was cancelled.
func (c *Conn) deadline(t time.Time) error {
	c.in.cancel.Lock()
	defer c.in.cancel.Unlock()
	if c.in.cancel.called {
		return errCancelled
	}
	return c.nc.SetReadDeadline(t)
}

// errCancelled ends a wait whose context has ended. The connection stays as it
// is.
var errCancelled = errors.New("websocket: wait cancelled")

func (c *Conn) cancelled() error {
	c.in.cancel.Lock()
	defer c.in.cancel.Unlock()
	if c.in.cancel.called {
		return errCancelled
	}
	return nil
}

// interrupt makes a waiting read return errCancelled.
func (c *Conn) interrupt() {
	c.in.cancel.Lock()
	defer c.in.cancel.Unlock()
	c.in.cancel.called = true
	_ = c.nc.SetReadDeadline(aLongTimeAgo) // fails only on a closed connection
}

// resume ends what interrupt began.
func (c *Conn) resume() {
	c.in.cancel.Lock()
	defer c.in.cancel.Unlock()
	if c.in.cancel.called {
		c.in.cancel.called = false
		_ = c.nc.SetReadDeadline(time.Time{}) // fails only on a closed connection
	}
}

// readFailed turns the error of a read into the one that the connection ends
// with, and ends it; a cancelled wait ends nothing.
func (c *Conn) readFailed(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) || err == errCancelled {
		if c.cancelled() != nil {
			return errCancelled
		}
		if in := &c.in; in.waited > 0 && in.waited >= c.cfg.messageTimeout {
			return c.refuseSlowMessage()
		}
	}
	return c.end(lostError(err))
}

// turn says which goroutine inside serve reads. Its lowest bit is set while
// that goroutine is inside the handler.
type turn struct {
	handler Handler // set once, by Start
	state   atomic.Uint32
	mu      sync.Mutex // held while the turn is being handed on
}

// begin marks that the reader enters the handler.
func (t *turn) begin(mine uint32) { t.state.Store(mine | 1) }

// end reports whether the turn is still the caller's after the handler.
func (t *turn) end(mine uint32) bool {
	if t.state.CompareAndSwap(mine|1, mine) {
		return true
	}
	t.mu.Lock() // wait until the successor has taken what it needs
	defer t.mu.Unlock()
	return false
}

// HandOff lets reading go on while the handler of this connection, started by
// [Conn.Start], is still inside OnMessage: a fresh goroutine takes over, control
// frames are answered again, and later messages are passed to OnMessage before
// the running call has returned. Whoever calls HandOff keeps the order of
// messages itself from there on. It reports whether there was a call to overtake.
func (c *Conn) HandOff() bool {
	t := &c.in.turn
	t.mu.Lock()
	defer t.mu.Unlock()
	mine := t.state.Load()
	if mine&1 == 0 || !t.state.CompareAndSwap(mine, mine+1) {
		return false
	}
	// The payload in the handler's hands lies in the old buffers: the goroutine
	// that called it gives them back, and what they were charged.
	in := &c.in
	rest := in.rest
	in.buf, in.rest, in.kept, in.charged = nil, nil, nil, 0
	in.dec.Release() // what was inflated stays with the handler
	if len(rest) > 0 {
		in.buf = getBuffer(len(rest))
		in.rest = in.buf.b[:copy(in.buf.b, rest)]
		_ = c.chargeInput(anyShare) // which never fails
	}
	in.corked = false
	c.uncork()
	go c.serve(mine + 1) // owned by c: ends with the connection, or hands on
	return true
}

// lostError is the error of a connection that ended without a close frame.
func lostError(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return errClosed
	}
	return &lostConnError{err}
}
