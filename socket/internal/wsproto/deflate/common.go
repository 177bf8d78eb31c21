package deflate

// Common is the plaintext that one sender compresses for many receivers, such as the
// messages of a room. It takes the place of a window for each of them: a receiver that
// had the last messages can be sent the next one in a form that refers back to them, and
// the same form is right for all that had the same. What is remembered of a receiver is
// a [Member].
//
// A receiver's window is its own: whatever else it is sent in compressed form, or is
// not sent, sets it apart until it has had some messages again.
type Common struct {
	bits int
	text []byte // the end of all text: is appended to, and not changed
	end  uint64 // how much text there has ever been
}

// NewCommon returns a common plaintext of which messages may refer back to the last
// 1<<bits bytes. It panics unless bits is in the range 8 to 15.
func NewCommon(bits int) *Common {
	NewWindow(bits) // panics
	return &Common{bits: bits}
}

// Text is a message of a Common, or one that may become one.
type Text struct {
	common *Common
	start  uint64
	size   int
	before []byte
}

// Next returns the place of a message that comes after all others.
func (c *Common) Next(message []byte) Text {
	return Text{common: c, start: c.end, size: len(message), before: c.text[max(0, len(c.text)-1<<c.bits):]}
}

// Add adds the message for which t was returned by Next, with nothing added since. It
// is copied.
func (c *Common) Add(t Text, message []byte) {
	keep, size := t.before, 1<<c.bits
	switch {
	case len(message) >= size:
		c.text = append(make([]byte, 0, 2*size), message[len(message)-size:]...)
	case len(c.text)+len(message) > cap(c.text):
		// Texts that were returned refer to the old memory, which stays as it is.
		grown := make([]byte, 0, min(2*(len(keep)+len(message)), 3*size))
		c.text = append(append(grown, keep...), message...)
	default:
		c.text = append(c.text, message...)
	}
	c.end += uint64(len(message))
}

// Reset lets go of the memory. Receivers go on with what comes next.
func (c *Common) Reset() { c.text = nil }

// Held is how many bytes of memory the text takes, at most three times what may be
// referred back to.
func (c *Common) Held() int { return cap(c.text) }

// Before is the text before t, as far as t may refer back to it. It must not be changed.
func (t *Text) Before() []byte { return t.before }

// Member is what is known of one receiver of a [Common]. The zero value is one that has
// nothing in common with anybody.
type Member struct {
	common *Common
	next   uint64 // the receiver's window ends with the common text before this
	have   int32  // with so many bytes of it; more than any window does not count
}

// Has returns how many bytes right before t the receiver has in its window, if that is
// large enough.
func (m *Member) Has(t *Text) int {
	if m.common != t.common || m.next != t.start {
		return 0
	}
	return int(m.have)
}

// Took notes that the receiver is sent t in compressed form.
func (m *Member) Took(t *Text) {
	*m = Member{
		common: t.common,
		next:   t.start + uint64(t.size),
		have:   int32(min(m.Has(t)+t.size, maxWindow)),
	}
}

// Forget notes that the receiver is sent something else in compressed form.
func (m *Member) Forget() { *m = Member{} }
