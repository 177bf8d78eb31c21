package deflate

// shortest finds the shortest form of a message: in turn the sequences that cost least
// with the codes of the last turn, and codes for those. It is what [Options.Shortest]
// takes besides.
type shortest struct {
	references [shortestReferences]reference // of all places, one place after another
	start      [shortestText + 1]uint16      // of those of a place
	cost       [shortestText + 1]int32       // of a place and all behind it
	step       [shortestText]step

	prices prices
	lean   lean

	// The best so far, as it takes to make it again.
	list   [shortestSequences]sequence
	n      int
	length [literalSymbols + distanceSymbols]uint8
	item   [lengthSymbols]int32
}

const (
	shortestText       = 2 << 10 // bytes of the longest message
	shortestReferences = 4 << 10
	shortestSequences  = shortestText/minMatch + shortestText/maxLiterals + 2

	// Most of what is gained is gained in the second turn; each takes about a tenth of
	// the time. The header can be made for the code only when the code is made, and the
	// other way round.
	shortestTurns   = 4
	shortestHeaders = 2
)

// shortest compresses src, which is also the end of buf, as one block.
func (m *message) shortest(buf, dst, src []byte) (out []byte, ok bool) {
	e := m.e
	if e.shortest == nil {
		e.shortest = new(shortest)
	}
	e.shortest.find(e.chains, buf, len(buf)-len(src), m.window, e.mask)
	b := &e.block
	bits, fixed := e.shortest.block(b, src)
	if m.budget -= int64(bits); m.budget < 0 {
		return dst, false
	}
	m.w.reserve(bits + 3)
	b.write(&m.w, src, fixed)
	return m.end(dst)
}

// block makes the block and its codes of the text, whose references are found, and
// returns how many bits it has. A fixed block has fixed true.
func (s *shortest) block(b *block, text []byte) (size int, fixed bool) {
	s.prices.fixed()
	s.path(text)
	s.fill(b, text)
	s.n = copy(s.list[:], b.list[:b.n])
	best := 3 + int(s.cost[0]>>priceShift) + int(fixedLiterals[endOfBlock].size())
	fixed = true

	s.prices.first()
	s.lean.begin()
	last := 0
	for range shortestTurns {
		s.path(text)
		s.fill(b, text)
		for range shortestHeaders {
			item := s.lean.item
			if size = s.lean.code(b); size < best {
				best, fixed = size, false
				s.n = copy(s.list[:], b.list[:b.n])
				s.length, s.item = s.lean.length, item
			}
			s.lean.learn(&b.header)
		}
		if size == last {
			break
		}
		last = size
		s.prices.learn(b, &s.lean.length)
	}
	b.n = copy(b.list[:], s.list[:s.n])
	if !fixed {
		s.lean.length, s.lean.item = s.length, s.item
		s.lean.header(b)
		s.lean.codewords(b)
	}
	return best, fixed
}
