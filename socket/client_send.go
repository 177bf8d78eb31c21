package socket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// Send sends an event to the server. data is what [encoding/json] can encode,
// and is not retained; a []byte under [EventMessage] becomes a bare binary
// message, where the transport is a [BinaryTransport].
//
// Messages arrive in the order of the calls. Send waits while the server does
// not keep up, for as long as the transport does: for the write timeout over
// WebSocket, for its timeout over long polling. Nil means that the message is on
// its way. Within a session it is kept until the server has it, and sent again if
// the connection is lost; without one it is lost with the connection.
// The error is a *[MessageError] when data cannot be encoded, and a
// *[ConnectionError] when the message could not be sent, which matches
// [ErrConnectionClosed] when there is no connection.
func (c *Client) Send(event Event, data interface{}) error {
	m, err := encode(event, data)
	if err != nil {
		return err
	}
	if m.typ == transport.MessageBinary {
		defer m.free()
		return c.sendBinary(m.b)
	}
	// A transport may keep what it is given.
	msg := bytes.Clone(m.b)
	m.free()
	if c.opts.batchSize > 0 {
		return c.enqueue(msg)
	}
	return c.withTransport(transport.MessageText, msg, func(t Transport) error { return t.Send(msg) })
}

func (c *Client) sendBinary(p []byte) error {
	if _, ok := c.transport.(BinaryTransport); !ok {
		return &MessageError{Event: EventMessage, Err: invalid("the transport has no binary messages")}
	}
	msg := bytes.Clone(p)
	if c.opts.batchSize > 0 {
		// It must not overtake what is gathered.
		if err := c.flush(); err != nil {
			return err
		}
	}
	return c.withTransport(transport.MessageBinary, msg, func(t Transport) error { return t.(BinaryTransport).SendBinary(msg) })
}

// withTransport sends a message within the session, if there is one, and else lets f use
// the sending side of the transport, alone, if there is a connection.
func (c *Client) withTransport(typ transport.MessageType, msg []byte, f func(Transport) error) error {
	<-c.sending
	defer func() { c.sending <- struct{}{} }()
	return c.sendTaken(typ, msg, f)
}

// sendTaken is withTransport for callers that hold the token.
func (c *Client) sendTaken(typ transport.MessageType, msg []byte, f func(Transport) error) error {
	if c.closing() {
		return &ConnectionError{Op: "send", Err: ErrConnectionClosed} // nothing is behind the close
	}
	if ok, err := c.session.send(typ, msg); ok {
		return err
	}
	if !c.IsConnected() {
		return &ConnectionError{Op: "send", Err: ErrConnectionClosed}
	}
	if err := f(c.transport); err != nil {
		return sendError(err)
	}
	return nil
}

// closing reports whether Close was called.
func (c *Client) closing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.run != nil && c.run.closing
}

// enqueue adds a message to the batch, and sends the batch when it is full.
func (c *Client) enqueue(msg []byte) error {
	c.mu.Lock()
	waits := c.phase == reconnecting && c.session.active()
	if c.phase != connected && !waits || c.run.closing {
		c.mu.Unlock()
		return &ConnectionError{Op: "send", Err: ErrConnectionClosed}
	}
	first := c.batch.Len() == 0
	full := c.batch.Add(msg, len(msg), 0)
	if first && !full {
		if c.timer == nil {
			c.timer = time.AfterFunc(c.opts.batchDelay, c.flushLate)
		} else {
			c.timer.Reset(c.opts.batchDelay)
		}
	}
	c.mu.Unlock()
	if full {
		return c.flush()
	}
	return nil
}

// flush sends the batch.
func (c *Client) flush() error {
	if c.opts.batchSize == 0 {
		return nil
	}
	<-c.sending
	defer func() { c.sending <- struct{}{} }()
	return c.flushTaken()
}

// flushTaken is flush for callers that hold the token.
func (c *Client) flushTaken() error {
	// Taken by whoever may send, so that batches leave in their order.
	c.mu.Lock()
	batch, open := c.batch.Take(nil), c.phase == connected
	if c.timer != nil {
		c.timer.Stop()
	}
	c.mu.Unlock()
	switch {
	case len(batch) == 0:
		return nil
	case c.session.active():
	case !open:
		return unsentError(len(batch))
	}
	return c.sendAll(batch)
}

// flushTime is how long Close waits at most for a batch to be sent.
const flushTime = 5 * time.Second

// flushLast is flush for Close, which must not wait for ever: what a transport is
// stuck in is ended by closing it.
func (c *Client) flushLast() error {
	c.mu.Lock()
	n := c.batch.Len()
	c.mu.Unlock()
	if n == 0 {
		return nil
	}
	flushed := make(chan error, 1)
	go func() { flushed <- c.flush() }() // ends with the transport at the latest
	timeout := time.NewTimer(flushTime)
	defer timeout.Stop()
	select {
	case err := <-flushed:
		return err
	case <-timeout.C:
		return &ConnectionError{Op: "send", Err: ErrTimeout}
	}
}

// awaitSenders waits until those have finished who were sending when the client was closed,
// for a time: a transport of somebody else's may not let go of them.
func (c *Client) awaitSenders() {
	timeout := time.NewTimer(flushTime)
	defer timeout.Stop()
	select {
	case <-c.sending:
		c.sending <- struct{}{}
	case <-timeout.C:
	}
}

// sendAll sends messages in one write where the transport can do that, or within the
// session if there is one. The caller holds the token.
func (c *Client) sendAll(batch [][]byte) error {
	if ok, err := c.session.send(transport.MessageText, batch...); ok {
		if len(batch) == 1 && errors.Is(err, ErrBufferFull) {
			// It may be told by a Send of another message, which had the batch sent first.
			return &ConnectionError{Op: "send", Err: fmt.Errorf("1 batched message was not kept: %w", ErrBufferFull)}
		}
		return err
	}
	return c.writeAll(batch)
}

// writeAll is sendAll for messages as they are.
func (c *Client) writeAll(batch [][]byte) error {
	if t, ok := c.transport.(BatchTransport); ok {
		if err := t.SendBatch(batch); err != nil {
			return sendError(err)
		}
		return nil
	}
	for _, msg := range batch {
		if err := c.transport.Send(msg); err != nil {
			return sendError(err)
		}
	}
	return nil
}

// joinAgain asks for the recorded rooms on a new connection. The caller holds the
// token.
func (c *Client) joinAgain(rooms []string) error {
	if len(rooms) == 0 {
		return nil
	}
	batch := make([][]byte, 0, len(rooms))
	for _, room := range rooms {
		m, err := encode(joinEvent, room)
		if err != nil {
			return err
		}
		batch = append(batch, bytes.Clone(m.b))
		m.free()
	}
	return c.sendAll(batch)
}

// flushLate is flush for a batch that did not fill in time.
func (c *Client) flushLate() {
	if err := c.flush(); err != nil {
		c.reportLater(err)
	}
}

// dropBatch forgets what could not be sent, because the connection that it was
// meant for is gone, and returns an error that says so, nil if there was nothing.
// It is called with mu held.
func (c *Client) dropBatch() error {
	n := len(c.batch.Take(nil))
	if c.timer != nil {
		c.timer.Stop()
	}
	if n == 0 {
		return nil
	}
	return unsentError(n)
}

func unsentError(n int) error {
	return &ConnectionError{Op: "send", Err: fmt.Errorf("%d batched messages were not sent: %w", n, ErrConnectionClosed)}
}

// pacer says how long to wait before each attempt to connect again.
type pacer struct{ backoff session.Backoff }

func newPacer(o *clientOptions) *pacer {
	return &pacer{session.NewBackoff(session.BackoffOptions{
		Base: o.reconnectDelay, Max: o.maxReconnectDelay, Attempts: o.reconnectAttempts,
	})}
}

func (p *pacer) next() (time.Duration, bool) { return p.backoff.Next(rand.Float64()) }

// sleep waits for d, or less when ctx ends, and reports whether it has not.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
