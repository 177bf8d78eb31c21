package transport

import (
	"context"
	"io"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// Writer begins a message that is sent piece by piece as a fragmented message.
// The message ends with the writer's Close, which must be called. Until then
// other messages wait behind it, while control frames go out. The message is
// not compressed.
//
// Small pieces are collected until there are 4 KiB of them. The writer has a
// method Flush() error that sends what is collected. It is for one goroutine at a
// time.
//
// Writer waits while another message of this kind is open, and while the queue
// of outgoing messages is full; so do Write and Flush, and Close does not wait.
// ctx bounds these waits. Close after a Write that failed returns its error again.
// If a part of the message has left by then, it ends the connection (close code
// 1011): the peer must not take the part for the whole.
func (c *Conn) Writer(ctx context.Context, typ MessageType) (io.WriteCloser, error) {
	op, err := opcode(typ)
	if err != nil {
		return nil, err
	}
	o := &c.out
	for {
		o.mu.Lock()
		err := c.admit(wsproto.MaxHeaderSize)
		if err == nil && !o.stream {
			o.stream = true
			o.mu.Unlock()
			return &messageWriter{c: c, ctx: ctx, op: op}, nil
		}
		if err == ErrQueueFull {
			o.mu.Unlock()
			err = c.WaitQueue(ctx)
		} else if err == nil {
			err = o.waitStream(ctx)
		} else {
			o.mu.Unlock()
		}
		if err != nil {
			return nil, err
		}
	}
}

// waitStream waits until the open message has ended. It is called with mu held
// and gives it up.
func (o *output) waitStream(ctx context.Context) error {
	w := o.waiting()
	if w.free == nil {
		w.free = make(chan struct{})
	}
	free := w.free
	o.mu.Unlock()
	select {
	case <-free:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// endStream lets the messages follow that waited for an open Writer. It is
// called with mu held.
func (o *output) endStream() {
	o.stream = false
	switch {
	case o.deferred == nil:
	case o.queue == nil:
		o.queue, o.deferred = o.deferred, nil
	default:
		o.queue.append(o.deferred)
		o.deferred = nil
	}
	if w := o.waits; w != nil && w.free != nil {
		close(w.free)
		w.free = nil
	}
}

// messageWriter is one message that is being sent in fragments.
type messageWriter struct {
	c    *Conn
	ctx  context.Context
	op   wsproto.Opcode // of the next fragment: that of the message, then continuation
	buf  *buffer        // of pieces that are collected; nil when there are none
	n    int            // bytes in buf
	err  error          // of a call that failed: the message cannot be finished
	done bool
}

// pieceSize is how much a writer collects for one fragment.
const pieceSize = 4 << 10

// Write sends p, or keeps a copy of it for the next fragment.
func (w *messageWriter) Write(p []byte) (int, error) {
	if w.done {
		return 0, errClosed
	}
	written := 0
	for w.err == nil && written < len(p) {
		rest := p[written:]
		if w.n == 0 && len(rest) >= pieceSize {
			w.err = w.send(rest)
			if w.err == nil {
				written = len(p)
			}
			break
		}
		if w.buf == nil {
			w.buf = getBuffer(pieceSize)
		}
		n := copy(w.buf.b[w.n:pieceSize], rest)
		w.n += n
		written += n
		if w.n == pieceSize {
			_ = w.Flush() // its error is kept
		}
	}
	return written, w.err
}

// Flush sends what is collected.
func (w *messageWriter) Flush() error {
	if w.done {
		return errClosed
	}
	if w.err == nil && w.n > 0 {
		w.err = w.send(w.buf.b[:w.n])
		w.release()
	}
	return w.err
}

// Close ends the message.
func (w *messageWriter) Close() error {
	if w.done {
		return errClosed
	}
	w.done = true
	defer w.release()
	c, o := w.c, &w.c.out
	if w.err != nil && w.op == wsproto.OpContinuation {
		c.Refuse(StatusInternalError, "a message could not be finished")
		return w.err
	}
	o.mu.Lock()
	if w.err == nil {
		// What is collected is little: it needs no room.
		if w.err = c.admit(0); w.err == ErrQueueFull {
			w.err = nil
		}
	}
	if w.err == nil {
		var rest []byte
		if w.n > 0 {
			rest = w.buf.b[:w.n]
		}
		w.queue(wsproto.Header{Fin: true, Opcode: w.op}, rest)
	}
	if o.err == nil && !o.final.Load() {
		o.endStream()
	}
	c.flush()
	return w.err
}

// send queues a fragment as soon as there is room.
func (w *messageWriter) send(p []byte) error {
	c, o := w.c, &w.c.out
	for {
		o.mu.Lock()
		// What waits behind this message must not keep it from ending.
		err := c.admitBeside(o.deferred, wsproto.MaxHeaderSize+len(p))
		if err == nil {
			w.queue(wsproto.Header{Opcode: w.op}, p)
			w.op = wsproto.OpContinuation
			c.flush()
			return nil
		}
		o.mu.Unlock()
		if err != ErrQueueFull {
			return err
		}
		if err := c.WaitQueue(w.ctx); err != nil {
			return err
		}
	}
}

// queue is called with the queue's mu held.
func (w *messageWriter) queue(h wsproto.Header, p []byte) {
	o := &w.c.out
	if o.queue == nil {
		o.queue = getBatch()
	}
	w.c.appendFrame(o.queue, h, p)
}

func (w *messageWriter) release() {
	putBuffer(w.buf)
	w.buf, w.n = nil, 0
}
