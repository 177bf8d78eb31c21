package deflate

import (
	"fmt"
	"math"
	"math/bits"
)

// Options say how a message is compressed.
type Options struct {
	// WindowBits is the logarithm of the window, 8 to 15: how far back a reference
	// may reach. 0 means 15.
	WindowBits int
	// Thorough looks for better references. It takes up to four times as long, and
	// gains up to a tenth of the size.
	Thorough bool
	// Shortest looks for the shortest form of a message of at most 2 KiB; longer ones
	// it compresses as Thorough does, and so those that look random. It gains up to a
	// tenth of what Thorough leaves, for ten to twenty times its time: a third of a
	// millisecond for 500 bytes behind 8 KiB, and about 3 at most.
	Shortest bool
}

func (o Options) thorough() bool { return o.Thorough || o.Shortest }

func (o Options) window() int {
	switch {
	case o.WindowBits == 0:
		return maxWindow
	case o.WindowBits < minWindowBits || o.WindowBits > maxWindowBits:
		panic(fmt.Sprintf("deflate: a window of %d bits is not in the range 8 to 15", o.WindowBits))
	}
	return 1 << o.WindowBits
}

// Encoder compresses messages one at a time. Its zero value is ready. It takes 47
// KiB, a history takes up to 64 KiB more, and [Options.Thorough] up to 80 KiB, both
// by what the window and the message need; long messages take no more.
// [Options.Shortest] takes as much as Thorough, and 71 KiB besides. Between
// two messages it holds nothing that matters to the second, so any number of
// connections can share a few encoders. One goroutine may use it at a time.
type Encoder struct {
	// Positions are numbered through from one message to the next, so that those of
	// earlier messages that are left in the table are recognised by their distance.
	table    [1 << tableBits]uint32 // position of the last four bytes with a hash
	mask     uint32                 // how much of the table this message uses
	first    uint64                 // number of the next message's first byte
	chains   *chains                // nil until they are needed
	shortest *shortest              // likewise

	block block

	scratch []byte // history and the message's first bytes in one piece
}

// blockText is how much of a message is at most in one block.
const blockText = 32 << 10

// Deflate appends src in compressed form to dst, as RFC 7692 section 7.2.1 has it:
// no block is the last one, and at the end is an empty stored block without its 00
// 00 ff ff. If that would not be shorter than src it is not ok, and dst comes back
// as it was, but for its spare capacity.
//
// References may reach into history too, into as much of its end as the window has:
// what the receiver has inflated right before, in one piece. Nothing is retained, and
// src and history must not lie in dst's spare capacity. What comes out depends on the
// arguments alone.
func (e *Encoder) Deflate(dst, src, history []byte, o Options) (out []byte, ok bool) {
	m := e.message(dst, src, o)
	history = history[max(0, len(history)-m.window):]
	if len(history) > 0 {
		e.scratch = append(e.room(len(history), src), history...)
	}
	return m.behind(len(history), dst, src)
}

// room returns an empty scratch for so many bytes and the first ones of src.
func (e *Encoder) room(history int, src []byte) []byte {
	if total := history + min(len(src), maxWindow); cap(e.scratch) < total {
		e.scratch = make([]byte, 0, 1<<bits.Len(uint(total-1)))
	}
	return e.scratch[:0]
}

// message is one message that is being compressed.
type message struct {
	e        *Encoder
	base     uint32 // number of the first byte of what is searched
	window   int
	thorough bool
	best     bool     // Options.Shortest, and the message can be had so
	context  *Context // whose table is used; nil: that of the encoder
	size     int
	noise    bool // it looks random
	w        bitWriter
	budget   int64 // bits that may still be written
}

// message returns what compresses src.
func (e *Encoder) message(dst, src []byte, o Options) message {
	noise := looksRandom(src)
	return message{
		e:        e,
		window:   o.window(),
		thorough: o.thorough(),
		best:     o.Shortest && !noise && 0 < len(src) && len(src) <= shortestText,
		w:        bitWriter{out: dst, n: len(dst)},
		// Whole bytes, and the three bits of the stored block that ends them.
		budget: 8*(int64(len(src))-1) - 3,
		size:   len(src),
		noise:  noise,
	}
}

// behind compresses src with the encoder's own table. The first bytes of the scratch
// are the history.
func (m *message) behind(history int, dst, src []byte) (out []byte, ok bool) {
	e := m.e
	m.number(history, len(src))
	if m.best {
		buf := src
		if history > 0 {
			e.scratch = append(e.scratch[:history], src...)
			buf = e.scratch
		}
		return m.shortest(buf, dst, src)
	}
	from := 0
	if history > 0 {
		// The finders want one piece. Behind the first bytes of the message, if they
		// are at least a window, none reaches back into the history.
		from = min(len(src), maxWindow)
		e.scratch = append(e.scratch[:history], src[:from]...)
		if m.thorough {
			e.chains.insertAll(e.scratch, 0, min(history, len(e.scratch)-3), uint16(m.base), e.mask)
		} else {
			e.primeFast(e.scratch[:history], m.base)
		}
		if !m.blocks(e.scratch, history) {
			return dst, false
		}
		m.base += uint32(history)
	}
	if !m.blocks(src, from) {
		return dst, false
	}
	return m.end(dst)
}

// number gives the message and the history before it numbers.
func (m *message) number(history, size int) {
	e, n := m.e, history+size
	e.mask = 1<<min(max(bits.Len(uint(n))+2, 8), tableBits) - 1
	if m.thorough {
		e.link(n, m.window)
		m.base = 1 // an empty head is out of reach
		return
	}
	if e.first+uint64(n) > math.MaxUint32 {
		clear(e.table[:])
		e.first = 0
	}
	if e.first == 0 {
		e.first = maxWindow + 1 // an empty entry of the table is out of reach
	}
	m.base = uint32(e.first)
	e.first += uint64(n) + maxWindow
}

// end ends the message.
func (m *message) end(dst []byte) (out []byte, ok bool) {
	if m.budget < 0 {
		return dst, false
	}
	m.w.put(0, 3)
	return m.w.end(), true
}

// blocks compresses buf[from:]. References may reach into what is before. It
// reports false when there is no gain.
func (m *message) blocks(buf []byte, from int) bool {
	b := &m.e.block
	for from < len(buf) {
		size := blockText
		if m.noise {
			size = noiseText
		}
		text := buf[:min(len(buf), from+size)]
		b.reset()
		var end int
		switch {
		case m.context != nil:
			end = m.context.find(text, from, m)
		case m.thorough:
			end = m.e.findThorough(text, from, m)
		default:
			end = m.e.findFast(text, from, m)
		}
		text = text[from:end]
		from = end
		if (m.noise || len(text) == m.size) && b.looksRandom(len(text)) {
			return false
		}
		m.noise = false
		bits, fixed := b.plan()
		if m.budget -= int64(bits); m.budget < 0 {
			return false
		}
		m.w.reserve(bits + 3)
		b.write(&m.w, text, fixed)
	}
	return true
}

// maxStored is the most bytes of a stored block, RFC 1951 section 3.2.4.
const maxStored = 1<<16 - 1

// Store appends src to dst as a payload that is not compressed, of 6 bytes more for
// each 64 KiB that have begun: for receivers that shall have it in their windows
// although there is nothing to gain. Nothing is retained, and src must not lie in dst's
// spare capacity.
func Store(dst, src []byte) []byte { return append(AppendStored(dst, src), 0) }

// AppendStored appends src to dst as blocks that are not compressed, RFC 1951 section
// 3.2.4, for the begin of a payload: more blocks must follow. In all else it is [Store].
func AppendStored(dst, src []byte) []byte {
	for len(src) > 0 {
		n := min(len(src), maxStored)
		dst = append(dst, 0, byte(n), byte(n>>8), ^byte(n), ^byte(n>>8))
		dst = append(dst, src[:n]...)
		src = src[n:]
	}
	return dst
}
