package wsproto

import "encoding/binary"

// UTF8 checks a text that arrives in pieces, cut anywhere. It refuses the first
// byte that no valid text can have there, also when the character it belongs to
// is not complete yet (RFC 6455 section 8.1 wants the connection failed, and the
// earlier the better). What is valid is what RFC 3629 says: no overlong forms,
// no surrogates, nothing above U+10FFFF.
//
// The zero value is ready to use. After a refusal the value is of no more use
// until it is set back to zero.
type UTF8 struct {
	more   uint8 // bytes of the character in progress that have yet to come
	lo, hi uint8 // the range that the next of them must be in
}

// Write checks the next piece and reports whether the text is still valid.
func (u *UTF8) Write(b []byte) bool {
	for {
		for u.more > 0 && len(b) > 0 {
			// The character in progress.
			if b[0] < u.lo || b[0] > u.hi {
				return false
			}
			u.more--
			u.lo, u.hi = 0x80, 0xBF
			b = b[1:]
		}
		b = skipCharacters(skipASCII(b))
		if len(b) == 0 {
			return true
		}
		// What is left is ASCII, or the start of a character that is not whole
		// here, or bad.
		if b[0] < 0x80 {
			continue
		}
		if !u.start(b[0]) {
			return false
		}
		b = b[1:]
	}
}

// Complete reports whether the text that was written may end here: it does not
// end inside a character.
func (u *UTF8) Complete() bool { return u.more == 0 }

// start begins a character of several bytes. RFC 3629 section 4 gives the
// ranges of the second byte.
func (u *UTF8) start(b byte) bool {
	u.lo, u.hi = 0x80, 0xBF
	switch {
	case b < 0xC2: // a stray continuation byte, or the start of an overlong form
		return false
	case b < 0xE0:
		u.more = 1
	case b < 0xF0:
		u.more = 2
		switch b {
		case 0xE0:
			u.lo = 0xA0 // below: overlong
		case 0xED:
			u.hi = 0x9F // above: surrogates
		}
	case b < 0xF5:
		u.more = 3
		switch b {
		case 0xF0:
			u.lo = 0x90 // below: overlong
		case 0xF4:
			u.hi = 0x8F // above: beyond U+10FFFF
		}
	default:
		return false
	}
	return true
}

// highBits has the highest bit of every byte set: the bit that ASCII has not.
const highBits = 0x8080808080808080

// skipASCII returns b from its first byte that is not ASCII.
func skipASCII(b []byte) []byte {
	for len(b) >= 32 {
		w := b[:32:32]
		if (binary.LittleEndian.Uint64(w[0:])|binary.LittleEndian.Uint64(w[8:])|
			binary.LittleEndian.Uint64(w[16:])|binary.LittleEndian.Uint64(w[24:]))&highBits != 0 {
			break
		}
		b = b[32:]
	}
	for len(b) >= 8 && binary.LittleEndian.Uint64(b)&highBits == 0 {
		b = b[8:]
	}
	for len(b) > 0 && b[0] < 0x80 {
		b = b[1:]
	}
	return b
}

// skipCharacters returns b after the valid characters that it starts with, as
// far as they are not plain ASCII, nor among the last three bytes. RFC 3629
// section 4 has the ranges.
func skipCharacters(b []byte) []byte {
	for len(b) >= 4 {
		w := binary.BigEndian.Uint32(b)
		switch {
		case w&0x80808080 == 0:
			return b // back to the faster loop
		case w < 0x80000000:
			b = b[1:]
		case w&0xE0C00000 == 0xC0800000 && w >= 0xC2800000:
			b = b[2:]
		case w&0xF0C0C000 == 0xE0808000 && w >= 0xE0A08000 && (w < 0xEDA08000 || w >= 0xEE000000):
			b = b[3:]
		case w&0xF8C0C0C0 == 0xF0808080 && w >= 0xF0908080 && w < 0xF4900000:
			b = b[4:]
		default:
			return b
		}
	}
	return b
}

// validUTF8 reports whether b is a whole valid text.
func validUTF8(b []byte) bool {
	var u UTF8
	return u.Write(b) && u.Complete()
}
