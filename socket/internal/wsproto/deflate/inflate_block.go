package deflate

import "encoding/binary"

// block inflates what a block has behind its codes.
func (d *Decoder) block(c *blockCodes) error {
	for {
		length, distance := d.fast(c)
		if length == 0 {
			var err error
			if length, distance, err = d.symbol(c); err != nil {
				return err
			}
			switch length {
			case 0:
				return nil
			case 1:
				continue
			}
		}
		if err := d.copy(length, distance); err != nil {
			return err
		}
	}
}

// symbol inflates one symbol, whatever it is. It returns the length and the distance of
// a match, a length of 1 for a literal, which is in the message already, and of 0
// at the end of the block.
func (d *Decoder) symbol(c *blockCodes) (length, distance uint, err error) {
	if err := d.load(); err != nil {
		return 0, 0, err
	}
	r := d.bits
	e := c.literals[r.hold&c.literalMask]
	if e&entrySecond != 0 && e < entryLiteral {
		r = r.skip(e)
		e = c.literals[uint64(e>>entryValueShift)+r.hold&(1<<(e>>entryCodeShift&entryCodeMask)-1)]
	}
	switch {
	case e >= entryLiteral:
		if d.n == len(d.out) {
			if err := d.grow(1); err != nil {
				return 0, 0, err
			}
		}
		d.out[d.n] = byte(e >> entryValueShift)
		d.n++
		d.bits = r.skip(e)
		return 1, 0, nil
	case e&entryExceptional != 0:
		d.bits = r.skip(e)
		if e&entryEnd == 0 {
			return 0, 0, ErrCorrupt
		}
		return 0, 0, nil
	}
	length = uint(e>>entryValueShift) + r.extra(e)
	r = r.skip(e).load(d.near)
	e = c.distances[r.hold&c.distanceMask]
	if e&entrySecond != 0 {
		r = r.skip(e)
		e = c.distances[uint64(e>>entryValueShift)+r.hold&(1<<(e>>entryCodeShift&entryCodeMask)-1)]
	}
	distance = uint(e>>entryValueShift) + r.extra(e)
	d.bits = r.skip(e)
	return length, distance, nil
}

// copy appends a match to the message. A distance of 0 stands for none.
func (d *Decoder) copy(length, distance uint) error {
	if distance == 0 {
		return ErrCorrupt
	}
	if length > uint(len(d.out)-d.n) {
		if err := d.grow(int(length)); err != nil {
			return err
		}
	}
	n := uint(d.n)
	end := n + length
	if distance > n {
		// It begins in the history, and may go on in what it copies.
		if n = d.copyHistory(d.out, n, end, distance-n); n == 0 {
			return ErrCorrupt
		}
	}
	repeat(d.out[:end], n, distance)
	d.n = int(end)
	return nil
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
