package deflate

import "slices"

const (
	priceShift = 6       // prices are in 64ths of a bit
	priceless  = 1 << 28 // more than anything costs
)

// prices is what sequences cost with a code.
type prices struct {
	literal  [endOfBlock]int32
	length   [maxMatch + 1]int32 // extra bits included
	distance [distanceSymbols]int32
}

// What a symbol costs in the header goes to those that it stands for; a symbol that was
// not used costs more than the longest codeword.
const (
	perSymbol  = 7<<priceShift + 1<<priceShift/2
	notUsedYet = 4 << priceShift
)

// set takes prices, of which those for lengths are by symbol and those for distances
// have no extra bits yet.
func (p *prices) set(literal, length, distance func(symbol int) int32) {
	for c := range p.literal {
		p.literal[c] = literal(c)
	}
	var symbol int
	var price int32
	for l := range lengthCode {
		c := lengthCode[l]
		if s := int(c & symbolMask); s != symbol {
			symbol, price = s, length(s)
		}
		p.length[l+minMatch] = price + int32(c>>9&15)<<priceShift
	}
	for s := range p.distance {
		p.distance[s] = distance(s) + int32(max(0, s/2-1))<<priceShift
	}
}

// fixed takes the prices of the fixed codes.
func (p *prices) fixed() {
	literal := func(s int) int32 { return int32(fixedLiterals[s].size()) << priceShift }
	p.set(literal, literal, func(int) int32 { return 5 << priceShift })
}

// first takes prices to begin with: what is new in messages that are like each other is
// numbers mostly.
func (p *prices) first() {
	p.set(
		func(c int) int32 {
			if '0' <= c && c <= '9' {
				return 4 << priceShift
			}
			return 6 << priceShift
		},
		func(int) int32 { return 5 << priceShift },
		func(int) int32 { return 4 << priceShift },
	)
}

// learn takes the prices of the block's code, whose lengths are given.
func (p *prices) learn(b *block, length *[literalSymbols + distanceSymbols]uint8) {
	prices := func(length []uint8, count []uint32) func(int) int32 {
		unused := int32(slices.Max(length))<<priceShift + notUsedYet
		return func(s int) int32 {
			if n := count[s]; n != 0 {
				return int32(length[s])<<priceShift + perSymbol/int32(n)
			}
			return unused
		}
	}
	literal := prices(length[:literalSymbols], b.literal[:])
	p.set(literal, literal, prices(length[literalSymbols:], b.distance[:]))
}
