package deflate

import "math"

// block is a part of a message as sequences, how often each symbol occurs in them,
// and what it takes to write them.
type block struct {
	list  [maxSequences]sequence
	n     int
	extra int // bits that follow the codewords, whatever the code

	matched int // bytes of the text

	literal  [literalSymbols]uint32
	distance [distanceSymbols]uint32

	literalCode  [literalSymbols]codeword
	distanceCode [distanceSymbols]codeword

	header  header
	huffman huffman
}

const (
	// maxSequences is how many are in one block. There must be room for spareSequences
	// more when a match is added: one for its literals, if they are too many for a
	// match, and one for each piece of it, and one for literals behind it.
	maxSequences   = 2048
	spareSequences = blockText/maxMatch + 4

	// codeLimit is the length of the longest codeword for a literal or a length. It
	// is one less than RFC 1951 allows, so that four fit between two flushes.
	codeLimit = 14
)

// reset begins a block.
func (b *block) reset() {
	b.n, b.extra, b.matched = 0, 0, 0
	clear(b.literal[:])
	clear(b.distance[:])
	b.literal[endOfBlock] = 1
}

// full says that another match may not fit.
func (b *block) full() bool { return b.n > maxSequences-spareSequences }

// match adds literals and the match behind them.
func (b *block) match(literals []byte, length, distance int) {
	n := len(literals)
	if n > maxLiterals {
		b.literals(literals)
		n = 0
	} else {
		for _, c := range literals {
			b.literal[c]++
		}
	}
	b.matched += length
	for ; length > maxMatch; n = 0 {
		part := min(maxMatch, length-minMatch) // what is left is a match too
		b.put(n, part, distance)
		length -= part
	}
	b.put(n, length, distance)
}

func (b *block) put(literals, length, distance int) {
	length -= minMatch
	distance--
	c := lengthCode[length&0xff]
	b.literal[c&symbolMask]++
	symbol, extra := distanceCode(uint(distance))
	b.distance[symbol]++
	b.extra += int(c>>9&15) + int(extra)
	b.list[b.n] = sequence(literals<<literalShift | length<<lengthShift | distance)
	b.n++
}

// literals adds literals with no match behind them.
func (b *block) literals(literals []byte) {
	if len(literals) == 0 {
		return
	}
	for _, c := range literals {
		b.literal[c]++
	}
	b.list[b.n] = literalsOnly | sequence(len(literals))
	b.n++
}

// plan chooses the code that costs least and returns how many bits the block has
// with it. A fixed block has fixed true.
func (b *block) plan() (size int, fixed bool) {
	code := &b.huffman
	code.gather(b.literal[:])
	fixedSize := 3 + b.extra
	for _, s := range code.used[:code.n] {
		fixedSize += int(b.literal[s]) * int(fixedLiterals[s].size())
	}
	for _, n := range b.distance {
		fixedSize += int(n) * 5
	}
	if fixedSize <= b.leastDynamic() {
		return fixedSize, true
	}
	dynamicSize := b.dynamic()
	return min(fixedSize, dynamicSize), fixedSize <= dynamicSize
}

// dynamic makes a code for the block, whose literals are gathered, and returns how
// many bits it has with that.
func (b *block) dynamic() int {
	h, code := &b.header, &b.huffman
	h.reset()
	size := 3 + b.extra
	code.build(b.literalCode[:], b.literal[:], codeLimit)
	for _, s := range code.used[:code.n] {
		size += int(b.literal[s]) * int(b.literalCode[s].size())
	}
	h.literals = max(257, h.add(b.literalCode[:], code.used[:code.n]))
	code.gather(b.distance[:])
	code.build(b.distanceCode[:], b.distance[:], maxCodeBits)
	for _, s := range code.used[:code.n] {
		size += int(b.distance[s]) * int(b.distanceCode[s].size())
	}
	h.distances = h.add(b.distanceCode[:], code.used[:code.n])
	return size + h.finish(code)
}

// leastDynamic returns about as few bits as a dynamic block can have, if it has few
// symbols, whose literals are gathered: what an ideal code takes, and a short header.
// So a block of little else than matches needs no code of its own to find out that
// the fixed one is shorter. For others it is 0.
func (b *block) leastDynamic() int {
	const (
		header = 3 + 5 + 5 + 4 + 13*3 // 13 lengths of the code for lengths
		item   = 2                    // bits of a codeword in the header
	)
	symbols, matches := 0, 0
	for _, s := range b.huffman.used[:b.huffman.n] {
		symbols += int(b.literal[s])
	}
	if symbols >= len(weighted) {
		return 0
	}
	size, parts, next := header+b.extra, 0, 0
	for _, s := range b.huffman.used[:b.huffman.n] {
		parts += int(weighted[b.literal[s]])
		size += item
		if int(s) > next {
			size += item + int(itemBits[zeroRun[min(int(s)-next, len(zeroRun)-1)]&31])
		}
		next = int(s) + 1
	}
	next = 0
	for s, n := range b.distance {
		if n != 0 {
			matches += int(n)
			parts += int(weighted[n])
			size += item
			if s > next {
				size += item + int(itemBits[zeroRun[s-next]&31])
			}
			next = s + 1
		}
	}
	return size + (int(weighted[symbols])+int(weighted[matches])-parts)>>weightedShift
}

// weighted has n log2 n for each n, which is shifted to the left: n symbols of
// which each occurs k times take n log2 n - n log2 k bits with an ideal code.
var weighted = func() (t [64]uint16) {
	for n := 2; n < len(t); n++ {
		t[n] = uint16(float64(n) * math.Log2(float64(n)) * (1 << weightedShift))
	}
	return t
}()

const weightedShift = 5

// write writes the block as it was planned. There is room for it.
func (b *block) write(w *bitWriter, text []byte, fixed bool) {
	list := b.list[:b.n]
	// RFC 1951 section 3.2.3: not the last block, and its kind.
	if fixed {
		w.put(1<<1, 3)
		w.flush()
		writeSequences(w, text, list, &fixedLiterals, &fixedDistances)
		return
	}
	w.put(2<<1, 3)
	b.header.write(w)
	writeSequences(w, text, list, &b.literalCode, &b.distanceCode)
}
