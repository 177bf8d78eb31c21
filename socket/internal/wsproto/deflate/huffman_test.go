package deflate

import (
	"math/bits"
	"math/rand/v2"
	"testing"
)

// TestHuffmanCodesAreComplete builds codes for all kinds of counts: no codeword is
// longer than the limit, every bit sequence begins with exactly one, and without a
// limit that matters they are as short as they can be.
func TestHuffmanCodesAreComplete(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	fibonacci := make([]uint32, literalSymbols)
	for i, a, b := 0, uint32(1), uint32(1); i < 22; i, a, b = i+1, b, a+b {
		fibonacci[11*i] = a
	}
	equal := make([]uint32, literalSymbols)
	for i := range equal {
		equal[i] = 100
	}
	tests := [][]uint32{fibonacci, equal, make([]uint32, literalSymbols), fibonacci[:lengthSymbols]}
	for range 2000 {
		count := make([]uint32, []int{literalSymbols, distanceSymbols, lengthSymbols}[rng.IntN(3)])
		for range rng.IntN(len(count) + 1) {
			count[rng.IntN(len(count))] = 1 + rng.Uint32()>>(17+rng.IntN(15))
		}
		tests = append(tests, count)
	}
	var h huffman
	for _, count := range tests {
		for _, limit := range []int{7, codeLimit, maxCodeBits} {
			if len(count) > 1<<7 && limit == 7 {
				continue
			}
			code := make([]codeword, len(count))
			h.gather(count)
			h.build(code, count, limit)
			space, size := 0, 0
			for s, c := range code {
				if (c != 0) != (count[s] != 0) && h.n > 2 || int(c.size()) > limit {
					t.Fatalf("count %d has a codeword of %d bits, the limit is %d", count[s], c.size(), limit)
				}
				if c != 0 {
					space += 1 << (limit - int(c.size()))
				}
				size += int(count[s]) * int(c.size())
			}
			if space != 1<<limit {
				t.Fatalf("limit %d: codewords take %d of %d: %v", limit, space, 1<<limit, count)
			}
			if want, depth := leastSize(count); depth <= limit && h.n > 2 && size != want {
				t.Errorf("limit %d: %d bits, want %d", limit, size, want)
			}
			checkCanonical(t, code)
		}
	}
}

// leastSize returns the bits that Huffman's algorithm needs, done in the plainest
// way, and the depth of its tree.
func leastSize(count []uint32) (size, depth int) {
	type node struct{ weight, depth int }
	var list []node
	for _, c := range count {
		if c > 0 {
			list = append(list, node{int(c), 0})
		}
	}
	for len(list) > 1 {
		// The two lightest go to the end; of equal ones the lower tree.
		for end := len(list) - 1; end >= len(list)-2; end-- {
			for i := range end {
				a, b := list[i], list[end]
				if a.weight < b.weight || a.weight == b.weight && a.depth < b.depth {
					list[i], list[end] = b, a
				}
			}
		}
		a, b := list[len(list)-1], list[len(list)-2]
		size += a.weight + b.weight
		list = append(list[:len(list)-2], node{a.weight + b.weight, 1 + max(a.depth, b.depth)})
	}
	if len(list) == 1 {
		depth = list[0].depth
	}
	return size, depth
}

// checkCanonical: RFC 1951 section 3.2.2. Shorter codewords come before longer ones
// and those of one length are in the order of their symbols.
func checkCanonical(t *testing.T, code []codeword) {
	t.Helper()
	next := 0
	for size := 1; size <= maxCodeBits; size++ {
		next <<= 1
		for s, c := range code {
			if int(c.size()) != size {
				continue
			}
			if got := int(bits.Reverse16(uint16(c.bits())) >> (16 - size)); got != next {
				t.Fatalf("symbol %d has the codeword %b, want %b", s, got, next)
			}
			next++
		}
	}
}

// TestLengthAndDistanceCodes compares with the tables of RFC 1951 section 3.2.5.
func TestLengthAndDistanceCodes(t *testing.T) {
	length := 3
	for symbol := 257; symbol < 285; symbol++ {
		extra := max(0, (symbol-261)/4)
		for rest := 0; rest < 1<<extra && length < maxMatch; rest++ {
			c := lengthCode[length-minMatch]
			if int(c&symbolMask) != symbol || int(c>>9&15) != extra || int(c>>16) != rest {
				t.Errorf("length %d: symbol %d, %d bits, %d, want %d, %d, %d", length, c&symbolMask, c>>9&15, c>>16, symbol, extra, rest)
			}
			length++
		}
	}
	if c := lengthCode[maxMatch-minMatch]; c != 285 {
		t.Errorf("length %d: %x", maxMatch, c)
	}
	distance := uint(1)
	for symbol := range uint(30) {
		extra := uint(max(0, int(symbol)/2-1))
		for rest := range uint(1) << extra {
			s, n := distanceCode(distance - 1)
			if s != symbol || n != extra || (distance-1)&(1<<n-1) != rest {
				t.Fatalf("distance %d: symbol %d, %d bits, want %d, %d", distance, s, n, symbol, extra)
			}
			distance++
		}
	}
	if distance != maxWindow+1 {
		t.Errorf("the distances end at %d", distance)
	}
}

// TestPlanForFewSymbols: that a block of few symbols gets the fixed code without a
// look at another costs next to nothing.
func TestPlanForFewSymbols(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var b block
	chosen, exact, quick := 0, 0, 0
	for range 5000 {
		b.reset()
		letters := 1 + rng.IntN(26)
		for range rng.IntN(6) {
			literals := make([]byte, rng.IntN(8))
			for i := range literals {
				literals[i] = byte('a' + rng.IntN(letters))
			}
			b.match(literals, 3+rng.IntN(20), 1+rng.IntN(4096))
		}
		size, fixed := b.plan()
		chosen += size
		if fixed {
			b.huffman.gather(b.literal[:])
			if least := b.leastDynamic(); least >= size {
				quick++
			}
			size = min(size, b.dynamic())
		}
		exact += size
	}
	if quick < 1000 {
		t.Errorf("%d of 5000 blocks are planned without a code of their own", quick)
	}
	if chosen > exact+exact/1000 {
		t.Errorf("the blocks have %d bits, with the better code for each %d", chosen, exact)
	}
}
