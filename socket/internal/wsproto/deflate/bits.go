package deflate

import "encoding/binary"

// bitWriter appends bits to a slice, the least significant first. The slice has
// room for all that is written and for flushSlack bytes more, which its user sees
// to beforehand with [bitWriter.reserve].
type bitWriter struct {
	out  []byte // its length is the end of the reserved room
	n    int    // bytes of out that are written
	acc  uint64 // bits that are not
	fill uint   // how many: at most 7 after a flush
}

// flushSlack is what a flush stores beyond the bytes that it counts.
const flushSlack = 8

// reserve makes room for the given number of bits.
func (w *bitWriter) reserve(bits int) {
	need := w.n + (int(w.fill)+bits+7)/8 + flushSlack
	if need <= cap(w.out) {
		w.out = w.out[:need]
		return
	}
	w.out = append(w.out[:w.n], make([]byte, need-w.n)...)
}

// put adds the low n bits of v, of which no others are set. At most 56 bits may be
// put between two flushes.
func (w *bitWriter) put(v uint64, n uint) {
	w.acc |= v << (w.fill & 63)
	w.fill += n
}

// flush stores all whole bytes.
func (w *bitWriter) flush() {
	binary.LittleEndian.PutUint64(w.out[w.n:], w.acc)
	whole := w.fill &^ 7
	w.n += int(whole / 8)
	w.acc >>= whole & 63
	w.fill &= 7
}

// end pads the last byte with zeros and returns what is written.
func (w *bitWriter) end() []byte {
	w.flush()
	if w.fill > 0 {
		w.out[w.n] = byte(w.acc)
		w.n++
	}
	return w.out[:w.n]
}
