package deflate_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
	"github.com/kleeedolinux/socket.go/socket/internal/wstest"
)

// contextPeer is a context and its receiver, which knows nothing but what it got.
type contextPeer struct {
	bits     int
	context  deflate.Context
	e        *deflate.Encoder
	o        oracle
	d        deflate.Decoder
	receiver deflate.Context
	received []byte // the end of it, at least a window

	plain, packed int
}

func newContextPeer(bits int, e *deflate.Encoder) *contextPeer {
	return &contextPeer{bits: bits, context: deflate.NewContext(bits), receiver: deflate.NewContext(bits), e: e}
}

// seen is what the receiver's window has.
func (p *contextPeer) seen() []byte {
	return p.received[max(0, len(p.received)-1<<p.bits):]
}

// got is that the receiver has inflated a message, which is its own.
func (p *contextPeer) got(text []byte) {
	p.receiver.Append(text)
	p.received = append(p.seen(), text...)
}

// send compresses a message and has the receiver inflate it, in two ways if that does
// not take too long. It reports whether the message got shorter.
func (p *contextPeer) send(t *testing.T, text []byte, o deflate.Options) bool {
	t.Helper()
	payload, ok := p.e.DeflateContext([]byte("head"), text, &p.context, o)
	if string(payload[:4]) != "head" {
		t.Fatalf("bits %d: dst begins with %q", p.bits, payload[:4])
	}
	payload = payload[4:]
	p.plain += len(text)
	if !ok {
		if len(payload) > 0 {
			t.Fatalf("bits %d: not ok with %d bytes", p.bits, len(payload))
		}
		p.packed += len(text)
		return false
	}
	p.packed += len(payload)
	if len(payload) >= len(text) {
		t.Errorf("bits %d: %d bytes became %d", p.bits, len(text), len(payload))
	}
	if got, err := p.o.inflate(payload, p.seen()); err != nil || !bytes.Equal(got, text) {
		t.Fatalf("bits %d, %+v: %d bytes behind %d come back from compress/flate as %d, %v", p.bits, o, len(text), len(p.seen()), len(got), err)
	}
	if len(text) <= checked {
		// It has no more history than the window, and fails if a reference is too far.
		got, distance, err := wstest.Inflate(payload, p.seen())
		if err != nil || !bytes.Equal(got, text) || distance > 1<<p.bits {
			t.Fatalf("bits %d, %+v: %d bytes behind %d come back as %d, distance %d, %v", p.bits, o, len(text), len(p.seen()), len(got), distance, err)
		}
	}
	if got, err := p.d.InflateContext([]byte("x"), payload, &p.receiver, len(text)); err != nil || string(got[:1]) != "x" || !bytes.Equal(got[1:], text) {
		t.Fatalf("bits %d, %+v: %d bytes behind %d come back as %d, %v", p.bits, o, len(text), len(p.seen()), len(got)-1, err)
	}
	p.received = append(p.seen(), text...)
	return true
}

// TestContextRoundTrip sends messages of all kinds and sizes with every window, some of
// them thorough, some compressed for many, some after a new beginning.
func TestContextRoundTrip(t *testing.T) {
	var e deflate.Encoder
	rng := rand.New(rand.NewPCG(61, 62))
	for bits := 8; bits <= 15; bits++ {
		p := newContextPeer(bits, &e)
		sent, refused := 0, 0
		for range 40 {
			size := []int{0, 1, 3, 4, 20, 100, 300, 1000, 5000, 40_000}[rng.IntN(10)]
			for _, text := range texts(rng, size) {
				switch rng.IntN(20) {
				case 0:
					p.context.Reset()
				case 1, 2, 3:
					p.context.Append(text)
					p.got(text)
					continue
				}
				if p.send(t, text, deflate.Options{Thorough: rng.IntN(4) == 0}) {
					sent++
				} else {
					refused++
				}
			}
		}
		if sent < 100 || refused < 100 {
			t.Errorf("bits %d: %d messages got shorter and %d did not: both must be common, or nothing is tested", bits, sent, refused)
		}
	}
}

// TestContextIsNotMistakenAfter64KiB sends so much that the numbers in the table come
// around many times, with messages of which every part has been sent before, at any
// distance up to a few times that.
func TestContextIsNotMistakenAfter64KiB(t *testing.T) {
	var e deflate.Encoder
	rng := rand.New(rand.NewPCG(63, 64))
	source := german(rng, 200_000)
	for _, bits := range []int{8, 12, 15} {
		p := newContextPeer(bits, &e)
		for range 4000 {
			at := rng.IntN(len(source) - 400)
			text := source[at:][:100+rng.IntN(300)]
			if rng.IntN(3) == 0 {
				p.context.Append(text)
				p.got(text)
			} else {
				p.send(t, text, deflate.Options{})
			}
		}
	}
}

// TestContextKeepsNothingOfWhatIsNotSent: a message that gets no shorter leaves the
// context as it was, but for the table's hints.
func TestContextKeepsNothingOfWhatIsNotSent(t *testing.T) {
	var e deflate.Encoder
	rng := rand.New(rand.NewPCG(65, 66))
	for bits := 8; bits <= 15; bits++ {
		p := newContextPeer(bits, &e)
		random := noise(rng, 200)
		for range 20 {
			if p.send(t, random, deflate.Options{}) {
				t.Fatalf("bits %d: %d random bytes got shorter: they have not been sent", bits, len(random))
			}
			p.send(t, german(rng, 150), deflate.Options{})
		}
	}
}

// TestContextReachesTheWholeWindow finds what was sent a window before.
func TestContextReachesTheWholeWindow(t *testing.T) {
	var e deflate.Encoder
	rng := rand.New(rand.NewPCG(67, 68))
	for bits := 9; bits <= 15; bits++ {
		for _, thorough := range []bool{false, true} {
			o := deflate.Options{Thorough: thorough}
			p := newContextPeer(bits, &e)
			first := append(noise(rng, 60), make([]byte, 40)...) // gets shorter
			if !p.send(t, first, o) {
				t.Fatalf("bits %d: the first message got no shorter", bits)
			}
			between := noise(rng, 1<<bits-len(first))
			p.context.Append(between)
			p.got(between)
			before := p.packed
			p.send(t, first[:60], o)
			if n := p.packed - before; n > 15 {
				t.Errorf("bits %d, thorough %v: what is a window before takes %d bytes of 60", bits, thorough, n)
			}
		}
	}
}

// TestContextGoesOnIntoWhatIsNotSearched: a frame that was compressed for many is no
// place to look for a match, but a match that begins before it goes on in it.
func TestContextGoesOnIntoWhatIsNotSearched(t *testing.T) {
	var e deflate.Encoder
	rng := rand.New(rand.NewPCG(69, 70))
	p := newContextPeer(12, &e)
	known := append(noise(rng, 60), make([]byte, 40)...)
	p.send(t, known, deflate.Options{})
	shared := noise(rng, 150)
	p.context.Append(shared)
	p.got(shared)
	before := p.packed
	p.send(t, append(bytes.Clone(known[len(known)-45:]), shared...), deflate.Options{})
	if n := p.packed - before; n > 30 {
		t.Errorf("45 bytes that were sent and 150 behind them take %d", n)
	}
}

// TestContextFindsWhatLongMessagesHad: messages that do without the table are known to
// the next one that does not.
func TestContextFindsWhatLongMessagesHad(t *testing.T) {
	var e deflate.Encoder
	rng := rand.New(rand.NewPCG(81, 82))
	for bits := 10; bits <= 15; bits++ {
		for _, thorough := range []bool{false, true} {
			p := newContextPeer(bits, &e)
			p.send(t, german(rng, 200), deflate.Options{})
			long := append(noise(rng, 1<<bits), make([]byte, 1<<bits/4)...)
			if !p.send(t, long, deflate.Options{Thorough: thorough}) {
				t.Fatalf("bits %d: the long message got no shorter", bits)
			}
			between := noise(rng, 100)
			p.context.Append(between)
			p.got(between)
			before := p.packed
			p.send(t, long[len(long)*2/3:][:100], deflate.Options{})
			if n := p.packed - before; n > 25 {
				t.Errorf("bits %d, thorough %v: 100 bytes of a long message before take %d", bits, thorough, n)
			}
		}
	}
}

// TestContextGains compares the context's table with a search of the whole window.
func TestContextGains(t *testing.T) {
	for _, size := range []int{100, 300, 500, 2000, 16_000} {
		var e deflate.Encoder
		p := newContextPeer(12, &e)
		var history []byte
		window := 0
		for _, text := range newMix(size).messages(max(30, 60_000/size)) {
			p.send(t, text, deflate.Options{})
			payload, ok := e.Deflate(nil, text, history, deflate.Options{WindowBits: 12})
			if window += len(payload); !ok {
				window += len(text)
				continue
			}
			history = append(history, text...)
		}
		if p.packed > window+window/25 {
			t.Errorf("%d bytes: with the table messages take %d, without it %d", size, p.packed, window)
		}
	}
}

// TestContextDependsOnWhatWasSent makes the same of the same messages with other
// encoders, one of them worn, and after Reset.
func TestContextDependsOnWhatWasSent(t *testing.T) {
	rng := rand.New(rand.NewPCG(71, 72))
	var used, worn deflate.Encoder
	for bits := 8; bits <= 15; bits++ {
		first, second, third := deflate.NewContext(bits), deflate.NewContext(bits), deflate.NewContext(bits)
		third.Append(german(rng, 5000))
		used.DeflateContext(nil, german(rng, 60), &third, deflate.Options{})
		third.Reset()
		for i := range 200 {
			text := texts(rng, 1+rng.IntN(900))[i%10]
			if i%5 == 4 {
				first.Append(text)
				second.Append(text)
				third.Append(text)
				continue
			}
			o := deflate.Options{Thorough: i%7 == 0}
			want, ok := new(deflate.Encoder).DeflateContext(nil, text, &first, o)
			got, ok2 := used.DeflateContext(nil, text, &second, o)
			worn.WearOut(rng.IntN(4000))
			again, ok3 := worn.DeflateContext(nil, text, &third, o)
			if ok != ok2 || ok != ok3 || !bytes.Equal(got, want) || !bytes.Equal(again, want) {
				t.Fatalf("bits %d, message %d: the same context makes something else", bits, i)
			}
		}
	}
}

// TestContextIsAsLargeAsWhatItHolds: nothing at first, twice the window at most, and
// nothing after Reset.
func TestContextIsAsLargeAsWhatItHolds(t *testing.T) {
	var e deflate.Encoder
	rng := rand.New(rand.NewPCG(73, 74))
	for bits := 8; bits <= 15; bits++ {
		for _, thorough := range []bool{false, true} {
			c := deflate.NewContext(bits)
			e.DeflateContext(nil, nil, &c, deflate.Options{})
			c.Append(nil)
			if n := c.Kept(); n != 0 {
				t.Errorf("bits %d: %d bytes before the first message", bits, n)
			}
			total, most := 0, 2<<bits
			if thorough {
				most = 1 << bits
			}
			for range 400 {
				text := german(rng, 60+rng.IntN(100))
				if rng.IntN(100) == 0 {
					text = german(rng, 3000)
				}
				if _, ok := e.DeflateContext(nil, text, &c, deflate.Options{Thorough: thorough}); ok {
					total += len(text)
				}
				if n := c.Kept(); n > most || n > max(1024, 4*(total+200)) {
					t.Fatalf("bits %d, thorough %v: %d bytes for %d that were sent", bits, thorough, n, total)
				}
			}
			if n := c.Kept(); n != most {
				t.Errorf("bits %d, thorough %v: %d bytes when it is full, want %d", bits, thorough, n, most)
			}
			if c.Reset(); c.Kept() != 0 {
				t.Errorf("bits %d: Reset keeps %d bytes", bits, c.Kept())
			}
		}
	}
}

func TestContextMemoryOfAConnection(t *testing.T) {
	var e deflate.Encoder
	const contexts = 500
	list := newMix(500).messages(20)
	out := make([]byte, 0, 1000)
	held := make([]deflate.Context, contexts)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.GC() // what earlier tests have in pools goes with the second
	runtime.ReadMemStats(&before)
	for i := range held {
		held[i] = deflate.NewContext(12)
		for _, text := range list {
			e.DeflateContext(out, text, &held[i], deflate.Options{})
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	n := (int64(after.HeapAlloc)-int64(before.HeapAlloc))/contexts + int64(reflect.TypeFor[deflate.Context]().Size())
	if full := held[0].Kept(); full != 8<<10 || n > 8<<10+300 {
		t.Errorf("a context of 4 KiB that holds %d bytes takes %d", full, n)
	}
	runtime.KeepAlive([]any{&e, held, list, out})
}

func TestContextAllocatesNothingPerMessage(t *testing.T) {
	var e deflate.Encoder
	rng := rand.New(rand.NewPCG(75, 76))
	out := make([]byte, 0, 100_100)
	for _, bits := range []int{8, 12, 15} {
		c := deflate.NewContext(bits)
		c.Append(german(rng, 1<<bits))
		for _, text := range [][]byte{newMix(100).next(), newMix(2048).next(), german(rng, 20_000), noise(rng, 1000)} {
			for _, o := range []deflate.Options{{}, {Thorough: true}} {
				if n := testing.AllocsPerRun(10, func() { e.DeflateContext(out, text, &c, o) }); n != 0 {
					t.Errorf("bits %d, %d bytes, %+v: %v allocations", bits, len(text), o, n)
				}
			}
		}
	}
}

// TestContextZeroValue has the window of the extension's default.
func TestContextZeroValue(t *testing.T) {
	var e deflate.Encoder
	rng := rand.New(rand.NewPCG(77, 78))
	p := newContextPeer(15, &e)
	p.context = deflate.Context{}
	first := append(noise(rng, 200), make([]byte, 100)...)
	p.send(t, first, deflate.Options{})
	between := noise(rng, 32<<10-len(first))
	p.context.Append(between)
	p.got(between)
	before := p.packed
	if p.send(t, first[:200], deflate.Options{}); p.packed-before > 20 {
		t.Errorf("200 bytes that are 32 KiB before take %d", p.packed-before)
	}
}

func TestContextRefusesBitsThatTheRFCDoesNotHave(t *testing.T) {
	for _, bits := range []int{-1, 0, 7, 16} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("NewContext(%d) is taken", bits)
				}
			}()
			deflate.NewContext(bits)
		}()
	}
}

// TestReceiverOfCompressFlate has the context of a receiver whose peer is a compressor of
// compress/flate, with messages of all sizes and some that are damaged: these change
// nothing.
func TestReceiverOfCompressFlate(t *testing.T) {
	rng := rand.New(rand.NewPCG(79, 80))
	for _, level := range []int{1, 6, 9} {
		var b bytes.Buffer
		sender, err := flate.NewWriter(&b, level)
		must(t, err)
		var d deflate.Decoder
		var c deflate.Context
		for i, message := range inflateMix(40_000, 60) {
			if i%8 != 0 {
				message = message[:rng.IntN(2000)]
			}
			b.Reset()
			payload := flushed(sender, &b, message)
			if _, err := d.InflateContext(nil, payload[:len(payload)/2], &c, -1); err == nil && len(payload) > 2 {
				t.Fatalf("level %d, message %d: half of it is taken", level, i)
			}
			if _, err := d.InflateContext(nil, payload, &c, len(message)-1); len(message) > 0 && !errors.Is(err, deflate.ErrTooLong) {
				t.Fatalf("level %d, message %d: %v, want ErrTooLong", level, i, err)
			}
			got, err := d.InflateContext(nil, payload, &c, len(message))
			if err != nil || !bytes.Equal(got, message) {
				t.Fatalf("level %d, message %d: %d of %d bytes, %v", level, i, len(got), len(message), err)
			}
		}
		if n := c.Kept(); n != 32<<10 {
			t.Errorf("level %d: a full context of a receiver holds %d bytes", level, n)
		}
	}
}

// TestReferencesReachAsFarAsTheContext copies from the first byte that is there, and
// from one before, wherever the ring is cut.
func TestReferencesReachAsFarAsTheContext(t *testing.T) {
	var d deflate.Decoder
	plain := inflateMix(5000, 1)[0]
	for _, sent := range []int{0, 1, 200, 255, 256, 257, 300, 511, 512, 513, 4000} {
		size := min(sent, 512)
		for _, before := range []int{0, 1, 255} { // bytes of the message that come first
			for _, length := range []int{3, 9, 257, 258} {
				for _, near := range []int{-1, 0, 1, 2, 100, size} {
					distance := size + before - near
					if distance <= 0 {
						continue
					}
					c := deflate.NewContext(9)
					for rest := plain[:sent]; len(rest) > 0; rest = rest[min(len(rest), 77):] {
						c.Append(rest[:min(len(rest), 77)])
					}
					payload := literalsThenCopy(plain[:before], length, distance)
					got, err := d.InflateContext(nil, payload, &c, 1000)
					if near < 0 {
						if !errors.Is(err, deflate.ErrCorrupt) {
							t.Errorf("%d sent, distance %d: %d bytes, %v, want ErrCorrupt", sent, distance, len(got), err)
						}
						continue
					}
					want, wantErr := flateInflate(payload, plain[sent-size:sent])
					if err != nil || wantErr != nil || !bytes.Equal(got, want) {
						t.Errorf("%d sent, before %d, distance %d: %q, %v, want %q, %v", sent, before, distance, got, err, want, wantErr)
					}
				}
			}
		}
	}
}

func ExampleEncoder_DeflateContext() {
	var e deflate.Encoder // shared by many connections
	c := deflate.NewContext(12)
	message := []byte(`{"event":"typing","data":{"room":"general","user":"alice"}}`)

	var d deflate.Decoder
	peer := deflate.NewContext(12)
	for range 2 {
		payload, ok := e.DeflateContext(nil, message, &c, deflate.Options{})
		got, err := d.InflateContext(nil, payload, &peer, 1024)
		fmt.Println(len(message), len(payload), ok, string(got) == string(message), err)
	}
	// Output:
	// 59 57 true true <nil>
	// 59 4 true true <nil>
}
