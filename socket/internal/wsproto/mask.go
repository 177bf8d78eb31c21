package wsproto

import (
	"encoding/binary"
	"math/bits"
)

// Mask masks or unmasks b in place, RFC 6455 section 5.3: the byte at offset i
// of the payload is combined with byte i mod 4 of the key by exclusive or, so
// that masking twice gives the original. pos is the offset of b[0] in the
// payload, which lets a payload be masked in pieces of any size; it must not be
// negative.
func Mask(key [4]byte, pos int, b []byte) {
	k := keyWord(key[:])
	mask(bits.RotateLeft32(k, -8*(pos&3)), b)
}

// mask is [Mask] with the key as a little-endian word whose lowest byte meets
// b[0]. It returns the key for the byte after b.
func mask(key uint32, b []byte) uint32 {
	k := uint64(key)<<32 | uint64(key)
	next := bits.RotateLeft32(key, -8*(len(b)&3))
	// Eight words a step let the compiler check bounds once for all of them;
	// see BenchmarkMask.
	for len(b) >= 64 {
		w := b[:64:64]
		binary.LittleEndian.PutUint64(w[0:], binary.LittleEndian.Uint64(w[0:])^k)
		binary.LittleEndian.PutUint64(w[8:], binary.LittleEndian.Uint64(w[8:])^k)
		binary.LittleEndian.PutUint64(w[16:], binary.LittleEndian.Uint64(w[16:])^k)
		binary.LittleEndian.PutUint64(w[24:], binary.LittleEndian.Uint64(w[24:])^k)
		binary.LittleEndian.PutUint64(w[32:], binary.LittleEndian.Uint64(w[32:])^k)
		binary.LittleEndian.PutUint64(w[40:], binary.LittleEndian.Uint64(w[40:])^k)
		binary.LittleEndian.PutUint64(w[48:], binary.LittleEndian.Uint64(w[48:])^k)
		binary.LittleEndian.PutUint64(w[56:], binary.LittleEndian.Uint64(w[56:])^k)
		b = b[64:]
	}
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^k)
		b = b[8:]
	}
	// At most seven bytes are left, and every step so far took a multiple of
	// four: k still starts at b[0].
	for i := range b {
		b[i] ^= byte(k)
		k >>= 8
	}
	return next
}

// keyWord is a masking key as [mask] takes it.
func keyWord(key []byte) uint32 { return binary.LittleEndian.Uint32(key) }
