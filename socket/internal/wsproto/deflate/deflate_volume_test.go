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
// and counts those that compress/flate inflates to something else. Half of them have
// a history that is given to the encoder with each message, the others a context.
func TestRoundTripVolume(t *testing.T) {
	rng := rand.New(rand.NewPCG(rand.Uint64(), 1))
	if *volume <= 4e6 {
		rng = rand.New(rand.NewPCG(1, 1))
	}
	var e deflate.Encoder
	var o oracle
	var n volumeCounts
	for float64(n.plain) < *volume {
		if rng.IntN(2) == 0 {
			volumeOfContext(t, rng, &e, &o, &n)
			continue
		}
		options := deflate.Options{WindowBits: 8 + rng.IntN(8), Thorough: rng.IntN(4) == 0, Shortest: rng.IntN(4) == 0}
		size := []int{30, 200, 1000, 5000, 50_000, 150_000}[rng.IntN(6)]
		takeover := rng.IntN(2) == 0
		var history []byte
		pieces := texts(rng, size)
		for range 12 {
			text := splice(rng, pieces)
			payload, ok := e.Deflate(nil, text, history, options)
			n.messages++
			n.plain += len(text)
			if !ok {
				continue
			}
			n.sent++
			n.packed += len(payload)
			seen := history[max(0, len(history)-1<<options.WindowBits):]
			if got, err := o.inflate(payload, seen); err != nil || !bytes.Equal(got, text) {
				n.differences++
				t.Errorf("%+v: %d bytes behind %d: %v", options, len(text), len(history), err)
			}
			if takeover {
				history = append(history, text...)
				history = history[max(0, len(history)-50_000):]
			}
		}
	}
	t.Logf("%d bytes in %d messages, %d of them compressed to %d bytes, %d differences", n.plain, n.messages, n.sent, n.packed, n.differences)
}

type volumeCounts struct{ plain, packed, messages, sent, differences int }

// volumeOfContext compresses one conversation with a context, into which comes also
// what was compressed for many, and which is sometimes begun anew.
func volumeOfContext(t *testing.T, rng *rand.Rand, e *deflate.Encoder, o *oracle, n *volumeCounts) {
	bits := 8 + rng.IntN(8)
	c := deflate.NewContext(bits)
	pieces := texts(rng, []int{30, 200, 1000, 5000, 50_000}[rng.IntN(5)])
	var seen []byte
	got := func(text []byte) {
		seen = append(seen, text...)
		seen = seen[max(0, len(seen)-1<<bits):]
	}
	for range 60 {
		text := splice(rng, pieces)
		if rng.IntN(3) == 0 {
			text = text[:min(len(text), 1<<bits/4)]
		}
		switch rng.IntN(30) {
		case 0:
			c.Reset()
		case 1, 2, 3:
			c.Append(text)
			got(text)
		}
		payload, ok := e.DeflateContext(nil, text, &c, deflate.Options{Thorough: rng.IntN(8) == 0, Shortest: rng.IntN(8) == 0})
		n.messages++
		n.plain += len(text)
		if !ok {
			continue
		}
		n.sent++
		n.packed += len(payload)
		if back, err := o.inflate(payload, seen); err != nil || !bytes.Equal(back, text) {
			n.differences++
			t.Errorf("context of %d bits: %d bytes behind %d: %v", bits, len(text), len(seen), err)
			return
		}
		got(text)
	}
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
