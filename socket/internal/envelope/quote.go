package envelope

import "math/bits"

const hex = "0123456789abcdef"

// appendString appends s, which is valid UTF-8, as a JSON string, as json.Marshal
// writes it: what has a meaning in HTML or ends a line in JavaScript is escaped.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for {
		n := plainPrefix(s)
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

// plainPrefix returns the number of bytes that s begins with and that need no
// escape. It looks at eight bytes at a time: see BenchmarkAppend.
func plainPrefix(s string) int {
	i := 0
	for i < len(s) {
		if len(s)-i >= 8 {
			v := load(s[i : i+8])
			marks := special(v) | specialInHTML(v)
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
	less := v ^ ones*'<'
	greater := v ^ ones*'>'
	and := v ^ ones*'&'
	sep := v ^ ones*uint64(lineSeparator[0])
	return ((less-ones)&^less | (greater-ones)&^greater | (and-ones)&^and | (sep-ones)&^sep) & highs
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
