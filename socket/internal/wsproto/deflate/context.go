package deflate

import (
	"fmt"
	"math/bits"
)

// Context is what one end of a connection keeps of one direction from message to
// message: the end of the plaintext that was compressed, as a [Window] has it, in a form
// that costs no more to go on with than a message is long.
//
// The sender's, for [Encoder.DeflateContext], also knows where in there to look for what
// a message repeats. With a window alone that has to be found out anew for each message,
// which takes longer than a short message itself. Messages that are compressed thoroughly
// do without. The receiver's is for [Decoder.InflateContext].
//
// It holds no memory before the first message, then about as much as was appended, up to
// the size of the window, and the sender's that much again for where to look.
//
// The zero value has a window of 32 KiB. A Context must not be copied once it is used,
// and one goroutine may use it at a time.
type Context struct {
	less uint8 // than maxWindowBits

	// ring is the plaintext: end numbers the next byte, which goes to that place modulo
	// the length. Before held has got there the rest of the ring means nothing.
	ring []byte // its length is a power of two
	held int
	end  uint32

	// table has for each hash the number, modulo 1<<16, of a byte that the same four
	// may begin at. Nothing is ever taken out: what an entry says is compared before
	// it is believed, so it is harmless when its place has been overwritten, never came
	// to be because its message got no shorter, or is taken for one 64 KiB later.
	table []uint16 // half as long as ring, or nil
	fresh int      // bytes before end that come into the table when it is used next
}

const (
	firstContext = 256 // bytes of a context's ring when it begins

	// tableMessage is up to which part of the window a message uses the context's table.
	// Longer ones are worth looking for places in the window anew, in a larger table.
	tableMessage = 4
)

// NewContext returns a context with a window of 1<<bits bytes. It panics unless bits
// is in the range 8 to 15.
func NewContext(bits int) Context {
	if bits < minWindowBits || bits > maxWindowBits {
		panic(fmt.Sprintf("deflate: a context of %d bits is not in the range 8 to 15", bits))
	}
	return Context{less: uint8(maxWindowBits - bits)}
}

// DeflateContext does what [Encoder.Deflate] does, and c has the history. If the
// message gets shorter it belongs to c, and the receiver must get it; otherwise it
// does not. The window is that of c: Options.WindowBits does not count.
//
// What comes out depends on the arguments and on what was done with c before, and not
// on which encoders have done it.
func (e *Encoder) DeflateContext(dst, src []byte, c *Context, o Options) (out []byte, ok bool) {
	o.WindowBits = c.bits()
	m := e.message(dst, src, o)
	e.scratch = c.appendTo(e.room(c.held, src))
	if o.thorough() || len(src) > m.window/tableMessage {
		if out, ok = m.behind(c.held, dst, src); ok {
			if c.Append(src); c.fresh == 0 {
				c.fresh = min(len(src), c.held)
			}
		}
		return out, ok
	}
	c.grow(len(src))
	c.makeTable()
	c.index(e.scratch[max(0, c.held-c.fresh):])
	c.fresh = 0
	m.context = c
	e.scratch = append(e.scratch, src...)
	if !m.blocks(e.scratch, c.held) {
		return dst, false
	}
	if out, ok = m.end(dst); ok {
		c.Append(src)
	}
	return out, ok
}

// Append adds plaintext that was compressed in another way, and that the receiver gets:
// a frame that was made for many, say. It is copied. Later messages refer back to it if
// it continues what they find, but it is not searched.
func (c *Context) Append(plain []byte) {
	c.grow(len(plain))
	c.end += uint32(max(0, len(plain)-len(c.ring)))
	plain = plain[max(0, len(plain)-len(c.ring)):]
	at := c.at()
	n := copy(c.ring[at:], plain)
	copy(c.ring, plain[n:])
	c.end += uint32(len(plain))
	c.held = min(c.held+len(plain), len(c.ring))
	if c.fresh > 0 {
		c.fresh = min(c.fresh+len(plain), c.held) // it still begins where it did
	}
}

// Reset forgets everything and lets go of the memory. A sender may do that between any
// two messages; a receiver may not, as its peer goes on to refer back.
func (c *Context) Reset() { *c = Context{less: c.less} }

// Held is how many bytes of memory the context takes.
func (c *Context) Held() int { return cap(c.ring) + 2*cap(c.table) }

// at is where the next byte goes in the ring, unless that grows for it.
func (c *Context) at() int { return int(c.end) & (len(c.ring) - 1) }

func (c *Context) bits() int { return maxWindowBits - int(c.less) }

// appendTo appends the plaintext that c holds.
func (c *Context) appendTo(b []byte) []byte {
	at := c.at()
	if c.held == len(c.ring) {
		b = append(b, c.ring[at:]...)
	}
	return append(b, c.ring[:at]...)
}

// grow makes room for n more bytes, as far as the window allows.
func (c *Context) grow(n int) {
	if n == 0 {
		return
	}
	size := min(max(firstContext, 1<<bits.Len(uint(c.held+n-1))), 1<<c.bits())
	if size <= len(c.ring) {
		return
	}
	// It has not been full, so it has all since it began, from its first byte on.
	ring := make([]byte, size)
	copy(ring, c.ring[:c.held])
	c.ring = ring
	if c.table != nil {
		c.makeTable()
	}
}
