package transport

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

// History is what the messages of a room may refer back to when they are compressed,
// see [CommonTakeover]. It may be used by any goroutines at once. A nil *History does
// nothing.
type History struct {
	z      *compression
	budget *Budget

	mu      sync.Mutex // guards the fields below
	common  *deflate.Common
	wanted  *atomic.Uint32 // the forms that the last messages were sent in, see variantKey.bit
	charged int64          // to the budget
	closed  bool
}

// NewHistory returns a history for the messages of one room, whose members are
// connections that u has accepted. It is nil unless u's connections can use one. It
// takes no memory for text before the first message, and counts what it takes against
// the budget of u.
func (u *Upgrader) NewHistory() *History {
	z := u.cfg.compression
	if z == nil || z.Takeover != CommonTakeover {
		return nil
	}
	return &History{z: z, budget: u.cfg.budget, common: deflate.NewCommon(z.Window), wanted: new(atomic.Uint32)}
}

// TakesHistory reports whether what c is sent can refer to a [History].
func (c *Conn) TakesHistory() bool { return c.codec() != nil && c.codec().takeover == CommonTakeover }

// Add adds a message to the history and compresses it, which takes some ten
// microseconds for each of the first KiB, or longer with [Compression.Thorough]; what
// connections are sent of it afterwards refers to the messages before. Whoever calls it
// should do so before the message is sent, and queue messages in the order in which they
// were added, for each connection that gets them. A connection that gets them in another
// order, not all, or others in between is noticed, and is sent more bytes until it has
// had some in order.
//
// A message is in one history at most: Add does nothing with one that is in a history
// already. It may be sent to anybody; members of other rooms get it compressed on its
// own.
func (h *History) Add(m *PreparedMessage) {
	if h == nil || len(m.payload) < h.z.thresholds[1] {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	t := &commonText{text: h.common.Next(m.payload), wanted: h.wanted}
	if !t.take(m, h.z) {
		return
	}
	h.common.Add(t.text, m.payload)
	if !h.budget.charge(&h.charged, int64(h.common.Held()), outboundShare) {
		h.common.Reset() // the next messages refer back to less
		h.budget.charge(&h.charged, 0, anyShare)
	}
	// As those who get the messages are mostly the same, what the last ones were
	// sent in will be wanted of this one too. Here nobody waits for it but those who
	// add to the same history.
	for forms := h.wanted.Swap(0); forms != 0; forms &= forms - 1 {
		m.variant(keyOfBit(bits.TrailingZeros32(forms), h.z))
	}
}

// Close lets go of the memory. Messages that are added later are compressed each on
// its own; those that were added before can still be sent.
func (h *History) Close() {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.common.Reset()
	h.budget.charge(&h.charged, 0, anyShare)
}

// commonText is the place of a message in a [History].
type commonText struct {
	text   deflate.Text
	wanted *atomic.Uint32 // of the history
}

// take gives m the place t, with the form for those who have all of the history. It
// reports false, and does nothing, if m has a place already or does not compress:
// nobody shall have it in his window then.
func (t *commonText) take(m *PreparedMessage, z *compression) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.common.Load() != nil {
		return false
	}
	before := len(t.text.Before())
	// Where there is little to refer to, short text does not become shorter. It has
	// to go first all the same, or there never would be more.
	starts := before < littleText && len(m.payload) < littleText
	if m.add(m.compress(t.key(z, before, uint8(z.Window)), t, starts)) == nil {
		m.add(&variant{key: variantKey{bits: uint8(z.Window), effort: z.effort()}})
		return false
	}
	m.common.Store(t)
	return true
}

// littleText is how much of the text refersToLittle needs, bytes.
const littleText = 1 << littleBits

// key returns the form for a receiver that has so many bytes of the text before the
// message, and whose window has the given bits, one of those that sharedBits returns. The
// form that most get is worth more effort than the others.
func (t *commonText) key(z *compression, has int, bits uint8) variantKey {
	all := len(t.text.Before())
	switch {
	case bits > littleBits && has >= min(all, 1<<bits):
		return variantKey{bits: bits, effort: z.effort() + 1, refers: refersToAll}
	case has >= min(all, littleText, 1<<bits):
		return z.little(min(bits, littleBits))
	}
	return variantKey{bits: bits, effort: z.effort(), refers: refersToNothing}
}

// little is the form that refers to little, which is all in the smallest windows.
func (z *compression) little(bits uint8) variantKey {
	k := variantKey{bits: bits, effort: z.effort(), refers: refersToLittle}
	if z.Window == int(bits) {
		k.effort++
	}
	return k
}

// before is the text that a form may refer to.
func (t *commonText) before(r refers) []byte {
	b := t.text.Before()
	switch r {
	case refersToNothing:
		return nil
	case refersToLittle:
		return b[max(0, len(b)-littleText):]
	}
	return b
}

// want notes that somebody is sent a form.
func (t *commonText) want(k variantKey) {
	if b := k.bit(); t.wanted.Load()&b != b {
		t.wanted.Or(b)
	}
}

// bit is a number that a form has in History.wanted, if it is not made anyway.
func (k variantKey) bit() uint32 {
	if k.refers == refersToAll {
		return 0
	}
	return 1 << (2*(k.bits-8) + uint8(k.refers))
}

// keyOfBit is the form that has the given bit.
func keyOfBit(n int, z *compression) variantKey {
	bits := uint8(8 + n/2)
	if refers(n%2) == refersToLittle {
		return z.little(bits)
	}
	return variantKey{bits: bits, effort: z.effort(), refers: refersToNothing}
}
