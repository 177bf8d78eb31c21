package deflate_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

// BenchmarkInflate inflates JSON from a sender with level 6, as zlib has it, without
// context takeover: with a Decoder, and with compress/flate in the usual way.
func BenchmarkInflate(b *testing.B) {
	sender := flateSender{}
	for _, size := range []int{100, 500, 2 << 10, 16 << 10} {
		var payloads [][]byte
		for _, m := range inflateMix(size, 30) {
			payloads = append(payloads, sender.payload(6, m))
		}
		name := fmt.Sprintf("size=%d", size)
		if size >= 1<<10 {
			name = fmt.Sprintf("size=%dKiB", size>>10)
		}
		out := make([]byte, 0, 32<<10)
		b.Run(name+"/ours", func(b *testing.B) {
			var d deflate.Decoder
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if got, err := d.Inflate(out, payloads[i%len(payloads)], nil, 64<<10); err != nil || len(got) != size {
					b.Fatal(len(got), err)
				}
			}
		})
		b.Run(name+"/flate", func(b *testing.B) {
			src, end := bytes.NewReader(nil), strings.NewReader("")
			r := flate.NewReader(src)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				src.Reset(payloads[i%len(payloads)])
				end.Reset(tail + "\x01\x00\x00\xff\xff")
				r.(flate.Resetter).Reset(io.MultiReader(src, end), nil)
				n := 0
				for {
					k, err := r.Read(out[n:cap(out)])
					if n += k; err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
				if n != size {
					b.Fatal(n)
				}
			}
		})
	}
}
