package transport

import (
	"sync"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

// deflater compresses what one connection sends.
type deflater struct {
	*wsproto.PooledDeflater
	// shares says that what it makes of a message is what the deflaters of other
	// connections make of it: no window of its own, no history.
	shares bool
	// check sees each message and what it was compressed to, see config.
	check func(plain, payload []byte)
}

// Deflate is that of [wsproto.Deflater].
func (d *deflater) Deflate(dst, src []byte) (out []byte, ok bool) {
	out, ok = d.PooledDeflater.Deflate(dst, src)
	if ok && d.check != nil {
		d.check(src, out[len(dst):])
	}
	return out, ok
}

// The large halves of the codec, shared by all connections of the process: an
// encoder holds 47 KiB, a decoder 10 KB.
var (
	encoders = sync.Pool{New: func() any { return new(deflate.Encoder) }}
	decoders = sync.Pool{New: func() any { return new(deflate.Decoder) }}
)

// newCodec returns both directions of permessage-deflate as cfg.role has agreed on
// them.
func newCodec(cfg *config, p wsproto.DeflateParams) (*deflater, wsproto.Inflater) {
	bits := p.Sent(cfg.role).Bits
	d := wsproto.NewDeflater(wsproto.DeflaterConfig{
		WindowBits: bits,
		Borrow:     func() *deflate.Encoder { return encoders.Get().(*deflate.Encoder) },
		GiveBack:   func(e *deflate.Encoder) { encoders.Put(e) },
	})
	i := wsproto.NewInflater(wsproto.InflaterConfig{
		Window:   p.Received(cfg.role),
		Borrow:   func() *deflate.Decoder { return decoders.Get().(*deflate.Decoder) },
		GiveBack: func(d *deflate.Decoder) { decoders.Put(d) },
	})
	return &deflater{PooledDeflater: d, shares: bits == 15, check: cfg.checkDeflated}, i
}
