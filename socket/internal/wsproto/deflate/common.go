package deflate

// Common is the plaintext that one sender compresses for many receivers, such as the
// messages of a room. It takes the place of a window for each of them: a receiver that
// had the last messages can be sent the next one in a form that refers back to them, and
// the same form is right for all that had the same. What is remembered of a receiver is
// a [Member].
//
// A receiver's window is its own: whatever else it is sent in compressed form, or is
// not sent, sets it apart until it has had some messages again.
//
// A Common is not safe for concurrent use. The texts that it returns are values of
// their own: they may be used beside it.
type Common struct {
	bits int
	text []byte // the end of all text: is appended to, and not changed
	end  uint64 // how much text there has ever been
	id   *identity
}

// identity is what a Common is told from others by. Members and texts point to it, and
// not to the Common, so that they do not keep its memory. It has a size, because
// pointers to different variables without one may be equal.
type identity struct{ _ byte }

// NewCommon returns a common plaintext of which messages may refer back to the last
// 1<<bits bytes. It panics unless bits is in the range 8 to 15.
func NewCommon(bits int) *Common {
	NewWindow(bits) // panics
	return &Common{bits: bits, id: new(identity)}
}

// Text is a message of a Common, or one that may become one. It keeps what it may
// refer back to: at most [Common.Held] bytes, which are those of its neighbours too.
type Text struct {
	common *identity
	start  uint64
	size   int
	before []byte
}

// Next returns the place of a message that comes after all others.
func (c *Common) Next(message []byte) Text {
	n := len(c.text)
	return Text{common: c.id, start: c.end, size: len(message), before: c.text[max(0, n-1<<c.bits):n:n]}
}

// Add adds the message for which t was returned by Next, with nothing done since. It is
// copied. A receiver that is sent the message in any compressed form took t.
func (c *Common) Add(t Text, message []byte) {
	if t.common != c.id || t.start != c.end || t.size != len(message) {
		panic("BUG: deflate: a text is added that does not come next")
	}
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

// Reset lets go of the memory. Receivers go on with what comes next, which refers to
// nothing before.
func (c *Common) Reset() { c.text = nil }

// Held is how many bytes of memory the text takes, at most three times what may be
// referred back to. Texts that were returned may hold as much once more.
func (c *Common) Held() int { return cap(c.text) }

// Before is the text before t, as far as t may refer back to it. It must not be changed.
func (t *Text) Before() []byte { return t.before }

// Member is what is known of one receiver of a [Common]. The zero value is one that has
// nothing in common with anybody.
type Member struct {
	common *identity
	next   uint64 // the receiver's window ends with the common text before this
	have   int32  // with so many bytes of it; more than any window does not count
}

// Has returns how many bytes right before t the receiver has in its window, if that is
// large enough. It may be more than [Text.Before] has.
func (m *Member) Has(t *Text) int {
	if m.common != t.common || m.next != t.start {
		return 0
	}
	return int(m.have)
}

// Took notes that the receiver is sent t in compressed form, whatever it refers to. A
// message that is sent as it is must not be noted: a receiver's window takes no notice of
// it either.
func (m *Member) Took(t *Text) {
	*m = Member{
		common: t.common,
		next:   t.start + uint64(t.size),
		have:   int32(min(m.Has(t)+t.size, maxWindow)),
	}
}

// Forget notes that the receiver is sent something else in compressed form.
func (m *Member) Forget() { *m = Member{} }
