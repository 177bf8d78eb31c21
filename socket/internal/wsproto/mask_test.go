package wsproto_test

import (
	"bytes"
	"testing"

	. "github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// maskSlowly is RFC 6455 section 5.3 to the letter: "j = i MOD 4".
func maskSlowly(key [4]byte, pos int, b []byte) {
	for i := range b {
		b[i] ^= key[(pos+i)%4]
	}
}

func TestRFC6455_5_3_Mask(t *testing.T) {
	source := make([]byte, 300)
	for i := range source {
		source[i] = byte(i * 7)
	}
	for pos := range 9 {
		for start := range 9 {
			for size := range 200 {
				got, want := bytes.Clone(source), bytes.Clone(source)
				Mask(testKey, pos, got[start:start+size])
				maskSlowly(testKey, pos, want[start:start+size])
				if !bytes.Equal(got, want) {
					t.Fatalf("Mask(pos %d) of source[%d:%d] = %x, want %x", pos, start, start+size, got, want)
				}
			}
		}
	}
}

func TestMaskInPiecesIsMaskAtOnce(t *testing.T) {
	const size = 150
	want := make([]byte, size)
	Mask(testKey, 0, want)
	for i := range size {
		for j := i; j < size; j++ {
			got := make([]byte, size)
			Mask(testKey, 0, got[:i])
			Mask(testKey, i, got[i:j])
			Mask(testKey, j, got[j:])
			if !bytes.Equal(got, want) {
				t.Fatalf("cut at %d and %d: %x, want %x", i, j, got, want)
			}
		}
	}
}

func FuzzMask(f *testing.F) {
	f.Add([]byte{0x37, 0xfa, 0x21, 0x3d}, uint(0), []byte("Hello"))
	f.Add([]byte{1, 2, 3, 4}, uint(3), make([]byte, 71))
	f.Fuzz(func(t *testing.T, k []byte, pos uint, b []byte) {
		var key [4]byte
		copy(key[:], k)
		p := int(pos >> 1)
		got, want := bytes.Clone(b), bytes.Clone(b)
		Mask(key, p, got)
		maskSlowly(key, p%4, want)
		if !bytes.Equal(got, want) {
			t.Fatalf("Mask(%x, %d, %x) = %x, want %x", key, p, b, got, want)
		}
		Mask(key, p, got)
		if !bytes.Equal(got, b) {
			t.Fatalf("masked twice: %x, want %x", got, b)
		}
	})
}
