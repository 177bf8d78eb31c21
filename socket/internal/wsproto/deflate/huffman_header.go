package deflate

// header is what a dynamic block begins with, RFC 1951 section 3.2.7: the lengths
// of the codewords of both alphabets, themselves coded.
type header struct {
	// item is a symbol of the code for lengths, above it the bits that follow it.
	item  [literalSymbols + distanceSymbols]uint16
	n     int // items
	count [lengthSymbols]uint32
	code  [32]codeword // of lengthSymbols
	sent  int          // lengths of code, in headerOrder

	literals, distances int // lengths of the two codes
}

// reset begins a header.
func (h *header) reset() {
	h.n = 0
	clear(h.count[:])
	clear(h.code[:])
}

// manyUsed is from how many used symbols on it pays to look for runs of equal
// lengths. Fewer have gaps between them and few runs.
const manyUsed = 128

// add appends the lengths of the code for an alphabet of which the given symbols
// are used, and returns how many. It passes over the others by their distance and
// looks at no length twice.
func (h *header) add(code []codeword, used []uint16) int {
	next := 0 // the first symbol that is not added
	if len(used) < manyUsed {
		for _, s := range used {
			if int(s) > next {
				h.zeros(int(s) - next)
			}
			h.put(uint16(code[s].size()))
			next = int(s) + 1
		}
		return next
	}
	for i := 0; i < len(used); {
		s := int(used[i])
		if s > next {
			h.zeros(s - next)
		}
		size := code[s].size()
		run := 1
		for i++; i < len(used) && int(used[i]) == s+run && code[used[i]].size() == size; i++ {
			run++
		}
		next = s + run
		h.put(uint16(size))
		for run--; run >= 3; run -= min(run, 6) {
			h.put(repeatLast | uint16(min(run, 6)-3)<<5)
		}
		for ; run > 0; run-- {
			h.put(uint16(size))
		}
	}
	return next
}

// addRuns appends the lengths of both codes, as items that cost little.
func (h *header) addRuns(length []uint8, price *[lengthSymbols]int32) {
	for i := 0; i < len(length); {
		k, n := uint16(length[i]), 1
		for i+n < len(length) && length[i+n] == length[i] {
			n++
		}
		i += n
		if k == 0 {
			for ; n >= 11; n -= min(n, 138) {
				h.put(zeroRun[min(n, 138)])
			}
			if n >= 3 && price[repeatZero] <= int32(n)*price[0] {
				h.put(zeroRun[n])
				n = 0
			}
		} else {
			h.put(k)
			n--
			for n >= 3 {
				r := repeated(n, price[k], price[repeatLast])
				if r == 0 {
					break
				}
				h.put(repeatLast | uint16(r-3)<<5)
				n -= r
			}
		}
		for ; n > 0; n-- {
			h.put(k)
		}
	}
}

// repeated returns how many of n equal lengths, at least 3, the next item stands for; 0
// if it is cheaper to have each of them by itself.
func repeated(n int, one, repeat int32) int {
	switch {
	case n <= 6 && int32(n)*one <= repeat:
		return 0
	case (n == 7 || n == 8) && repeat < int32(n-6)*one:
		return n - 4 // and another item for the rest
	}
	return min(n, 6)
}

func (h *header) zeros(run int) {
	for ; run > 138; run -= 138 {
		h.put(repeatZeros | (138-11)<<5)
	}
	h.put(zeroRun[run])
	if run == 2 {
		h.put(0)
	}
}

// zeroRun has the item for each number of zeros, or the first of two.
var zeroRun = func() (t [139]uint16) {
	for run := range t {
		switch {
		case run >= 11:
			t[run] = repeatZeros | uint16(run-11)<<5
		case run >= 3:
			t[run] = repeatZero | uint16(run-3)<<5
		}
	}
	return t
}()

func (h *header) put(item uint16) {
	h.item[h.n] = item
	h.n++
	h.count[item&31]++
}

// finish makes the code for lengths and returns how many bits the header has.
func (h *header) finish(b *huffman) int {
	b.gather(h.count[:])
	b.build(h.code[:], h.count[:], 7)
	h.sent = lengthSymbols
	for h.sent > 4 && h.code[headerOrder[h.sent-1]] == 0 {
		h.sent--
	}
	bits := 5 + 5 + 4 + 3*h.sent
	for _, s := range b.used[:b.n] {
		bits += int(h.count[s]) * int(h.code[s].size())
	}
	return bits + 2*int(h.count[repeatLast]) + 3*int(h.count[repeatZero]) + 7*int(h.count[repeatZeros])
}

// write writes the header.
func (h *header) write(w *bitWriter) {
	w.put(uint64(h.literals-257), 5)
	w.put(uint64(h.distances-1), 5)
	w.put(uint64(h.sent-4), 4)
	w.flush()
	for i, s := range headerOrder[:h.sent] {
		if i == lengthSymbols/2 {
			w.flush()
		}
		w.put(uint64(h.code[s].size()), 3)
	}
	w.flush()
	for _, item := range h.item[:h.n] {
		s := item & 31
		c := h.code[s]
		w.put(c.bits()|uint64(item>>5)<<c.size(), c.size()+uint(itemBits[s]))
		if w.fill >= 64-maxItem {
			w.flush()
		}
	}
	w.flush()
}

// itemBits is how many bits follow the codeword of an item.
var itemBits = [32]uint8{repeatLast: 2, repeatZero: 3, repeatZeros: 7}

// maxItem is the most bits that an item has.
const maxItem = 7 + 7
