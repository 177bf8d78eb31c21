package deflate

import "math/bits"

// header reads the codes of a dynamic block, RFC 1951 section 3.2.7, and makes the
// tables of them.
func (d *Decoder) header() error {
	if err := d.load(); err != nil {
		return err
	}
	nlit := 257 + int(d.bits.take(5))
	ndist := 1 + int(d.bits.take(5))
	ncode := 4 + int(d.bits.take(4))
	if nlit > literalSymbols || ndist > distanceSymbols {
		return ErrCorrupt
	}
	var lengths [lengthSymbols]uint8
	r := d.bits
	for _, s := range headerOrder[:ncode] {
		if r.n < 3 {
			d.bits = r
			if err := d.load(); err != nil {
				return err
			}
			r = d.bits
		}
		lengths[s] = uint8(r.hold & 7)
		r = r.skip(3)
	}
	d.bits = r
	c := &d.builders[0]
	c.reset()
	for s, length := range lengths {
		c.add(s, int(length))
	}
	// The table of literals is made when this one has been used.
	mask, ok := c.build(d.codes.literals[:], lengthBits, lengthEntries[:])
	if !ok {
		return ErrCorrupt
	}
	if err := d.codeLengths(nlit, ndist, mask); err != nil {
		return err
	}
	var okLiterals, okDistances bool
	d.codes.literalMask, okLiterals = d.builders[0].build(d.codes.literals[:], literalBits, literalEntries[:])
	d.codes.distanceMask, okDistances = d.builders[1].build(d.codes.distances[:], distanceBits, distanceEntries[:])
	if !okLiterals || !okDistances {
		return ErrCorrupt
	}
	return nil
}

// codeLengths reads the lengths of the codes for literals and then for distances,
// which are one sequence to the codes that repeat, into the two builders.
func (d *Decoder) codeLengths(nlit, ndist int, mask uint64) error {
	const longest = lengthBits + 7 // extra bits
	d.builders[0].reset()
	d.builders[1].reset()
	c, first := &d.builders[0], 0
	r, near := d.bits, d.near
	for s, last := 0, -1; s < nlit+ndist; {
		if r.n < longest {
			if r.pos > len(near)-margin {
				d.bits = r
				if err := d.useTail(); err != nil {
					return err
				}
				r, near = d.bits, d.near
			}
			r = r.load(near)
		}
		if s >= nlit {
			c, first = &d.builders[1], nlit
		}
		e := d.codes.literals[r.hold&mask]
		length := int(e >> entryValueShift)
		if length < repeatLast {
			r = r.skip(e)
			if e&entryExceptional != 0 {
				d.bits = r
				return ErrCorrupt
			}
			c.add(s-first, length)
			last = length
			s++
			continue
		}
		repeat := 3 + int(r.extra(e))
		r = r.skip(e)
		switch length {
		case repeatLast:
			length = last
		case repeatZero:
			length = 0
		case repeatZeros:
			length = 0
			repeat += 11 - 3
		}
		if length < 0 || s+repeat > nlit+ndist {
			d.bits = r
			return ErrCorrupt
		}
		last = length
		if length == 0 {
			s += repeat
			continue
		}
		for range repeat {
			if s == nlit {
				c, first = &d.builders[1], nlit
			}
			c.add(s-first, length)
			s++
		}
	}
	d.bits = r
	return nil
}

// codeBuilder collects the lengths of the codes of an alphabet and makes a decoding
// table of them. The zero value is an alphabet without codes.
type codeBuilder struct {
	count   [maxCodeBits + 1]uint16    // of the codes of each length; of length 0 it means nothing
	n       int                        // how many symbols have a code
	symbols [literalSymbols + 2]uint32 // that have one, in order: see add
	sorted  [literalSymbols + 2]uint16 // the symbols alone, by the lengths of their codes
}

func (c *codeBuilder) reset() {
	c.count = [maxCodeBits + 1]uint16{}
	c.n = 0
}

// add gives the next symbol a code of length bits, 0 to 15, of which 0 is none.
// It has no branch, as no one could foretell which way it goes. An entry has the length
// in its low four bits, then the symbol, and from bit 16 on how many before it have a
// code of the same length: so build need not count again, one after another.
func (c *codeBuilder) add(symbol, length int) {
	before := &c.count[length&maxCodeBits]
	c.symbols[c.n] = uint32(*before)<<16 | uint32(symbol<<4|length)
	*before++
	c.n += (length + maxCodeBits) >> 4
}

// build makes the table, whose primary part is indexed with most bits at most, and
// returns how many bits index it. The codes are those of RFC 1951 section 3.2.2. It
// is not ok if there are more codes than there can be, or fewer than there must be
// for all bits to mean something. As zlib and compress/flate, it allows a single
// code of one bit, and no code at all: what is not there is invalid when it comes up.
func (c *codeBuilder) build(table []uint32, most int, values []uint32) (mask uint64, ok bool) {
	if c.n == 0 {
		table[0] = entryOf(entryInvalid, 1)
		return 0, true
	}
	shortest, longest := 1, maxCodeBits
	for c.count[shortest] == 0 {
		shortest++
	}
	for c.count[longest] == 0 {
		longest--
	}
	var next [maxCodeBits + 1]uint16 // where the symbols of each length go in sorted
	left, total := 1<<(shortest-1), uint16(0)
	for length := shortest; length <= longest; length++ {
		n := c.count[length]
		next[length] = total
		total += n
		left = 2*left - int(n) // once it is negative it stays so
	}
	if left != 0 {
		if c.n != 1 || longest != 1 {
			return 0, false
		}
		table[0], table[1] = entryOf(values[c.symbols[0]>>4&symbolMask], 1), entryOf(entryInvalid, 1)
		return 1, true
	}
	for _, s := range c.symbols[:c.n] {
		c.sorted[next[s&maxCodeBits]+uint16(s>>16)] = uint16(s) >> 4
	}
	sorted := c.sorted[:c.n]

	// A code is found with its first bit lowest, so the codes up to some length have
	// their places in a table of that many bits. The table for one bit more is twice
	// that table, with the codes of the new length put in. The codes follow one
	// another as numbers whose highest of 16 bits is the first.
	primary := min(most, longest)
	code := uint16(0)
	size := 1 << uint(shortest)
	for length := shortest; length <= primary; length++ {
		if length > shortest {
			copy(table[size:2*size], table[:size])
			size *= 2
		}
		step, add := uint16(1)<<(16-uint(length)), entryOf(0, length)
		n := c.count[length]
		for _, s := range sorted[:n] {
			table[reversed[code>>(16-literalBits)]] = values[s] + add
			code += step
		}
		sorted = sorted[n:]
	}
	if longest > primary {
		c.buildSecond(table, primary, longest, code, sorted, values)
	}
	return 1<<primary - 1, true
}

// reversed has codes with their first bit lowest, in as many bits as a primary table
// has at most.
var reversed = func() (t [1 << literalBits]uint16) {
	for i := range t {
		t[i] = bits.Reverse16(uint16(i) << (16 - literalBits))
	}
	return t
}()

// buildSecond makes the tables for the codes that are longer than primary bits, one
// for all codes that begin with the same primary bits. sorted are their symbols, and
// code is the first of them.
func (c *codeBuilder) buildSecond(table []uint32, primary, longest int, code uint16, sorted []uint16, values []uint32) {
	begin, end := 0, 1<<primary
	prefix := -1
	for length := primary + 1; length <= longest; length++ {
		for left := int(c.count[length]); left > 0; left-- {
			place := int(bits.Reverse16(code))
			if p := place & (1<<primary - 1); p != prefix {
				// As large as its longest code: the codes of each length are the
				// first that are left, until they fill it.
				prefix, begin = p, end
				second := length - primary
				for used := left; used < 1<<second; {
					second++
					used = 2*used + int(c.count[primary+second])
				}
				end = begin + 1<<second
				table[prefix] = uint32(begin)<<entryValueShift | entryExceptional | entrySecond |
					uint32(second)<<entryCodeShift | uint32(primary)
			}
			e := entryOf(values[sorted[0]], length-primary)
			sorted = sorted[1:]
			for i := begin + place>>primary; i < end; i += 1 << (length - primary) {
				table[i] = e
			}
			code += 1 << (16 - length)
		}
	}
}

// entryOf is the entry for a symbol with a code of length bits.
func entryOf(value uint32, length int) uint32 {
	return value + uint32(length)*(1<<entryCodeShift+1)
}
