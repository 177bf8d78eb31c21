package socket

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/envelope"
	"github.com/kleeedolinux/socket.go/socket/internal/session"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// conn is the Socket of a server.
type conn struct {
	// What every message needs comes first: with many sockets, each cache line more
	// is a wait for memory.
	server *Server
	link   link
	rates  *rates                   // nil: there are no limits
	turn   serial                   // runs the handlers
	own    atomic.Pointer[handlers] // added by On; nil: none
	asked  atomic.Pointer[requests] // of the client; nil: none yet
	halfAt atomic.Int64             // when the send queue passed half, Unix time in ns; 0: it has not
	hold   atomic.Pointer[holding]  // what waits above the queue of its link; nil: nothing
	deaf   atomic.Bool              // this side has ended it: messages are dropped
	behind atomic.Bool              // the fanout keeps messages for it
	dirty  bool                     // queued messages are not written; the fanout's
	refers bool                     // to the history of its rooms; set with link
	shut   bool                     // broadcasts pass it by: it is being closed as slow; the fanout's
	reaped bool                     // the disconnect handlers know what has come to nothing; the fanout's
	told   bool                     // the disconnect handlers have run; the turn's

	brimming atomic.Bool // its queue was more than half full, and has not become less than a quarter full

	id   string
	info requestInfo
	beat beat // owned by the server's pulse; entry and held: its mu

	mu     sync.Mutex // guards the fields below
	reason error      // why it is no longer connected; nil while it is
	rooms  []*membership
	extras *extras // nil until the application asks for one, or the socket has an identity
}

// extras are what an application may want of a socket, and most do not.
type extras struct {
	who    *membership // in its identity's sockets; nil: it has none
	values map[string]any
	ctx    context.Context // nil, and cancel, until somebody asks
	cancel context.CancelCauseFunc
}

func (c *conn) ID() string { return c.id }

func (c *conn) IsConnected() bool { return c.cause() == nil }

// cause returns why the socket is no longer connected, nil while it is.
func (c *conn) cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason
}

func (c *conn) Send(event Event, data interface{}) error {
	if l, ok := c.link.(*sessionLink); ok && l.sendInPlace(event, data) {
		c.noteFill(0, 0)
		return nil
	}
	m, err := encode(event, data)
	if err != nil {
		return err
	}
	defer m.free()
	return c.deliver(context.Background(), event, m)
}

// deliver is Send for a message that is encoded, and gives up waiting when ctx ends.
func (c *conn) deliver(ctx context.Context, event Event, m *encoded) error {
	c.server.fanout.settle()
	err := error(transport.ErrQueueFull)
	for err == transport.ErrQueueFull {
		if err := c.waitBehind(); err != nil {
			return err
		}
		if c.hold.Load() != nil {
			if done, err := c.sendHeld(m); done {
				return err
			}
			continue
		}
		if c.behind.Load() {
			continue // what was held is not any more, because the client is being closed
		}
		if !c.taken(sendShare) {
			err = c.link.queue(m.typ, m.b)
		}
		if err == transport.ErrQueueFull {
			if err := c.waitRoom(ctx); err != nil {
				return err
			}
		}
	}
	switch err {
	case nil:
		c.noteFill(0, 0)
		return nil
	case errTooLarge:
		return &MessageError{Event: event, Err: err}
	}
	return sendError(err)
}

// waitBehind waits until it is known whether the client is slow that broadcasts
// wait for, so that nothing overtakes them.
func (c *conn) waitBehind() error {
	for range 10 {
		if !c.behind.Load() {
			return nil
		}
		c.server.fanout.wait()
	}
	return &ConnectionError{Op: "send", Err: ErrTimeout}
}

// waitRoom waits until the client has read enough for its queue to have room, or ctx
// ends, and closes a client that does not read.
func (c *conn) waitRoom(ctx context.Context) error {
	if c.deaf.Load() {
		return &ConnectionError{Op: "send", Err: ErrConnectionClosed}
	}
	stall, cancel := context.WithTimeout(ctx, c.server.opts.writeTimeout)
	defer cancel()
	err := c.link.wait(stall)
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil && stall.Err() != nil:
		if c.stalled() {
			return nil
		}
	}
	var slow *slowError
	if errors.As(c.cause(), &slow) {
		return &ConnectionError{Op: "send", Err: ErrTimeout}
	}
	if err != nil {
		return sendError(err)
	}
	return nil
}

// verdict is what became of a message for many.
type verdict uint8

const (
	sent           verdict = iota // or of no use: the connection has ended
	refused                       // the queue is full
	refusedInBurst                // the queue is full, and was not half full a moment ago
	refusedForGood                // the queue is full, and was half full long ago
	unsendable                    // it is larger than the whole queue
)

// stage queues messages that others get too, and returns how many. It does not
// wait; who calls it calls the link's flush later.
func (c *conn) stage(b *transport.PreparedBatch) (int, verdict) {
	if c.halfAt.Load() != 0 && !c.halfFull() {
		c.halfAt.Store(0) // what fills it now, fills it anew
	}
	n, err := c.link.stage(b)
	switch err {
	case nil:
		if !c.halfFull() {
			if c.halfAt.Load() != 0 {
				c.halfAt.Store(0)
			}
		} else if c.halfAt.Load() == 0 {
			c.halfAt.Store(time.Now().UnixNano())
			c.noteFill(0, 0)
		}
		return n, sent
	case errTooLarge:
		return n, unsendable
	case transport.ErrQueueFull:
		// It may be full without ever having been half full: one large message.
		now := time.Now()
		c.noteFill(0, 0)
		if c.halfAt.CompareAndSwap(0, now.UnixNano()) {
			return n, refusedInBurst
		}
		switch since := now.Sub(time.Unix(0, c.halfAt.Load())); {
		case since < burstGrace:
			return n, refusedInBurst
		case since < longHalf:
			return n, refused
		}
		return n, refusedForGood
	}
	return n, sent // the handlers are told of the end
}

// sendShare is the part of the send queue that Send fills, one in so many: the
// rest is for broadcasts, which do not wait, and must not take a client for slow
// that Send keeps busy. burstShare is the part behind which a burst of broadcasts
// is on its way to fill it.
const (
	sendShare  = 4
	burstShare = 2
)

// halfFull reports whether a burst of broadcasts is on its way to fill the queue.
func (c *conn) halfFull() bool { return c.taken(burstShare) }

// taken reports whether one share in so many of the send queue is taken.
func (c *conn) taken(shares int) bool {
	bytes, messages := c.link.queued()
	return shares*bytes >= c.server.opts.queueBytes || shares*messages >= c.server.opts.queueMessages
}

// sendError is the error of a message that the link did not take.
func sendError(err error) error { return &ConnectionError{Op: "send", Err: err} }

func (c *conn) Close() error {
	c.close(transport.StatusNormalClosure, "")
	return nil
}

// close ends the connection from this side.
func (c *conn) close(code transport.StatusCode, reason string) {
	c.server.fanout.settle()
	c.server.fanout.feedLast(c)
	if c.end(ErrConnectionClosed) {
		c.link.close(code, reason)
	}
}

// end records why this side ends the connection, and reports whether it was
// open. Handlers of later messages do not run.
func (c *conn) end(reason error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deaf.Store(true)
	return c.over(reason)
}

// over records why the connection has ended, and reports whether it was open. It
// is called with mu held.
func (c *conn) over(reason error) bool {
	if c.reason != nil {
		return false
	}
	c.reason = reason
	if x := c.extras; x != nil && x.cancel != nil {
		x.cancel(reason)
	}
	if r := c.asked.Load(); r != nil {
		r.close(connectionOver(reason))
	}
	return true
}

// ended is told by the link that the connection is over. Messages that came
// before that and wait for their handlers are handled still.
func (c *conn) ended(err error) {
	c.server.logRefusal(c, err)
	c.server.fanout.release(c)
	c.mu.Lock()
	var lost *SessionError
	mine := !c.over(&ConnectionError{Op: "read", Err: err})
	c.mu.Unlock()
	if mine && errors.As(err, &lost) && len(lost.Unknown)+lost.Dropped > 0 {
		// This side has ended it, which is no reason to keep silent about what is unknown.
		c.tellUnknown("close", lost.Err, lost)
	}
	// Behind the messages that came before and wait for a handler's end.
	c.turn.run(func() {
		defer c.server.forget(c)
		c.disconnect()
	})
}

// tellUnknown has the disconnect handlers, if they have not been told, get what the session
// has not delivered beside the reason. op is what has ended it where the reason does not say
// so, err is of the connection, and lost may be nil.
func (c *conn) tellUnknown(op string, err error, lost *SessionError) {
	if lost == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	lost.Err = errors.Join(c.reason, err)
	c.reason = &ConnectionError{Op: opOf(c.reason, op), Err: lost}
}

// opOf returns the Op of the reason why a connection has ended, op if it has none.
func opOf(reason error, op string) string {
	var ce *ConnectionError
	if errors.As(reason, &ce) {
		return ce.Op
	}
	return op
}

// disconnect runs the disconnect handlers, as a task of the turn, and ends the
// memberships in rooms.
func (c *conn) disconnect() {
	if c.told {
		return
	}
	c.told = true
	defer c.leaveAll()
	c.tellUnsent()
	c.call(&incoming{event: EventDisconnect, kind: builtIn, value: c.cause()})
}

// received is told by the link of a message. p is valid until it returns.
func (c *conn) received(typ transport.MessageType, p []byte) {
	if !c.admitMessage(len(p)) {
		return
	}
	if take := c.apart(typ, p); take != nil {
		take()
		return
	}
	if !c.turn.begin() {
		c.leave(typ, p)
		return
	}
	defer c.turn.end()
	c.readOn()
	if typ == transport.MessageBinary {
		p = bytes.Clone(p)
	}
	c.handle(typ, p)
}

// leave hands a copy of a message to whoever runs handlers at the moment. The
// copy is made once there is room for it.
func (c *conn) leave(typ transport.MessageType, p []byte) {
	var kept []byte
	c.turn.leave(task{
		run:    func() { c.handle(typ, kept) },
		keep:   func() { kept = bytes.Clone(p) },
		weight: len(p),
	})
}

// handle runs the handlers for a message, unless this side has ended the connection. It keeps
// p if that is binary.
func (c *conn) handle(typ transport.MessageType, p []byte) {
	if !c.deaf.Load() {
		c.handleTaken(typ, p)
	}
}

// handleTaken is handle for a message that counts as handled already.
func (c *conn) handleTaken(typ transport.MessageType, p []byte) {
	if typ == transport.MessageBinary {
		c.callWithin(int64(len(p)), &incoming{event: EventMessage, kind: fromBinary, binary: p})
		return
	}
	env, err := envelope.Parse(p)
	if err != nil {
		c.report(&MessageError{Err: invalid("%v", err)})
		return
	}
	switch {
	case env.Reply:
		return // nobody waits for it any more
	case env.Request:
		c.answerTaken(c.request(env, c))
		return
	}
	event := EventMessage
	if !env.Bare {
		event = c.server.handlers.name(env.Name)
		if reserved(event) || event == EventError {
			c.report(&MessageError{Event: event, Err: invalid("the event is reserved")})
			return
		}
	}
	m := newIncoming(event, env.Data)
	c.callWithin(decodedSize(m.raw), m)
	m.free() // not if a handler has ended the goroutine: then it is garbage
}

// reserved reports whether an event is told by the library only.
func reserved(event Event) bool { return event == EventConnect || event == EventDisconnect }

// call runs all handlers of an event.
func (c *conn) call(m *incoming) {
	defer c.callOwn(m)
	callEach(c, c.server.handlers.get(m.event), c, m)
}

// callOwn runs the handlers that On has added.
func (c *conn) callOwn(m *incoming) {
	if own := c.own.Load(); own != nil {
		callEach(c, own.get(m.event), c, m)
	}
}

// report tells the error handlers of something that no call could return.
func (c *conn) report(err error) {
	c.server.log.Debug("socket: error", "conn", c.id, "err", err)
	c.call(&incoming{event: EventError, kind: builtIn, value: err})
}

// panicked closes this one socket for the panic of a handler.
func (c *conn) panicked(event Event, err *PanicError) {
	c.broken(event, err)
	if event != EventError {
		c.report(&MessageError{Event: event, Err: err})
	}
}

func (c *conn) On(event Event, handler func(interface{})) {
	if handler == nil {
		panic("socket: Socket.On: nil handler")
	}
	c.addOwn(event, anyHandler(func(_ Socket, data interface{}) { handler(data) }))
}

func (c *conn) Off(event Event) {
	if own := c.own.Load(); own != nil {
		own.clear(event)
	}
}

func (c *conn) Context() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.extra()
	if x.ctx == nil {
		x.ctx, x.cancel = context.WithCancelCause(context.Background())
		if c.reason != nil {
			x.cancel(c.reason)
		}
	}
	return x.ctx
}

// extra returns the extras. It is called with mu held.
func (c *conn) extra() *extras {
	if c.extras == nil {
		c.extras = new(extras)
	}
	return c.extras
}

func (c *conn) Request() *http.Request { return c.info.request() }

func (c *conn) Set(key string, value any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.extra()
	if value == nil {
		delete(x.values, key)
		return
	}
	if x.values == nil {
		x.values = make(map[string]any)
	}
	x.values[key] = value
}

func (c *conn) Get(key string) (any, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.extras == nil {
		return nil, false
	}
	v, ok := c.extras.values[key]
	return v, ok
}

var _ Socket = (*conn)(nil)

// beat is what the server's pulse knows of a socket.
type beat struct {
	entry   session.Entry
	heart   session.Heartbeat
	last    uint32 // the link's activity at the last visit
	runs    uint32 // handlers begun at the last visit
	wasBusy bool
	held    int64         // memory of what waited for a long-polling client at the last visit, bytes
	pinged  time.Duration // when the last ping left, on the pulse's clock
	gen     uint32        // of the session's connection at the last visit
}
