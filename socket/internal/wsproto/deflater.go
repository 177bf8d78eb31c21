package wsproto

import "github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"

// PooledDeflater compresses messages with package deflate. It implements [Deflater].
// Without context takeover it holds nothing between two messages: then it may be used
// by any goroutines at once, and what it returns can be sent to any peer whose window
// is at least as large as its own.
type PooledDeflater struct {
	c       DeflaterConfig
	history deflate.Window  // with context takeover, unless there is a table
	context deflate.Context // with a table
}

// DeflaterConfig configures a [PooledDeflater].
type DeflaterConfig struct {
	// Window is what messages may refer back to, see [DeflateParams.Sent], or less:
	// a sender need not use all that was agreed on. With takeover the deflater
	// keeps as much of the plaintext, from the first message on. Bits of 0 mean 15.
	Window Window

	// Table keeps, with takeover, where to look in the window from one message to the
	// next: twice the memory, and short messages take less than half the time.
	Table bool

	// Thorough is that of [deflate.Options].
	Thorough bool

	// Borrow returns the encoder for one message and GiveBack takes it back, so
	// that any number of connections share a few of them. Both are required.
	Borrow   func() *deflate.Encoder
	GiveBack func(*deflate.Encoder)
}

// NewDeflater returns a deflater for the messages of one connection, or of many if
// there is no takeover.
func NewDeflater(c DeflaterConfig) *PooledDeflater {
	c.Window.Bits = bitsOr15(c.Window.Bits)
	return &PooledDeflater{c: c, history: deflate.NewWindow(c.Window.Bits), context: deflate.NewContext(c.Window.Bits)}
}

// Deflate appends src in compressed form, without the 00 00 ff ff at its end, as
// RFC 7692 section 7.2.1 describes. If that would not be shorter than src it is
// not ok, and dst comes back as it was. What it appends depends on src, the
// window and, with takeover, the messages before alone. A message that is ok must be
// sent, before any other.
func (d *PooledDeflater) Deflate(dst, src []byte) (out []byte, ok bool) {
	e := d.c.Borrow()
	defer d.c.GiveBack(e)
	if d.hasTable() {
		return e.DeflateContext(dst, src, &d.context, deflate.Options{Thorough: d.c.Thorough})
	}
	out, ok = e.Deflate(dst, src, d.history.Tail(), deflate.Options{WindowBits: d.c.Window.Bits, Thorough: d.c.Thorough})
	if ok {
		d.Sent(src)
	}
	return out, ok
}

// Sent tells a deflater with takeover of a message that the peer was sent in
// compressed form by other means, and so has in its window.
func (d *PooledDeflater) Sent(plain []byte) {
	switch {
	case d.hasTable():
		d.context.Append(plain)
	case d.c.Window.Takeover:
		d.history.Append(plain)
	}
}

func (d *PooledDeflater) hasTable() bool { return d.c.Window.Takeover && d.c.Table }

// Forget lets go of the history, which a sender may do at any time.
func (d *PooledDeflater) Forget() {
	d.history.Reset()
	d.context.Reset()
}

// Held is how many bytes the history takes.
func (d *PooledDeflater) Held() int { return d.history.Held() + d.context.Held() }
