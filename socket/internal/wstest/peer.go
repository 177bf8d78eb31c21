package wstest

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
)

// Cut is how the bytes of a peer are divided into writes. After each write
// nothing follows before the endpoint has done all that it can do. A positive
// Cut is so many bytes.
type Cut int

const (
	Whole  Cut = -1 // everything up to the next answer
	Frames Cut = 0  // each frame for itself
)

func (c Cut) String() string {
	switch c {
	case Whole:
		return "whole"
	case Frames:
		return "frames"
	}
	return fmt.Sprint(int(c))
}

// Peer is the other end of the connection under test. Its methods fail the test
// when the endpoint does not do what it must.
type Peer struct {
	t     *testing.T
	role  Role // of the endpoint
	setup Setup
	cut   Cut
	ep    Endpoint
	nc    *memnet.Conn

	pending []byte    // not sent yet
	ends    []int     // where each part of pending ends, for Frames
	key     uint32    // of the last frame
	long    *long     // the frame that SendRest continues
	keys    [][4]byte // of the frames that came

	agreed *Agreement // permessage-deflate, nil if it was not agreed on
	in     *Decompressor
	out    *Compressor
	wire   int // bytes of compressed payloads that came

	opening int // bytes of the peer's half of the handshake
	began   time.Time
	waited  time.Duration
	told    *Verdict // nil: it was never said
	ended   bool     // the endpoint has ended its half, as it should

	mu  sync.Mutex // guards the fields below
	got []byte     // received and not looked at
	err error      // why nothing more comes
}

// long is a frame that is sent in several pieces.
type long struct {
	key *[4]byte
	pos int
}

// newPeer returns the peer of a connection whose endpoint was just started.
func newPeer(t *testing.T, role Role, cut Cut, ep Endpoint, nc *memnet.Conn) *Peer {
	p := &Peer{t: t, role: role, cut: cut, ep: ep, nc: nc, began: time.Now()}
	_ = nc.SetWriteDeadline(time.Now().Add(writeTimeout)) // fails only on a closed connection
	// Owned by p: ends with the connection, which the end of the test closes.
	go p.read()
	t.Cleanup(func() { _ = nc.Close() })
	return p
}

// Shared by all cases: there are thousands, and each reads little.
var readBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

func (p *Peer) read() {
	buf := readBuffers.Get().(*[64 << 10]byte)
	defer readBuffers.Put(buf)
	b := buf[:]
	for {
		n, err := p.nc.Read(b)
		p.mu.Lock()
		p.got = append(p.got, b[:n]...)
		p.err = err
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// T returns the test.
func (p *Peer) T() *testing.T { return p.t }

// Role returns the role of the endpoint.
func (p *Peer) Role() Role { return p.role }

// Agreed returns what the handshake settled for permessage-deflate, nil if the
// connection does without.
func (p *Peer) Agreed() *Agreement { return p.agreed }

// Deflated returns how many bytes of compressed payloads have come so far.
func (p *Peer) Deflated() int { return p.wire }

// Send adds frames to what leaves with the next write.
func (p *Peer) Send(frames ...Frame) {
	for _, f := range frames {
		if f.Fragments > 0 && len(f.Payload) > f.Fragments {
			p.sendFragments(f)
			continue
		}
		key := p.newKey(f.Mask)
		p.pending = slices.Grow(p.pending, len(f.Payload)+14)
		if f.Announce != 0 {
			p.long = &long{key, len(f.Payload)}
		}
		p.pending = f.append(p.pending, key)
		p.ends = append(p.ends, len(p.pending))
	}
}

// SendRest adds further bytes of the last frame that announced more than it had.
func (p *Peer) SendRest(b []byte) {
	p.pending = appendMasked(p.pending, b, p.long.key, p.long.pos)
	p.long.pos += len(b)
	p.ends = append(p.ends, len(p.pending))
}

// SendMessage adds a message in compressed form, in frames of at most size bytes
// of payload; size 0 is one frame. RFC 7692 section 6.1: only the first has RSV1.
func (p *Peer) SendMessage(opcode byte, message []byte, size int) {
	if p.out == nil {
		p.t.Fatal("permessage-deflate was not agreed on")
	}
	p.Send(Frame{Opcode: opcode, RSV: 4, Payload: p.out.Message(message), Fragments: size})
}

func (p *Peer) sendFragments(f Frame) {
	size, rest := f.Fragments, f.Payload
	f.Fragments, f.More = 0, true
	for ; len(rest) > size; rest = rest[size:] {
		f.Payload = rest[:size]
		p.Send(f)
		f.Opcode, f.RSV = Continuation, 0
	}
	f.More, f.Payload = false, rest
	p.Send(f)
}

// newKey returns the key to mask the next frame with, nil for none. Keys differ
// from frame to frame, and the first is zero.
func (p *Peer) newKey(m Mask) *[4]byte {
	if m.Rule == MaskKey {
		return &m.Key
	}
	if !m.masked(p.role == Server) {
		return nil
	}
	k := p.key
	p.key = p.key*1664525 + 1013904223
	return &[4]byte{byte(k >> 24), byte(k >> 16), byte(k >> 8), byte(k)}
}

// writeTimeout ends a test whose endpoint reads nothing, in virtual time.
const writeTimeout = 1000 * time.Hour

// Flush writes what Send has collected, and returns when the endpoint has done
// all that it can do about it.
func (p *Peer) Flush() {
	b := p.pending
	p.pending = p.pending[:0]
	switch {
	case p.cut > 0:
		for piece := range slices.Chunk(b, int(p.cut)) {
			p.write(piece)
		}
	case p.cut == Frames:
		start := 0
		for _, end := range p.ends {
			p.write(b[start:end])
			start = end
		}
	case len(b) > 0:
		p.write(b)
	}
	p.ends = p.ends[:0]
	synctest.Wait()
}

func (p *Peer) write(b []byte) {
	// An endpoint that has closed takes no more. Whether it should have is seen
	// from what it sent.
	_, _ = p.nc.Write(b)
	synctest.Wait()
}

// Expect is one thing that the endpoint must do.
type Expect struct {
	Frame  Frame
	Any    bool // a close frame: with any valid reason
	Either bool // a message: in compressed form or not
	End    bool // no frame but the end of the endpoint's half
	Closed bool // no frame but what follows the closing handshake, see [Peer.Bye]
}

func (e Expect) String() string {
	switch {
	case e.End, e.Closed:
		return "eof"
	case e.Any:
		return e.Frame.String() + " ..."
	}
	return e.Frame.String()
}

// Want flushes and fails the test unless the endpoint has done exactly what is
// listed since the last call, and has ended its half of the connection if and
// only if that is listed.
func (p *Peer) Want(list ...Expect) {
	p.t.Helper()
	p.expect(list)
	p.Flush()
	got, ended := p.received()
	var want []Expect
	for _, e := range list {
		switch {
		case e.End:
			p.ended = true
		case e.Closed:
			p.ended = p.role == Server
		default:
			want = append(want, e)
		}
	}
	if !p.agree(got, want) {
		p.t.Fatalf("the endpoint sent %v, want %v", shorten(got), shorten(want))
	}
	if ended != p.ended {
		p.t.Fatalf("the endpoint has ended its half: %t, want %t", ended, p.ended)
	}
}

// expect makes room for what the list says will come.
func (p *Peer) expect(list []Expect) {
	n := 0
	for _, e := range list {
		n += len(e.Frame.Payload) + 14
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = slices.Grow(p.got, n)
}

// received returns the frames that came since the last call, and whether the
// endpoint has ended its half.
func (p *Peer) received() (frames []Frame, ended bool) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.got) > 0 {
		f, n, err := parseFrame(p.got, p.role == Client)
		if err != nil || n == 0 {
			p.t.Fatalf("the endpoint sent %.64x behind %v: %v", p.got, shorten(frames), err)
		}
		p.got = p.got[n:]
		p.keys = append(p.keys, f.Mask.Key)
		if p.agreed != nil && f.RSV == 4 && (f.Opcode == Text || f.Opcode == Binary) && !f.More {
			f.RSV, f.Deflated = 0, true
			p.wire += len(f.Payload)
			if f.Payload, err = p.in.Message(f.Payload); err != nil {
				p.t.Fatalf("the endpoint sent a compressed message that is wrong: %v", err)
			}
		}
		frames = append(frames, f)
	}
	p.got = nil
	return frames, p.err != nil
}

// agree reports whether got is what want lists. RFC 6455 section 5.5.3: an
// endpoint may answer only the last of several pings that it finds at once, and
// nothing ties its pong to a place among the messages.
func (p *Peer) agree(got []Frame, want []Expect) bool {
	if after := slices.IndexFunc(got, func(f Frame) bool { return f.Opcode == Close }); after >= 0 && after < len(got)-1 {
		return false
	}
	if p.cut == Whole || p.cut > 1 {
		var pongs []Frame
		got, pongs = split(got, func(f Frame) bool { return f.Opcode == Pong })
		messages, wanted := split(want, func(e Expect) bool { return e.Frame.Opcode == Pong })
		want = messages
		for i, e := range wanted {
			skipped := len(pongs) == 0 || !e.matches(pongs[0])
			if skipped && i == len(wanted)-1 {
				return false
			}
			if !skipped {
				pongs = pongs[1:]
			}
		}
		if len(pongs) > 0 {
			return false
		}
	}
	return slices.EqualFunc(got, want, func(f Frame, e Expect) bool { return e.matches(f) })
}

func split[T any](all []T, second func(T) bool) (a, b []T) {
	for _, v := range all {
		if second(v) {
			b = append(b, v)
		} else {
			a = append(a, v)
		}
	}
	return a, b
}

func (e Expect) matches(f Frame) bool {
	w := e.Frame
	if f.More != w.More || f.RSV != w.RSV || f.Opcode != w.Opcode || f.Deflated != w.Deflated && !e.Either {
		return false
	}
	if e.Any {
		// The code is as it should be; the reason is the endpoint's own.
		return len(f.Payload) >= 2 && bytes.Equal(f.Payload[:2], w.Payload) && validReason(f.Payload[2:])
	}
	return bytes.Equal(f.Payload, w.Payload)
}

// shorten makes a list fit into a message.
func shorten[T fmt.Stringer](list []T) string {
	const most = 8
	if len(list) > most {
		return fmt.Sprintf("%v and %d more", list[:most], len(list)-most)
	}
	return fmt.Sprint(list)
}
