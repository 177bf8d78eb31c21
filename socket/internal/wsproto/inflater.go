package wsproto

import (
	"errors"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

// PooledInflater inflates the messages of one direction of a connection with package
// deflate. It implements [Inflater]. Without context takeover it holds nothing between
// two messages, and may be used by any goroutines at once.
type PooledInflater struct {
	c       InflaterConfig
	context deflate.Context // is used with context takeover only
}

// InflaterConfig configures a [PooledInflater].
type InflaterConfig struct {
	// Window is what the sender may refer back to, see [DeflateParams.Received].
	// With takeover the inflater keeps as much of the plaintext, from the first
	// message on. Bits of 0 mean 15.
	Window Window

	// Borrow returns the decoder for one message and GiveBack takes it back, so
	// that a connection that waits holds none. Both are required.
	Borrow   func() *deflate.Decoder
	GiveBack func(*deflate.Decoder)

	// Memory returns what a message of n compressed bytes is inflated into, if dst has no
	// room at all: see [Decoder.Release] for where it goes. nil, or what is too small, is
	// replaced by an allocation.
	Memory func(n int) []byte
}

// NewInflater returns an inflater for the messages of one direction of a
// connection.
func NewInflater(c InflaterConfig) *PooledInflater {
	c.Window.Bits = bitsOr15(c.Window.Bits)
	return &PooledInflater{c: c, context: deflate.NewContext(c.Window.Bits)}
}

// Inflate appends the message whose compressed payload is src, with the payloads
// of its frames joined, RFC 7692 section 7.2.2. It appends at most limit
// bytes (negative: any number) and returns a [*LimitError] for a message that has more.
// A payload that is damaged or ends early is a [*ProtocolError], and dst comes
// back as it was, or as the memory that it is to have. After an error the inflater must
// not be used again.
//
// An empty payload is taken for the empty message, as the widespread decoders do,
// though a sender must write at least one byte for it.
func (f *PooledInflater) Inflate(dst, src []byte, limit int) ([]byte, error) {
	if cap(dst) == 0 && f.c.Memory != nil {
		dst = f.c.Memory(len(src))
	}
	d := f.c.Borrow()
	var out []byte
	var err error
	if f.c.Window.Takeover {
		out, err = d.InflateContext(dst, src, &f.context, limit)
	} else {
		out, err = d.Inflate(dst, src, nil, limit)
	}
	f.c.GiveBack(d)
	if err != nil {
		return dst, inflateFailure(err, limit)
	}
	return out, nil
}

// Held is how many bytes of memory the history takes.
func (f *PooledInflater) Held() int { return f.context.Held() }

// inflateFailure is an error of package deflate as one that a connection fails with.
func inflateFailure(err error, limit int) error {
	switch {
	case errors.Is(err, deflate.ErrTooLong):
		return &LimitError{CloseMessageTooBig, "message size", int64(limit), int64(limit) + 1}
	case errors.Is(err, deflate.ErrFinalBlocks):
		const most = deflate.MaxFinalBlocks
		return &LimitError{ClosePolicyViolation, "final blocks in a compressed message", most, most + 1}
	case errors.Is(err, deflate.ErrTruncated):
		return &ProtocolError{CloseInvalidPayload, "compressed message ends early"}
	}
	return &ProtocolError{CloseInvalidPayload, "damaged compressed message"}
}
