package wstest

import "math/bits"

// Refer deflates a message in one block of fixed codes, RFC 1951 section 3.2.6. It
// refers back as far as a sender may, 1 to window bytes, into the history too: of the
// longest matches that it finds it takes the farthest, and it always looks right at
// the edge of the window. compress/flate knows one window only, and at its level 1 it
// forgets it with every short message.
func Refer(message, history []byte, window int) []byte {
	r := &referrer{window: window}
	r.add(history)
	return r.message(message)
}

// referrer deflates messages one after the other.
type referrer struct {
	text   []byte // all messages
	window int
	last   [1 << 14]int32 // the newest place of the four bytes with that hash, counted from 1
	before []int32        // the place with the same hash before this one, likewise
	out    []byte
	n      int // bits of the last byte of out that are used, 0: all
}

func (r *referrer) message(message []byte) []byte {
	r.out, r.n = nil, 0
	r.bits(2, 3) // one block of fixed codes, not the last
	i := len(r.text)
	r.text = append(r.text, message...)
	for i < len(r.text) {
		length, distance := r.longest(i)
		if length < 4 {
			r.literal(int(r.text[i]))
			length = 1
		} else {
			r.match(length, distance)
		}
		r.note(length)
		i += length
	}
	r.literal(256)
	r.bits(0, 3) // the begin of an empty stored block, of which the rest is not sent
	return r.out
}

// add adds text that is not deflated.
func (r *referrer) add(p []byte) {
	r.text = append(r.text, p...)
	r.note(len(p))
}

// tries is how many places are compared, besides the edge of the window.
const tries = 16

// note notes the places of the next n bytes.
func (r *referrer) note(n int) {
	for range n {
		i, before := len(r.before), int32(0)
		if i+4 <= len(r.text) {
			at := &r.last[fourBytes(r.text[i:])]
			before, *at = *at, int32(i+1)
		}
		r.before = append(r.before, before)
	}
}

// fourBytes returns a hash of the first four bytes.
func fourBytes(b []byte) uint32 {
	return (uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24) * 2654435761 >> 18
}

// longest returns the farthest of the longest matches with what is at i.
func (r *referrer) longest(i int) (length, distance int) {
	if i+4 > len(r.text) {
		return 0, 0
	}
	try := func(at int) {
		n := 0
		for n < 258 && i+n < len(r.text) && r.text[at+n] == r.text[i+n] {
			n++
		}
		if n > length || n == length && i-at > distance {
			length, distance = n, i-at
		}
	}
	at := r.last[fourBytes(r.text[i:])]
	for k := 0; k < tries && at > 0 && i-int(at-1) <= r.window; k++ {
		try(int(at - 1))
		at = r.before[at-1]
	}
	if i >= r.window {
		try(i - r.window)
	}
	return length, distance
}

// bits writes n bits of v, the least significant first.
func (r *referrer) bits(v, n int) {
	for ; n > 0; n-- {
		if r.n == 0 {
			r.out = append(r.out, 0)
		}
		r.out[len(r.out)-1] |= byte(v&1) << r.n
		r.n = (r.n + 1) % 8
		v >>= 1
	}
}

// code writes a Huffman code, of which the most significant bit is the first.
func (r *referrer) code(v, n int) {
	r.bits(int(bits.Reverse16(uint16(v))>>(16-n)), n)
}

// literal writes a symbol of the code for literals and lengths.
func (r *referrer) literal(s int) {
	switch {
	case s < 144:
		r.code(0x30+s, 8)
	case s < 256:
		r.code(0x190+s-144, 9)
	case s < 280:
		r.code(s-256, 7)
	default:
		r.code(0xC0+s-280, 8)
	}
}

func (r *referrer) match(length, distance int) {
	switch n := length - 3; {
	case length == 258:
		r.literal(285)
	case n < 8:
		r.literal(257 + n)
	default:
		extra := bits.Len(uint(n)) - 3
		r.literal(257 + 4*extra + n>>extra)
		r.bits(n&(1<<extra-1), extra)
	}
	switch d := distance - 1; {
	case d < 4:
		r.code(d, 5)
	default:
		extra := bits.Len(uint(d)) - 2
		r.code(2*extra+d>>extra, 5)
		r.bits(d&(1<<extra-1), extra)
	}
}
