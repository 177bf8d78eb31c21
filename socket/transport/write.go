package transport

import (
	"context"
	"slices"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

// Write sends one message. It waits while the connection's queue of outgoing
// messages is full, until the peer has read enough, ctx ends or the connection
// fails; otherwise it returns once the message is on its way, which is not to
// say that the peer has read it. p is not retained. A text message must be UTF-8,
// which is not checked here: the peer would close the connection (code 1007).
func (c *Conn) Write(ctx context.Context, typ MessageType, p []byte) error {
	for {
		err := c.Queue(typ, p)
		if err != ErrQueueFull {
			return err
		}
		if err := c.WaitQueue(ctx); err != nil {
			return err
		}
	}
}

// Queue is Write without waiting: it returns [ErrQueueFull] when the queue is
// full, and never blocks on the peer. p is not retained.
func (c *Conn) Queue(typ MessageType, p []byte) error {
	op, err := opcode(typ)
	if err != nil {
		return err
	}
	h := wsproto.Header{Fin: true, Opcode: op}
	if c.codec().compresses(len(p)) {
		return c.queueCompressed(h, p)
	}
	return c.queueData(h, p)
}

// QueuePrepared is [Conn.Queue] for a message that many connections get. The
// queue holds a reference to the message's one frame, not a copy.
func (c *Conn) QueuePrepared(m *PreparedMessage) error {
	c.prepare(m)
	c.out.mu.Lock()
	if err := c.stage(m); err != nil {
		c.out.mu.Unlock()
		return err
	}
	c.flush()
	return nil
}

// StagePrepared queues messages that many connections get, as [Conn.QueuePrepared]
// does, and leaves it to [Conn.Flush], or to whatever is sent next, to write them: for
// those who queue several messages for many connections before they write to any. It
// returns how many it has queued; with fewer than all, the error says why.
func (c *Conn) StagePrepared(b *PreparedBatch) (int, error) {
	run := b.run(c) // made, if nobody has made it yet, before others wait for the lock
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if run != nil && c.admitsRun(run) {
		o.list().shareRun(run)
		o.bytes += run.bytes
		o.frames += int32(run.frames)
		return len(b.messages), nil
	}
	for i, m := range b.messages {
		if err := c.stage(m); err != nil {
			return i, err
		}
	}
	return len(b.messages), nil
}

// prepare compresses m as the connection will want it, if nobody has yet and it is
// known, before others wait for the lock.
func (c *Conn) prepare(m *PreparedMessage) {
	if z := c.codec(); z != nil && c.cfg.role == wsproto.RoleServer && m.common.Load() == nil {
		z.frame(m, nil)
	}
}

// stage queues the frame of m that c can share with others: a compressed one, or the
// plain one. A client's frames are masked each with a key of its own, so it shares
// none. It is called with the queue's mu held.
func (c *Conn) stage(m *PreparedMessage) error {
	o := &c.out
	if c.cfg.role == wsproto.RoleClient {
		if err := c.admit(wsproto.MaxHeaderSize + len(m.payload)); err != nil {
			return err
		}
		c.appendFrame(o.list(), wsproto.Header{Fin: true, Opcode: m.op}, m.payload)
		return nil
	}
	frame := m.plain
	var v *variant
	t := m.common.Load() // once: somebody may be adding m to a history
	if c.codec() != nil {
		if v = c.codec().frame(m, t); v != nil {
			frame = v.frame
		}
	}
	if err := c.admit(len(frame)); err != nil {
		return err
	}
	if v != nil {
		c.codec().noteShared(m, t, v, c.cfg.budget)
	}
	o.list().share(frame)
	o.added(len(frame))
	return nil
}

// Heads are the begins of messages that go on as many connections get them.
type Heads interface {
	// Next returns what the next message begins with, which is m behind its first skip
	// bytes; nil if it is m as everybody gets it. head is used until the next call. It is
	// called with locks held: it must not block, nor call methods of connections.
	Next(m *PreparedMessage) (head []byte, skip int)
}

// StageBehind is [Conn.StagePrepared] for messages that may begin with heads of their own.
// Where those are compressed, what is behind it is compressed once for all connections.
func (c *Conn) StageBehind(b *PreparedBatch, heads Heads) (int, error) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	z := c.codec()
	if c.cfg.role == wsproto.RoleClient {
		z = nil
	}
	for i, m := range b.messages {
		head, skip := heads.Next(m)
		if head == nil {
			if err := c.stage(m); err != nil {
				return i, err
			}
			continue
		}
		rest := m.payload[skip:]
		if err := c.admit(wsproto.MaxHeaderSize + len(head) + len(rest)); err != nil {
			return i, err
		}
		h := wsproto.Header{Fin: true, Opcode: m.op}
		var v *variant
		if z != nil {
			v = z.alone(m, skip)
		}
		if v != nil {
			h.RSV = rsv1
			c.appendParts(h, deflate.AppendStored(make([]byte, 0, maxStored), head), v.payload())
			z.noteParts(head, rest, v, c.cfg.budget)
			continue
		}
		c.appendParts(h, head, rest)
	}
	return len(b.messages), nil
}

// maxStored is the room for a head of ordinary size as a stored block.
const maxStored = 128

// appendParts is appendFrame for a payload in two parts, without a mask: for a server.
// It is called with the queue's mu held.
func (c *Conn) appendParts(h wsproto.Header, head, rest []byte) {
	if c.cfg.role == wsproto.RoleClient {
		c.appendFrame(c.out.list(), h, slices.Concat(head, rest))
		return
	}
	q := c.out.list()
	it := q.room(wsproto.MaxHeaderSize + len(head) + len(rest))
	was := len(it.b)
	h.Length = uint64(len(head) + len(rest))
	it.b = wsproto.AppendHeader(it.b, h)
	it.b = append(append(it.b, head...), rest...)
	q.bytes += len(it.b) - was
	q.frames++
	c.out.added(len(it.b) - was)
}

// Flush writes what [Conn.StagePrepared] has queued, unless somebody else is writing
// and will. It does not block on the peer.
func (c *Conn) Flush() {
	c.out.mu.Lock()
	c.flush()
}

// WritePrepared is [Conn.Write] for a message that many connections get.
func (c *Conn) WritePrepared(ctx context.Context, m *PreparedMessage) error {
	for {
		err := c.QueuePrepared(m)
		if err != ErrQueueFull {
			return err
		}
		if err := c.WaitQueue(ctx); err != nil {
			return err
		}
	}
}

// queueData queues a data frame and writes it unless a write is in progress.
func (c *Conn) queueData(h wsproto.Header, payload []byte) error {
	return c.queueFrame(h, payload, nil)
}

// queueFrame is queueData for a payload that plain was compressed to, unless that is
// nil.
func (c *Conn) queueFrame(h wsproto.Header, payload, plain []byte) error {
	c.out.mu.Lock()
	if err := c.admit(wsproto.MaxHeaderSize + len(payload)); err != nil {
		c.out.mu.Unlock()
		return err
	}
	if plain != nil {
		c.codec().noteSent(payload, plain, c.cfg.budget)
	}
	c.queueAdmitted(h, payload)
	return nil
}

// queueAdmitted queues a data frame for which there is room, and writes it unless a
// write is in progress. It is called with the queue's mu held and gives it up.
func (c *Conn) queueAdmitted(h wsproto.Header, payload []byte) {
	if len(payload) >= directSize && c.direct() {
		c.writeDirect(h, payload)
		return
	}
	c.appendFrame(c.out.list(), h, payload)
	c.flush()
}

// directSize is the size from which a payload is written from where it lies, when
// nothing else waits: a second system call costs less than to copy it.
const directSize = 16 << 10

// direct reports whether the caller can write a frame now without copying it. It
// is called with the queue's mu held.
func (c *Conn) direct() bool {
	o := &c.out
	return canSendMore && c.cfg.role == wsproto.RoleServer &&
		!o.writing && !o.stream && o.queue == nil && o.pong == nil && c.tryable()
}

// writeDirect writes a frame from the caller's memory as far as the kernel takes it
// at once, and keeps a copy of the rest. It is called with the queue's mu held,
// where direct says so, and gives it up.
func (c *Conn) writeDirect(h wsproto.Header, payload []byte) {
	o := &c.out
	buf := getBuffer(wsproto.MaxHeaderSize)
	defer putBuffer(buf)
	h.Length = uint64(len(payload))
	head := wsproto.AppendHeader(buf.b[:0], h)
	q := getBatch()
	q.bytes, q.frames = len(head)+len(payload), 1
	o.added(q.bytes)
	o.writing, o.several, o.cut = true, false, false
	o.mu.Unlock()
	c.limitUnsent(q.bytes)

	n, err := c.writeMore(head)
	if err == nil && n == len(head) {
		var more int
		more, err = c.writeNow(payload)
		n += more
	}
	if err == nil && n < q.bytes {
		q.keepRest(n, head, payload)
		c.writeLater(q)
		return
	}
	if !c.wrote(q, err) {
		c.writeQueue()
	}
}

// admit returns why a message of n bytes cannot be queued. It is called with
// the queue's mu held.
func (c *Conn) admit(n int) error { return c.admitBeside(nil, n) }

// admitBeside is admit as if what is in apart, which may be nil, were not queued.
func (c *Conn) admitBeside(apart *batch, n int) error {
	o := &c.out
	switch {
	case o.err != nil:
		return o.err
	case o.final.Load():
		return errClosed
	case o.full(c.cfg, apart, n):
		return ErrQueueFull
	case o.blocked && !c.cfg.budget.fits(int64(n), outboundShare):
		return ErrQueueFull
	}
	return nil
}

// admitsRun reports whether admit would take each frame of a run in turn. When it
// does not know, it says no. It is called with the queue's mu held.
func (c *Conn) admitsRun(r *run) bool {
	o := &c.out
	return o.err == nil && !o.final.Load() &&
		int(o.frames)+r.frames <= c.cfg.queueMessages && o.bytes+r.bytes <= c.cfg.queueBytes &&
		(!o.blocked || c.cfg.budget.fits(int64(r.bytes), outboundShare))
}

// appendFrame appends a frame to q. A client masks what it sends, each frame
// with a new key that nobody can predict, RFC 6455 section 5.3. It is called
// with the queue's mu held, unless q is the caller's own.
func (c *Conn) appendFrame(q *batch, h wsproto.Header, payload []byte) {
	if c.cfg.role == wsproto.RoleClient {
		h.Masked = true
		h.Key = newMaskKey()
	}
	it := q.room(wsproto.MaxHeaderSize + len(payload))
	was := len(it.b)
	it.b = wsproto.AppendFrame(it.b, h, payload)
	q.bytes += len(it.b) - was
	q.frames++
	c.out.added(len(it.b) - was)
}

const rsv1 = 4 // as in wsproto.Header.RSV
