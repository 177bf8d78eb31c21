package deflate_test

import "math/rand/v2"

// blockWriter writes blocks bit by bit.
type blockWriter struct {
	b   []byte
	bit int
}

// put writes n bits of v, the least significant first.
func (w *blockWriter) put(v, n int) {
	for i := range n {
		if w.bit%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[w.bit/8] |= byte(v>>i&1) << (w.bit % 8)
		w.bit++
	}
}

// code writes a code of n bits, the most significant first.
func (w *blockWriter) code(v, n int) {
	for i := n - 1; i >= 0; i-- {
		w.put(v>>i, 1)
	}
}

// fixed writes a symbol of the fixed code for literals and lengths.
func (w *blockWriter) fixed(s int) {
	switch {
	case s < 144:
		w.code(0b00110000+s, 8)
	case s < 256:
		w.code(0b110010000+s-144, 9)
	case s < 280:
		w.code(s-256, 7)
	default:
		w.code(0b11000000+s-280, 8)
	}
}

// codeLength is a symbol of the code for the lengths of codes, with its extra bits.
type codeLength struct{ symbol, extra int }

// header writes the header of a dynamic block with so many codes, whose lengths are as given.
func (w *blockWriter) header(literals, distances int, lengths []codeLength) {
	w.put(0b100, 3) // not final, dynamic
	w.put(literals-257, 5)
	w.put(distances-1, 5)
	w.put(19-4, 4)
	code := make([]int, 19) // one in which every symbol has a code
	for s := range code {
		code[s] = 4 + s/13
	}
	for _, s := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15} {
		w.put(code[s], 3)
	}
	codes := canonical(code)
	for _, l := range lengths {
		w.code(codes[l.symbol], code[l.symbol])
		switch l.symbol {
		case 16:
			w.put(l.extra, 2)
		case 17:
			w.put(l.extra, 3)
		case 18:
			w.put(l.extra, 7)
		}
	}
}

// plainLengths writes each length with a code of its own.
func plainLengths(lengths ...int) []codeLength {
	var out []codeLength
	for _, n := range lengths {
		out = append(out, codeLength{symbol: n})
	}
	return out
}

// randomLengths repeats lengths in ways that no compressor does, where they can be.
func randomLengths(rng *rand.Rand, lengths []int) []codeLength {
	var out []codeLength
	for i := 0; i < len(lengths); {
		run := func(value int) (n int) {
			for i+n < len(lengths) && lengths[i+n] == value {
				n++
			}
			return n
		}
		kind := rng.IntN(4)
		switch zeros := run(0); {
		case kind == 0 && i > 0 && run(lengths[i-1]) >= 3:
			n := 3 + rng.IntN(min(4, run(lengths[i-1])-2))
			out = append(out, codeLength{16, n - 3})
			i += n
		case kind <= 2 && zeros >= 11:
			n := 11 + rng.IntN(min(128, zeros-10))
			out = append(out, codeLength{18, n - 11})
			i += n
		case kind <= 2 && zeros >= 3:
			n := 3 + rng.IntN(min(8, zeros-2))
			out = append(out, codeLength{17, n - 3})
			i += n
		default:
			out = append(out, codeLength{symbol: lengths[i]})
			i++
		}
	}
	return out
}

// symbols writes n random symbols of a block with these codes, each as often as the
// others, and the end of the block.
func (w *blockWriter) symbols(rng *rand.Rand, literals, distances []int, n int) {
	literalCodes, distanceCodes := canonical(literals), canonical(distances)
	pick := func(lengths []int) int {
		for {
			if s := rng.IntN(len(lengths)); lengths[s] > 0 {
				return s
			}
		}
	}
	for range n {
		s := pick(literals)
		if s == 256 {
			continue
		}
		w.code(literalCodes[s], literals[s])
		if s < 256 {
			continue
		}
		if s > 264 && s < 285 {
			w.put(int(rng.Uint32()), (s-261)/4)
		}
		s = pick(distances)
		w.code(distanceCodes[s], distances[s])
		if s > 3 {
			w.put(int(rng.Uint32()), s/2-1)
		}
	}
	w.code(literalCodes[256], literals[256])
}

// canonical returns the codes of RFC 1951 section 3.2.2 for lengths.
func canonical(lengths []int) []int {
	codes := make([]int, len(lengths))
	next := 0
	for length := 1; length <= 15; length++ {
		next *= 2
		for s, n := range lengths {
			if n == length {
				codes[s] = next
				next++
			}
		}
	}
	return codes
}

// payload ends the last block where the tail is taken away.
func (w *blockWriter) payload() []byte {
	w.put(0b000, 3)
	return w.b
}

// literalsThenCopy is a message in one fixed block: literals, and a reference.
func literalsThenCopy(literals []byte, length, distance int) []byte {
	w := new(blockWriter)
	w.put(0b010, 3) // not final, fixed
	for _, c := range literals {
		w.fixed(int(c))
	}
	// RFC 1951 section 3.2.5.
	switch {
	case length == 258:
		w.fixed(285)
	case length < 11:
		w.fixed(257 + length - 3)
	default:
		extra := 1
		for length-3 >= 8<<extra {
			extra++
		}
		w.fixed(257 + 4*extra + (length-3)>>extra)
		w.put((length-3)&(1<<extra-1), extra)
	}
	extra := 0
	for distance-1 >= 4<<extra {
		extra++
	}
	w.code(2*extra+(distance-1)>>extra, 5)
	w.put((distance-1)&(1<<extra-1), extra)
	w.fixed(256)
	return w.payload()
}
