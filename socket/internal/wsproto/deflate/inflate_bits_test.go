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

// header writes the header of a dynamic block in which the code length code has
// lengths, and literals and distances have codes of those lengths, each written
// with a code of its own.
func (w *blockWriter) header(literals, distances []int) {
	w.put(0b100, 3) // not final, dynamic
	w.put(len(literals)-257, 5)
	w.put(len(distances)-1, 5)
	w.put(19-4, 4)
	w.put(0, 9) // 16, 17 and 18 have no code
	for range 16 {
		w.put(4, 3) // all others have one of four bits
	}
	for _, n := range literals {
		w.code(n, 4)
	}
	for _, n := range distances {
		w.code(n, 4)
	}
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
