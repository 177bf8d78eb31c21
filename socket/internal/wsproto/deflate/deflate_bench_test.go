package deflate_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

// compressors are what the benchmarks compare: each returns the size of a message
// that is compressed on its own.
func compressors() map[string]func([]byte) int {
	var e deflate.Encoder
	var out []byte
	encode := func(o deflate.Options) func([]byte) int {
		return func(text []byte) int {
			var ok bool
			if out, ok = e.Deflate(out[:0], text, nil, o); !ok {
				return len(text)
			}
			return len(out)
		}
	}
	standard := func(level int) func([]byte) int {
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, level)
		return func(text []byte) int {
			b.Reset()
			w.Reset(&b)
			w.Write(text)
			w.Flush()
			return b.Len() - 4
		}
	}
	return map[string]func([]byte) int{
		"fast":     encode(deflate.Options{}),
		"thorough": encode(deflate.Options{Thorough: true}),
		"flate1":   standard(1),
		"flate6":   standard(6),
	}
}

// BenchmarkDeflate compresses messages on their own. The ratio is compressed by
// plain.
func BenchmarkDeflate(b *testing.B) {
	sets := []struct {
		name string
		list [][]byte
	}{
		{"size=100", newMix(100).messages(300)},
		{"size=500", newMix(500).messages(300)},
		{"size=2KiB", newMix(2048).messages(90)},
		{"size=16KiB", newMix(16 << 10).messages(30)},
		{"size=16KiB-german", [][]byte{german(rand.New(rand.NewPCG(1, 1)), 16<<10)}},
		{"size=500-noise", [][]byte{noise(rand.New(rand.NewPCG(1, 1)), 500)}},
		{"size=16KiB-noise", [][]byte{noise(rand.New(rand.NewPCG(1, 1)), 16<<10)}},
	}
	all := compressors()
	for _, set := range sets {
		for _, name := range []string{"fast", "thorough", "flate1", "flate6"} {
			b.Run(fmt.Sprintf("%s/%s", set.name, name), func(b *testing.B) {
				compress := all[name]
				plain, packed := 0, 0
				for _, text := range set.list {
					plain += len(text)
					packed += compress(text)
				}
				b.ReportAllocs()
				b.SetBytes(int64(plain / len(set.list)))
				i := 0
				for b.Loop() {
					compress(set.list[i%len(set.list)])
					i++
				}
				b.ReportMetric(float64(packed)/float64(plain), "ratio")
			})
		}
	}
}

// BenchmarkDeflateHistory compresses messages behind the 4 KiB that went before
// them, with nothing kept but these.
func BenchmarkDeflateHistory(b *testing.B) {
	for _, size := range []int{100, 500, 2048, 16 << 10} {
		list := newMix(size).messages(max(60, 60_000/size))
		stream := bytes.Join(list, nil)
		for _, o := range []deflate.Options{{WindowBits: 12}, {WindowBits: 12, Thorough: true}} {
			name := map[bool]string{false: "fast", true: "thorough"}[o.Thorough]
			b.Run(fmt.Sprintf("size=%d/%s", size, name), func(b *testing.B) {
				var e deflate.Encoder
				out := make([]byte, 0, 2*size)
				plain, packed, at, i := 0, 0, 0, 0
				b.ReportAllocs()
				for b.Loop() {
					if i == len(list) {
						i, at = 0, 0
					}
					z, ok := e.Deflate(out[:0], list[i], stream[:at], o)
					plain += len(list[i])
					if packed += len(z); !ok {
						packed += len(list[i])
					}
					at += len(list[i])
					i++
				}
				b.ReportMetric(float64(packed)/float64(plain), "ratio")
			})
		}
	}
}
