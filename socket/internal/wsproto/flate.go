package wsproto

import (
	"compress/flate"
	"fmt"
)

// FlateDeflater compresses messages with compress/flate. It implements
// [Deflater] and never uses context takeover, so it holds nothing between two
// messages, and what it returns can be sent to any peer whose window is at least
// as large as its own.
type FlateDeflater struct {
	c DeflaterConfig
}

// DeflaterConfig configures a [FlateDeflater].
type DeflaterConfig struct {
	// WindowBits is the logarithm of the window, 8 to 15; 0 means 15.
	WindowBits int

	// Borrow returns the writer for one message and GiveBack takes it back, so
	// that any number of connections share a few of them. Both are required.
	Borrow   func() *FlateWriter
	GiveBack func(*FlateWriter)
}

// NewDeflater returns a deflater for the messages of one connection, or of many
// one after another.
func NewDeflater(c DeflaterConfig) *FlateDeflater {
	c.WindowBits = bitsOr15(c.WindowBits)
	return &FlateDeflater{c: c}
}

// Deflate appends src in compressed form, without the 00 00 ff ff at its end, as
// RFC 7692 section 7.2.1 describes. If that would not be shorter than src it is
// not ok, and dst comes back as it was.
func (d *FlateDeflater) Deflate(dst, src []byte) (out []byte, ok bool) {
	w := d.c.Borrow()
	defer d.c.GiveBack(w)
	return w.deflate(dst, src, 1<<d.c.WindowBits)
}

// FlateWriter is the large part of a deflater: up to 1.2 MB that are needed only
// while a message is compressed.
type FlateWriter struct {
	zw  *flate.Writer
	out shortBuffer
}

// NewFlateWriter returns a writer with a level of compress/flate, -2 to 9. It
// panics with any other.
func NewFlateWriter(level int) *FlateWriter {
	w := new(FlateWriter)
	var err error
	if w.zw, err = flate.NewWriter(&w.out, level); err != nil {
		panic(fmt.Sprintf("wsproto: compression level %d is not in the range -2 to 9", level))
	}
	return w
}

// deflateTail ends what a flush writes: the length of an empty stored block.
const deflateTail = "\x00\x00\xff\xff"

func (w *FlateWriter) deflate(dst, src []byte, window int) ([]byte, bool) {
	// Room for the tail, which is not sent.
	w.out = shortBuffer{b: dst, end: len(dst) + len(src) + len(deflateTail)}
	for rest := src; ; {
		// compress/flate has one window size. It sees no more than a window of the
		// message at a time, so no reference can be farther.
		n := min(window, len(rest))
		if window == 1<<maxWindowBits {
			n = len(rest)
		}
		w.zw.Reset(&w.out)
		w.zw.Write(rest[:n]) // fails with w.out only
		w.zw.Flush()
		if rest = rest[n:]; len(rest) == 0 || w.out.full {
			break
		}
	}
	out, full := w.out.b, w.out.full
	w.out = shortBuffer{} // do not keep the caller's memory
	if out = out[:max(len(dst), len(out)-len(deflateTail))]; full || len(out)-len(dst) >= len(src) {
		return dst, false
	}
	return out, true
}

// shortBuffer appends what is written to b as long as it stays within end. It
// accepts the rest without keeping it.
type shortBuffer struct {
	b    []byte
	end  int
	full bool
}

func (s *shortBuffer) Write(p []byte) (int, error) {
	if s.full = s.full || len(s.b)+len(p) > s.end; !s.full {
		s.b = append(s.b, p...)
	}
	return len(p), nil
}
