package deflate

import "math/bits"

const (
	thoroughPatience = 256 // see fastPatience

	chainDepth = 16  // how many earlier places are compared
	lazyDepth  = 16  // how many for a better match at the next place
	goodLength = 32  // a match that is long enough to take without a look farther
	niceLength = 128 // and one not to look for a longer one at the same place
)

// findThorough does what findFast does. It compares with several earlier places and
// takes a match only when the next byte does not begin a better one.
func (e *Encoder) findThorough(buf []byte, from int, m *message) (end int) {
	var (
		b    = &e.block
		base = m.base
		last = len(buf) - 4
		done = from
		i    = from

		patience = m.patience(thoroughPatience)
	)
	for i <= last {
		length, distance := e.best(buf, i, base, m.window, minMatch, chainDepth)
		if length <= minMatch {
			if i++; i-done > patience {
				i += min((i-done)/patience, maxStep)
			}
			continue
		}
		known := i // places up to this one are in the table
		for length < goodLength && i+1 <= last {
			known++
			length2, distance2 := e.best(buf, known, base, m.window, length-1, lazyDepth)
			if length2 < length || 4*(length2-length)+bits.Len(uint(distance))-bits.Len(uint(distance2)) <= 2 {
				break
			}
			i, length, distance = known, length2, distance2
		}
		b.match(buf[done:i], length, distance)
		done = i + length
		for i = known + 1; i < done && i <= last; i++ {
			e.insert(buf, i, base)
		}
		i = done
		if b.full() {
			return done
		}
	}
	b.literals(buf[done:])
	return len(buf)
}

// insert makes a place known. The chain has for each place how far before it the
// last one with the same hash is, or farther than any window.
func (e *Encoder) insert(buf []byte, i int, base uint32) (link uint32) {
	entry := &e.table[hash4(load4(buf, i), e.mask)]
	at := base + uint32(i)
	link = min(at-*entry, maxWindow+1)
	*entry = at
	e.chain[int(at)&(len(e.chain)-1)] = uint16(link)
	return link
}

// best inserts a place and returns the longest match there, if it is longer than
// length. It compares with depth others at most.
func (e *Encoder) best(buf []byte, i int, base uint32, window, length, depth int) (longest, distance int) {
	link := int(e.insert(buf, i, base))
	if link > window || i+length >= len(buf) {
		return 0, 0
	}
	var (
		found = 0
		at    = int(base) + i
		chain = e.chain
		x     = load4(buf, i)
		next  = buf[i+length] // the byte that would make a match longer than the best
	)
	for back := link; back <= window; back += link {
		j := i - back
		if buf[j+length] == next && load4(buf, j) == x {
			if end := matchEnd(buf, j+4, i+4); end-i > length {
				length, found = end-i, back
				if length >= niceLength || end == len(buf) {
					break
				}
				next = buf[end]
			}
		}
		link = int(chain[(at-back)&(len(chain)-1)])
		if depth--; depth == 0 {
			break
		}
	}
	if found == 0 {
		return 0, 0
	}
	return length, found
}

// primeThorough makes the first n bytes of buf known to findThorough, as insert does.
func (e *Encoder) primeThorough(buf []byte, n int, base uint32) {
	table, chain, mask := &e.table, e.chain, e.mask
	at, end := base, base+uint32(max(0, min(n, len(buf)-3)))
	for end-at >= 4 && len(buf) >= 8 {
		x := load8(buf, 0)
		buf = buf[4:]
		// No branch: which places have a hash of before nobody can foresee.
		for k := range uint32(4) {
			entry := &table[hash4(uint32(x), mask)]
			link := min(at+k-*entry, maxWindow+1)
			*entry = at + k
			chain[int(at+k)&(len(chain)-1)] = uint16(link)
			x >>= 8
		}
		at += 4
	}
	for i := range int(end - at) {
		e.insert(buf, i, at)
	}
}

// link makes the chains large enough for the places of n bytes that a window can
// reach.
func (e *Encoder) link(n, window int) {
	size := min(window, 1<<bits.Len(uint(n)))
	if size <= cap(e.chain) {
		e.chain = e.chain[:size]
		return
	}
	e.chain = make([]uint16, size)
}
