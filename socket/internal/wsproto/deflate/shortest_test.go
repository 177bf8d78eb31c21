package deflate_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

// TestShortestGainsAgainstThorough sends messages behind those before, as a room does.
func TestShortestGainsAgainstThorough(t *testing.T) {
	var e deflate.Encoder
	var o oracle
	for _, tt := range []struct {
		size, bits int
		most       float64 // of what Thorough takes
	}{
		{100, 13, 0.98},
		{500, 13, 0.94},
		{500, 15, 0.94},
		{2000, 13, 0.94},
		{2000, 15, 0.92},
	} {
		list := newMix(tt.size).messages(60)
		stream := bytes.Join(list, nil)
		thorough, shortest, at := 0, 0, 0
		for _, text := range list {
			thorough += check(t, &e, &o, text, stream[:at], deflate.Options{WindowBits: tt.bits, Thorough: true})
			shortest += check(t, &e, &o, text, stream[:at], deflate.Options{WindowBits: tt.bits, Shortest: true})
			at += len(text)
		}
		share := float64(shortest) / float64(thorough)
		t.Logf("%d bytes, window %d: %d instead of %d, %.3f", tt.size, tt.bits, shortest, thorough, share)
		if share > tt.most {
			t.Errorf("%d bytes, window %d: %d instead of %d, want at most %.2f", tt.size, tt.bits, shortest, thorough, tt.most)
		}
	}
}

// TestShortestOfLongMessagesIsThorough: beyond 2 KiB both do the same.
func TestShortestOfLongMessagesIsThorough(t *testing.T) {
	var e deflate.Encoder
	text := german(rand.New(rand.NewPCG(21, 22)), 3000)
	for n, want := range map[int]bool{2048: false, 2049: true} {
		shortest, _ := e.Deflate(nil, text[:n], nil, deflate.Options{Shortest: true})
		thorough, _ := e.Deflate(nil, text[:n], nil, deflate.Options{Thorough: true})
		if bytes.Equal(shortest, thorough) != want {
			t.Errorf("%d bytes: %d in the shortest form, %d thoroughly", n, len(shortest), len(thorough))
		}
	}
}

// TestShortestWithEveryCode compresses messages that use few bytes or all, evenly or
// not, with matches of all lengths and distances: so that codes have one symbol or
// hundreds, and lengths that the limit cuts off.
func TestShortestWithEveryCode(t *testing.T) {
	var e deflate.Encoder
	var o oracle
	rng := rand.New(rand.NewPCG(23, 24))
	history := make([]byte, 0, 1<<15)
	for range 300 {
		text := make([]byte, 0, 2048)
		size := 1 + rng.IntN(2048)
		symbols, bend := 1+rng.IntN(256), 1+rng.IntN(12)
		for len(text) < size {
			if n := len(history); n > 0 && rng.IntN(bend) == 0 {
				from := rng.IntN(n)
				text = append(text, history[from:min(n, from+3+rng.IntN(300))]...)
			}
			for range rng.IntN(40) {
				c := symbols
				for range bend { // the larger, the more often the same ones
					c = 1 + rng.IntN(c)
				}
				text = append(text, byte(c))
			}
		}
		text = text[:size]
		options := deflate.Options{WindowBits: 8 + rng.IntN(8), Shortest: true}
		check(t, &e, &o, text, history, options)
		if history = append(history, text...); len(history) > 1<<15 {
			history = append(history[:0], history[len(history)-1-rng.IntN(1<<15):]...)
		}
	}
}

// FuzzShortest makes a message of literals and of parts of what was before, as the
// script says, three bytes for each, and looks for its shortest form.
func FuzzShortest(f *testing.F) {
	f.Add([]byte("\x00\x41\x00\x00\x42\x00\x80\x02\x40\x05\x43\x00\xff\x00\x00"), uint8(7))
	f.Add([]byte("\x00\x30\x01\x03\x31\x07\x81\x10\x03\x82\x20\x08\x07\x32\x03\x83\x00\x10"), uint8(0))
	f.Add(bytes.Repeat([]byte("\x1f\x00\x25\x90\x03\x00"), 40), uint8(0x45))
	var used deflate.Encoder
	var o oracle
	f.Fuzz(func(t *testing.T, script []byte, option uint8) {
		var all []byte
		for ; len(script) >= 3 && len(all) < 40_000; script = script[3:] {
			a, b, c := int(script[0]), script[1], int(script[2])
			if a < 128 {
				for i := range 1 + a%32 {
					all = append(all, b+byte(i*c)) // a digit or a letter, rising
				}
				continue
			}
			back := min(len(all), 1+a%128+int(b)<<7)
			from := len(all) - back
			all = append(all, all[from:from+min(back, 3+c)]...)
		}
		n := min(len(all), 2048>>(option>>6))
		history, text := all[:len(all)-n], all[len(all)-n:]
		options := deflate.Options{WindowBits: 8 + int(option)%8, Shortest: true}
		check(t, &used, &o, text, history, options)
		first, ok := new(deflate.Encoder).Deflate(nil, text, history, options)
		second, ok2 := used.Deflate(nil, text, history, options)
		if ok != ok2 || !bytes.Equal(first, second) {
			t.Errorf("%d bytes behind %d: %x, and %x with a used encoder", len(text), len(history), first, second)
		}
	})
}
