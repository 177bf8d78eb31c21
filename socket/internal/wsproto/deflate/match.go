package deflate

import (
	"encoding/binary"
	"math/bits"
)

const (
	tableBits = 13
	maxStep   = 15 // more than one, where nothing has matched for long
)

func load4(b []byte, i int) uint32 { return binary.LittleEndian.Uint32(b[i:]) }
func load8(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }

// hash4 hashes the four bytes of a load to a place in the table. A short message has
// a smaller mask, so that it touches only a part of the table.
func hash4(x uint32, mask uint32) uint32 {
	return x * 0x9E3779B1 >> (32 - tableBits) & mask
}

// matchEnd returns where the bytes from i on, which are equal to those from j on
// as far as i, stop to be so. j is less than i.
func matchEnd(b []byte, j, i int) int {
	for i+8 <= len(b) {
		if x := load8(b, i) ^ load8(b, j); x != 0 {
			return i + bits.TrailingZeros64(x)>>3
		}
		i += 8
		j += 8
	}
	for i < len(b) && b[i] == b[j] {
		i++
		j++
	}
	return i
}

// patience is how many literals in a row a search goes through one by one.
func (m *message) patience(usual int) int {
	if m.noise {
		return 8
	}
	return usual
}
