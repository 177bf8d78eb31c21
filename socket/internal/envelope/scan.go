package envelope

import (
	"encoding/binary"
	"math/bits"
)

// members walks over the members of an object. The object, and behind its last
// member the whole text, is checked on the way.
type members struct {
	text  []byte
	i     int // where the object begins, then where to go on; at a fault: its place
	begun bool
	key   []byte // raw, without its quotes
	value []byte
	end   int // behind the object
	fault fault
}

// next finds the next member. It returns false at the end and at a fault.
func (m *members) next() bool {
	b, i := m.text, m.i
	// RFC 8259 section 4:
	// object = begin-object [ member *( value-separator member ) ] end-object
	i = skipSpace(b, i)
	switch c := at(b, i); {
	case c == '{' && !m.begun:
		m.begun = true
		i = skipSpace(b, i+1)
		if at(b, i) == '}' {
			return m.close(i)
		}
	case c == ',' && m.begun:
		i = skipSpace(b, i+1)
	case c == '}' && m.begun:
		return m.close(i)
	default:
		return m.fail(i, syntax)
	}

	value, key, f := skipKey(b, i)
	if f != valid {
		return m.fail(value, f)
	}
	end, f := skipValue(b, value, 1)
	if f != valid {
		return m.fail(end, f)
	}
	m.key, m.value, m.i = key, b[value:end:end], end
	return true
}

// close ends the walk at the closing brace: only white space may follow.
func (m *members) close(i int) bool {
	m.end = i + 1
	if rest := skipSpace(m.text, m.end); rest != len(m.text) {
		return m.fail(rest, syntax)
	}
	return false
}

func (m *members) fail(i int, f fault) bool {
	m.i, m.fault = i, f
	return false
}

// at returns the byte at i, and behind the end a zero byte, which can stand
// nowhere in JSON outside of a string.
func at(b []byte, i int) byte {
	if i < len(b) {
		return b[i]
	}
	return 0
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipKey returns the beginning of the value that belongs to the key at i, and
// the key. At a fault the index is its place.
func skipKey(b []byte, i int) (value int, key []byte, f fault) {
	if at(b, i) != '"' {
		return i, nil, syntax
	}
	end, f := skipString(b, i)
	if f != valid {
		return end, nil, f
	}
	key = b[i+1 : end-1]
	i = skipSpace(b, end)
	if at(b, i) != ':' {
		return i, nil, syntax
	}
	return skipSpace(b, i+1), key, valid
}

// skipValue returns the end of the value at i, which stands inside of depth
// arrays and objects. At a fault the index is its place.
//
// It does not recurse: what it is inside of is a stack of bits, one for an
// object and zero for an array, the innermost lowest. MaxDepth of them fit.
func skipValue(b []byte, i, depth int) (int, fault) {
	var stack uint64
	open := depth
	for {
		var f fault
		ended := true
		switch c := at(b, i); c {
		case '{', '[':
			if open == MaxDepth {
				return i, tooDeep
			}
			open++
			stack <<= 1
			if c == '{' {
				stack |= 1
			}
			i = skipSpace(b, i+1)
			// In ASCII the closing bracket is the opening one plus two.
			if ended = at(b, i) == c+2; !ended && c == '{' {
				i, _, f = skipKey(b, i)
			}
		case '"':
			i, f = skipString(b, i)
		case 't':
			i, f = skipWord(b, i, "true")
		case 'f':
			i, f = skipWord(b, i, "false")
		case 'n':
			i, f = skipWord(b, i, "null")
		default:
			i, f = skipNumber(b, i)
		}
		if f != valid {
			return i, f
		}

		for ended {
			if open == depth {
				return i, valid
			}
			i = skipSpace(b, i)
			inObject := stack&1 == 1
			switch c := at(b, i); {
			case c == ',':
				ended = false
				i = skipSpace(b, i+1)
				if inObject {
					if i, _, f = skipKey(b, i); f != valid {
						return i, f
					}
				}
			case c == '}' && inObject, c == ']' && !inObject:
				open--
				stack >>= 1
				i++
			default:
				return i, syntax
			}
		}
	}
}

func skipWord(b []byte, i int, word string) (int, fault) {
	for j := range len(word) {
		if at(b, i+j) != word[j] {
			return i + j, syntax
		}
	}
	return i + len(word), valid
}

// skipNumber follows RFC 8259 section 6:
// number = [ minus ] int [ frac ] [ exp ]
func skipNumber(b []byte, i int) (int, fault) {
	if at(b, i) == '-' {
		i++
	}
	switch c := at(b, i); {
	case c == '0':
		i++
	case isDigit(c):
		i = skipDigits(b, i)
	default:
		return i, syntax
	}
	if at(b, i) == '.' {
		i++
		if !isDigit(at(b, i)) {
			return i, syntax
		}
		i = skipDigits(b, i)
	}
	if c := at(b, i); c == 'e' || c == 'E' {
		i++
		if c := at(b, i); c == '+' || c == '-' {
			i++
		}
		if !isDigit(at(b, i)) {
			return i, syntax
		}
		i = skipDigits(b, i)
	}
	return i, valid
}

func skipDigits(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// skipString returns the end, behind the closing quote, of the string whose
// opening quote is at i.
func skipString(b []byte, i int) (int, fault) {
	i++
	for {
		i = skipPlain(b, i)
		switch at(b, i) {
		case '"':
			return i + 1, valid
		case '\\':
			n := escapeLen(b[i:])
			if n == 0 {
				return i, syntax
			}
			i += n
		default:
			return i, syntax
		}
	}
}

// escapeLen returns the length of the escape sequence that b begins with, zero
// if it is none.
func escapeLen(b []byte) int {
	switch at(b, 1) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b); ok {
			return 6
		}
	}
	return 0
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// skipPlain returns the index of the first byte from i on that is a quote, a
// backslash or a control character. It looks at eight bytes at a time, and in a long
// string at four times eight: see BenchmarkParse.
func skipPlain(b []byte, i int) int {
	for len(b)-i >= 32 {
		w := b[i : i+32 : i+32]
		marks := special(binary.LittleEndian.Uint64(w[0:])) | special(binary.LittleEndian.Uint64(w[8:])) |
			special(binary.LittleEndian.Uint64(w[16:])) | special(binary.LittleEndian.Uint64(w[24:]))
		if marks&highs != 0 {
			break
		}
		i += 32
	}
	for len(b)-i >= 8 {
		if s := special(binary.LittleEndian.Uint64(b[i:])) & highs; s != 0 {
			return i + bits.TrailingZeros64(s)/8
		}
		i += 8
	}
	for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// special marks, with their highest bits, the bytes of v that are a quote, a backslash
// or a control character; its other bits mean nothing. A borrow can also mark bytes
// above the lowest mark, never below.
func special(v uint64) uint64 {
	low := v ^ ones*('"'-' ') // makes a quote the byte after the control characters
	slash := v ^ ones*'\\'
	return (low-ones*(' '+1))&^low | (slash-ones)&^slash
}
