package deflate

import (
	"math"
	"math/bits"
)

const (
	maxSymbols  = 288 // of the largest alphabet, literals and lengths
	symbolBits  = 9
	symbolMask  = 1<<symbolBits - 1
	smallCounts = 32 // counts below are sorted by counting
)

// codeword is the bits of a code, the first in the lowest place, above a byte with
// their number.
type codeword uint32

func (c codeword) bits() uint64 { return uint64(c >> 8) }
func (c codeword) size() uint   { return uint(c & 0xff) }

// huffman makes a Huffman code of limited length. It is what the codes of one
// block are made with, one after another.
type huffman struct {
	used [maxSymbols + 1]uint16 // the used symbols in rising order
	n    int                    // of them

	leaf   [maxSymbols + 2]uint32 // by rising count: the count above the symbol
	weight [maxSymbols + 2]uint32 // of the inner nodes of the tree, in rising order
	parent [maxSymbols + 2]uint16 // of an inner node; then its depth
}

// gather lists the symbols that count says occur. A code has two symbols at least, as
// zlib's have: some decoders take no other. So one or two may be among them that do
// not occur.
func (h *huffman) gather(count []uint32) {
	n, s := 0, 0
	for ; s+8 <= len(count); s += 8 {
		c := count[s : s+8 : s+8]
		if c[0]|c[1]|c[2]|c[3]|c[4]|c[5]|c[6]|c[7] == 0 {
			continue
		}
		for k := range c {
			h.used[n] = uint16(s + k)
			if c[k] != 0 {
				n++ // no branch: which symbols are used nobody can foresee
			}
		}
	}
	for ; s < len(count); s++ {
		h.used[n] = uint16(s)
		if count[s] != 0 {
			n++
		}
	}
	if n < 2 {
		only := uint16(0)
		if n == 1 {
			only = h.used[0]
		}
		h.used[0], h.used[1] = 0, max(only, 1)
		n = 2
	}
	h.n = n
}

// build writes to code the codewords for the gathered symbols, no longer than limit.
// The others keep what they were.
func (h *huffman) build(code []codeword, count []uint32, limit int) {
	var lengths [maxCodeBits + 1]uint16 // how many codewords have a length
	if h.n > 2 {
		h.sort(count)
		h.tree()
		h.lengths(&lengths, limit)
	} else {
		h.leaf[0], h.leaf[1] = uint32(h.used[0]), uint32(h.used[1])
		lengths[1] = 2
	}
	longest := limit
	for lengths[longest] == 0 {
		longest--
	}
	leaf := h.leaf[:h.n]
	for size := longest; size > 0; size-- {
		n := int(lengths[size])
		for _, x := range leaf[:n] {
			code[x&symbolMask] = codeword(size)
		}
		leaf = leaf[n:]
	}
	h.assign(code, &lengths, longest)
}

// assign gives the gathered symbols codewords of the lengths that are in code. lengths
// has how many there are of each, up to the longest.
func (h *huffman) assign(code []codeword, lengths *[maxCodeBits + 1]uint16, longest int) {
	// RFC 1951 section 3.2.2: codewords of one length are consecutive.
	var next [maxCodeBits + 1]uint16
	first := uint16(0)
	for size := 1; size <= longest; size++ {
		next[size] = first
		first = (first + lengths[size]) << 1
	}
	for _, s := range h.used[:h.n] {
		size := code[s] & maxCodeBits
		c := bits.Reverse16(next[size] << (16 - size))
		next[size]++
		code[s] = codeword(c)<<8 | size
	}
}

// canonical writes to code the codewords of the given lengths, which fill the code.
func (h *huffman) canonical(code []codeword, length []uint8) {
	var lengths [maxCodeBits + 1]uint16
	h.n = 0
	for s, k := range length {
		if k != 0 {
			h.used[h.n] = uint16(s)
			h.n++
			code[s] = codeword(k)
			lengths[k]++
		}
	}
	h.assign(code, &lengths, maxCodeBits)
}

// sort lists the used symbols by rising count.
func (h *huffman) sort(count []uint32) {
	var start [smallCounts]uint16 // where the symbols with a count go
	used := h.used[:h.n]
	most := uint32(0)
	for _, s := range used {
		c := min(count[s], smallCounts-1)
		start[c]++
		most = max(most, c)
	}
	sum := uint16(0)
	for c := range start[:most+1] {
		sum, start[c] = sum+start[c], sum
	}
	large := len(used)
	if most == smallCounts-1 {
		large = int(start[most])
	}
	for _, s := range used {
		c := count[s]
		at := &start[min(c, smallCounts-1)]
		h.leaf[*at] = c<<symbolBits | uint32(s)
		*at++
	}
	// The small counts are in order. Few are large.
	sorted := h.leaf[large:h.n]
	for i := 1; i < len(sorted); i++ {
		x := sorted[i]
		j := i
		for ; j > 0 && sorted[j-1] > x; j-- {
			sorted[j] = sorted[j-1]
		}
		sorted[j] = x
	}
}

// tree joins the two lightest nodes until there is one. Leaves and inner nodes are
// both in order, so these are among the first two of each. Which they are nobody can
// foresee: there is no branch on it.
func (h *huffman) tree() {
	h.leaf[h.n], h.leaf[h.n+1] = math.MaxUint32, math.MaxUint32 // the end
	leaf, inner := 0, 0
	for i := range h.n - 1 {
		h.weight[i], h.weight[i+1] = math.MaxUint32, math.MaxUint32 // the end so far
		a0, a1 := h.leaf[leaf]>>symbolBits, h.leaf[leaf+1]>>symbolBits
		b0, b1 := h.weight[inner], h.weight[inner+1]
		h.parent[inner], h.parent[inner+1] = uint16(i), uint16(i) // for good if taken
		h.weight[i] = min(a0, b1) + min(a1, b0)
		leaf += 2
		if b0 < a1 {
			inner++
			leaf--
		}
		if b1 < a0 {
			inner++
			leaf--
		}
	}
}

// lengths counts the leaves at each depth of the tree.
func (h *huffman) lengths(lengths *[maxCodeBits + 1]uint16, limit int) {
	depth := &h.parent // an inner node's parent is behind it, and has its depth by now
	i := h.n - 2       // the next inner node: they lie by falling depth
	depth[i] = 0
	deepest := 0
	for nodes := 1; nodes > 0; deepest++ {
		inner := 0
		for ; i >= 0 && int(depth[i]) == deepest; inner++ {
			if i--; i >= 0 {
				depth[i] = depth[depth[i]] + 1
			}
		}
		lengths[min(deepest, limit)] += uint16(nodes - inner)
		nodes = 2 * inner
	}
	if deepest--; deepest <= limit {
		return
	}
	// Those below the limit have moved up and take more than there is. Each time a
	// leaf above it moves down by one and lets one of them in beside it.
	taken := 0
	for size, n := range lengths[:limit+1] {
		taken += int(n) << (limit - size)
	}
	for ; taken > 1<<limit; taken-- {
		size := limit - 1
		for lengths[size] == 0 {
			size--
		}
		lengths[size]--
		lengths[size+1] += 2
		lengths[limit]--
	}
}
