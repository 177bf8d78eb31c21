package deflate

import "math/bits"

const (
	noiseSpan  = 128 // bytes of each sample
	noiseSpans = 4
	noiseLeast = 256 // fewer bytes do not tell

	// noiseText is how much of a message that looks random is searched for matches
	// before it is given up.
	noiseText = 4 << 10
)

// looksRandom reports whether the bytes of src are as evenly spread as those of
// encrypted or compressed data. It looks at four places.
func looksRandom(src []byte) bool {
	if len(src) < noiseSpans*noiseSpan {
		return false
	}
	step := (len(src) - noiseSpan) / (noiseSpans - 1)
	high := 0 // how many are 128 or more
	for i := range noiseSpans {
		for span := src[i*step:][:noiseSpan]; len(span) >= 8; span = span[8:] {
			high += bits.OnesCount64(load8(span, 0) & 0x8080808080808080)
		}
	}
	if high < noiseSpans*noiseSpan/4 {
		return false // as most text: it is not worth to look closer
	}
	var count [256]uint32
	for i := range noiseSpans {
		for _, c := range src[i*step:][:noiseSpan] {
			count[c]++
		}
	}
	return even(count[:], noiseSpans*noiseSpan)
}

// looksRandom reports whether the block, of n bytes, has hardly a match, and literals
// that no code makes shorter.
func (b *block) looksRandom(n int) bool {
	return n >= noiseLeast && b.matched <= n/32 && even(b.literal[:endOfBlock], n-b.matched)
}

// even reports whether n bytes that occur so often have an entropy of nearly 8 bits
// each: whether two of them are equal about as seldom as by chance.
func even(count []uint32, n int) bool {
	pairs := int64(0)
	for _, c := range count {
		pairs += int64(c) * (int64(c) - 1)
	}
	// By chance there are n (n-1) / 256, give or take a few of n / 16.
	return 256*pairs <= int64(n)*int64(n-1)*9/8
}
