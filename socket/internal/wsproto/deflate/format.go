package deflate

// RFC 7692 section 7.1.2.1: the logarithm of the size of a window.
const (
	minWindowBits = 8
	maxWindowBits = 15
	maxWindow     = 1 << maxWindowBits
)

// The alphabets of RFC 1951 section 3.2.5 to 3.2.7. The fixed codes have two more
// symbols for lengths and two for distances, which must not be used.
const (
	endOfBlock      = 256
	literalSymbols  = 286
	distanceSymbols = 30
	lengthSymbols   = 19 // of the code for the lengths of codewords

	repeatLast  = 16 // 3 to 6 times, 2 bits
	repeatZero  = 17 // 3 to 10 times, 3 bits
	repeatZeros = 18 // 11 to 138 times, 7 bits

	maxCodeBits = 15 // of a codeword
)

// headerOrder is the order in which a block's header has the lengths of the code
// for lengths.
var headerOrder = [lengthSymbols]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
