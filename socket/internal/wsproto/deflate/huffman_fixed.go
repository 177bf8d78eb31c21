package deflate

import "math/bits"

// fixedCode returns the codeword of RFC 1951 section 3.2.6.
func fixedCode(symbol int) codeword {
	var c, size uint16
	switch s := uint16(symbol); {
	case s < 144:
		c, size = 0x30+s, 8
	case s < 256:
		c, size = 0x190+s-144, 9
	case s < 280:
		c, size = s-256, 7
	default:
		c, size = 0xC0+s-280, 8
	}
	return codeword(bits.Reverse16(c<<(16-size)))<<8 | codeword(size)
}

// fixedLiterals and fixedDistances are the codes of a fixed block.
var (
	fixedLiterals = func() (t [literalSymbols]codeword) {
		for s := range t {
			t[s] = fixedCode(s)
		}
		return t
	}()
	fixedDistances = func() (t [distanceSymbols]codeword) {
		for s := range t {
			t[s] = codeword(bits.Reverse16(uint16(s)<<11))<<8 | 5
		}
		return t
	}()
)
