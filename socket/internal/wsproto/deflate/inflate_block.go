package deflate

import "encoding/binary"

// block inflates what a block with codes has behind them.
func (d *Decoder) block(literals *literalTable, distances *distanceTable) error {
	literalMask := uint64(1)<<literals.bits - 1
	distanceMask := uint64(1)<<distances.bits - 1
	r, near := d.bits, d.near
	out, n := d.out, uint(d.n)
	for {
		if r.pos > len(near)-margin {
			d.bits, d.n = r, int(n)
			if err := d.useTail(); err != nil {
				return err
			}
			r, near = d.bits, d.near
		}
		r = r.load(near)

		// Three codes of the primary table leave bits for the code that is a length.
		e := literals.entries[r.hold&literalMask&literalIndex]
		if e >= entryLiteral {
			if n >= uint(len(out)) {
				if out = d.room(r, n, 1); out == nil {
					return ErrTooLong
				}
				continue
			}
			out[n] = byte(e >> entryValueShift)
			n++
			r = r.skip(e)
			e = literals.entries[r.hold&literalMask&literalIndex]
			if e >= entryLiteral {
				if n >= uint(len(out)) {
					continue
				}
				out[n] = byte(e >> entryValueShift)
				n++
				r = r.skip(e)
				e = literals.entries[r.hold&literalMask&literalIndex]
				if e >= entryLiteral {
					if n >= uint(len(out)) {
						continue
					}
					out[n] = byte(e >> entryValueShift)
					n++
					r = r.skip(e)
					continue
				}
			}
		}
		if e&entryExceptional != 0 {
			if e&entrySecond != 0 {
				second := r.hold >> (e & entryBitsMask) & (1<<(e>>entryCodeShift&entryCodeMask) - 1)
				skip := e & entryBitsMask
				e = literals.entries[uint64(e>>entryValueShift)+second]
				if e >= entryLiteral && n >= uint(len(out)) {
					if out = d.room(r, n, 1); out == nil {
						return ErrTooLong
					}
					continue
				}
				r = r.skip(skip)
				if e >= entryLiteral {
					out[n] = byte(e >> entryValueShift)
					n++
					r = r.skip(e)
					continue
				}
			}
			if e&entryExceptional != 0 {
				r = r.skip(e)
				d.bits, d.n = r, int(n)
				if e&entryEnd != 0 {
					return nil
				}
				return ErrCorrupt
			}
		}

		length := uint(e>>entryValueShift) + r.extra(e)
		r = r.skip(e)
		if r.n < maxCodeBits+13 { // extra bits
			r = r.load(near)
		}
		e = distances.entries[r.hold&distanceMask&distanceIndex]
		if e&entryExceptional != 0 {
			if e&entrySecond != 0 {
				r = r.skip(e)
				e = distances.entries[uint64(e>>entryValueShift)+r.hold&(1<<(e>>entryCodeShift&entryCodeMask)-1)]
			}
			if e&entryExceptional != 0 {
				d.bits, d.n = r.skip(e), int(n)
				return ErrCorrupt
			}
		}
		distance := uint(e>>entryValueShift) + r.extra(e)
		r = r.skip(e)

		end := n + length
		if distance <= n && distance >= 8 && end+15 <= uint(len(out)) {
			// Eight bytes at a time, and some of them beyond the end: most matches
			// are so short that there is no branch.
			from := n - distance
			binary.LittleEndian.PutUint64(out[n:n+8], binary.LittleEndian.Uint64(out[from:from+8]))
			binary.LittleEndian.PutUint64(out[n+8:n+16], binary.LittleEndian.Uint64(out[from+8:from+16]))
			for n, from = n+16, from+16; n < end; n, from = n+8, from+8 {
				binary.LittleEndian.PutUint64(out[n:n+8], binary.LittleEndian.Uint64(out[from:from+8]))
			}
			n = end
			continue
		}
		if end > uint(len(out)) {
			if out = d.room(r, n, int(length)); out == nil {
				return ErrTooLong
			}
		}
		if distance > n {
			// It begins in the history, and may go on in what it copies.
			if n = d.copyHistory(out, n, end, distance-n); n == 0 {
				d.bits = r
				return ErrCorrupt
			}
		}
		repeat(out[:end], n, distance)
		n = end
	}
}

// copyHistory fills out[n:end] with what is back bytes before the message, as far as
// there is any, and returns how far that is. It returns 0 if the history does not go
// back so far.
func (d *Decoder) copyHistory(out []byte, n, end, back uint) uint {
	if back > uint(d.held) {
		return 0
	}
	ring := d.ring
	from := d.end - int(back)
	if from < 0 {
		from += len(ring)
	}
	if to := uint(from) + 16; end-n <= min(back, 16) && to <= uint(len(ring)) && n+16 <= uint(len(out)) {
		// As above: most of them are short.
		binary.LittleEndian.PutUint64(out[n:n+8], binary.LittleEndian.Uint64(ring[to-16:to-8]))
		binary.LittleEndian.PutUint64(out[n+8:n+16], binary.LittleEndian.Uint64(ring[to-8:to]))
		return end
	}
	out = out[:end]
	if from >= d.end {
		n += uint(copy(out[n:], ring[from:]))
		from = 0
	}
	return n + uint(copy(out[n:], ring[from:d.end]))
}

// repeat fills out from n on with what is distance bytes before it. What has been
// copied is copied again, twice as much each time.
func repeat(out []byte, n, distance uint) {
	for from := n - distance; n < uint(len(out)); {
		n += uint(copy(out[n:], out[from:n]))
	}
}

// room saves where the block is and makes room for need more bytes. It returns nil
// if they pass the limit.
func (d *Decoder) room(r bitReader, n uint, need int) []byte {
	d.bits, d.n = r, int(n)
	if d.grow(need) != nil {
		return nil
	}
	return d.out
}
