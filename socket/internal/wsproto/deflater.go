package wsproto

import "github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"

// PooledDeflater compresses messages with package deflate. It implements [Deflater]
// and never uses context takeover, so it holds nothing between two messages, and
// what it returns can be sent to any peer whose window is at least as large as its
// own.
type PooledDeflater struct {
	c DeflaterConfig
}

// DeflaterConfig configures a [PooledDeflater].
type DeflaterConfig struct {
	// WindowBits is the logarithm of the window, 8 to 15; 0 means 15.
	WindowBits int

	// Borrow returns the encoder for one message and GiveBack takes it back, so
	// that any number of connections share a few of them. Both are required.
	Borrow   func() *deflate.Encoder
	GiveBack func(*deflate.Encoder)
}

// NewDeflater returns a deflater for the messages of one connection, or of many
// one after another.
func NewDeflater(c DeflaterConfig) *PooledDeflater {
	c.WindowBits = bitsOr15(c.WindowBits)
	return &PooledDeflater{c: c}
}

// Deflate appends src in compressed form, without the 00 00 ff ff at its end, as
// RFC 7692 section 7.2.1 describes. If that would not be shorter than src it is
// not ok, and dst comes back as it was. What it appends depends on src and the
// window alone.
func (d *PooledDeflater) Deflate(dst, src []byte) (out []byte, ok bool) {
	e := d.c.Borrow()
	defer d.c.GiveBack(e)
	return e.Deflate(dst, src, nil, deflate.Options{WindowBits: d.c.WindowBits})
}
