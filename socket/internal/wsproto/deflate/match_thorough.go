package deflate

import "math/bits"

const (
	thoroughPatience = 256 // see fastPatience

	chainDepth = 16 // how many earlier places are compared
	lazyDepth  = 12 // how many for a better match at the next place
	goodLength = 32 // a match that is long enough to take without a look farther
	niceLength = 64 // and one not to look for a longer one at the same place
)

// chains is what findThorough knows of a message: places with the same hash, one
// after another. Places are numbered from the first byte of the history on, modulo
// 64 Ki. A number may stand for another place, or for one that was never put there: so a
// place is always compared, and chains are walked as long as they lead farther back.
type chains struct {
	heads [1 << tableBits]uint16 // the last place with a hash
	links []uint16               // for each place of a window, the one before it
}

// findThorough does what findFast does. It compares with several earlier places and
// takes a match only when the next byte does not begin a better one.
func (e *Encoder) findThorough(buf []byte, from int, m *message) (end int) {
	var (
		b      = &e.block
		c      = e.chains
		base   = uint16(m.base)
		window = m.window
		mask   = e.mask
		last   = len(buf) - 4
		done   = from
		i      = from

		patience = m.patience(thoroughPatience)
	)
	for i <= last {
		length, distance := 0, 0
		head := c.insert(load4(buf, i), base+uint16(i), mask)
		if back := int(base + uint16(i) - head); uint(back-1) < uint(min(window, i)) {
			length, distance = c.best(buf, i, back, head, min(window, i), minMatch, chainDepth)
		}
		if length == 0 {
			if i++; i-done > patience {
				i += min((i-done)/patience, maxStep)
			}
			continue
		}
		known := i // places up to this one are in the chains
		for length < goodLength && i+1 <= last {
			known++
			head := c.insert(load4(buf, known), base+uint16(known), mask)
			back := int(base + uint16(known) - head)
			if uint(back-1) >= uint(min(window, known)) {
				break
			}
			length2, distance2 := c.best(buf, known, back, head, min(window, known), length-1, lazyDepth)
			if length2 < length || 4*(length2-length)+bits.Len(uint(distance))-bits.Len(uint(distance2)) <= 2 {
				break
			}
			i, length, distance = known, length2, distance2
		}
		b.match(buf[done:i], length, distance)
		done = i + length
		c.insertAll(buf, known+1, min(done, last+1), base, mask)
		i = done
		if b.full() {
			return done
		}
	}
	b.literals(buf[done:])
	return len(buf)
}

// insert makes a place known, whose bytes are those of x, and returns the last one with
// the same hash.
func (c *chains) insert(x uint32, at uint16, mask uint32) (head uint16) {
	entry := &c.heads[hash4(x, mask)]
	head = *entry
	*entry = at
	c.links[int(at)&(len(c.links)-1)] = head
	return head
}

// insertAll makes the places from i to end known.
func (c *chains) insertAll(buf []byte, i, end int, base uint16, mask uint32) {
	heads, links := &c.heads, c.links
	at := base + uint16(i)
	for ; i+4 <= end && i+8 <= len(buf); i += 4 {
		x := load8(buf, i)
		entry := &heads[hash4(uint32(x), mask)]
		links[int(at)&(len(links)-1)] = *entry
		*entry = at
		entry = &heads[hash4(uint32(x>>8), mask)]
		links[int(at+1)&(len(links)-1)] = *entry
		*entry = at + 1
		entry = &heads[hash4(uint32(x>>16), mask)]
		links[int(at+2)&(len(links)-1)] = *entry
		*entry = at + 2
		entry = &heads[hash4(uint32(x>>24), mask)]
		links[int(at+3)&(len(links)-1)] = *entry
		*entry = at + 3
		at += 4
	}
	for ; i < end; i++ {
		c.insert(load4(buf, i), at, mask)
		at++
	}
}

// best returns the longest match of a place, if it is longer than length. head is the
// last place with the same hash, and back how far before it that is. It compares with
// depth places at most, and with none farther back than reach.
func (c *chains) best(buf []byte, i, back int, head uint16, reach, length, depth int) (longest, distance int) {
	if i+length >= len(buf) {
		return 0, 0
	}
	var (
		found = 0
		place = head + uint16(back) // that of i
		links = c.links
		x     = load4(buf, i)
		next  = buf[i+length] // the byte that would make a match longer than the best
	)
	for {
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
		if depth--; depth == 0 {
			break
		}
		head = links[int(head)&(len(links)-1)]
		nearer := back
		back = int(place - head)
		if back <= nearer || back > reach {
			break
		}
	}
	if found == 0 {
		return 0, 0
	}
	return length, found
}

// link makes the chains empty, and large enough for the places of n bytes that a
// window can reach.
func (e *Encoder) link(n, window int) {
	if e.chains == nil {
		e.chains = new(chains)
	}
	c := e.chains
	size := min(window, 1<<bits.Len(uint(n)))
	if size > cap(c.links) {
		c.links = make([]uint16, size)
	}
	c.links = c.links[:size]
	clear(c.links)
	clear(c.heads[:e.mask+1])
}
