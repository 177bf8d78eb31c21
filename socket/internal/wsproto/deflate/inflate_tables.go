package deflate

// A decoding table is indexed with the next bits of the payload, as many as the
// longest code has, at most primaryBits of its kind. An entry says all that a symbol
// leads to, so that decoding looks nothing else up:
//
//	bits 31     the symbol is a literal
//	bits 16-30  the literal; the least length or distance; where a second table begins
//	bit 15      exceptional: one of the next two, or else an invalid code
//	bit 14      the code is longer: bits 8-11 are how many bits index a second table
//	bit 13      end of the block
//	bits 8-11   how long the code is
//	bits 0-5    how many bits the symbol has, the extra bits behind the code included
//
// In a second table the bits that led to it do not count.
const (
	entryLiteral     = 1 << 31
	entryExceptional = 1 << 15
	entrySecond      = 1 << 14
	entryEnd         = 1 << 13
	entryInvalid     = entryExceptional

	entryValueShift = 16
	entryCodeShift  = 8
	entryCodeMask   = 15
	entryBitsMask   = 63
)

// The sizes of the tables hold the primary table and the most that second tables of
// a complete code of up to 15 bits can need, as zlib's enough.c counts them for
// 288 and 32 symbols.
const (
	literalBits   = 10
	distanceBits  = 8
	literalSize   = 1334
	distanceSize  = 402
	lengthBits    = 7
	literalIndex  = 1<<literalBits - 1
	distanceIndex = 1<<distanceBits - 1
)

// blockCodes decodes what a block has behind its codes. All primary tables have the
// same size, whatever the codes are, so that the mask of an index is a constant.
type blockCodes struct {
	literals  [literalSize]uint32 // and lengths
	distances [distanceSize]uint32

	literalMask, distanceMask uint64
}

// What each symbol leads to, without its code: the values of RFC 1951 section 3.2.5.
// Never changed once they are made.
var (
	literalEntries  = makeLiteralEntries()
	distanceEntries = makeDistanceEntries()
	lengthEntries   = makeLengthEntries()
	fixedCodes      = makeFixedCodes()
)

func makeLiteralEntries() (e [literalSymbols + 2]uint32) {
	for s := range endOfBlock {
		e[s] = entryLiteral | uint32(s)<<entryValueShift
	}
	e[endOfBlock] = entryExceptional | entryEnd
	length := uint32(3)
	for s := endOfBlock + 1; s < literalSymbols-1; s++ {
		extra := uint32(max(0, (s-endOfBlock-5)/4))
		e[s] = length<<entryValueShift | extra
		length += 1 << extra
	}
	e[literalSymbols-1] = 258 << entryValueShift
	e[literalSymbols], e[literalSymbols+1] = entryInvalid, entryInvalid
	return e
}

func makeDistanceEntries() (e [distanceSymbols + 2]uint32) {
	distance := uint32(1)
	for s := range distanceSymbols {
		extra := uint32(max(0, s/2-1))
		e[s] = distance<<entryValueShift | extra
		distance += 1 << extra
	}
	e[distanceSymbols], e[distanceSymbols+1] = entryInvalid, entryInvalid
	return e
}

func makeLengthEntries() (e [lengthSymbols]uint32) {
	for s := range e {
		e[s] = uint32(s) << entryValueShift
	}
	e[repeatLast] |= 2
	e[repeatZero] |= 3
	e[repeatZeros] |= 7
	return e
}

// makeFixedCodes makes the tables for RFC 1951 section 3.2.6.
func makeFixedCodes() (t blockCodes) {
	var literals, distances codeBuilder
	for s := range literalSymbols + 2 {
		length := 8
		switch {
		case s >= 144 && s < 256:
			length = 9
		case s >= 256 && s < 280:
			length = 7
		}
		literals.add(s, length)
	}
	for s := range distanceSymbols + 2 {
		distances.add(s, 5)
	}
	t.literalMask, _ = literals.build(t.literals[:], literalBits, literalEntries[:])
	t.distanceMask, _ = distances.build(t.distances[:], distanceBits, distanceEntries[:])
	return t
}
