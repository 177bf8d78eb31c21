package deflate_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

func TestWindowHoldsTheEndOfWhatWasAppended(t *testing.T) {
	rng := rand.New(rand.NewPCG(51, 52))
	for bits := 8; bits <= 15; bits++ {
		w := deflate.NewWindow(bits)
		size := 1 << bits
		var all []byte
		for range 300 {
			message := make([]byte, rng.IntN(size/20))
			if rng.IntN(50) == 0 {
				message = make([]byte, size-1+rng.IntN(3)+rng.IntN(2)*size)
			}
			for i := range message {
				message[i] = byte(rng.Uint32())
			}
			w.Append(message)
			all = append(all, message...)
			if want := all[max(0, len(all)-size):]; !bytes.Equal(w.Tail(), want) {
				t.Fatalf("bits %d: %d bytes of %d, or not the same", bits, len(w.Tail()), len(want))
			}
			if cap(w.Tail()) > size || w.Size() != size {
				t.Fatalf("bits %d: memory for %d bytes, Size %d", bits, cap(w.Tail()), w.Size())
			}
		}
		w.Reset()
		if w.Tail() != nil {
			t.Errorf("bits %d: Reset keeps memory", bits)
		}
	}
}

func TestWindowIsAsLargeAsWhatItHolds(t *testing.T) {
	var w deflate.Window // zero value: 32 KiB
	if w.Tail() != nil || w.Size() != 32<<10 {
		t.Errorf("Tail = %d bytes, Size = %d, want a window of 32 KiB that holds nothing", len(w.Tail()), w.Size())
	}
	w.Append(make([]byte, 100))
	if n := cap(w.Tail()); n > 200 {
		t.Errorf("%d bytes of memory for 100", n)
	}
	const windows = 1000
	held := make([]deflate.Window, windows)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range held {
		held[i] = deflate.NewWindow(12)
		for range 20 {
			held[i].Append(make([]byte, 1000))
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if n := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / windows; n > 4<<10+200 {
		t.Errorf("a full window of 4 KiB holds %d bytes", n)
	}
	runtime.KeepAlive(held)
}

func TestWindowRefusesBitsThatTheRFCDoesNotHave(t *testing.T) {
	for _, bits := range []int{-1, 0, 7, 16} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("NewWindow(%d) is taken", bits)
				}
			}()
			deflate.NewWindow(bits)
		}()
	}
}

// TestConversationWithContextTakeover sends messages of all sizes with one compressor of compress/flate.
func TestConversationWithContextTakeover(t *testing.T) {
	rng := rand.New(rand.NewPCG(53, 54))
	for _, level := range []int{1, 2, 6, 9} {
		var b bytes.Buffer
		sender, err := flate.NewWriter(&b, level)
		must(t, err)
		var d deflate.Decoder
		var w deflate.Window
		for i, message := range inflateMix(40_000, 40) {
			if i%8 != 0 {
				message = message[:rng.IntN(2000)]
			}
			b.Reset()
			payload := flushed(sender, &b, message)
			got, err := d.Inflate(nil, payload, w.Tail(), len(message))
			if err != nil || !bytes.Equal(got, message) {
				t.Fatalf("level %d, message %d: %d of %d bytes, %v", level, i, len(got), len(message), err)
			}
			w.Append(got)
		}
	}
}

// BenchmarkWindowAppend adds messages of 100 bytes to a full window.
func BenchmarkWindowAppend(b *testing.B) {
	for _, bits := range []int{9, 12, 15} {
		b.Run(fmt.Sprintf("bits=%d", bits), func(b *testing.B) {
			w := deflate.NewWindow(bits)
			w.Append(make([]byte, 1<<bits))
			message := make([]byte, 100)
			b.ReportAllocs()
			for b.Loop() {
				w.Append(message)
			}
		})
	}
}
