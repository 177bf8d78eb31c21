package wstest

import "errors"

// Inflate inflates the payload of one compressed message, after a history of
// earlier plaintext. The message must end where the sender has taken 00 00 ff ff
// away, or right behind a final block. It returns how far the longest reference
// reaches back too.
//
// It is a second, slow implementation of RFC 1951 that reads one bit at a time.
// It knows where a message may end and how far its references reach, which
// compress/flate does not tell.
func Inflate(payload, history []byte) (out []byte, maxDistance int, err error) {
	o := &inflation{src: payload, out: append([]byte(nil), history...)}
	defer func() {
		if r := recover(); r != nil {
			if r != errDamaged {
				panic(r)
			}
			out, err = nil, errDamaged
		}
	}()
	o.message()
	return o.out[len(history):], o.maxDistance, nil
}

// inflation is one message that is being inflated.
type inflation struct {
	src         []byte
	bit         int
	out         []byte // history and message
	maxDistance int
}

var errDamaged = errors.New("wstest: compressed message is damaged or cut off")

func (o *inflation) message() {
	for len(o.src) > 0 {
		final, kind := o.bits(1), o.bits(2)
		if kind == 0 && (o.bit+7)/8 == len(o.src) {
			return
		}
		switch kind {
		case 0:
			o.stored()
		case 1:
			o.compressed(fixedCodes())
		case 2:
			o.compressed(o.codes())
		default:
			panic(errDamaged)
		}
		if final == 1 {
			// What follows a final block begins at the next byte.
			if o.bit = (o.bit + 7) / 8 * 8; o.bit == 8*len(o.src) {
				return
			}
		}
	}
}

// bits reads n bits, the least significant first.
func (o *inflation) bits(n int) int {
	v := 0
	for i := range n {
		if o.bit == 8*len(o.src) {
			panic(errDamaged)
		}
		v |= int(o.src[o.bit/8]>>(o.bit%8)&1) << i
		o.bit++
	}
	return v
}

func (o *inflation) stored() {
	o.bit = (o.bit + 7) / 8 * 8
	n, complement := o.bits(16), o.bits(16)
	if n != complement^0xFFFF {
		panic(errDamaged)
	}
	for range n {
		o.out = append(o.out, byte(o.bits(8)))
	}
}

// huffman is a code as in RFC 1951 section 3.2.2: how many codes each length has,
// and the symbols in the order of their codes.
type huffman struct {
	count   [16]int
	symbols []int
}

// newHuffman panics for lengths that no complete code has. A single code of one
// bit is allowed, and so is a code without symbols that is never used.
func newHuffman(lengths []int) *huffman {
	h := new(huffman)
	for length := 1; length < 16; length++ {
		for s, l := range lengths {
			if l == length {
				h.count[length]++
				h.symbols = append(h.symbols, s)
			}
		}
	}
	left := 1
	for _, n := range h.count[1:] {
		left = 2*left - n
		if left < 0 {
			panic(errDamaged)
		}
	}
	single := len(h.symbols) == 1 && h.count[1] == 1
	if left > 0 && len(h.symbols) > 0 && !single {
		panic(errDamaged)
	}
	return h
}

func (o *inflation) symbol(h *huffman) int {
	code, first, index := 0, 0, 0
	for _, n := range h.count[1:] {
		code |= o.bits(1)
		if code-first < n {
			return h.symbols[index+code-first]
		}
		index += n
		first = 2 * (first + n)
		code *= 2
	}
	panic(errDamaged)
}

func fixedCodes() (literals, distances *huffman) {
	lengths := make([]int, 288)
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	d := make([]int, 32)
	for i := range d {
		d[i] = 5
	}
	return newHuffman(lengths), newHuffman(d)
}

func (o *inflation) codes() (literals, distances *huffman) {
	nlit, ndist, ncode := o.bits(5)+257, o.bits(5)+1, o.bits(4)+4
	if nlit > 286 || ndist > 30 {
		panic(errDamaged)
	}
	order := [...]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	lengths := make([]int, 19)
	for _, i := range order[:ncode] {
		lengths[i] = o.bits(3)
	}
	code := newHuffman(lengths)
	lengths = lengths[:0]
	for len(lengths) < nlit+ndist {
		s := o.symbol(code)
		repeat, value := 1, s
		switch s {
		case 16:
			if len(lengths) == 0 {
				panic(errDamaged)
			}
			repeat, value = 3+o.bits(2), lengths[len(lengths)-1]
		case 17:
			repeat, value = 3+o.bits(3), 0
		case 18:
			repeat, value = 11+o.bits(7), 0
		}
		for range repeat {
			lengths = append(lengths, value)
		}
	}
	if len(lengths) > nlit+ndist {
		panic(errDamaged)
	}
	return newHuffman(lengths[:nlit]), newHuffman(lengths[nlit:])
}

func (o *inflation) compressed(literals, distances *huffman) {
	for {
		s := o.symbol(literals)
		switch {
		case s < 256:
			o.out = append(o.out, byte(s))
			continue
		case s == 256:
			return
		case s > 285:
			panic(errDamaged)
		}
		length := s - 254
		switch {
		case s == 285:
			length = 258
		case s > 264:
			extra := (s - 261) / 4
			length = (4+(s-261)%4)<<extra + 3 + o.bits(extra)
		}
		d := o.symbol(distances)
		if d > 29 {
			panic(errDamaged)
		}
		distance := d + 1
		if d > 3 {
			extra := d/2 - 1
			distance = (2+d%2)<<extra + 1 + o.bits(extra)
		}
		if distance > len(o.out) {
			panic(errDamaged)
		}
		o.maxDistance = max(o.maxDistance, distance)
		for range length {
			o.out = append(o.out, o.out[len(o.out)-distance])
		}
	}
}
