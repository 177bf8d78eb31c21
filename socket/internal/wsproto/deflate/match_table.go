package deflate

// find does what findFast does, with the table of the context. buf begins with the
// plaintext that the context holds.
func (c *Context) find(buf []byte, from int, m *message) (end int) {
	var (
		b        = &m.e.block
		base     = uint16(c.end) - uint16(c.held) // number of the first byte of buf
		window   = m.window
		last     = len(buf) - 4
		done     = from
		i        = from
		table    = c.table
		mask     = uint32(len(c.table) - 1)
		patience = m.patience(fastPatience)
	)
	for i <= last {
		x := load4(buf, i)
		entry := &table[contextHash(x, mask)]
		at := base + uint16(i)
		distance := int(at - *entry)
		*entry = at
		if uint(distance-1) >= uint(min(window, i)) || load4(buf, i-distance) != x {
			if i++; i-done > patience {
				i += min((i-done)/patience, maxStep)
			}
			continue
		}
		start, from := i, i-distance
		i = matchEnd(buf, from+4, i+4)
		for start > done && from > 0 && buf[start-1] == buf[from-1] {
			start--
			from--
		}
		b.match(buf[done:start], i-start, distance)
		done = i
		if b.full() {
			return done
		}
		if i <= last {
			// Of the places within the match two are known later.
			table[contextHash(load4(buf, i-1), mask)] = base + uint16(i-1)
			table[contextHash(load4(buf, i-2), mask)] = base + uint16(i-2)
		}
	}
	b.literals(buf[done:])
	return len(buf)
}

// index makes the end of the plaintext known to find: one place in four.
func (c *Context) index(end []byte) {
	table, mask, at := c.table, uint32(len(c.table)-1), uint16(c.end)-uint16(len(end))
	for len(end) >= 4 {
		table[contextHash(load4(end, 0), mask)] = at
		end = end[4:]
		at += 4
	}
}

// contextHash does what hash4 does, for the tables of contexts: the largest has twice
// as many places as the encoder's.
func contextHash(x uint32, mask uint32) uint32 {
	return x * 0x9E3779B1 >> (32 - (maxWindowBits - 1)) & mask
}

// makeTable makes the table as large as the ring wants it. With more bits of the hash
// what was in one place may now be in any of several.
func (c *Context) makeTable() {
	if len(c.table) == len(c.ring)/2 {
		return
	}
	table := make([]uint16, len(c.ring)/2)
	if len(c.table) > 0 {
		for part := table; len(part) > 0; part = part[len(c.table):] {
			copy(part, c.table)
		}
	}
	c.table = table
}
