package transport

import (
	"slices"
	"sync"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

// codec is permessage-deflate as a connection has agreed on it. One that keeps
// nothing from one message to the next is shared by all that have agreed on the same.
type codec struct {
	*compression
	takeover Takeover // of what is sent, and is agreed
	bits     uint8    // of the window for what is sent
	shares   uint8    // bits of the window for what others are sent too, see sharedBits

	deflater *wsproto.PooledDeflater // guarded by the lock of the output if it has a window
	inflater *wsproto.PooledInflater // the reader's

	sent   sentContext // guarded by the lock of the output
	window int64       // of the inflater, charged to the budget; the reader's
}

// sentContext is what the peer has in its window.
type sentContext struct {
	member  deflate.Member // with CommonTakeover
	charged int64          // of the deflater's window to the budget
	check   *verifier      // nil unless everything is verified
}

// The large halves of the codec, shared by all connections of the process: an
// encoder holds 47 KiB, a decoder 10 KB.
var (
	encoders = sync.Pool{New: func() any { return new(deflate.Encoder) }}
	decoders = sync.Pool{New: func() any { return new(deflate.Decoder) }}
)

func borrowEncoder() *deflate.Encoder    { return encoders.Get().(*deflate.Encoder) }
func giveBackEncoder(e *deflate.Encoder) { encoders.Put(e) }
func borrowDecoder() *deflate.Decoder    { return decoders.Get().(*deflate.Decoder) }
func giveBackDecoder(d *deflate.Decoder) { decoders.Put(d) }

// inflatedSize is the memory, bytes, that a message is inflated into which is likely to fit.
const inflatedSize = 4 << 10

// Shared by all connections of the process: one that waits holds none.
var inflatedPool = sync.Pool{New: func() any { return new([inflatedSize]byte) }}

// inflatedMemory returns what a message of n compressed bytes is inflated into.
func inflatedMemory(n int) []byte {
	if n > inflatedSize/4 {
		return nil
	}
	return inflatedPool.Get().(*[inflatedSize]byte)[:0]
}

// putInflated takes back what a message was inflated into. Nobody may use it afterwards.
func putInflated(b []byte) {
	if cap(b) == inflatedSize {
		inflatedPool.Put((*[inflatedSize]byte)(b[:inflatedSize]))
	}
}

// codecFor returns the codec of a connection that has agreed on p.
func (z *compression) codecFor(role wsproto.Role, p wsproto.DeflateParams) *codec {
	var idle *codec
	if c, ok := z.idle.Load(p); ok {
		idle = c.(*codec)
	} else {
		idle = z.newCodec(role, p)
		z.idle.Store(p, idle) // one of those that were made at the same time stays
	}
	sent, received := p.Sent(role), p.Received(role)
	sends := sent.Takeover && z.Takeover != NoTakeover
	if !sends && !received.Takeover {
		return idle
	}
	c := *idle
	if sends {
		c.takeover = z.Takeover
		if z.Verify {
			c.sent.check = newVerifier(sent.Bits)
		}
	}
	if c.takeover.ownWindow() {
		c.deflater = z.newDeflater(wsproto.Window{Bits: int(c.bits), Takeover: true})
	}
	if received.Takeover {
		c.inflater = newInflater(received)
	}
	return &c
}

// newCodec returns a codec that keeps nothing.
func (z *compression) newCodec(role wsproto.Role, p wsproto.DeflateParams) *codec {
	bits := min(p.Sent(role).Bits, z.Window)
	return &codec{
		compression: z,
		bits:        uint8(bits),
		shares:      uint8(sharedBits(bits, z.Window)),
		deflater:    z.newDeflater(wsproto.Window{Bits: bits}),
		inflater:    newInflater(wsproto.Window{Bits: p.Received(role).Bits}),
	}
}

func (z *compression) newDeflater(w wsproto.Window) *wsproto.PooledDeflater {
	return wsproto.NewDeflater(wsproto.DeflaterConfig{Window: w, Table: z.Takeover == TableTakeover, Thorough: z.Thorough, Borrow: borrowEncoder, GiveBack: giveBackEncoder})
}

func newInflater(w wsproto.Window) *wsproto.PooledInflater {
	return wsproto.NewInflater(wsproto.InflaterConfig{Window: w, Borrow: borrowDecoder, GiveBack: giveBackDecoder, Memory: inflatedMemory})
}

// compresses reports whether a message of n bytes that one connection gets is worth
// compressing. z may be nil.
func (z *codec) compresses(n int) bool {
	if z == nil {
		return false
	}
	if z.takeover.ownWindow() {
		return n >= z.thresholds[1]
	}
	return n >= z.thresholds[0]
}

// queueCompressed is queueData for a message that is worth compressing.
func (c *Conn) queueCompressed(h wsproto.Header, p []byte) error {
	z := c.codec()
	buf := getBuffer(len(p))
	defer putBuffer(buf)
	if !z.takeover.ownWindow() {
		payload, ok := z.deflater.Deflate(buf.b[:0], p)
		if !ok {
			return c.queueData(h, p)
		}
		h.RSV = rsv1
		return c.queueFrame(h, payload, p)
	}
	// The order in which messages are compressed is that in which they are sent.
	o := &c.out
	o.mu.Lock()
	if err := c.admit(wsproto.MaxHeaderSize + len(p)); err != nil {
		o.mu.Unlock()
		return err
	}
	payload, ok := z.deflater.Deflate(buf.b[:0], p)
	if ok {
		h.RSV = rsv1
		z.noteSent(payload, p, c.cfg.budget)
	} else {
		payload = p
	}
	c.queueAdmitted(h, payload)
	return nil
}

// noteSent notes that a message was compressed for this connection alone, which gets
// it next. It is called with the lock of the output held.
func (z *codec) noteSent(payload, plain []byte, b *Budget) {
	z.verify(payload, plain)
	switch z.takeover {
	case CommonTakeover:
		z.sent.member.Forget()
	case WindowTakeover, TableTakeover:
		z.chargeSent(b)
	}
}

// chargeSent counts the window of what is sent against the budget. A sender may forget
// it at any time, and does where there is no room. It is called with the lock of the
// output held.
func (z *codec) chargeSent(b *Budget) {
	if !b.charge(&z.sent.charged, int64(z.deflater.Held()), outboundShare) {
		z.forget(b)
	}
}

// forget gives the memory for what is sent back. It is called with the lock of the
// output held.
func (z *codec) forget(b *Budget) {
	if !z.takeover.ownWindow() {
		return
	}
	z.deflater.Forget()
	b.charge(&z.sent.charged, 0, anyShare)
}

// frame chooses the form of m, whose place in a history is t, that this connection can
// share with others; nil is the plain one. It is called with the lock of the output
// held, unless t is nil.
func (z *codec) frame(m *PreparedMessage, t *commonText) *variant {
	if t != nil && z.takeover == CommonTakeover {
		k := t.key(z.compression, z.sent.member.Has(&t.text), z.shares)
		t.want(k)
		return m.variant(k)
	}
	return z.alone(m, 0)
}

// alone chooses the form of m from byte skip on that refers to nothing before; nil is the
// plain one.
func (z *codec) alone(m *PreparedMessage, skip int) *variant {
	if len(m.payload) < z.thresholds[0] {
		return nil
	}
	v := m.variant(variantKey{bits: z.shares, effort: z.effort(), skip: uint8(skip)})
	if v != nil && len(v.payload()) >= len(m.payload) {
		return nil // it is for members of the history
	}
	return v
}

// noteShared notes that the connection gets v of m next, whose place in a history is
// t. It is called with the lock of the output held.
func (z *codec) noteShared(m *PreparedMessage, t *commonText, v *variant, b *Budget) {
	switch z.takeover {
	case NoTakeover:
	case CommonTakeover:
		if t == nil {
			z.sent.member.Forget()
		} else {
			z.sent.member.Took(&t.text)
		}
	case WindowTakeover, TableTakeover:
		z.deflater.Sent(m.payload)
		z.chargeSent(b)
	}
	z.verify(v.payload(), m.payload)
}

// noteParts is noteShared for v behind a head of the connection's own.
func (z *codec) noteParts(head, rest []byte, v *variant, b *Budget) {
	if z.takeover == NoTakeover && !z.Verify {
		return
	}
	plain := slices.Concat(head, rest)
	switch z.takeover {
	case CommonTakeover:
		z.sent.member.Forget()
	case WindowTakeover, TableTakeover:
		z.deflater.Sent(plain)
		z.chargeSent(b)
	}
	if z.Verify {
		z.verify(append(deflate.AppendStored(nil, head), v.payload()...), plain)
	}
}

// chargeWindow counts the window of what is received against the budget.
func (c *Conn) chargeWindow() error {
	z := c.codec()
	held := int64(z.inflater.Held())
	if held == z.window || c.cfg.budget.charge(&z.window, held, inboundShare) {
		return nil
	}
	return c.refuse(&wsproto.LimitError{
		Code: wsproto.CloseTryAgainLater, Limit: limitBudget, Max: c.cfg.budget.max, Actual: c.cfg.budget.used.Load() + held - z.window,
	})
}
