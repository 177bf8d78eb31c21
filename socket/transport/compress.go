package transport

import (
	"sync"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

// deflater compresses what one connection sends.
type deflater struct {
	*wsproto.FlateDeflater
	// shares says that what it makes of a message is what the deflaters of other
	// connections make of it: no window of its own, no history.
	shares bool
}

// compressionLevel is that of compress/flate which costs least.
const compressionLevel = 1

// The large halves of the codec, shared by all connections of the process: a
// writer holds 1.2 MB, a decoder 10 KB.
var (
	flateWriters = sync.Pool{New: func() any { return wsproto.NewFlateWriter(compressionLevel) }}
	decoders     = sync.Pool{New: func() any { return new(deflate.Decoder) }}
)

// newCodec returns both directions of permessage-deflate as role has agreed on
// them.
func newCodec(role wsproto.Role, p wsproto.DeflateParams) (*deflater, wsproto.Inflater) {
	bits := p.Sent(role).Bits
	d := wsproto.NewDeflater(wsproto.DeflaterConfig{
		WindowBits: bits,
		Borrow:     func() *wsproto.FlateWriter { return flateWriters.Get().(*wsproto.FlateWriter) },
		GiveBack:   func(w *wsproto.FlateWriter) { flateWriters.Put(w) },
	})
	i := wsproto.NewInflater(wsproto.InflaterConfig{
		Window:   p.Received(role),
		Borrow:   func() *deflate.Decoder { return decoders.Get().(*deflate.Decoder) },
		GiveBack: func(d *deflate.Decoder) { decoders.Put(d) },
	})
	return &deflater{FlateDeflater: d, shares: bits == 15}, i
}
