package transport

import (
	"context"
	"errors"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// Read returns the next message. The payload is the caller's.
//
// When ctx ends first, Read returns its error and the connection stays as it
// is: what has arrived of a message is kept for the next call. Any other error
// is final and repeated by later calls: a *[CloseError] when the peer closed,
// a *[ProtocolError] or *[LimitError] when the connection was failed; all match
// [net.ErrClosed].
func (c *Conn) Read(ctx context.Context) (MessageType, []byte, error) {
	in := &c.in
	if err := c.beginRead(ctx); err != nil {
		return 0, nil, err
	}
	defer c.endRead()
	in.leaveReader()
	in.dec.SetStreaming(false)
	ev, err := c.await(ctx)
	if err != nil {
		return 0, nil, err
	}
	payload := in.dec.Take(ev)
	c.releaseRead()
	return messageType(ev.Opcode), payload, nil
}

// beginRead waits for the right to read, which endRead gives back.
func (c *Conn) beginRead(ctx context.Context) error {
	taken := c.in.reading.take(ctx.Done())
	err := c.ended()
	switch {
	case err != nil:
	case taken:
		return nil
	default:
		err = cancelError(ctx)
	}
	if taken {
		c.endRead()
	}
	return err
}

func (c *Conn) endRead() {
	c.in.reading.give()
	c.settleInput()
}

// releaseRead gives back what a connection need not hold until the next Read.
func (c *Conn) releaseRead() {
	if in := &c.in; len(in.rest) == 0 {
		in.release()
		_ = c.chargeInput(anyShare) // which never fails
	}
}

// await returns the next event that concerns the caller, who has the right to
// read.
func (c *Conn) await(ctx context.Context) (ev wsproto.Event, err error) {
	err = c.next(ctx, &ev)
	if err == errCancelled {
		err = cancelError(ctx)
	}
	if err != nil {
		c.in.release()
	}
	return ev, err
}

// errStarted is what Read returns after Start.
var errStarted = errors.New("websocket: Read on a connection that Start has started")

// cancelError is why a wait with ctx was cancelled.
func cancelError(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return errStarted
}

// interruptible lets the end of ctx interrupt reads until the function that it
// returns is called.
func (c *Conn) interruptible(ctx context.Context) (end func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		c.interrupt()
		close(interrupted)
	})
	return func() {
		if !stop() {
			<-interrupted
			c.resume()
		}
	}
}

// ended returns what the connection has ended with, nil while it is open. After
// our own close frame the connection can still be read, for the peer's.
func (c *Conn) ended() error {
	s := &c.closing
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
