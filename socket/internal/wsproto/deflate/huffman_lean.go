package deflate

// lean chooses the lengths of a block's codewords so that the block and its header are
// short together. A Huffman code is the shortest for the block alone; but of a message of
// some hundred bytes the header is a quarter, and it is shorter where neighbours have
// codewords of the same length, and where few lengths occur at all.
type lean struct {
	length [literalSymbols + distanceSymbols]uint8 // of the codewords of both alphabets
	item   [lengthSymbols]int32                    // prices of the header's items, extra bits included

	// Of the symbols of one alphabet that are used:
	way  [maxSymbols][leanLimit + 1]leanWay
	last [maxSymbols]uint8      // the cheapest length of each, as the last one
	sum  [maxSymbols + 1]uint32 // how often those before occur
	size [maxSymbols]uint8      // a length for each
	best [maxSymbols]uint8      // the cheapest of these

	sequence [literalSymbols + distanceSymbols]uint8
}

// leanWay is the cheapest way to the code of a symbol, and all before it, that ends with
// a codeword of a given length.
type leanWay struct {
	cost int32
	run  int32 // symbols that the last item of the header is for: 1, or 3 to 6 for a repetition
}

const (
	leanLimit  = 11 // length of the longest codeword
	leanTrials = 3
)

// begin forgets what headers cost so far.
func (l *lean) begin() {
	for s := range l.item {
		l.item[s] = int32(3+itemBits[s]) << priceShift
	}
}

// code chooses codes for the block, makes the header, and returns how many bits the block
// has.
func (l *lean) code(b *block) int {
	used, size := &b.huffman, 3+b.extra
	used.gather(b.literal[:])
	size += l.choose(l.length[:literalSymbols], b.literal[:], used.used[:used.n])
	used.gather(b.distance[:])
	size += l.choose(l.length[literalSymbols:], b.distance[:], used.used[:used.n])
	return size + l.header(b)
}

// header makes the header for the lengths and returns how many bits it has.
func (l *lean) header(b *block) int {
	h := &b.header
	h.reset()
	h.literals, h.distances = literalSymbols, distanceSymbols
	for l.length[h.literals-1] == 0 {
		h.literals-- // the end of the block has a codeword
	}
	for l.length[literalSymbols+h.distances-1] == 0 {
		h.distances--
	}
	// RFC 1951 section 3.2.7: runs may cross from one code to the other.
	n := copy(l.sequence[:], l.length[:h.literals])
	n += copy(l.sequence[n:], l.length[literalSymbols:][:h.distances])
	h.addRuns(l.sequence[:n], &l.item)
	return h.finish(&b.huffman)
}

// learn takes the prices of a header that was made.
func (l *lean) learn(h *header) {
	longest := uint(0)
	for _, c := range h.code[:lengthSymbols] {
		longest = max(longest, c.size())
	}
	for s := range l.item {
		size := h.code[s].size()
		if size == 0 {
			size = longest + 1
		}
		l.item[s] = int32(size+uint(itemBits[s])) << priceShift
	}
}

// codewords gives the symbols of the block codewords of the lengths.
func (l *lean) codewords(b *block) {
	b.huffman.canonical(b.literalCode[:], l.length[:literalSymbols])
	b.huffman.canonical(b.distanceCode[:], l.length[literalSymbols:])
}

// choose writes the lengths for an alphabet of which the given symbols are used, and
// returns how many bits they have in the block.
func (l *lean) choose(length []uint8, count []uint32, used []uint16) (size int) {
	clear(length)
	if len(used) == 2 {
		length[used[0]], length[used[1]] = 1, 1
		return int(count[used[0]] + count[used[1]])
	}
	for i, s := range used {
		l.sum[i+1] = l.sum[i] + count[s]
	}
	// A codeword of k bits takes 2^-k of the code, and is charged for it. The charge at
	// which all of them just fit is found by trial. It is 1/ln 2 for each occurrence of a
	// symbol where there is no header.
	charge := int32(l.sum[len(used)]) * 92
	low, high := int32(0), int32(0)
	best := int32(priceless)
	for range leanTrials {
		free := l.trial(count, used, charge)
		l.repair(count, used, free)
		if c := l.price(count, used); c < best {
			best = c
			copy(l.best[:], l.size[:len(used)])
		}
		switch {
		case free == 0:
			low, high = charge, charge
		case free > 0:
			high = charge
		default:
			low = charge
		}
		switch {
		case high == 0:
			charge += charge / 4
		case low == 0:
			charge -= charge / 4
		default:
			charge = (low + high) / 2
		}
		if low == high {
			break
		}
	}
	for i, s := range used {
		length[s] = l.best[i]
		size += int(count[s]) * int(l.best[i])
	}
	return size
}

// trial finds the lengths that are cheapest at the given charge, a shortest path, and
// returns how much of the code they leave free, in parts of 1<<leanLimit.
func (l *lean) trial(count []uint32, used []uint16, charge int32) (free int) {
	// A quarter of the codewords that there could be is more than symbols need.
	limit := 7
	for limit < leanLimit && 1<<limit < 4*len(used) {
		limit++
	}
	before, next := int32(0), uint16(0) // what the cheapest way up to here costs
	for i, s := range used {
		before += l.gap(int(s - next))
		next = s + 1
		ways := &l.way[i]
		for k := 1; k <= limit; k++ {
			bits := int32(count[s]) * int32(k) << priceShift
			ways[k] = leanWay{before + l.item[k] + bits + charge>>k, 1}
		}
		for r := 3; r <= 6 && i >= r && int(s-used[i-r]) == r; r++ {
			n := int32(l.sum[i+1] - l.sum[i+1-r])
			for k := 1; k <= limit; k++ {
				x := l.way[i-r][k].cost + l.item[repeatLast] + n*int32(k)<<priceShift + int32(r)*(charge>>k)
				if x < ways[k].cost {
					ways[k] = leanWay{x, int32(r)}
				}
			}
		}
		before = priceless
		for k := 1; k <= limit; k++ {
			if ways[k].cost < before {
				before = ways[k].cost
				l.last[i] = uint8(k)
			}
		}
	}
	free = 1 << leanLimit
	k := uint8(0) // of a run that has begun, from behind
	for i := len(used) - 1; i >= 0; {
		if k == 0 {
			k = l.last[i]
		}
		run := l.way[i][k].run
		for range run {
			l.size[i] = k
			free -= 1 << (leanLimit - k)
			i--
		}
		if run == 1 {
			k = 0
		}
	}
	return free
}

// repair makes the lengths fill the code, of which they leave so much free, or take more
// than there is.
func (l *lean) repair(count []uint32, used []uint16, free int) {
	for free < 0 {
		at, least, frees := 0, int64(priceless), int64(1)
		for i, s := range used {
			k := l.size[i]
			if k == leanLimit {
				continue
			}
			f := int64(min(1<<(leanLimit-k-1), -free))
			if c := int64(count[s])<<priceShift + int64(l.item[k+1]-l.item[k]); c*frees < least*f {
				at, least, frees = i, c, f
			}
		}
		free += 1 << (leanLimit - l.size[at] - 1)
		l.size[at]++
	}
	for free > 0 {
		// What is free is a multiple of what one of the longest takes.
		at, most, takes := -1, int64(0), int64(1)
		for i, s := range used {
			k := l.size[i]
			t := int64(1) << (leanLimit - k)
			if t > int64(free) {
				continue
			}
			if c := int64(count[s])<<priceShift + int64(l.item[k]-l.item[k-1]); at < 0 || c*takes > most*t {
				at, most, takes = i, c, t
			}
		}
		free -= 1 << (leanLimit - l.size[at])
		l.size[at]--
	}
}

// price is what the lengths cost in the block and in the header.
func (l *lean) price(count []uint32, used []uint16) (price int32) {
	next, last, run := uint16(0), uint8(0), 0
	for i, s := range used {
		k := l.size[i]
		price += int32(count[s]) * int32(k) << priceShift
		if s == next && k == last {
			run++
		} else {
			price += l.again(last, run) + l.gap(int(s-next)) + l.item[k]
			last, run = k, 0
		}
		next = s + 1
	}
	return price + l.again(last, run)
}

// again is the price of a length that comes n times more.
func (l *lean) again(k uint8, n int) (price int32) {
	for n >= 3 {
		r := repeated(n, l.item[k], l.item[repeatLast])
		if r == 0 {
			break
		}
		price += l.item[repeatLast]
		n -= r
	}
	return price + int32(n)*l.item[k]
}

// gap is the price of n symbols that are not used.
func (l *lean) gap(n int) (price int32) {
	for ; n >= 11; n -= min(n, 138) {
		price += l.item[repeatZeros]
	}
	if n >= 3 {
		return price + min(l.item[repeatZero], int32(n)*l.item[0])
	}
	return price + int32(n)*l.item[0]
}
