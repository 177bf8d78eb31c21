package deflate

import (
	"encoding/binary"
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
