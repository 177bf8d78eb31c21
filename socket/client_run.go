package socket

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/envelope"
	"github.com/kleeedolinux/socket.go/socket/internal/session"
)

// clientRun is one run of a client, from Connect to Close or to giving up.
type clientRun struct {
	ctx    context.Context // ends with the run
	cancel context.CancelFunc
	done   chan struct{}  // closed when the run's goroutine has ended
	closes sync.WaitGroup // of the transport, for handlers that panicked

	answers context.Context // of responders; ends when there will be no connection any more
	silence context.CancelFunc

	closing bool  // Close was called; guarded by Client.mu
	up      bool  // connect was told and disconnect was not; guarded by Client.mu
	reason  error // overrides what Receive says; guarded by Client.mu

	began time.Time // when the latest connection was made; guarded by Client.mu
	now   bool      // the server wants the client back at once; the run's goroutine's
}

func newClientRun() *clientRun {
	run := &clientRun{done: make(chan struct{})}
	run.ctx, run.cancel = context.WithCancel(context.Background())
	run.answers, run.silence = context.WithCancel(run.ctx)
	return run
}

// start makes the first connection of a run, and begins to read it.
func (c *Client) start(ctx context.Context, run *clientRun) error {
	stop := context.AfterFunc(ctx, run.cancel)
	err := c.dial(run.ctx)
	made := err == nil
	switch ended := !stop(); {
	case ended && !errors.Is(err, ctx.Err()):
		err = errors.Join(ctx.Err(), err)
	case ended:
	case made && !c.begin(run), !made && run.ctx.Err() != nil:
		err = errors.Join(ErrConnectionClosed, err) // Close was called meanwhile
	}
	if err == nil {
		go c.serve(run) // owned by run: ends with it
		return nil
	}
	run.cancel()
	if made {
		_ = c.transport.Close() // nobody wants the connection any more
	}
	c.settle(run)
	close(run.done)
	return &ConnectionError{Op: "connect", Err: err}
}

func (c *Client) dial(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.opts.connectTimeout)
	defer cancel()
	return c.session.connect(ctx)
}

// begin opens a new connection for use: the recorded rooms are joined again
// before anything else is sent, and then the connect handlers run. It reports
// false when Close was called meanwhile.
func (c *Client) begin(run *clientRun) bool {
	select {
	case <-c.sending:
	case <-run.ctx.Done():
		return false
	}
	c.mu.Lock()
	if run.ctx.Err() != nil {
		c.mu.Unlock()
		c.sending <- struct{}{}
		return false
	}
	c.phase = connected
	run.up = true
	run.began = time.Now()
	rooms := slices.Clone(c.rooms)
	c.mu.Unlock()
	again, lost := c.session.begin()
	if again != nil {
		rooms = nil // the server has them
	} else {
		c.anew()
	}
	joined := make(chan struct{})
	c.turn.spawn(func() {
		<-joined
		c.call(&incoming{event: EventConnect, kind: builtIn})
	})
	join := func() {
		c.session.confirm()
		err := errors.Join(c.session.sendAgain(again), c.joinAgain(rooms))
		c.sending <- struct{}{}
		if err != nil {
			c.reportLater(err)
		}
		close(joined)
	}
	if lost != nil {
		c.reportLater(lost)
	}
	if len(rooms) == 0 && !c.session.active() {
		join()
		return true
	}
	// Apart from the goroutine that reads: a transport may deliver nothing while
	// nobody takes what comes. It ends when the transport has taken the joins.
	go join()
	return true
}

// serve reads the connection until it is lost, makes it again, and so on.
func (c *Client) serve(run *clientRun) {
	defer close(run.done)
	for {
		w := c.watch(run)
		err := c.read(run, w)
		if w.end(err) {
			continue
		}
		again := c.lost(run, err)
		run.closes.Wait() // they must not hit the next connection
		if !again || !c.reconnect(run, retryIn(err)) {
			return
		}
	}
}

// read passes messages to the handlers until there are no more.
func (c *Client) read(run *clientRun, w *watch) error {
	receive := receiver(c.transport)
	if w != nil {
		receive = w.receiver()
	}
	epoch := c.era()
	var order session.Order // of this connection; what comes over an earlier one is not in it
	for {
		data, binary, err := receive()
		if err != nil {
			return err
		}
		m, fresh, err := c.session.received(&order, data, binary)
		if err != nil {
			c.session.abort()
			return err
		}
		if !fresh {
			continue
		}
		if c.apart(run, epoch, m.data, m.binary) {
			if m.seq > 0 {
				c.turn.spawn(func() { // it is counted in its place
					if run.ctx.Err() == nil { // else those before it were dropped
						c.session.handled(m)
					}
				})
			}
			continue
		}
		if !c.turn.spawnWithin(run.ctx, len(data), func() { c.handle(run, epoch, m) }) {
			return ErrConnectionClosed
		}
	}
}

// handle runs the handlers for a message.
func (c *Client) handle(run *clientRun, epoch uint32, msg message) {
	if run.ctx.Err() != nil {
		return
	}
	c.session.handled(msg)
	if msg.binary {
		c.callWithAny(&incoming{event: EventMessage, kind: fromBinary, binary: msg.data})
		return
	}
	env, err := envelope.Parse(msg.data)
	if err != nil {
		c.report(&MessageError{Err: invalid("%v", err)})
		return
	}
	switch {
	case env.Reply:
		return // nobody waits for it any more
	case env.Request:
		c.answer(run, c.request(epoch, env, c))
		return
	}
	event := EventMessage
	if !env.Bare {
		event = c.handlers.name(env.Name)
		if reserved(event) {
			c.report(&MessageError{Event: event, Err: invalid("the event is reserved")})
			return
		}
	}
	m := newIncoming(event, env.Data)
	c.callWithAny(m)
	m.free() // not if a handler has ended the goroutine: then it is garbage
}

// call runs all handlers of an event. It must be called from within the turn.
func (c *Client) call(m *incoming) { callEach(c, c.handlers.get(m.event), nil, m) }

// report tells the error handlers of something that no call could return. It must
// be called from within the turn, as what goes wrong with a message is: it comes
// in the message's place among the others.
func (c *Client) report(err error) {
	c.call(&incoming{event: EventError, kind: builtIn, value: err})
}

// reportLater is report from outside the turn.
func (c *Client) reportLater(err error) { c.turn.spawn(func() { c.report(err) }) }

// panicked reports the panic of a handler and gives its connection up, in the
// way of one that was lost.
func (c *Client) panicked(event Event, err *PanicError) {
	c.broken(event, err)
	if event != EventError {
		c.report(&MessageError{Event: event, Err: err})
	}
}

// broken is panicked without the report.
func (c *Client) broken(event Event, err *PanicError) {
	c.log.Error("socket: handler panicked", "event", event, "err", err, "stack", string(err.Stack))
	c.mu.Lock()
	if run := c.run; c.phase == connected && !run.closing {
		run.reason = &MessageError{Event: event, Err: err}
		run.closes.Go(c.session.giveUp) // read learns of it
	}
	c.mu.Unlock()
}

// lost ends a connection and reports whether there is to be another.
func (c *Client) lost(run *clientRun, err error) bool {
	c.mu.Lock()
	if run.ctx.Err() != nil {
		c.mu.Unlock()
		return false // Close tells of the end
	}
	c.phase = reconnecting
	run.up = false
	c.attempts = 0
	if run.reason != nil {
		err, run.reason = run.reason, nil
	}
	verdict := verdictOf(err)
	run.now = verdict == RetryNow && time.Since(run.began) >= c.opts.reconnectDelay
	c.session.lost(err)
	var unsent error
	if !c.session.active() {
		unsent = c.dropBatch()
		c.requests.fail(connectionOver(err))
	}
	c.mu.Unlock()
	again := c.opts.reconnectAttempts >= 0 && verdict != RetryNever
	if !again {
		_ = c.transport.Close() // it is lost already
		unsent = errors.Join(unsent, c.session.end("the client does not connect again"))
		c.settle(run)
	}
	if unsent != nil {
		c.reportLater(unsent)
	}
	c.turn.spawn(func() {
		c.call(&incoming{event: EventDisconnect, kind: builtIn, value: &ConnectionError{Op: "read", Err: err}})
	})
	if verdict == RetryNever {
		c.reportLater(&ConnectionError{Op: "reconnect", Err: fmt.Errorf("%w: %w", ErrStopped, err)})
	}
	return again
}

// settle makes the client one that is not connected, after the end of a run. From
// then on Connect may use the transport.
func (c *Client) settle(run *clientRun) {
	run.silence()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.run == run {
		c.phase = disconnected
		c.requests.fail(connectionOver(ErrConnectionClosed))
	}
}

// reconnect makes the connection again, and reports whether it did. first is how long the
// server wants it to wait before, 0 if it has not said so.
func (c *Client) reconnect(run *clientRun, first time.Duration) bool {
	pause := newPacer(&c.opts)
	var last error
	for refusals := 0; ; {
		wait, ok := pause.next()
		wait += retryAfter(last) // all clients may have been told the same: not in one moment
		if !ok {
			break
		}
		if run.now {
			wait, run.now = 0, false
		} else if first > 0 {
			wait, first = first, 0
		}
		if !sleep(run.ctx, wait) {
			return false
		}
		c.mu.Lock()
		c.attempts++
		c.mu.Unlock()
		if last = c.dial(run.ctx); last == nil {
			if c.begin(run) {
				return true
			}
			_ = c.transport.Close() // nobody wants the connection any more
		}
		if run.ctx.Err() != nil {
			return false
		}
		c.log.Debug("socket: reconnect", "err", last)
		if verdictOf(last) == RetryNever {
			c.leave(run, "the server has ended it", ErrStopped, last)
			return false
		}
		c.reportLater(&ConnectionError{Op: "reconnect", Err: last})
		if !turnedAway(last) {
			refusals = 0
		} else if refusals++; refusals == maxRefusals {
			c.leave(run, "the server does not let the client in", ErrStopped, last)
			return false
		}
	}
	c.leave(run, "the client has given up", ErrGaveUp, last)
	return false
}

// leave ends a run whose connection is not made again, and the session for a reason. why is
// what it is, and last how the last attempt has ended.
func (c *Client) leave(run *clientRun, reason string, why, last error) {
	_ = c.transport.Close() // it is lost already
	if err := c.session.end(reason); err != nil {
		c.reportLater(err)
	}
	c.settle(run)
	c.reportLater(&ConnectionError{Op: "reconnect", Err: fmt.Errorf("%w: %w", why, last)})
}

// Close ends the connection and all attempts to make it again. What is batched
// is sent first, within 5 s, and the transport's Close is waited for, which for
// the transports of this module takes 5 s at most. The disconnect handlers have run when it
// returns, unless a handler is running, for example the one that calls it: then
// they follow. From the call on nothing more is sent, and what comes is not
// handled: the server is told that it was not. The error, a *[ConnectionError],
// tells of messages that could not be sent, or may not have arrived
// (*[SessionError]); the client is closed all the same. Calls on a client that is
// not connected do nothing.
func (c *Client) Close() error {
	c.mu.Lock()
	run, was := c.run, c.phase
	if was == disconnected || run.closing {
		c.mu.Unlock()
		return nil
	}
	run.closing = true
	if was != connected {
		run.cancel() // with mu held: see begin
	}
	c.mu.Unlock()
	if was == connecting {
		return nil // ConnectContext cleans up
	}
	var err error
	if was == connected {
		err = c.flushLast()
		c.session.confirmLast()
		run.cancel()
		err = errors.Join(err, c.transport.Close())
		c.awaitSenders()
	}
	<-run.done
	// What the transport has delivered was handled, acknowledged or not.
	torn := c.session.wasTorn()
	if unknown := c.session.end("the client was closed"); was != connected || err != nil || torn {
		err = errors.Join(err, unknown)
	}
	c.mu.Lock()
	err = errors.Join(err, c.dropBatch())
	tell := run.up
	run.up = false
	c.mu.Unlock()
	c.settle(run)
	if tell {
		c.turn.run(func() { c.call(&incoming{event: EventDisconnect, kind: builtIn, value: ErrConnectionClosed}) })
	}
	if err != nil {
		return &ConnectionError{Op: "close", Err: err}
	}
	return nil
}
