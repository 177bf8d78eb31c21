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
	bits     int      // of what is sent

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

// codecFor returns the codec of a connection that has agreed on p.
func (z *compression) codecFor(role wsproto.Role, p wsproto.DeflateParams) *codec {
	keeps := p.Sent(role).Takeover && z.Takeover != NoTakeover || p.Received(role).Takeover
	if !keeps {
		if c, ok := z.idle.Load(p); ok {
			return c.(*codec)
		}
	}
	c := z.newCodec(role, p)
	if !keeps {
		z.idle.Store(p, c) // one of those that were made at the same time stays
	}
	return c
}

func (z *compression) newCodec(role wsproto.Role, p wsproto.DeflateParams) *codec {
	c := &codec{compression: z, bits: min(p.Sent(role).Bits, z.Window)}
	if p.Sent(role).Takeover {
		c.takeover = z.Takeover
	}
	c.deflater = wsproto.NewDeflater(wsproto.DeflaterConfig{
		Window:   wsproto.Window{Bits: c.bits, Takeover: c.takeover == WindowTakeover},
		Thorough: z.Thorough,
		Borrow:   borrowEncoder,
		GiveBack: giveBackEncoder,
	})
	c.inflater = wsproto.NewInflater(wsproto.InflaterConfig{
		Window:   p.Received(role),
		Borrow:   borrowDecoder,
		GiveBack: giveBackDecoder,
	})
	if z.Verify && c.takeover != NoTakeover {
		c.sent.check = newVerifier(p.Sent(role).Bits)
	}
	return c
}

// compresses reports whether a message of n bytes that one connection gets is worth
// compressing. z may be nil.
func (z *codec) compresses(n int) bool {
	if z == nil {
		return false
	}
	if z.takeover == WindowTakeover {
		return n >= z.thresholds[1]
	}
	return n >= z.thresholds[0]
}

// queueCompressed is queueData for a message that is worth compressing.
func (c *Conn) queueCompressed(h wsproto.Header, p []byte) error {
	z := c.codec()
	buf := getBuffer(len(p))
	defer putBuffer(buf)
	if z.takeover != WindowTakeover {
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
	case WindowTakeover:
		// A sender may forget its window at any time.
		if !b.charge(&z.sent.charged, int64(z.deflater.Held()), outboundShare) {
			z.forget(b)
		}
	}
}

// forget gives the memory for what is sent back. It is called with the lock of the
// output held.
func (z *codec) forget(b *Budget) {
	if z.takeover != WindowTakeover {
		return
	}
	z.deflater.Forget()
	b.charge(&z.sent.charged, 0, anyShare)
}

// stageShared chooses the frame of m that this connection can share with others, and
// reports whether it is a compressed one. It is called with the lock of the output
// held.
func (z *codec) frame(m *PreparedMessage) *variant {
	k := variantKey{bits: uint8(z.bits), thorough: z.Thorough}
	if t := m.common; t != nil && z.takeover == CommonTakeover {
		k.thorough = true
		k.refers = t.refers(&z.sent.member, z.bits)
	} else if len(m.payload) < z.thresholds[0] {
		return nil
	}
	return m.variant(k)
}

// noteShared notes that the connection gets v of m next. It is called with the lock of
// the output held.
func (z *codec) noteShared(m *PreparedMessage, v *variant, b *Budget) {
	switch z.takeover {
	case NoTakeover:
	case CommonTakeover:
		if m.common == nil {
			z.sent.member.Forget()
		} else {
			z.sent.member.Took(&m.common.text)
		}
	case WindowTakeover:
		z.deflater.Sent(m.payload)
		if !b.charge(&z.sent.charged, int64(z.deflater.Held()), outboundShare) {
			z.forget(b)
		}
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
	case WindowTakeover:
		z.deflater.Sent(plain)
		if !b.charge(&z.sent.charged, int64(z.deflater.Held()), outboundShare) {
			z.forget(b)
		}
	}
	if z.Verify {
		z.verify(append(appendStored(nil, head), v.payload()...), plain)
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
