package wsproto_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	. "github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// repeater is an Inflater whose compressed form is pairs of a count and a byte.
type repeater struct{}

var errOddInput = errors.New("odd input")

func (repeater) Inflate(dst, src []byte, limit int) ([]byte, error) {
	if len(src)%2 != 0 {
		return dst, errOddInput
	}
	start := len(dst)
	for pair := range slices.Chunk(src, 2) {
		for range pair[0] {
			if len(dst)-start == limit {
				return dst, &LimitError{Code: CloseMessageTooBig, Limit: "message size", Max: int64(limit), Actual: int64(limit) + 1}
			}
			dst = append(dst, pair[1])
		}
	}
	return dst, nil
}

func TestRFC7692_6_CompressedMessages(t *testing.T) {
	tests := []struct {
		name   string
		frames []any
		limits Limits
		want   []string
		code   CloseCode
	}{
		{
			name:   "in one frame, plain ones between",
			frames: []any{0xC1, "\x03a", 0x81, "\x03a", 0xC2, "\x02\xff"},
			want:   []string{`message 1 "aaa" true`, `message 1 "\x03a" true`, `message 2 "\xff\xff" true`},
		},
		{
			name:   "in fragments with a ping between",
			frames: []any{0x41, "\x03", 0x00, "a\x02", 0x89, "", 0x80, "b", 0x81, "c"},
			want:   []string{`ping ""`, `message 1 "aaabb" true`, `message 1 "c" true`},
		},
		{
			name:   "empty",
			frames: []any{0xC1, "", 0x41, "", 0x80, ""},
			want:   []string{`message 1 "" true`, `message 1 "" true`},
		},
		{
			name:   "wire bytes need not be UTF-8",
			frames: []any{0xC1, "\xf0a"},
			want:   []string{fmt.Sprintf("message 1 %q true", strings.Repeat("a", 0xF0))},
		},
		{
			name:   "inflated text must be UTF-8",
			frames: []any{0xC1, "\x01\xff"},
			code:   1007,
		},
		{
			name:   "not valid data",
			frames: []any{0xC1, "a"},
			code:   1007,
		},
		{
			name:   "bit on a continuation",
			frames: []any{0x41, "\x01a", 0xC0, "\x01a"},
			code:   1002,
		},
		{
			name:   "bit on a control frame",
			frames: []any{0xC9, ""},
			code:   1002,
		},
		{
			name:   "another bit",
			frames: []any{0xE1, ""},
			code:   1002,
		},
		{
			name:   "limit on inflated bytes, exact",
			frames: []any{0xC2, "\x08a", 0x42, "\x04a", 0x80, "\x04a"},
			limits: Limits{Message: 8},
			want:   []string{`message 2 "aaaaaaaa" true`, `message 2 "aaaaaaaa" true`},
		},
		{
			name:   "limit on inflated bytes, one more",
			frames: []any{0xC2, "\x08a\x01b"},
			limits: Limits{Message: 8},
			code:   1009,
		},
		{
			name:   "limit on wire bytes, exact",
			frames: []any{0xC2, strings.Repeat("\x00a", 36)},
			limits: Limits{Message: 8},
			want:   []string{`message 2 "" true`},
		},
		{
			name:   "limit on wire bytes, one more",
			frames: []any{0x42, strings.Repeat("\x00a", 36), 0x00, "\x00"},
			limits: Limits{Message: 8},
			code:   1009,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			roles(t, func(t *testing.T, p peer) {
				c := DecoderConfig{Role: p.role, Limits: tt.limits, Inflate: repeater{}}
				got := everySplit(t, c, p.frames(tt.frames...))
				if !slices.Equal(got.events, tt.want) || closeCode(got.err) != tt.code {
					t.Errorf("got %v, want %q and close code %d", got, tt.want, tt.code)
				}
				c.Streaming = true
				got = merged(t, newDecoder(c), p.frames(tt.frames...))
				if !slices.Equal(got.events, tt.want) || closeCode(got.err) != tt.code {
					t.Errorf("streaming: got %v, want %q and close code %d", got, tt.want, tt.code)
				}
			})
		})
	}
}

// The frames that RFC 7692 section 7.2.3 spells out, through the real inflater.
func TestRFC7692_7_2_3_ExampleFrames(t *testing.T) {
	p := peer{RoleClient}
	const hello = "\xf2\x48\xcd\xc9\xc9\x07\x00"
	tests := []struct {
		name   string
		frames []any
	}{
		{"one frame", []any{0xC1, hello}},
		{"two fragments", []any{0x41, hello[:3], 0x80, hello[3:]}},
		{"stored", []any{0xC1, "\x00\x05\x00\xfa\xffHello\x00"}},
		{"final block", []any{0xC1, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"}},
		{"two blocks", []any{0xC1, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"}},
		{"not compressed", []any{0x81, "Hello"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := DecoderConfig{Role: p.role, Inflate: newInflater(Window{})}
			got := everySplit(t, c, p.frames(tt.frames...))
			if want := []string{`message 1 "Hello" true`}; !slices.Equal(got.events, want) || got.err != nil {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// An application that passes an empty message on as JSON must not find a
// difference: "" one time, null another.
func TestEmptyMessageIsNeverNil(t *testing.T) {
	roles(t, func(t *testing.T, p peer) {
		for _, input := range [][]byte{
			p.frames(0x82, ""), p.frames(0x02, "", 0x80, ""), p.frames(0xC2, "\x00"), p.frames(0xC2, ""), p.frames(0x42, "", 0x80, ""),
		} {
			d := newDecoder(DecoderConfig{Role: p.role, Inflate: newInflater(Window{})})
			for len(input) > 0 {
				e, n, err := d.Decode(input)
				if err != nil || e.Kind == KindMessage && (e.Payload == nil || len(e.Payload) > 0) {
					t.Errorf("%v, payload %#v, %v, want an empty one", e.Kind, e.Payload, err)
				}
				input = input[n:]
			}
		}
	})
}

func TestStreamingHandsOutWhatHasCome(t *testing.T) {
	roles(t, func(t *testing.T, p peer) {
		input := p.frames(0x01, "Hello, ", 0x00, "", 0x89, "p", 0x80, "wörld", 0x82, "", 0x81, "one")
		d := newDecoder(DecoderConfig{Role: p.role, Streaming: true})
		got := feed(t, d, input)
		want := []string{
			`chunk 1 "Hello, " false`, `ping "p"`, `chunk 1 "wörld" true`, `chunk 2 "" true`, `chunk 1 "one" true`,
		}
		if !slices.Equal(got.events, want) || got.err != nil {
			t.Errorf("got %v, want %v", got, want)
		}
		// Cut after "Hel": the piece comes at once, and nothing is held.
		d.Init(DecoderConfig{Role: p.role, Streaming: true})
		cut := len(p.frame(0x01, "Hel"))
		got = feed(t, d, input[:cut])
		if want := []string{`chunk 1 "Hel" false`}; !slices.Equal(got.events, want) || got.err != nil {
			t.Errorf("got %v, want %v", got, want)
		}
		if d.Held() != 0 {
			t.Errorf("a streaming decoder holds %d bytes", d.Held())
		}
	})
}

func TestStreamingCanBeChangedForTheNextMessage(t *testing.T) {
	roles(t, func(t *testing.T, p peer) {
		d := newDecoder(DecoderConfig{Role: p.role})
		var got []string
		for _, step := range []struct {
			streaming bool
			input     []byte
		}{
			{false, p.frames(0x81, "a", 0x01, "b")},
			{true, p.frames(0x80, "c")}, // payload has come: it comes whole
			{true, p.frames(0x81, "d", 0x01, "e")},
			{false, p.frames(0x00, "f", 0x80, "g")},                // it goes on in pieces
			{true, p.frames(0x82, "hij")[:len(p.frame(0x82, ""))]}, // a header only
			{false, p.frames(0x82, "hij")[len(p.frame(0x82, "")):]},
			{false, p.frames(0x01, "", 0x00, "k")[:len(p.frame(0x01, ""))]},
			{true, p.frames(0x00, "k")},
			{true, p.frames(0x80, "l")},
		} {
			d.SetStreaming(step.streaming)
			f := feed(t, d, step.input)
			if f.err != nil {
				t.Fatal(f.err)
			}
			got = append(got, f.events...)
		}
		want := []string{
			`message 1 "a" true`, `message 1 "bc" true`,
			`chunk 1 "d" true`, `chunk 1 "e" false`, `chunk 1 "f" false`, `chunk 1 "g" true`,
			`message 2 "hij" true`,
			`chunk 1 "k" false`, `chunk 1 "l" true`,
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestStreamingLimitsTheWholeMessage(t *testing.T) {
	p := peer{RoleServer}
	c := DecoderConfig{Role: p.role, Streaming: true, Limits: Limits{Message: 8}}
	if got := feed(t, newDecoder(c), p.frames(0x02, "1234", 0x80, "5678", 0x82, "12345678")); got.err != nil {
		t.Errorf("at the limit: %v", got)
	}
	if got := feed(t, newDecoder(c), p.frames(0x02, "1234", 0x80, "56789")); closeCode(got.err) != CloseMessageTooBig {
		t.Errorf("past the limit: %v", got)
	}
	c.Limits.Message = -1
	d := newDecoder(c)
	huge := AppendHeader(nil, Header{Fin: true, Opcode: OpBinary, Masked: true, Length: math.MaxInt64})
	if got := feed(t, d, huge, []byte("x")); got.err != nil || !d.InMessage() {
		t.Errorf("unlimited: %v, in message %t", got, d.InMessage())
	}
}

// The default limits, each reached and then passed.
func TestDefaultLimits(t *testing.T) {
	p := peer{RoleServer}
	repeat := func(n int, b0 int, payload string) []any {
		return slices.Repeat([]any{b0, payload}, n)
	}
	full := strings.Repeat("x", 64<<10)
	tests := []struct {
		name   string
		frames []any
		want   *LimitError
	}{
		{"message of 64 KiB", []any{0x82, full}, nil},
		{"one byte more", []any{0x82, full + "x"}, &LimitError{CloseMessageTooBig, "message size", 64 << 10, 64<<10 + 1}},
		{"1,024 fragments", slices.Concat([]any{0x02, "x"}, repeat(1022, 0x00, "x"), []any{0x80, "x"}), nil},
		{"one more", slices.Concat([]any{0x02, "x"}, repeat(1024, 0x00, "x")), &LimitError{ClosePolicyViolation, "number of fragments", 1024, 1025}},
		{"16 empty fragments", slices.Concat([]any{0x02, ""}, repeat(15, 0x00, ""), []any{0x80, "x"}), nil},
		{"one more", slices.Concat([]any{0x02, ""}, repeat(16, 0x00, "")), &LimitError{ClosePolicyViolation, "number of empty fragments in a row", 16, 17}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			input := p.frames(tt.frames...)
			got := feed(t, newDecoder(DecoderConfig{Role: p.role}), input)
			var limit *LimitError
			errors.As(got.err, &limit)
			if tt.want == nil && (got.err != nil || len(got.events) != 1) || tt.want != nil && (limit == nil || *limit != *tt.want) {
				t.Errorf("%d events, error %v, want error %v", len(got.events), got.err, tt.want)
			}
			// Negative: no limit.
			got = feed(t, newDecoder(DecoderConfig{Role: p.role, Limits: Limits{Message: -1, Fragments: -1, EmptyFragments: -1}}), input)
			if got.err != nil {
				t.Errorf("unlimited: %v", got.err)
			}
		})
	}
}

// feedDirect gives d the input in reads of at most size bytes, into the
// decoder's own memory wherever it offers some.
func feedDirect(tb testing.TB, d *Decoder, input []byte, size int) (t trace, direct int) {
	tb.Helper()
	for len(input) > 0 {
		free := d.Want()
		if free == nil {
			n := min(size, len(input))
			got := feed(tb, d, input[:n])
			input = input[n:]
			t.events = append(t.events, got.events...)
			if t.err = got.err; t.err != nil {
				return t, direct
			}
			continue
		}
		n := copy(free[:min(size, len(free))], input)
		input = input[n:]
		direct += n
		e, err := d.Filled(n)
		if t.err = err; err != nil {
			return t, direct
		}
		t.add(e)
	}
	return t, direct
}

func TestReadingIntoTheDecoderChangesNothing(t *testing.T) {
	long := strings.Repeat("größer ", 4000)
	inputs := []struct {
		name   string
		frames []any
	}{
		{"large text", []any{0x81, long, 0x81, "small"}},
		{"fragments", []any{0x01, long, 0x89, "p", 0x00, "", 0x80, long}},
		{"bad text", []any{0x81, long + "\xff" + long}},
		{"cut text", []any{0x81, long + "\xc3"}},
		{"compressed", []any{0x42, strings.Repeat("\x02a", 3000), 0x80, "\x01b"}},
		{"bad compressed", []any{0xC2, strings.Repeat("\x02a", 3000) + "b"}},
		{"too large", []any{0x01, long, 0x80, long + long}},
	}
	for _, tt := range inputs {
		t.Run(tt.name, func(t *testing.T) {
			roles(t, func(t *testing.T, p peer) {
				c := DecoderConfig{Role: p.role, Inflate: repeater{}}
				input := p.frames(tt.frames...)
				want := feed(t, newDecoder(c), input)
				for _, size := range []int{1, 3, 100, 4096, 10000} {
					got, direct := feedDirect(t, newDecoder(c), input, size)
					if got.String() != want.String() {
						t.Errorf("reads of %d: got %.200v, want %.200v", size, got, want)
					}
					if size < 10000 && direct == 0 && want.err == nil {
						t.Errorf("reads of %d: nothing was read directly", size)
					}
				}
			})
		})
	}
}

// An announced length is only a number: memory follows what has come.
func TestMemoryFollowsWhatHasCome(t *testing.T) {
	p := peer{RoleServer}
	for _, fin := range []bool{false, true} {
		d := newDecoder(DecoderConfig{Role: p.role, Limits: Limits{Message: -1}})
		head := AppendHeader(nil, Header{Fin: fin, Opcode: OpBinary, Masked: true, Length: math.MaxInt32})
		feed(t, d, head)
		if d.Held() != 0 || d.Want() != nil || d.Held() != 0 {
			t.Errorf("a header made the decoder hold %d bytes", d.Held())
		}
		for came := 1; came < 1<<20; came += 777 {
			feed(t, d, make([]byte, 777))
			if most := 2*(came+777) + 4<<10; d.Held() > most {
				t.Fatalf("after %d bytes the decoder holds %d", came, d.Held())
			}
		}
		came := 1 << 20
		for range 20 {
			free := d.Want()
			came += len(free)
			if d.Held() > 2*came {
				t.Fatalf("after %d bytes the decoder holds %d", came, d.Held())
			}
			if _, err := d.Filled(min(len(free), 5000)); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Up to the last fragment that is allowed, one byte each.
	d := newDecoder(DecoderConfig{Role: p.role})
	input := p.frame(0x02, "x")
	for range 1022 {
		input = append(input, p.frame(0x00, "x")...)
	}
	if got := feed(t, d, input); got.err != nil || d.Held() > 2*len(input) {
		t.Errorf("%v, holds %d for %d bytes on the wire", got, d.Held(), len(input))
	}
}

func TestAMessageInSightGetsNoMoreMemoryThanItNeeds(t *testing.T) {
	p := peer{RoleServer}
	d := newDecoder(DecoderConfig{Role: p.role})
	for _, size := range []int{1, 100, 5000, 40000} {
		frame := p.frame(0x82, strings.Repeat("x", size))
		d.Release()
		feed(t, d, frame[:len(frame)/2+4], frame[len(frame)/2+4:])
		if d.Held() > size {
			t.Errorf("a message of %d bytes took %d", size, d.Held())
		}
	}
}

func TestReleaseHandsBackWhatWasInflatedInto(t *testing.T) {
	p := peer{RoleServer}
	d := newDecoder(DecoderConfig{Role: p.role, Inflate: repeater{}})
	feed(t, d, p.frame(0x41, "\x02a"), p.frame(0x89, "control")[:9])
	if got := d.Release(); got != nil {
		t.Errorf("Release within a message gave %d bytes", cap(got))
	}
	feed(t, d, p.frame(0x89, "control")[9:], p.frame(0x80, "\x02b"))
	if got := d.Release(); string(got) != "aabb" || d.Held() != 0 {
		t.Errorf("released %q, still holds %d", got, d.Held())
	}
	// It goes on without.
	if got := feed(t, d, p.frames(0x01, "a", 0x80, "b")); got.String() != `message 1 "ab" true / <nil>` {
		t.Errorf("after Release: %v", got)
	}
}

// A ping that is cut must survive the release of everything else.
func TestReleaseWithinAControlFrame(t *testing.T) {
	p := peer{RoleClient}
	d := newDecoder(DecoderConfig{Role: p.role})
	ping := p.frame(0x89, "payload")
	for cut := 1; cut < len(ping); cut++ {
		feed(t, d, ping[:cut])
		d.Release()
		if got := feed(t, d, ping[cut:]); got.String() != `ping "payload" / <nil>` {
			t.Errorf("cut at %d: %v", cut, got)
		}
		if d.Release(); d.Held() != 0 {
			t.Errorf("still holds %d bytes", d.Held())
		}
	}
}

func TestTakeOwnsThePayload(t *testing.T) {
	p := peer{RoleServer}
	c := DecoderConfig{Role: p.role, Inflate: repeater{}}
	tests := []struct {
		name   string
		input  []byte
		cut    int
		allocs bool
	}{
		{"in the caller's bytes", p.frame(0x82, strings.Repeat("x", 200)), 0, true},
		{"assembled", p.frame(0x82, strings.Repeat("x", 200)), 50, false},
		{"empty", p.frame(0x82, ""), 0, false},
		{"inflated", p.frame(0xC2, "\xc8x"), 0, false},
		{"small part of a buffer", p.frames(0x02, "x", 0x80, "y"), 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDecoder(c)
			input := bytes.Clone(tt.input)
			var e Event
			for _, b := range [][]byte{input[:tt.cut], input[tt.cut:]} {
				var err error
				if e, _, err = d.Decode(b); err != nil {
					t.Fatal(err)
				}
			}
			want := bytes.Clone(e.Payload)
			held := d.Held()
			got := d.Take(e)
			if len(got) > 0 && (&got[0] != &e.Payload[0]) != tt.allocs {
				t.Errorf("copied: %t, want %t (of %d held)", &got[0] != &e.Payload[0], tt.allocs, held)
			}
			// Whatever happens next, it stays.
			for i := range input {
				input[i] = 0xAA
			}
			feed(t, d, p.frames(0x02, "other", 0x80, "other"), p.frame(0xC2, "\xc8y"))
			if !bytes.Equal(got, want) {
				t.Errorf("the payload became %q", got)
			}
		})
	}
}

func TestInMessage(t *testing.T) {
	roles(t, func(t *testing.T, p peer) {
		d := newDecoder(DecoderConfig{Role: p.role})
		ping, text := p.frame(0x89, "ping"), p.frame(0x81, "t")
		steps := []struct {
			what string
			b    []byte
			want bool
		}{
			{"nothing", nil, false},
			{"half a header", ping[:1], true},
			{"its rest and half the payload", ping[1 : len(ping)-2], true},
			{"the end of the ping", ping[len(ping)-2:], false},
			{"a whole message", p.frame(0x81, "text"), false},
			{"a first fragment", p.frame(0x01, "text"), true},
			{"a ping within", p.frame(0x89, "ping"), true},
			{"the last fragment", p.frame(0x80, "text"), false},
			{"a header alone", text[:len(text)-1], true},
			{"its payload", text[len(text)-1:], false},
			{"close", p.frame(0x88, ""), false},
			{"junk after it", []byte{1}, false},
		}
		for _, s := range steps {
			if got := feed(t, d, s.b); got.err != nil || d.InMessage() != s.want {
				t.Errorf("after %s: %v, in message %t, want %t", s.what, got, d.InMessage(), s.want)
			}
		}
	})
}

func TestPayloadDoesNotReachIntoTheNextFrame(t *testing.T) {
	p := peer{RoleClient}
	input := p.frames(0x81, "one", 0x89, "two", 0x82, strings.Repeat("x", 200), 0x81, "four")
	d := newDecoder(DecoderConfig{Role: p.role})
	for rest := input; len(rest) > 0; {
		e, n, err := d.Decode(rest)
		if err != nil || cap(e.Payload) != len(e.Payload) {
			t.Fatalf("%v, payload of %d bytes with a capacity of %d", err, len(e.Payload), cap(e.Payload))
		}
		rest = rest[n:]
	}
}

func TestErrorIsTheLastWord(t *testing.T) {
	p := peer{RoleServer}
	d := newDecoder(DecoderConfig{Role: p.role})
	_, _, first := d.Decode(p.frame(0x83, ""))
	for _, b := range [][]byte{nil, p.frame(0x81, "fine"), p.frame(0x88, "")} {
		if e, n, err := d.Decode(b); err != first || n != 0 || e.Kind != KindNone {
			t.Errorf("Decode(%x) = %v, %d, %v, want %v again", b, e.Kind, n, err, first)
		}
	}
	if d.InMessage() || d.Want() != nil || d.Held() != 0 {
		t.Errorf("a failed decoder is in a message (%t) or holds %d bytes", d.InMessage(), d.Held())
	}
	d.Init(DecoderConfig{Role: p.role})
	if got := feed(t, d, p.frame(0x81, "fine")); got.err != nil {
		t.Errorf("after Init: %v", got)
	}
}
