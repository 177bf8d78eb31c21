package envelope

import "math/bits"

const hex = "0123456789abcdef"

// appendString appends s, which is valid UTF-8, as a JSON string, as json.Marshal
// writes it: what has a meaning in HTML or ends a line in JavaScript is escaped. Its
// first plain bytes are known to need no escape.
func appendString(dst []byte, s string, plain int) []byte {
	dst = append(dst, '"')
	for n := plain; ; n = 0 {
		n += plainPrefix(s[n:])
		dst = append(dst, s[:n]...)
		if n == len(s) {
			return append(dst, '"')
		}
		switch c := s[n]; {
		case c < 0x80:
			dst = appendEscape(dst, c)
			s = s[n+1:]
		default: // U+2028 or U+2029
			dst = append(dst, `\u202`...)
			dst = append(dst, hex[s[n+2]&0xf])
			s = s[n+3:]
		}
	}
}

// plainASCII returns a number of bytes that s begins with, that need no escape, and
// that are ASCII: all there are, or some 32 fewer. Where it is all of s, one look has
// told that s is UTF-8 as well.
func plainASCII(s string) int {
	i := 0
	for len(s)-i >= 32 {
		w := s[i : i+32]
		marks := unplain(load(w[0:8])) | unplain(load(w[8:16])) | unplain(load(w[16:24])) | unplain(load(w[24:32]))
		if marks&highs != 0 {
			return i
		}
		i += 32
	}
	for len(s)-i >= 8 && unplain(load(s[i:i+8]))&highs == 0 {
		i += 8
	}
	for i < len(s) {
		switch c := s[i]; {
		case c < ' ', c >= 0x80, c == '"', c == '\\', c == '<', c == '>', c == '&':
			return i
		}
		i++
	}
	return i
}

// unplain marks, with their highest bits, the bytes of v that are not ASCII or need an
// escape, in the way of special. What is not ASCII is marked as it is, so marks of
// other bytes that it would make by mistake do no harm.
func unplain(v uint64) uint64 {
	low := v ^ ones*('"'-' ')
	slash := v ^ ones*'\\'
	and := v ^ ones*'&'
	angle := v&^(ones*('<'^'>')) ^ ones*'<'
	return v | (low - ones*(' '+1)) | (slash - ones) | (and - ones) | (angle - ones)
}

// plainPrefix returns the number of bytes that s begins with and that need no
// escape. It looks at eight bytes at a time: see BenchmarkAppend.
func plainPrefix(s string) int {
	i := 0
	for i < len(s) {
		if len(s)-i >= 8 {
			v := load(s[i : i+8])
			marks := (special(v) | specialInHTML(v)) & highs
			if marks == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(marks) / 8
		}
		switch c := s[i]; {
		case c < ' ', c == '"', c == '\\', c == '<', c == '>', c == '&':
			return i
		case c == lineSeparator[0] && len(s)-i >= 3 && (s[i:i+3] == lineSeparator || s[i:i+3] == paragraphSeparator):
			return i
		}
		i++
	}
	return i
}

// What ends a line in JavaScript, but not in JSON.
const (
	lineSeparator      = "\u2028"
	paragraphSeparator = "\u2029"
)

// load is binary.LittleEndian.Uint64 for a string; it compiles to one load too.
func load(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// specialInHTML marks the bytes of v that are <, > or & or begin a separator, in
// the way of special.
func specialInHTML(v uint64) uint64 {
	angle := v&^(ones*('<'^'>')) ^ ones*'<' // both are the same without the bit they differ in
	and := v ^ ones*'&'
	sep := v ^ ones*uint64(lineSeparator[0])
	return (angle-ones)&^angle | (and-ones)&^and | (sep-ones)&^sep
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
}
