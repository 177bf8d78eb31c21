package deflate_test

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

var volume = flag.Float64("bytes", 4e6, "how much TestRoundTripVolume compresses")

// TestRoundTripVolume compresses random conversations, as many bytes as -bytes says,
// and counts those that compress/flate inflates to something else.
func TestRoundTripVolume(t *testing.T) {
	rng := rand.New(rand.NewPCG(rand.Uint64(), 1))
	if *volume <= 4e6 {
		rng = rand.New(rand.NewPCG(1, 1))
	}
	var e deflate.Encoder
	var o oracle
	var plain, packed, messages, sent, differences int
	for float64(plain) < *volume {
		options := deflate.Options{WindowBits: 8 + rng.IntN(8), Thorough: rng.IntN(4) == 0}
		size := []int{30, 200, 1000, 5000, 50_000, 150_000}[rng.IntN(6)]
		takeover := rng.IntN(2) == 0
		var history []byte
		pieces := texts(rng, size)
		for range 12 {
			text := splice(rng, pieces)
			payload, ok := e.Deflate(nil, text, history, options)
			messages++
			plain += len(text)
			if !ok {
				continue
			}
			sent++
			packed += len(payload)
			seen := history[max(0, len(history)-1<<options.WindowBits):]
			if got, err := o.inflate(payload, seen); err != nil || !bytes.Equal(got, text) {
				differences++
				t.Errorf("%+v: %d bytes behind %d: %v", options, len(text), len(history), err)
			}
			if takeover {
				history = append(history, text...)
				history = history[max(0, len(history)-50_000):]
			}
		}
	}
	t.Logf("%d bytes in %d messages, %d of them compressed to %d bytes, %d differences", plain, messages, sent, packed, differences)
}

// splice makes a message of parts of the pieces.
func splice(rng *rand.Rand, pieces [][]byte) []byte {
	var text []byte
	for range 1 + rng.IntN(3) {
		p := pieces[rng.IntN(len(pieces))]
		from := rng.IntN(len(p) + 1)
		text = append(text, p[from:from+rng.IntN(len(p)-from+1)]...)
	}
	return text
}
