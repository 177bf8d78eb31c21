package envelope

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// escaped reports whether the inside of a string holds an escape sequence.
func escaped(raw []byte) bool { return bytes.IndexByte(raw, '\\') >= 0 }

// named reports whether the raw key spells name. RFC 8259 section 8.3 wants
// names compared after unescaping; hardly anybody escapes them.
func named(raw []byte, name string) bool {
	if !escaped(raw) {
		return string(raw) == name
	}
	if len(raw) > 6*len(name) {
		return false
	}
	var buf [64]byte
	got, ok := unescape(buf[:0], raw, len(name))
	return ok && string(got) == name
}

// unescape appends the meaning of the inside of a valid string to dst. It
// returns false when that has more than limit bytes. Half of a surrogate pair
// means U+FFFD, as in encoding/json.
func unescape(dst, raw []byte, limit int) ([]byte, bool) {
	for len(raw) > 0 {
		plain := bytes.IndexByte(raw, '\\')
		if plain < 0 {
			plain = len(raw)
		}
		dst = append(dst, raw[:min(plain, limit+1)]...)
		raw = raw[plain:]
		if len(raw) > 0 {
			r, n := unescapeRune(raw)
			dst = utf8.AppendRune(dst, r)
			raw = raw[n:]
		}
		if len(dst) > limit {
			return dst, false
		}
	}
	return dst, true
}

// unescapeRune returns the meaning and the length of the valid escape sequence,
// or pair of them, that raw begins with.
func unescapeRune(raw []byte) (rune, int) {
	switch raw[1] {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r, _ := hex4(raw)
		if utf16.IsSurrogate(r) {
			if low, ok := hex4(raw[6:]); ok {
				if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
					return pair, 12
				}
			}
			r = utf8.RuneError
		}
		return r, 6
	}
	return rune(raw[1]), 2 // quote, backslash, slash
}

// hex4 returns the number in a sequence \uXXXX.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
