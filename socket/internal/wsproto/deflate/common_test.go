package deflate_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

// crowd is the model of what receivers of common texts have: of each the plaintext that
// its window really holds, kept by what it has inflated, beside what a Member says.
type crowd struct {
	t       *testing.T
	rng     *rand.Rand
	bits    int
	commons []*deflate.Common
	peers   []*peer
	encoder deflate.Encoder
	oracle  oracle
	words   []byte

	referring int // frames that have referred back
}

// peer is a receiver.
type peer struct {
	bits   int
	window deflate.Window
	member deflate.Member
	behind []shared // what it is sent once it catches up; nothing overtakes that
	slow   bool
}

// shared is a message that several get.
type shared struct {
	text  deflate.Text
	plain []byte
}

func newCrowd(t *testing.T, seed uint64, bits int) *crowd {
	c := &crowd{t: t, rng: rand.New(rand.NewPCG(seed, 61)), bits: bits}
	c.words = bytes.Join(newMix(400).messages(20), nil)
	for range 2 {
		c.commons = append(c.commons, deflate.NewCommon(bits))
	}
	for i := range 6 {
		c.peers = append(c.peers, newPeer(8+i%8))
	}
	return c
}

func newPeer(bits int) *peer { return &peer{bits: bits, window: deflate.NewWindow(bits)} }

// message returns a piece of text of a size that n stands for: most are small, some
// larger than the window.
func (c *crowd) message(n int) []byte {
	size := n % 200
	switch n % 16 {
	case 0:
		size = 1<<c.bits + n - 128
	case 1:
		size = 1 << (n / 16 % 14)
	}
	size = max(1, min(size, len(c.words)))
	from := c.rng.IntN(len(c.words) - size + 1)
	return c.words[from : from+size]
}

// deliver sends p a frame with as much history as may be used according to the
// member, unless plain says to send it as it is, and inflates it with what p has.
func (c *crowd) deliver(p *peer, m shared) {
	has := min(p.member.Has(&m.text), 1<<p.bits)
	before := m.text.Before()
	history := before[max(0, len(before)-has):]
	if !bytes.HasSuffix(p.window.Tail(), history) {
		c.t.Fatalf("a peer with a window of %d bytes should have %d bytes before a text, and has not", p.window.Size(), len(history))
	}
	bits := min(p.bits, c.bits)
	frame, ok := c.encoder.Deflate(nil, m.plain, history, deflate.Options{WindowBits: bits, Thorough: c.rng.IntN(2) == 0, Shortest: c.rng.IntN(4) == 0})
	if !ok {
		return // it is sent as it is: that leaves no trace in any window
	}
	if len(history) > 0 {
		c.referring++
	}
	c.inflate(p, frame, m.plain)
	p.member.Took(&m.text)
}

// inflate has p receive a frame.
func (c *crowd) inflate(p *peer, frame, plain []byte) {
	got, err := c.oracle.inflate(frame, p.window.Tail())
	if err != nil || !bytes.Equal(got, plain) {
		c.t.Fatalf("%d bytes in a frame of %d, to a peer with %d bytes in its window, inflate to %d others: %v",
			len(plain), len(frame), len(p.window.Tail()), len(got), err)
	}
	p.window.Append(plain)
}

// send sends m to the peers whose bit is set, or leaves it for later.
func (c *crowd) send(m shared, to int) {
	for i, p := range c.peers {
		if to>>i&1 == 0 {
			continue
		}
		if p.slow {
			p.behind = append(p.behind, m)
		} else {
			c.deliver(p, m)
		}
	}
}

// catchUp sends p what was left for later.
func (c *crowd) catchUp(p *peer) {
	for _, m := range p.behind {
		c.deliver(p, m)
	}
	p.behind, p.slow = nil, false
}

// step does one thing that happens in a room.
func (c *crowd) step(what, who, n byte) {
	common := c.commons[int(who)%len(c.commons)]
	p := c.peers[int(who)%len(c.peers)]
	plain := c.message(int(n))
	switch what % 16 {
	default: // a broadcast to those who are here
		m := shared{common.Next(plain), plain}
		common.Add(m.text, plain)
		c.send(m, 1<<len(c.peers)-1)
	case 1: // one that some miss
		m := shared{common.Next(plain), plain}
		common.Add(m.text, plain)
		c.send(m, int(n))
	case 2: // one that is sent twice, and then again behind the next
		m := shared{common.Next(plain), plain}
		common.Add(m.text, plain)
		c.send(m, 1<<len(c.peers)-1)
		c.send(m, int(who))
		next := shared{common.Next(plain[:1+len(plain)/2]), plain[:1+len(plain)/2]}
		common.Add(next.text, next.plain)
		c.send(next, int(n))
		c.send(m, int(n))
	case 3: // one that gets no place in the common text after all
		_ = common.Next(plain)
	case 4: // a message to one peer alone, compressed on its own
		c.catchUp(p)
		if frame, ok := c.encoder.Deflate(nil, plain, nil, deflate.Options{WindowBits: p.bits}); ok {
			c.inflate(p, frame, plain)
			p.member.Forget()
		}
	case 5: // and one that refers to its own window, whatever that holds
		c.catchUp(p)
		if frame, ok := c.encoder.Deflate(nil, plain, p.window.Tail(), deflate.Options{WindowBits: p.bits}); ok {
			c.inflate(p, frame, plain)
			p.member.Forget()
		}
	case 6: // a newcomer takes the place of a peer
		c.peers[int(who)%len(c.peers)] = newPeer(8 + int(n)%8)
	case 7: // a peer falls behind
		p.slow = true
	case 8, 9: // and gets all
		c.catchUp(p)
	case 10:
		if n%4 == 0 { // memory is short
			common.Reset()
		}
	case 11:
		if n%4 == 0 { // the room is gone, and another one comes
			c.commons[int(who)%len(c.commons)] = deflate.NewCommon(c.bits)
		}
	}
	for _, common := range c.commons {
		if held := common.Held(); held > 3<<c.bits {
			c.t.Fatalf("a common text of 1<<%d bytes holds %d", c.bits, held)
		}
	}
}

func TestMembersHaveWhatTheCommonTextSaysTheyHave(t *testing.T) {
	for bits := 8; bits <= 15; bits++ {
		t.Run(fmt.Sprint("bits=", bits), func(t *testing.T) {
			t.Parallel()
			c := newCrowd(t, uint64(bits), bits)
			for range 400 {
				c.step(byte(c.rng.Uint32()), byte(c.rng.Uint32()), byte(c.rng.Uint32()))
			}
			if c.referring < 100 {
				t.Errorf("%d frames have referred back", c.referring)
			}
		})
	}
}

// FuzzCommon has any things happen in a room, three bytes for each.
func FuzzCommon(f *testing.F) {
	f.Add([]byte("\x00\x01\x20\x00\x01\x21\x04\x01\x22\x00\x01\x23\x00\x01\x24"), uint8(5))                         // alone in between
	f.Add([]byte("\x00\x00\x20\x07\x00\x00\x00\x00\x21\x00\x01\x22\x08\x00\x00\x00\x00\x23"), uint8(0))             // behind
	f.Add([]byte("\x00\x00\x20\x00\x00\x00\x02\x00\x31\x00\x00\x10\x0a\x00\x00\x00\x00\x23"), uint8(1))             // long, twice, reset
	f.Add([]byte("\x00\x00\x20\x0b\x00\x00\x00\x00\x21\x06\x02\x00\x01\x00\x2a\x00\x00\x24\x05\x03\x30"), uint8(7)) // gone, newcomer
	f.Fuzz(func(t *testing.T, steps []byte, bits uint8) {
		c := newCrowd(t, 1, 8+int(bits)%8)
		for range 200 {
			if len(steps) < 3 {
				break
			}
			c.step(steps[0], steps[1], steps[2])
			steps = steps[3:]
		}
	})
}

func TestWhoHadEveryMessageHasAllOfTheText(t *testing.T) {
	c := deflate.NewCommon(13)
	var m deflate.Member
	total := 0
	for i := range 300 {
		message := make([]byte, 1+i)
		text := c.Next(message)
		if has := m.Has(&text); has != min(total, 32<<10) || has < len(text.Before()) {
			t.Fatalf("message %d: has %d of %d bytes, and %d are before it", i, has, total, len(text.Before()))
		}
		if want := min(total, 8<<10); len(text.Before()) != want {
			t.Fatalf("message %d: refers to %d bytes, want %d", i, len(text.Before()), want)
		}
		c.Add(text, message)
		m.Took(&text)
		total += len(message)
	}
	missed := c.Next([]byte("missed"))
	c.Add(missed, []byte("missed"))
	next := c.Next([]byte("next"))
	if has := m.Has(&next); has != 0 {
		t.Errorf("behind a message that it missed, a member has %d bytes", has)
	}
}

func TestMemberOfOneCommonTextHasNothingOfAnother(t *testing.T) {
	var m deflate.Member
	for range 3 {
		c := deflate.NewCommon(8) // with the same offsets each time
		first := c.Next([]byte("first"))
		if has := m.Has(&first); has != 0 {
			t.Errorf("before the first message a member has %d bytes", has)
		}
		c.Add(first, []byte("first"))
		second := c.Next([]byte("second"))
		if has := m.Has(&second); has != 0 {
			t.Errorf("before the second message, a member of another text has %d bytes", has)
		}
		m.Took(&first)
		if has := m.Has(&second); has != len("first") {
			t.Errorf("before the second message a member has %d bytes", has)
		}
	}
}

func TestTextStaysWhenTheCommonTextGoesOn(t *testing.T) {
	c := deflate.NewCommon(8)
	var texts []deflate.Text
	var want [][]byte
	for _, message := range newMix(100).messages(100) {
		text := c.Next(message)
		texts = append(texts, text)
		want = append(want, bytes.Clone(text.Before()))
		if cap(text.Before()) != len(text.Before()) {
			t.Fatal("there is room behind a text for whoever appends to it")
		}
		c.Add(text, message)
	}
	for i := range texts {
		if !bytes.Equal(texts[i].Before(), want[i]) {
			t.Fatalf("text %d has changed", i)
		}
	}
}

func TestMemberKeepsNoMemoryOfACommonTextThatIsGone(t *testing.T) {
	gone := make(chan struct{})
	var m deflate.Member
	func() {
		c := deflate.NewCommon(15)
		message := make([]byte, 40_000)
		text := c.Next(message)
		c.Add(text, message)
		m.Took(&text)
		runtime.AddCleanup(c, func(gone chan struct{}) { close(gone) }, gone)
	}()
	for range 10 {
		runtime.GC()
		select {
		case <-gone:
			runtime.KeepAlive(&m)
			return
		default:
			runtime.Gosched()
		}
	}
	// Cleanups run on a goroutine of the runtime's: give it all the time there is.
	<-gone
	runtime.KeepAlive(&m)
}

func TestOnlyTheNextTextIsAdded(t *testing.T) {
	c := deflate.NewCommon(8)
	late, now := c.Next([]byte("late")), c.Next([]byte("now"))
	c.Add(now, []byte("now"))
	foreign := deflate.NewCommon(8).Next([]byte("x"))
	for _, tt := range []struct {
		name    string
		text    deflate.Text
		message string
	}{
		{"a place that is taken", late, "late"},
		{"a text of another", foreign, "x"},
		{"a message of another size", c.Next([]byte("one")), "three"},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is added", tt.name)
				}
			}()
			c.Add(tt.text, []byte(tt.message))
		}()
	}
}
