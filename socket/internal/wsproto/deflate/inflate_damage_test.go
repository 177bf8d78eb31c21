package deflate_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
	"github.com/kleeedolinux/socket.go/socket/internal/wstest"
)

// verdicts counts what became of payloads.
type verdicts struct {
	accepted, refused int
	// Refused here, and taken by compress/flate with a tail: because the payload ends
	// in the middle of a block and the tail happens to end that, or because
	// what is wrong stands behind a final block, where compress/flate stops.
	tailWasCode, behindFinal int

	flate io.Reader
}

func (v *verdicts) String() string {
	return fmt.Sprintf("%d accepted, %d refused, tail was code %d, behind a final block %d", v.accepted, v.refused, v.tailWasCode, v.behindFinal)
}

// judge inflates a payload in three ways. The oracle's verdict is ours exactly.
// compress/flate accepts all that we accept, with the same text up to a final block.
func (v *verdicts) judge(t *testing.T, d *deflate.Decoder, payload, history []byte) {
	t.Helper()
	const limit = 1 << 18
	got, err := d.Inflate(nil, payload, history, limit)
	if errors.Is(err, deflate.ErrTooLong) || errors.Is(err, deflate.ErrFinalBlocks) {
		return
	}
	want, _, wantErr := wstest.Inflate(payload, history)
	if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
		t.Errorf("Inflate(%x) = %x, %v, and the oracle says %x, %v", payload, got, err, want, wantErr)
	}
	// compress/flate takes no byte that it does not need from a reader of bytes.
	in := bytes.NewReader(slices.Concat(payload, []byte(tail+"\x01\x00\x00\xff\xff")))
	if v.flate == nil {
		v.flate = flate.NewReader(in)
	}
	v.flate.(flate.Resetter).Reset(in, history)
	text, flateErr := io.ReadAll(v.flate)
	stopped := in.Len() >= len(tail)+5 // at a final block of the payload
	switch {
	case len(payload) == 0 && err == nil && len(got) == 0:
		v.accepted++ // compress/flate misses the block that was to end it
	case err == nil && flateErr != nil:
		t.Errorf("Inflate(%x) = %x, and compress/flate says %v", payload, got, flateErr)
	case err == nil:
		v.accepted++
		if !bytes.HasPrefix(got, text) || !stopped && len(text) != len(got) {
			t.Errorf("Inflate(%x) = %x, and compress/flate has %x", payload, got, text)
		}
	case flateErr != nil:
		v.refused++
	case stopped:
		v.behindFinal++
	case errors.Is(err, deflate.ErrTruncated):
		v.tailWasCode++
	default:
		t.Errorf("Inflate(%x) = %v, and compress/flate takes it all: %x", payload, err, text)
	}
}

func TestNoCutPayloadIsDelivered(t *testing.T) {
	var d deflate.Decoder
	var v verdicts
	sender := flateSender{}
	for _, size := range []int{20, 100, 500, 2 << 10} {
		for _, message := range inflateMix(size, 3) {
			for _, level := range []int{-2, 0, 1, 6, 9} {
				whole := sender.payload(level, message)
				for n := 1; n < len(whole); n++ {
					if whole[n-1] == 0 && n == 1 {
						continue // the empty message in full
					}
					if got, err := d.Inflate(nil, whole[:n], nil, 1<<16); !errors.Is(err, deflate.ErrTruncated) {
						t.Errorf("level %d, %d of %d bytes: %q, %v, want ErrTruncated", level, n, len(whole), got, err)
					}
					if size <= 100 {
						v.judge(t, &d, whole[:n], nil)
					}
				}
			}
		}
	}
	t.Log(&v)
}

func TestEveryFlippedBitHasTheOraclesVerdict(t *testing.T) {
	var d deflate.Decoder
	var v verdicts
	sender := flateSender{}
	for _, message := range inflateMix(120, 3) {
		for _, level := range []int{-2, 0, 1, 6} {
			whole := sender.payload(level, message)
			for bit := range 8 * len(whole) {
				damaged := bytes.Clone(whole)
				damaged[bit/8] ^= 1 << (bit % 8)
				v.judge(t, &d, damaged, nil)
			}
		}
	}
	if v.accepted < 1000 || v.refused < 1000 {
		t.Errorf("%v: both verdicts must be common, or the test compares nothing", &v)
	}
	t.Log(&v)
}

func TestShortPayloadsHaveTheOraclesVerdict(t *testing.T) {
	var d deflate.Decoder
	var v verdicts
	for a := range 256 {
		v.judge(t, &d, []byte{byte(a)}, nil)
		for b := range 256 {
			v.judge(t, &d, []byte{byte(a), byte(b)}, nil)
		}
	}
	t.Log(&v)
}

func TestRandomDamageHasTheOraclesVerdict(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 32))
	var d deflate.Decoder
	var v verdicts
	messages := slices.Concat(inflateMix(40, 60), inflateMix(100, 60), inflateMix(250, 20))
	history := bytes.Join(inflateMix(100, 10), nil)
	sender := flateSender{}
	for range 20_000 {
		message := messages[rng.IntN(len(messages))]
		payload := sender.payload([]int{-2, 0, 1, 6, 9}[rng.IntN(5)], message)
		switch rng.IntN(5) {
		case 0:
			payload = payload[:rng.IntN(len(payload)+1)]
		case 1:
			payload = append(payload, byte(rng.Uint32()))
		case 2:
			payload[rng.IntN(len(payload))] = byte(rng.Uint32())
		case 3:
			payload[0] |= 1 // BFINAL
			payload = append(payload, payload[:rng.IntN(len(payload))]...)
		default:
			for range 1 + rng.IntN(3) {
				payload[rng.IntN(len(payload))] ^= 1 << rng.IntN(8)
			}
		}
		v.judge(t, &d, payload, history[:rng.IntN(2)*len(history)])
	}
	if v.accepted < 1000 || v.refused < 1000 || v.tailWasCode == 0 || v.behindFinal == 0 {
		t.Errorf("%v: all verdicts must come up, or the test compares nothing", &v)
	}
	t.Log(&v)
}

func TestCodesAreAsStrictAsThoseOfCompressFlate(t *testing.T) {
	literals := func(set map[int]int) []int {
		lengths := make([]int, 286)
		for s, n := range set {
			lengths[s] = n
		}
		return lengths
	}
	type body func(w *blockWriter)
	nothing := func(w *blockWriter) {}
	tests := []struct {
		name      string
		literals  []int
		distances []int
		body      body // what stands behind the header: it may use the codes as they come
		want      error
	}{
		{"end of block alone, one bit", literals(map[int]int{256: 1}), []int{0}, func(w *blockWriter) { w.code(0, 1) }, nil},
		{"end of block alone, the other bit", literals(map[int]int{256: 1}), []int{0}, func(w *blockWriter) { w.code(1, 1) }, deflate.ErrCorrupt},
		{"end of block alone, two bits", literals(map[int]int{256: 2}), []int{0}, nothing, deflate.ErrCorrupt},
		{"no literals at all", literals(nil), []int{1, 1}, nothing, deflate.ErrCorrupt},
		{"a literal and no end of block", literals(map[int]int{'a': 1}), []int{0}, nothing, deflate.ErrTruncated},
		{"incomplete", literals(map[int]int{'a': 1, 256: 2}), []int{0}, nothing, deflate.ErrCorrupt},
		{"over-subscribed", literals(map[int]int{'a': 1, 'b': 1, 256: 1}), []int{0}, nothing, deflate.ErrCorrupt},
		{"over-subscribed behind a long code", literals(map[int]int{'a': 15, 'b': 1, 'c': 1}), []int{0}, nothing, deflate.ErrCorrupt},
		{"a literal", literals(map[int]int{'a': 1, 256: 1}), []int{0}, func(w *blockWriter) { w.code(0b01, 2) }, nil},
		{"reference without a distance code", literals(map[int]int{'a': 1, 256: 2, 257: 2}), []int{0},
			func(w *blockWriter) { w.code(0b0110, 4) }, deflate.ErrCorrupt},
		{"one distance code of one bit", literals(map[int]int{'a': 1, 256: 2, 257: 2}), []int{1},
			func(w *blockWriter) { w.code(0b011010, 6) }, nil},
		{"one distance code of one bit, the other bit", literals(map[int]int{'a': 1, 256: 2, 257: 2}), []int{1},
			func(w *blockWriter) { w.code(0b0111, 4); w.code(0b10, 2) }, deflate.ErrCorrupt},
		{"one distance code of two bits", literals(map[int]int{'a': 1, 256: 1}), []int{2}, nothing, deflate.ErrCorrupt},
		{"incomplete distances that are not used", literals(map[int]int{'a': 1, 256: 1}), []int{1, 2}, nothing, deflate.ErrCorrupt},
		{"over-subscribed distances", literals(map[int]int{'a': 1, 256: 1}), []int{1, 1, 1}, nothing, deflate.ErrCorrupt},
		{"287 literals", append(literals(map[int]int{'a': 1, 256: 1}), 0), []int{0}, nothing, deflate.ErrCorrupt},
		{"31 distances", literals(map[int]int{'a': 1, 256: 1}), make([]int, 31), nothing, deflate.ErrCorrupt},
	}
	var d deflate.Decoder
	var v verdicts
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := new(blockWriter)
			w.header(len(tt.literals), len(tt.distances), plainLengths(slices.Concat(tt.literals, tt.distances)...))
			tt.body(w)
			payload := w.payload()
			if got, err := d.Inflate(nil, payload, nil, 100); !errors.Is(err, tt.want) {
				t.Errorf("Inflate(%x) = %q, %v, want %v", payload, got, err, tt.want)
			}
			v.judge(t, &d, payload, nil)
		})
	}
}

func TestLengthsOfCodesThatRepeat(t *testing.T) {
	// 'a' and the end of the block have codes of one bit; what follows is behind 257 lengths.
	common := []codeLength{{18, 97 - 11}, {1, 0}, {18, 138 - 11}, {18, 20 - 11}, {1, 0}}
	tests := []struct {
		name        string
		lengths     []codeLength
		nlit, ndist int
		want        error
	}{
		{"as it should be", append(common, codeLength{0, 0}), 257, 1, nil},
		{"repeats the last before there is one", append([]codeLength{{16, 0}}, common...), 260, 1, deflate.ErrCorrupt},
		{"repeats the last before there is one, in a code that lacks three of 15 bits", slices.Concat(
			[]codeLength{{16, 0}, {18, 94 - 11}}, plainLengths(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13),
			[]codeLength{{18, 138 - 11}, {17, 8 - 3}, {15, 0}, {0, 0}}), 257, 1, deflate.ErrCorrupt},
		{"repeats zero from literals into distances", append(common, codeLength{18, 0}), 260, 8, nil},
		{"repeats zero that was repeated", append(common, codeLength{17, 0}, codeLength{16, 1}), 257, 7, nil},
		{"repeats zero that was repeated more", append(common, codeLength{18, 0}, codeLength{16, 1}), 257, 15, nil},
		{"repeats one from literals into distances", append(common, codeLength{0, 0}, codeLength{1, 0}, codeLength{16, 0}), 258, 4, deflate.ErrCorrupt},
		{"repeats two of three bits into distances", append(common, codeLength{0, 0}, codeLength{2, 0}, codeLength{16, 0}), 257, 5, nil},
		{"repeats to one beyond the end", append(common, codeLength{17, 0}), 257, 2, deflate.ErrCorrupt},
		{"repeats the last to one beyond the end", append(common, codeLength{0, 0}, codeLength{16, 0}), 257, 3, deflate.ErrCorrupt},
		{"repeats more to one beyond the end", append(common, codeLength{18, 0}), 257, 10, deflate.ErrCorrupt},
	}
	var d deflate.Decoder
	var v verdicts
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := new(blockWriter)
			w.header(tt.nlit, tt.ndist, tt.lengths)
			w.code(0b001, 3) // twice 'a', and the end
			payload := w.payload()
			want := ""
			if tt.want == nil {
				want = "aa"
			}
			if got, err := d.Inflate(nil, payload, nil, 100); !errors.Is(err, tt.want) || string(got) != want {
				t.Errorf("Inflate(%x) = %q, %v, want %q, %v", payload, got, err, want, tt.want)
			}
			v.judge(t, &d, payload, nil)
		})
	}
}

// TestLongestSymbolsInARow has two literals, a length and a distance with as many bits
// as they can have, again and again from every bit of a byte on.
func TestLongestSymbolsInARow(t *testing.T) {
	history := bytes.Join(inflateMix(2000, 20), nil)[:32<<10]
	chain := func(n int, order ...int) []int { // one code of each length, and two of 15
		lengths := make([]int, n)
		for i, s := range order {
			lengths[s] = min(i+1, 15)
		}
		return lengths
	}
	var d deflate.Decoder
	var v verdicts
	for _, literal := range []int{'i', 'j', 'k', 'n'} { // 9, 10, 11 and 14 bits
		literals := chain(286, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 256, 284)
		distances := chain(30, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 28, 29)
		literalCodes, distanceCodes := canonical(literals), canonical(distances)
		for first := range 8 {
			w := new(blockWriter)
			w.header(len(literals), len(distances), plainLengths(slices.Concat(literals, distances)...))
			for range first {
				w.code(literalCodes['a'], 1)
			}
			for i := range 40 {
				for range i % 4 {
					w.code(literalCodes[literal], literals[literal])
				}
				w.code(literalCodes[284], 15)
				w.put(30-i%2, 5)
				w.code(distanceCodes[29], 15)
				w.put(8191-i, 13)
			}
			w.code(literalCodes[256], 15)
			v.judge(t, &d, w.payload(), history)
		}
	}
	if v.accepted != 4*8 {
		t.Errorf("%v: all are whole", &v)
	}
}

// TestRandomCodesHaveTheOraclesVerdict makes codes of all shapes, complete and nearly so,
// and messages in them.
func TestRandomCodesHaveTheOraclesVerdict(t *testing.T) {
	rng := rand.New(rand.NewPCG(41, 42))
	history := bytes.Join(inflateMix(2000, 20), nil)[:32<<10]
	var d deflate.Decoder
	var v verdicts
	for i := range 3000 {
		literals := randomCode(rng, 257+rng.IntN(30), 2+rng.IntN(200))
		if literals[256] == 0 { // the end of the block needs a code
			s := slices.IndexFunc(literals, func(n int) bool { return n > 0 })
			literals[s], literals[256] = literals[256], literals[s]
		}
		distances := randomCode(rng, 1+rng.IntN(30), 1+rng.IntN(30))
		w := new(blockWriter)
		w.header(len(literals), len(distances), randomLengths(rng, slices.Concat(literals, distances)))
		w.symbols(rng, literals, distances, rng.IntN(100))
		payload := w.payload()
		if i%4 == 0 {
			payload[rng.IntN(len(payload))] ^= 1 << rng.IntN(8)
		}
		v.judge(t, &d, payload, history)
	}
	if v.accepted < 2000 || v.refused < 250 {
		t.Errorf("%v: both verdicts must be common, or the test compares nothing", &v)
	}
	t.Log(&v)
}

// randomCode returns the lengths of a complete code for used of n symbols.
func randomCode(rng *rand.Rand, n, used int) []int {
	used = min(used, n)
	leaves := []int{0}
	for len(leaves) < used {
		// Split a leaf, more often a deep one, so that long codes come up.
		i := len(leaves) - 1 - int(rng.ExpFloat64()*float64(1+rng.IntN(8)))
		if i < 0 || leaves[i] == 15 {
			if i = rng.IntN(len(leaves)); leaves[i] == 15 {
				continue
			}
		}
		leaves[i]++
		leaves = append(leaves, leaves[i])
	}
	if used == 1 {
		leaves[0] = 1 // the one code that need not be complete
	}
	lengths := make([]int, n)
	for k, s := range rng.Perm(n)[:used] {
		lengths[s] = leaves[k]
	}
	return lengths
}
