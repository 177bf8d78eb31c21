package deflate

// fastPatience is how many literals in a row the search goes through one by one. Then
// its steps get longer.
const fastPatience = 64

// findFast adds the sequences of buf[from:end] to the block and returns end, which is
// the end of buf unless the block is full. It takes the first match that it sees.
func (e *Encoder) findFast(buf []byte, from int, m *message) (end int) {
	var (
		b        = &e.block
		base     = m.base
		window   = uint32(m.window)
		last     = len(buf) - 4 // the last place with four bytes
		done     = from         // what the sequences describe ends here
		i        = from
		table    = &e.table
		mask     = e.mask
		patience = m.patience(fastPatience)
	)
	for i <= last {
		x := load4(buf, i)
		entry := &table[hash4(x, mask)]
		at := base + uint32(i)
		distance := at - *entry
		*entry = at
		if distance-1 >= window || load4(buf, i-int(distance)) != x {
			if i++; i-done > patience {
				i += min((i-done)/patience, maxStep)
			}
			continue
		}
		start, from := i, i-int(distance)
		i = matchEnd(buf, from+4, i+4)
		for start > done && from > 0 && buf[start-1] == buf[from-1] {
			start--
			from--
		}
		b.match(buf[done:start], i-start, int(distance))
		done = i
		if b.full() {
			return done
		}
		if i <= last {
			// Of the places within the match two are known later.
			table[hash4(load4(buf, i-1), mask)] = base + uint32(i-1)
			table[hash4(load4(buf, i-2), mask)] = base + uint32(i-2)
		}
	}
	b.literals(buf[done:])
	return len(buf)
}

// primeFast makes the history known to findFast: one place in four. As it extends
// matches to the front, it misses nothing of a longer one.
func (e *Encoder) primeFast(history []byte, base uint32) {
	table, mask := &e.table, e.mask
	for len(history) >= 8 {
		x := load8(history, 0)
		table[hash4(uint32(x), mask)] = base
		table[hash4(uint32(x>>32), mask)] = base + 4
		history = history[8:]
		base += 8
	}
	if len(history) >= 4 {
		table[hash4(load4(history, 0), mask)] = base
	}
}
