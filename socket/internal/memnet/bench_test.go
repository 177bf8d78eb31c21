package memnet_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
)

func BenchmarkRoundTrip(b *testing.B) {
	for _, size := range []int{32, 4096} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			near, far := memnet.Pipe()
			go io.Copy(far, far)
			msg, buf := make([]byte, size), make([]byte, size)
			b.ReportAllocs()
			b.SetBytes(int64(2 * size))
			for b.Loop() {
				near.Write(msg)
				if _, err := io.ReadFull(near, buf); err != nil {
					b.Fatal(err)
				}
			}
			near.Close()
		})
	}
}
