package wsproto_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
	"github.com/kleeedolinux/socket.go/socket/internal/wstest"
)

// randomText returns n bytes with as much repetition as JSON has.
func randomText(rng *rand.Rand, n int) []byte {
	words := []string{`{"event":"chat",`, `"data":`, `"hello`, `"}`, `true,`, `12`, `é`, ` `}
	var b []byte
	for len(b) < n {
		if rng.IntN(3) == 0 {
			b = append(b, byte(rng.IntN(256)))
		} else {
			b = append(b, words[rng.IntN(len(words))]...)
		}
	}
	return b[:n]
}

// TestThreatB5_VerdictsAreThoseOfASecondImplementation changes payloads at random
// and compares verdict and bytes with the oracle, which is exact about where a
// message may end.
func TestThreatB5_VerdictsAreThoseOfASecondImplementation(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	f := newInflater(wsproto.Window{})
	sender := newReferences()
	accepted, refused := 0, 0
	for range 8_000 {
		level := []int{-2, 0, 1, 6, 9}[rng.IntN(5)]
		payload := sender.payload(level, randomText(rng, rng.IntN(300)))
		switch rng.IntN(4) {
		case 0:
			payload = payload[:rng.IntN(len(payload)+1)]
		case 1:
			payload = append(payload, byte(rng.IntN(256)))
		case 2:
			payload[rng.IntN(len(payload))] = byte(rng.IntN(256))
		default:
			payload[rng.IntN(len(payload))] ^= 1 << rng.IntN(8)
		}
		if compareWithOracle(t, f, payload) {
			accepted++
		} else {
			refused++
		}
	}
	// Both verdicts must be common, or the test compares nothing.
	if accepted < 1_000 || refused < 1_000 {
		t.Errorf("%d accepted, %d refused", accepted, refused)
	}
}

// TestThreatB5_EveryCutAndEveryFlippedBit lets nothing through that is cut off:
// every short payload, and payloads of all kinds of blocks cut after every byte and
// with every bit changed, get the oracle's verdict.
func TestThreatB5_EveryCutAndEveryFlippedBit(t *testing.T) {
	f := newInflater(wsproto.Window{})
	for a := range 256 {
		compareWithOracle(t, f, []byte{byte(a)})
		for b := range 256 {
			compareWithOracle(t, f, []byte{byte(a), byte(b)})
		}
	}
	sender := newReferences()
	text := randomText(rand.New(rand.NewPCG(11, 12)), 200)
	for _, level := range []int{-2, 0, 1, 6, 9} {
		whole := sender.payload(level, text)
		for n := 1; n < len(whole); n++ {
			isEmpty := string(whole[:n]) == "\x00" // the empty message in full
			if compareWithOracle(t, f, whole[:n]) && !isEmpty {
				t.Errorf("level %d: a message of %d bytes is taken after %d", level, len(whole), n)
			}
		}
		for bit := range 8 * len(whole) {
			damaged := bytes.Clone(whole)
			damaged[bit/8] ^= 1 << (bit % 8)
			compareWithOracle(t, f, damaged)
		}
	}
	// RFC 7692 section 7.2.3.4: a block with BFINAL has all of the message, with
	// the empty stored block behind it or without; and so has an empty stored block
	// with BFINAL, whose length is what the sender takes away.
	for _, tt := range []struct {
		payload, want string // want is empty for a message that is cut off
	}{
		{"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"},
		{"\xf3\x48\xcd\xc9\xc9\x07\x00", "Hello"},
		{"\xf3\x48\xcd\xc9\xc9\x07", ""},
		{"\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello"},
		{"\xf2\x48\xcd\xc9\xc9\x07", ""},
		{"\x00\x05\x00\xfa\xffHello\x01", "Hello"},
		{"\x00\x05\x00\xfa\xffHello", ""},
		{"\x01\x05\x00\xfa\xffHello", "Hello"},
		{"\x01\x05\x00\xfa\xffHell", ""},
	} {
		got, err := f.Inflate(nil, []byte(tt.payload), 100)
		if string(got) != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("Inflate(%x) = %q, %v, want %q", tt.payload, got, err, tt.want)
		}
		compareWithOracle(t, f, []byte(tt.payload))
	}
}

// compareWithOracle inflates payload in both ways and reports whether it is a
// message.
func compareWithOracle(t *testing.T, f *wsproto.PooledInflater, payload []byte) bool {
	t.Helper()
	const limit = 1 << 16
	got, err := f.Inflate(nil, payload, limit)
	want, _, wantErr := wstest.Inflate(payload, nil)
	var tooLarge *wsproto.LimitError
	if errors.As(err, &tooLarge) {
		if wantErr == nil && len(want) <= limit && tooLarge.Limit == "message size" {
			t.Errorf("Inflate(%x) = %v for %d bytes", payload, err, len(want))
		}
		return false
	}
	if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
		t.Errorf("Inflate(%x) = %x, %v, want %x, %v", payload, got, err, want, wantErr)
	}
	return wantErr == nil
}

// TestThreatB1_CVE_2026_27571_DecompressionBomb inflates 61 KB that hold 60 MB of
// zeros under a limit of 64 KiB. What is allocated is bounded by the limit, not
// by what the message would become.
func TestThreatB1_CVE_2026_27571_DecompressionBomb(t *testing.T) {
	const limit = 64 << 10
	bomb := newReference(9).message(make([]byte, 1<<20))
	bomb = append(bomb, "\x00\x00\xff\xff"...)
	bomb = bytes.Repeat(bomb, 60)
	bomb = bomb[:len(bomb)-4]
	if len(bomb) > 80<<10 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	// A decoder of its own: the first message of a connection pays for everything.
	out, err := newInflater(wsproto.Window{Takeover: true}).Inflate(nil, bomb, limit)
	runtime.ReadMemStats(&after)
	var tooLarge *wsproto.LimitError
	if !errors.As(err, &tooLarge) || tooLarge.Code != wsproto.CloseMessageTooBig || tooLarge.Max != limit || len(out) != 0 {
		t.Fatalf("Inflate = %d bytes, %v, want a limit error with code 1009", len(out), err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 256<<10 {
		t.Errorf("%d bytes allocated, want at most 256 KiB", n)
	}
}

// TestInflateLimitIsExact tries each message at its own size and one byte below.
func TestInflateLimitIsExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	f := newInflater(wsproto.Window{})
	sender := newReferences()
	for _, n := range []int{1, 2, 511, 512, 513, 4095, 4096, 32767, 32768, 32769, 100_000} {
		text := randomText(rng, n)
		payload := sender.payload(6, text)
		for _, spare := range []int{0, 1, n, 2 * n} {
			dst := append(make([]byte, 0, 3+spare), "abc"...)
			if got, err := f.Inflate(dst, payload, n); err != nil || !bytes.Equal(got[3:], text) || string(got[:3]) != "abc" {
				t.Errorf("%d bytes, limit %d, %d spare: %v", n, n, spare, err)
			}
			var tooLarge *wsproto.LimitError
			if got, err := f.Inflate(dst, payload, n-1); !errors.As(err, &tooLarge) || string(got) != "abc" {
				t.Errorf("%d bytes, limit %d, %d spare: %v, want a limit error", n, n-1, spare, err)
			}
		}
		if got, err := f.Inflate(nil, payload, -1); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d bytes, no limit: %v", n, err)
		}
	}
	if _, err := f.Inflate(nil, []byte{0}, 0); err != nil {
		t.Errorf("the empty message under a limit of 0: %v", err)
	}
}

// TestInflateManyFinalBlocks ends the stream again and again within one message:
// 2 bytes of the sender cost a reset of the reader.
func TestInflateManyFinalBlocks(t *testing.T) {
	f := newInflater(wsproto.Window{})
	if _, err := f.Inflate(nil, []byte(strings.Repeat("\x03\x00", 64)), 10); err != nil {
		t.Errorf("64 final blocks: %v", err)
	}
	var tooMany *wsproto.LimitError
	if _, err := f.Inflate(nil, []byte(strings.Repeat("\x03\x00", 65)), 10); !errors.As(err, &tooMany) {
		t.Errorf("65 final blocks: %v, want a limit error", err)
	}
}

// TestInflateContextTakeover sends conversations with each window and lets each
// message refer to the ones before, also behind a final block.
func TestInflateContextTakeover(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, level := range []int{1, 6, 9} {
		sender := newReference(level)
		f := newInflater(wsproto.Window{Takeover: true, Bits: 15})
		for i := range 60 {
			n := rng.IntN(3000)
			if i%20 == 19 {
				n = 50_000
			}
			text := randomText(rng, n)
			got, err := f.Inflate(nil, sender.message(text), len(text))
			if err != nil || !bytes.Equal(got, text) {
				t.Fatalf("level %d, message %d: %v", level, i, err)
			}
		}
	}
}

// TestInflateHistoryIsTheWindow refers back exactly as far as the window and one
// byte farther.
func TestInflateHistoryIsTheWindow(t *testing.T) {
	sender := newReferences()
	for bits := 8; bits <= 15; bits++ {
		size := 1 << bits
		for _, before := range [][]int{{size}, {size + 100}, {1, size - 1, 0}, {size / 2, size/2 + 3, 7}} {
			for _, distance := range []int{1, size / 2, size, size + 1} {
				if distance > 1<<15 {
					continue // there is no code for it
				}
				f := newInflater(wsproto.Window{Takeover: true, Bits: bits})
				var sent []byte
				for _, n := range before {
					text := randomText(rand.New(rand.NewPCG(uint64(n), 9)), n)
					sent = append(sent, text...)
					if _, err := f.Inflate(nil, sender.payload(6, text), n); err != nil {
						t.Fatal(err)
					}
				}
				payload := copyThree(distance)
				got, err := f.Inflate(nil, payload, 100)
				if distance > size {
					if err == nil {
						t.Errorf("bits %d: distance %d gives %q, want an error", bits, distance, got)
					}
					continue
				}
				want, _, wantErr := wstest.Inflate(payload, sent)
				if err != nil || wantErr != nil || !bytes.Equal(got, want) {
					t.Errorf("bits %d: distance %d = %q, %v, want %q, %v", bits, distance, got, err, want, wantErr)
				}
			}
		}
	}
}

// copyThree returns a payload with one fixed block that copies three bytes from
// the given distance.
func copyThree(distance int) []byte {
	code, extra := 0, 0
	for base := func(c int) int {
		if c < 4 {
			return c + 1
		}
		return (2+c%2)<<(c/2-1) + 1
	}; code < 29 && base(code+1) <= distance; {
		code++
		extra = distance - base(code)
	}
	var b []byte
	bit := 0
	put := func(v, n int) {
		for i := range n {
			if bit%8 == 0 {
				b = append(b, 0)
			}
			b[bit/8] |= byte(v>>i&1) << (bit % 8)
			bit++
		}
	}
	reversed := func(v, n int) {
		for i := n - 1; i >= 0; i-- {
			put(v>>i, 1)
		}
	}
	put(0b010, 3)     // not final, fixed
	reversed(1, 7)    // length 3: symbol 257
	reversed(code, 5) // distance
	if code > 3 {
		put(extra, code/2-1)
	}
	reversed(0, 7) // end of block
	put(0b000, 3)  // the empty stored block whose length is taken away
	return b
}

// TestThreatA6_CVE_2026_45736_ReaderKeepsNothing shares a decoder between two
// connections: the second cannot reach what the first received.
func TestThreatA6_CVE_2026_45736_ReaderKeepsNothing(t *testing.T) {
	r := new(deflate.Decoder)
	sender := newReferences()
	connection := func(takeover bool) *wsproto.PooledInflater {
		return wsproto.NewInflater(wsproto.InflaterConfig{
			Window:   wsproto.Window{Takeover: takeover},
			Borrow:   func() *deflate.Decoder { return r },
			GiveBack: func(*deflate.Decoder) {},
		})
	}
	for _, takeover := range []bool{false, true} {
		for _, distance := range []int{1, 2, 100, 1000, 32768} {
			secret := bytes.Repeat([]byte("secret"), 10_000)
			if _, err := connection(takeover).Inflate(nil, sender.payload(6, secret), len(secret)); err != nil {
				t.Fatal(err)
			}
			if got, err := connection(takeover).Inflate(nil, copyThree(distance), 100); err == nil {
				t.Errorf("takeover %v, distance %d reaches %q", takeover, distance, got)
			}
		}
	}
}

// TestDeflateKeepsToTheWindow measures the farthest reference of what we send.
func TestDeflateKeepsToTheWindow(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 11))
	text := randomText(rng, 70_000)
	text = append(text, text[:30_000]...)
	for bits := 8; bits <= 15; bits++ {
		payload, ok := newDeflater(bits).Deflate(nil, text)
		if !ok {
			t.Errorf("bits %d: no gain", bits)
			continue
		}
		out, distance, err := wstest.Inflate(payload, nil)
		if err != nil || !bytes.Equal(out, text) {
			t.Errorf("bits %d: %v", bits, err)
		}
		if distance > 1<<bits {
			t.Errorf("bits %d: distance %d", bits, distance)
		}
	}
}

// TestDeflateNoGain gives back what would not get shorter.
func TestDeflateNoGain(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 13))
	for _, n := range []int{0, 1, 10, 1000, 100_000} {
		noise := make([]byte, n)
		for i := range noise {
			noise[i] = byte(rng.IntN(256))
		}
		dst := append(make([]byte, 0, 3+n), "abc"...)
		if got, ok := newDeflater(15).Deflate(dst, noise); ok || string(got) != "abc" {
			t.Errorf("%d random bytes became %d, %v", n, len(got)-3, ok)
		}
	}
}

// TestCodecAllocations counts what a message costs once the buffers are there.
func TestCodecAllocations(t *testing.T) {
	text := []byte(strings.Repeat(`{"event":"chat","data":"hello"}`, 30))
	d := newDeflater(15)
	f := newInflater(wsproto.Window{})
	var payload, out []byte
	allocs := testing.AllocsPerRun(100, func() {
		payload, _ = d.Deflate(payload[:0], text)
		out, _ = f.Inflate(out[:0], payload, 1<<16)
	})
	if !bytes.Equal(out, text) {
		t.Error("not the same text")
	}
	if allocs != 0 {
		t.Errorf("%v allocations for a message, want none", allocs)
	}
}

// TestInflaterIdleMemory: a connection that has received small messages holds no
// more than about their plaintext.
func TestInflaterIdleMemory(t *testing.T) {
	const connections = 1000
	r := new(deflate.Decoder)
	payload := newReferences().payload(6, []byte(strings.Repeat("hello ", 20)))
	idle := make([]*wsproto.PooledInflater, connections)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range idle {
		idle[i] = wsproto.NewInflater(wsproto.InflaterConfig{
			Window:   wsproto.Window{Takeover: true},
			Borrow:   func() *deflate.Decoder { return r },
			GiveBack: func(*deflate.Decoder) {},
		})
		if _, err := idle[i].Inflate(nil, payload, 1000); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if n := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / connections; n > 1024 {
		t.Errorf("%d bytes a connection", n)
	}
	runtime.KeepAlive(idle)
}
