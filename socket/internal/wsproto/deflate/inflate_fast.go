package deflate

import "encoding/binary"

// fast inflates what a block has behind its codes as far as nothing special comes up,
// and leaves the rest to symbol and copy: the end of the payload or of the room for
// the message, a code that is longer than the primary table, the end of the block.
// A match that it has decoded and cannot copy it returns, with a distance of 0 if there
// is none.
//
// It calls nothing and has few variables, so that they stay in registers. That is
// what makes it fast: BenchmarkInflate.
func (d *Decoder) fast(c *blockCodes) (length, distance uint) {
	// With a capacity that is the length there is one variable less.
	near := d.near[:len(d.near):len(d.near)]
	out := d.out[:len(d.out):len(d.out)]
	hold, have, pos, n := d.bits.hold, d.bits.n, uint(d.bits.pos), uint(d.n)
	if pos+margin > uint(len(near)) || n+3 > uint(len(out)) {
		return 0, 0
	}
	hold |= binary.LittleEndian.Uint64(near[pos:pos+8]) << (have & 63)
	pos += (63 - have) >> 3
	have |= 56
	literalMask, distanceMask := c.literalMask, c.distanceMask
	e := c.literals[hold&literalMask]
	for {
		for e >= entryLiteral {
			out[n] = byte(e >> entryValueShift)
			n++
			hold >>= e & entryBitsMask
			have -= uint(e & entryBitsMask)
			e = c.literals[hold&literalMask]
			if e < entryLiteral {
				break
			}
			out[n] = byte(e >> entryValueShift)
			n++
			hold >>= e & entryBitsMask
			have -= uint(e & entryBitsMask)
			e = c.literals[hold&literalMask]
			if e < entryLiteral {
				break
			}
			out[n] = byte(e >> entryValueShift)
			n++
			hold >>= e & entryBitsMask
			have -= uint(e & entryBitsMask)
			// Three codes of the primary table leave bits for a fourth: it need not
			// wait for the load.
			e = c.literals[hold&literalMask]
			if pos+margin > uint(len(near)) || n+3 > uint(len(out)) {
				d.bits, d.n = bitReader{hold, have, int(pos)}, int(n)
				return 0, 0
			}
			hold |= binary.LittleEndian.Uint64(near[pos:pos+8]) << (have & 63)
			pos += (63 - have) >> 3
			have |= 56
		}
		if e&entryExceptional != 0 {
			break
		}
		length = uint(e>>entryValueShift) + uint(hold&(1<<(e&entryBitsMask)-1)>>(e>>entryCodeShift&entryCodeMask))
		hold >>= e & entryBitsMask
		have -= uint(e & entryBitsMask)
		e = c.distances[hold&distanceMask]
		hold |= binary.LittleEndian.Uint64(near[pos:pos+8]) << (have & 63)
		pos += (63 - have) >> 3
		have |= 56
		if e&entrySecond != 0 {
			hold >>= e & entryBitsMask
			have -= uint(e & entryBitsMask)
			e = c.distances[uint64(e>>entryValueShift)+hold&(1<<(e>>entryCodeShift&entryCodeMask)-1)]
		}
		distance = uint(e>>entryValueShift) + uint(hold&(1<<(e&entryBitsMask)-1)>>(e>>entryCodeShift&entryCodeMask))
		hold >>= e & entryBitsMask
		have -= uint(e & entryBitsMask)

		from, end := n-distance, n+length
		if distance < 8 || distance > n || end+39 > uint(len(out)) {
			d.bits, d.n = bitReader{hold, have, int(pos)}, int(n)
			return length, distance
		}
		e = c.literals[hold&literalMask]
		// Eight bytes at a time, and some of them beyond the end: with so many at once
		// there is hardly a branch that cannot be foretold.
		to, of := out[n:n+40], out[from:from+40]
		binary.LittleEndian.PutUint64(to, binary.LittleEndian.Uint64(of))
		binary.LittleEndian.PutUint64(to[8:], binary.LittleEndian.Uint64(of[8:]))
		binary.LittleEndian.PutUint64(to[16:], binary.LittleEndian.Uint64(of[16:]))
		binary.LittleEndian.PutUint64(to[24:], binary.LittleEndian.Uint64(of[24:]))
		binary.LittleEndian.PutUint64(to[32:], binary.LittleEndian.Uint64(of[32:]))
		for n, from = n+40, from+40; n < end; n, from = n+8, from+8 {
			binary.LittleEndian.PutUint64(out[n:n+8], binary.LittleEndian.Uint64(out[from:from+8]))
		}
		n = end
		if pos+margin > uint(len(near)) {
			break
		}
		hold |= binary.LittleEndian.Uint64(near[pos:pos+8]) << (have & 63)
		pos += (63 - have) >> 3
		have |= 56
	}
	d.bits, d.n = bitReader{hold, have, int(pos)}, int(n)
	return 0, 0
}
