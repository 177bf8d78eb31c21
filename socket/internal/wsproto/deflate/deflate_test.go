package deflate_test

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
	"github.com/kleeedolinux/socket.go/socket/internal/wstest"
)

// everyOption is each window with each finder.
func everyOption() (list []deflate.Options) {
	for bits := 8; bits <= 15; bits++ {
		list = append(list, deflate.Options{WindowBits: bits}, deflate.Options{WindowBits: bits, Thorough: true},
			deflate.Options{WindowBits: bits, Shortest: true})
	}
	return list
}

// oracle inflates with compress/flate.
type oracle struct {
	r   io.Reader
	out bytes.Buffer
}

// inflate returns the text of a payload behind a history. A payload whose last
// block says that it is the last one is an error.
func (o *oracle) inflate(payload, history []byte) ([]byte, error) {
	src := io.MultiReader(bytes.NewReader(payload), strings.NewReader("\x00\x00\xff\xff"))
	if o.r == nil {
		o.r = flate.NewReader(src)
	}
	if err := o.r.(flate.Resetter).Reset(src, history); err != nil {
		return nil, err
	}
	o.out.Reset()
	switch _, err := o.out.ReadFrom(o.r); err {
	case io.ErrUnexpectedEOF:
		return o.out.Bytes(), nil // it waits for the next message
	case nil:
		return nil, fmt.Errorf("the stream has ended: a block has BFINAL")
	default:
		return nil, err
	}
}

// texts is what the tests compress, each of about n bytes.
func texts(rng *rand.Rand, n int) [][]byte {
	m := newMix(n)
	random := noise(rng, n)
	packed, _ := new(deflate.Encoder).Deflate(nil, german(rng, 3*n), nil, deflate.Options{})
	period := noise(rng, 1+rng.IntN(300))
	half := append(bytes.Clone(random[:n/2]), m.next()...)
	return [][]byte{
		m.next(), m.next(), m.next(), half[:min(n, len(half))],
		german(rng, n), make([]byte, n), random, packed[:min(n, len(packed))],
		bytes.Repeat(random[:n/2], 2),
		bytes.Repeat(period, n/len(period)+1)[:n],
	}
}

// checked is the longest text that a second, slow decoder looks at.
const checked = 10_000

// check compresses text and inflates it in two ways. It returns what the payload
// takes, which is the length of text when there is no gain.
func check(t *testing.T, e *deflate.Encoder, o *oracle, text, history []byte, options deflate.Options) int {
	t.Helper()
	payload, ok := e.Deflate([]byte("head"), text, history, options)
	if string(payload[:4]) != "head" {
		t.Fatalf("dst begins with %q", payload[:4])
	}
	payload = payload[4:]
	if !ok {
		if len(payload) > 0 {
			t.Errorf("%+v: not ok with %d bytes", options, len(payload))
		}
		return len(text)
	}
	if len(payload) >= len(text) {
		t.Errorf("%+v: %d bytes became %d", options, len(text), len(payload))
	}
	window := 1 << options.WindowBits
	seen := history[max(0, len(history)-window):]
	if got, err := o.inflate(payload, seen); err != nil || !bytes.Equal(got, text) {
		t.Fatalf("%+v: %d bytes behind %d come back from compress/flate as %d, %v", options, len(text), len(history), len(got), err)
	}
	if len(text) > checked {
		return len(payload)
	}
	// The second one knows where a message may end and what it refers to. It has no
	// more history than the window, so a reference that is too far fails.
	got, distance, err := wstest.Inflate(payload, seen)
	if err != nil || !bytes.Equal(got, text) || distance > window {
		t.Fatalf("%+v: %d bytes behind %d come back as %d, distance %d, %v", options, len(text), len(history), len(got), distance, err)
	}
	return len(payload)
}

// TestDeflateRoundTrip compresses all kinds of messages with every window and both
// finders, with and without history, on one encoder.
func TestDeflateRoundTrip(t *testing.T) {
	var e deflate.Encoder
	var o oracle
	rng := rand.New(rand.NewPCG(1, 2))
	random := noise(rng, 40_000)
	for _, options := range everyOption() {
		for _, n := range []int{0, 1, 2, 3, 4, 5, 50, 256, 257, 512, 2000, 9000} {
			for _, text := range texts(rng, n) {
				check(t, &e, &o, text, nil, options)
				for _, before := range []int{1, 100, 1 << options.WindowBits, len(random)} {
					history := bytes.Clone(random[:before])
					// The message, or a part of it, has been sent before: anywhere.
					copy(history[rng.IntN(before):], text)
					check(t, &e, &o, text, history, options)
				}
			}
		}
	}
}

// TestDeflateRoundTripLong compresses messages of several blocks, and such that
// leave the piece that lies behind the history.
func TestDeflateRoundTripLong(t *testing.T) {
	var e deflate.Encoder
	var o oracle
	rng := rand.New(rand.NewPCG(3, 4))
	for i, options := range everyOption() {
		for _, n := range []int{32<<10 - 1 + i%3, 70_000} {
			before := texts(rng, 50_000)
			for i, text := range texts(rng, n) {
				history := before[i]
				check(t, &e, &o, text, nil, options)
				check(t, &e, &o, text, history, options)
			}
		}
		if options.WindowBits > 9 {
			continue
		}
		text, history := german(rng, 35_000), german(rng, 1000)
		payload, _ := e.Deflate(nil, text, history, options)
		got, distance, err := wstest.Inflate(payload, history[len(history)-1<<options.WindowBits:])
		if err != nil || !bytes.Equal(got, text) || distance > 1<<options.WindowBits {
			t.Errorf("%+v: %d bytes come back as %d, distance %d, %v", options, len(text), len(got), distance, err)
		}
	}
}

// TestDeflatePeriods compresses what repeats after each of 300 distances.
func TestDeflatePeriods(t *testing.T) {
	var e deflate.Encoder
	var o oracle
	rng := rand.New(rand.NewPCG(5, 6))
	for period := 1; period <= 300; period++ {
		text := bytes.Repeat(noise(rng, period), 1200/period+1)
		for _, options := range []deflate.Options{{WindowBits: 8}, {WindowBits: 9}, {WindowBits: 15, Thorough: true}} {
			n := check(t, &e, &o, text, nil, options)
			if period <= 1<<options.WindowBits && n > period+period/8+100 {
				t.Errorf("%+v: period %d of %d bytes takes %d", options, period, len(text), n)
			}
		}
	}
}

// TestDeflateReachesTheWholeWindow finds what is exactly as far back as the window
// allows, and does not refer to what is one byte farther.
func TestDeflateReachesTheWholeWindow(t *testing.T) {
	var e deflate.Encoder
	var o oracle
	rng := rand.New(rand.NewPCG(7, 8))
	for _, options := range everyOption() {
		window := 1 << options.WindowBits
		stream := noise(rng, window)
		message := stream[:200]
		if n := check(t, &e, &o, message, stream, options); n > 20 {
			t.Errorf("%+v: a message that is a window before takes %d bytes", options, n)
		}
		stream = append(stream, noise(rng, 200)...)
		if n := check(t, &e, &o, message, stream, options); n != len(message) {
			t.Errorf("%+v: a message that is farther than a window takes %d bytes", options, n)
		}
	}
}

// TestDeflateDependsOnItsArgumentsAlone compresses the same with a new encoder, with
// one that has compressed other things, and with one whose numbers run out.
func TestDeflateDependsOnItsArgumentsAlone(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	var used, worn deflate.Encoder
	before := german(rng, 40_000)
	for i, options := range everyOption() {
		for _, n := range []int{50, 700, 5000, 40_000} {
			for k, text := range texts(rng, n) {
				history := before[:rng.IntN(len(before))]
				if k%2 == 0 {
					history = nil
				}
				want, ok := new(deflate.Encoder).Deflate(nil, text, history, options)
				used.Deflate(nil, text[len(text)/4:], text[:len(text)/4], everyOption()[(i+k)%16])
				got, ok2 := used.Deflate(nil, text, history, options)
				if ok != ok2 || !bytes.Equal(got, want) {
					t.Fatalf("%+v: %d bytes: an encoder that was used makes something else", options, n)
				}
				worn.WearOut(rng.IntN(4 * n))
				worn.Deflate(nil, text[:len(text)/2], text[len(text)/2:], options)
				got, ok2 = worn.Deflate(nil, text, history, options)
				if ok != ok2 || !bytes.Equal(got, want) {
					t.Fatalf("%+v: %d bytes: an encoder whose numbers run out makes something else", options, n)
				}
			}
		}
	}
}

// TestDeflateNoGain gives back dst as it was for what does not get shorter.
func TestDeflateNoGain(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	var e deflate.Encoder
	for _, options := range everyOption() {
		for _, n := range []int{0, 1, 2, 3, 10, 300, 1000, 100_000} {
			dst := append(make([]byte, 0, 3+n), "abc"...)
			if got, ok := e.Deflate(dst, noise(rng, n), nil, options); ok || string(got) != "abc" {
				t.Errorf("%+v: %d random bytes became %d, %v", options, n, len(got)-3, ok)
			}
		}
	}
}

// TestDeflateMixedWithNoise: what looks random at first and is not gets shorter, and
// so does noise that was sent before.
func TestDeflateMixedWithNoise(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	var e deflate.Encoder
	var o oracle
	text := german(rng, 40_000)
	random := noise(rng, 40_000)
	for _, thorough := range []bool{false, true} {
		options := deflate.Options{WindowBits: 15, Thorough: thorough}
		for _, tt := range []struct {
			name          string
			text, history []byte
			most          int
		}{
			{"noise, then text", append(bytes.Clone(random), text...), nil, 40_300 + 20_000},
			{"text, then noise", append(bytes.Clone(text), random...), nil, 40_300 + 20_000},
			{"noise twice", append(bytes.Clone(random[:2000]), random[:2000]...), nil, 2_200},
			{"noise that was sent before", random[:8000], random[:8000], 300},
		} {
			if n := check(t, &e, &o, tt.text, tt.history, options); n > tt.most {
				t.Errorf("thorough %v: %s: %d bytes take %d, want at most %d", thorough, tt.name, len(tt.text), n, tt.most)
			}
		}
	}
}

// TestDeflateLongMessageBehindHistory: where a long message leaves the piece that lies
// behind the history, it still refers to what is in there.
func TestDeflateLongMessageBehindHistory(t *testing.T) {
	var e deflate.Encoder
	var o oracle
	rng := rand.New(rand.NewPCG(19, 20))
	digits := hex.AppendEncode(nil, noise(rng, 3000)) // half their size, and no more
	text := bytes.Repeat(digits, 12)
	for _, thorough := range []bool{false, true} {
		for _, history := range [][]byte{nil, digits[:100], german(rng, 40_000)} {
			n := check(t, &e, &o, text, history, deflate.Options{WindowBits: 15, Thorough: thorough})
			// The digits alone take 3000. The fast one knows few places of them at first.
			want := 7000
			if thorough {
				want = 4500
			}
			if n > want {
				t.Errorf("thorough %v: %d digits twelve times behind %d bytes take %d, want at most %d", thorough, len(digits), len(history), n, want)
			}
		}
	}
}

// TestDeflateGainsAsMuchAsTheStandardLibrary compares the two finders with levels 1
// and 6.
func TestDeflateGainsAsMuchAsTheStandardLibrary(t *testing.T) {
	all := compressors()
	total := func(compress func([]byte) int, list [][]byte) (n int) {
		for _, text := range list {
			n += compress(text)
		}
		return n
	}
	for _, size := range []int{100, 500, 2 << 10, 16 << 10} {
		list := newMix(size).messages(30)
		if fast, level1 := total(all["fast"], list), total(all["flate1"], list); fast > level1 {
			t.Errorf("%d bytes: fast takes %d, level 1 %d", size, fast, level1)
		}
		if thorough, level6 := total(all["thorough"], list), total(all["flate6"], list); thorough > level6+level6/100 {
			t.Errorf("%d bytes: thorough takes %d, level 6 %d", size, thorough, level6)
		}
	}
}

// TestDeflateAllocatesNothing counts a message once the encoder has seen its like.
func TestDeflateAllocatesNothing(t *testing.T) {
	var e deflate.Encoder
	rng := rand.New(rand.NewPCG(15, 16))
	history := german(rng, 4096)
	out := make([]byte, 0, 100_100)
	for _, text := range [][]byte{newMix(100).next(), newMix(2048).next(), german(rng, 100_000), noise(rng, 5000)} {
		for _, options := range []deflate.Options{{}, {Thorough: true}, {WindowBits: 12}, {Shortest: true}} {
			for _, h := range [][]byte{nil, history} {
				if n := testing.AllocsPerRun(10, func() { e.Deflate(out, text, h, options) }); n != 0 {
					t.Errorf("%d bytes, %d of history, %+v: %v allocations", len(text), len(h), options, n)
				}
			}
		}
	}
}

// TestEncoderIsSmall: what a pool holds of each encoder.
func TestEncoderIsSmall(t *testing.T) {
	if n := reflect.TypeFor[deflate.Encoder]().Size(); n > 48<<10 {
		t.Errorf("an encoder has %d bytes", n)
	}
	var e deflate.Encoder
	text := german(rand.New(rand.NewPCG(17, 18)), 1<<20)
	e.Deflate(make([]byte, 0, len(text)), text, text[:1<<15], deflate.Options{Thorough: true})
	if n := e.Kept(); n > 144<<10 {
		t.Errorf("after 1 MiB an encoder holds %d bytes besides", n)
	}
	e.Deflate(make([]byte, 0, 2048), text[:2048], text[:1<<15], deflate.Options{Shortest: true})
	if n := e.Kept(); n > (144+72)<<10 {
		t.Errorf("after a message in its shortest form an encoder holds %d bytes besides", n)
	}
}

// TestOptionsWindowBits panics with a window that RFC 7692 does not know.
func TestOptionsWindowBits(t *testing.T) {
	for _, bits := range []int{-1, 1, 7, 16} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a window of %d bits is taken", bits)
				}
			}()
			new(deflate.Encoder).Deflate(nil, []byte("text"), nil, deflate.Options{WindowBits: bits})
		}()
	}
}
