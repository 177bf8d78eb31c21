package deflate

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// sequence is some literals and a match behind them: the number of literals in 8
// bits, the length of the match less 3 in the next 8, its distance less 1 in the
// lowest 15. With the highest bit set it is literals alone, and the rest is their
// number.
type sequence uint32

const (
	minMatch = 3
	maxMatch = 258

	literalsOnly = 1 << 31
	literalShift = 23
	lengthShift  = 15

	maxLiterals = 1<<8 - 1 // before a match, in one sequence
)

func (s sequence) hasMatch() bool { return s < literalsOnly }

func (s sequence) literals() int {
	if s.hasMatch() {
		return int(s >> literalShift)
	}
	return int(s &^ literalsOnly)
}

func (s sequence) length() uint8  { return uint8(s >> lengthShift) }        // less 3
func (s sequence) distance() uint { return uint(s & (1<<lengthShift - 1)) } // less 1

// codeLimit is the length of the longest codeword for a literal or a length. It is
// one less than RFC 1951 allows, so that four fit between two flushes.
const codeLimit = 14

// lengthCode has, for each length of a match less 3, its symbol, the number of
// bits that follow it, and these bits: RFC 1951 section 3.2.5.
var lengthCode = func() (t [256]uint32) {
	for l := range t {
		symbol, extra, rest := uint32(257+l), uint32(0), uint32(0)
		if l >= 8 {
			extra = uint32(bits.Len(uint(l))) - 3
			symbol = 257 + 4*extra + uint32(l)>>extra
			rest = uint32(l) & (1<<extra - 1)
		}
		t[l] = symbol | extra<<9 | rest<<16
	}
	t[maxMatch-minMatch] = 285 // it has a symbol of its own
	return t
}()

// distanceCode returns the symbol for a distance less 1 and the number of bits
// that follow it, which are the lowest of d.
func distanceCode(d uint) (symbol, extra uint) {
	if d < 4 {
		return d, 0
	}
	extra = uint(bits.Len(d)) - 2
	return 2*extra + d>>(extra&63), extra
}

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
	// maxSequences is how many are in one block. A match adds one, and one more for
	// its literals and for each piece of it when there are too many for one.
	maxSequences   = 2048
	spareSequences = blockText/maxLiterals + blockText/maxMatch + 8
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
	code.build(b.distanceCode[:], b.distance[:], maxCodeword)
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

// writeSequences writes the sequences, whose text is given, and the end of the
// block.
func writeSequences(w *bitWriter, text []byte, list []sequence, literals *[literalSymbols]codeword, distances *[distanceSymbols]codeword) {
	// The writer's fields are in registers here.
	out, at, acc, fill := w.out, w.n, w.acc, w.fill
	for _, s := range list {
		n := s.literals()
		run := text[:n]
		for len(run) >= 4 {
			a, b, c, d := literals[run[0]], literals[run[1]], literals[run[2]], literals[run[3]]
			acc |= a.bits() << (fill & 63)
			fill += a.size()
			acc |= b.bits() << (fill & 63)
			fill += b.size()
			acc |= c.bits() << (fill & 63)
			fill += c.size()
			acc |= d.bits() << (fill & 63)
			fill += d.size()
			binary.LittleEndian.PutUint64(out[at:], acc)
			at += int(fill >> 3)
			acc >>= fill & 56
			fill &= 7
			run = run[4:]
		}
		for _, c := range run {
			a := literals[c]
			acc |= a.bits() << (fill & 63)
			fill += a.size()
		}
		if len(run) > 0 {
			binary.LittleEndian.PutUint64(out[at:], acc)
			at += int(fill >> 3)
			acc >>= fill & 56
			fill &= 7
		}
		if !s.hasMatch() {
			text = text[n:]
			continue
		}
		l := s.length()
		text = text[n+int(l)+minMatch:]
		info := lengthCode[l]
		a := literals[info&symbolMask]
		acc |= a.bits() << (fill & 63)
		fill += a.size()
		acc |= uint64(info>>16) << (fill & 63)
		fill += uint(info >> 9 & 15)
		d := s.distance()
		symbol, extra := distanceCode(d)
		a = distances[symbol]
		acc |= a.bits() << (fill & 63)
		fill += a.size()
		acc |= uint64(d&(1<<(extra&63)-1)) << (fill & 63)
		fill += extra
		binary.LittleEndian.PutUint64(out[at:], acc)
		at += int(fill >> 3)
		acc >>= fill & 56
		fill &= 7
	}
	w.n, w.acc, w.fill = at, acc, fill
	end := literals[endOfBlock]
	w.put(end.bits(), end.size())
	w.flush()
}
