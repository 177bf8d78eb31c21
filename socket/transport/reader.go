package transport

import (
	"context"
	"errors"
	"io"
)

// Reader is [Conn.Read] for messages that need not be in memory as a whole. It
// waits until the next message has begun to arrive; the reader that it returns
// delivers the message's pieces as they come, and [io.EOF] behind its end. A
// compressed message is delivered only when it is there as a whole.
//
// ctx bounds the waits of Reader and of the reader. The bounds on messages hold
// as for Read. A message can be left before its end: the next call of Read or
// Reader skips the rest, and the reader fails from then on. It is for one
// goroutine at a time.
//
// A reader delivers what it has checked so far: an error other than io.EOF means
// that the message was not valid, or never complete.
func (c *Conn) Reader(ctx context.Context) (MessageType, io.Reader, error) {
	in := &c.in
	if err := c.beginRead(ctx); err != nil {
		return 0, nil, err
	}
	defer c.endRead()
	in.leaveReader()
	in.dec.SetStreaming(true)
	ev, err := c.await(ctx)
	if err != nil {
		return 0, nil, err
	}
	r := &messageReader{c: c, ctx: ctx, piece: ev.Payload, final: ev.Final}
	in.reader = r
	r.done()
	return messageType(ev.Opcode), r, nil
}

// messageReader is one message that is being read piece by piece. All but err is
// guarded by the right to read.
type messageReader struct {
	c     *Conn
	ctx   context.Context
	piece []byte // not delivered yet; it lies in the connection's buffers
	final bool   // it is the last
	err   error  // of all further calls
}

// errLeft is what a reader returns when it was left before the message's end.
var errLeft = errors.New("websocket: the rest of the message was skipped by a later read")

// Read delivers what has arrived, and waits if nothing has.
func (r *messageReader) Read(p []byte) (int, error) {
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	c, in := r.c, &r.c.in
	if err := c.beginRead(r.ctx); err != nil {
		return 0, err
	}
	defer c.endRead()
	if in.reader != r {
		r.err = errLeft
		return 0, r.err
	}
	for len(r.piece) == 0 && !r.final {
		ev, err := c.await(r.ctx)
		if err != nil {
			return 0, err
		}
		r.piece, r.final = ev.Payload, ev.Final
	}
	n := copy(p, r.piece)
	r.piece = r.piece[n:]
	r.done()
	if n == 0 {
		return 0, r.err // an empty last piece
	}
	return n, nil
}

// done gives back what a piece that was delivered lies in, and ends the message
// behind the last.
func (r *messageReader) done() {
	in := &r.c.in
	if len(r.piece) > 0 {
		return
	}
	if r.final {
		in.reader, r.err = nil, io.EOF
	}
	r.c.releaseRead()
}

// leaveReader gives up the message that a reader has not read to its end.
func (in *input) leaveReader() {
	if r := in.reader; r != nil {
		in.skipping = !r.final
		in.reader, r.piece = nil, nil
	}
}
