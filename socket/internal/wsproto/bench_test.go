package wsproto_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	. "github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

var benchSizes = []int{16, 64, 125, 256, 1 << 10, 4 << 10, 64 << 10, 1 << 20}

func sizeName(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("size=%dMiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("size=%dKiB", n>>10)
	}
	return fmt.Sprintf("size=%dB", n)
}

// BenchmarkDecode decodes one masked text message that is wholly in the buffer.
// Unmasking in place masks it again for the next round, with a key that leaves
// the text ASCII either way.
func BenchmarkDecode(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(sizeName(size), func(b *testing.B) {
			h := Header{Fin: true, Opcode: OpText, Masked: true, Key: [4]byte{1, 2, 3, 4}}
			frame := AppendFrame(nil, h, bytes.Repeat([]byte{'@'}, size))
			var d Decoder
			d.Init(DecoderConfig{Role: RoleServer, Limits: Limits{Message: -1}})
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				if e, n, _ := d.Decode(frame); n != len(frame) || len(e.Payload) != size {
					b.Fatal("not decoded")
				}
			}
		})
	}
}

// BenchmarkDecodeSplit decodes a message that arrives in reads of 4 KiB, with
// and without reading into the decoder's memory.
func BenchmarkDecodeSplit(b *testing.B) {
	for _, size := range []int{64 << 10, 1 << 20} {
		for _, direct := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/direct=%t", sizeName(size), direct), func(b *testing.B) {
				h := Header{Fin: true, Opcode: OpBinary, Masked: true, Key: testKey}
				frame := AppendFrame(nil, h, make([]byte, size))
				read := make([]byte, 4<<10)
				var d Decoder
				d.Init(DecoderConfig{Role: RoleServer, Limits: Limits{Message: -1}})
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					var e Event
					for rest := frame; len(rest) > 0; {
						if free := d.Want(); direct && free != nil {
							n := copy(free, rest)
							rest = rest[n:]
							e, _ = d.Filled(n)
							continue
						}
						n := copy(read, rest)
						rest = rest[n:]
						e, _, _ = d.Decode(read[:n])
					}
					if len(e.Payload) != size {
						b.Fatal("not decoded")
					}
				}
			})
		}
	}
}

func BenchmarkMask(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(sizeName(size), func(b *testing.B) {
			p := make([]byte, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				Mask(testKey, 1, p)
			}
		})
	}
}

func BenchmarkAppendFrame(b *testing.B) {
	for _, masked := range []bool{false, true} {
		for _, size := range benchSizes {
			b.Run(fmt.Sprintf("%s/masked=%t", sizeName(size), masked), func(b *testing.B) {
				p := make([]byte, size)
				dst := make([]byte, 0, size+MaxHeaderSize)
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					AppendFrame(dst, Header{Fin: true, Opcode: OpText, Masked: masked, Key: testKey}, p)
				}
			})
		}
	}
}

func BenchmarkUTF8(b *testing.B) {
	texts := []struct{ name, text string }{
		{"ascii", "The quick brown fox jumps over the lazy dog. "},
		{"german", "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. "},
		{"greek", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. "},
		{"hindi", "ऋषियों को सताने वाले दुष्ट राक्षसों "},
		{"japanese", "いろはにほへとちりぬるを。"},
		{"emoji", "😀😃😄😁😆😅🤣😂"},
	}
	for _, tt := range texts {
		for _, size := range []int{64, 4 << 10, 64 << 10} {
			b.Run(sizeName(size)+"/text="+tt.name, func(b *testing.B) {
				p := []byte(strings.Repeat(tt.text, 1+size/len(tt.text)))
				b.SetBytes(int64(len(p)))
				for b.Loop() {
					var u UTF8
					if !u.Write(p) {
						b.Fatal("refused")
					}
				}
			})
		}
	}
}
