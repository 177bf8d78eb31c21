package wsproto_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// referenceDecode decodes the input as a whole in the simplest way: frame by frame
// and byte by byte, with no thought of speed, memory or cuts.
func referenceDecode(c DecoderConfig, input []byte) (t trace) {
	var (
		op         Opcode // of the message in progress
		message    []byte
		compressed bool
		total      uint64
		fragments  int
		empty      int
	)
	fail := func(code CloseCode) trace {
		t.err = &ProtocolError{Code: code}
		return t
	}
	for len(input) >= 2 {
		b0, b1 := input[0], input[1]
		size, minimal, head := uint64(b1%128), true, 2
		whole := true
		switch {
		case size == 126 && len(input) >= 4:
			size, head = uint64(binary.BigEndian.Uint16(input[2:])), 4
			minimal = size > 125
		case size == 127 && len(input) >= 10:
			size, head = binary.BigEndian.Uint64(input[2:]), 10
			minimal = size > math.MaxUint16
		case size > 125:
			whole = false
		}
		if code := judge(c.Role, op != 0, c.Inflate != nil, b0, b1, size, minimal); code != 0 {
			return fail(code)
		}
		var key [4]byte
		if b1 >= 0x80 {
			head += 4
		}
		if !whole || len(input) < head {
			return t
		}
		if b1 >= 0x80 {
			key = [4]byte(input[head-4:])
		}
		n := int(min(size, uint64(len(input)-head)))
		payload := slices.Clone(input[head : head+n])
		maskSlowly(key, 0, payload)
		whole = uint64(n) == size
		input = input[head+n:]

		if control := Opcode(b0 % 16); control.IsControl() {
			switch {
			case !whole:
				return t
			case control == OpPing:
				t.add(Event{Kind: KindPing, Payload: payload})
			case control == OpPong:
				t.add(Event{Kind: KindPong, Payload: payload})
			default:
				code, reason, err := ParseClose(payload)
				if err != nil {
					return fail(closeCode(err))
				}
				t.add(Event{Kind: KindClose, Code: code, Reason: reason})
				return t
			}
			continue
		}

		if op == 0 {
			op, compressed = Opcode(b0%16), b0&0x40 != 0
			message, total, fragments, empty = nil, 0, 0, 0
		}
		fin := b0 >= 0x80
		fragments++
		if empty++; size > 0 || fin {
			empty = 0
		}
		if fragments > c.Limits.Fragments || empty > c.Limits.EmptyFragments {
			return fail(ClosePolicyViolation)
		}
		limit := uint64(c.Limits.Message)
		if compressed {
			limit += limit/64 + 64
		}
		if size > limit || total+size > limit {
			return fail(CloseMessageTooBig)
		}
		total += size
		message = append(message, payload...)
		if ok, _ := viable(message); op == OpText && !compressed && !ok {
			return fail(CloseInvalidPayload)
		}
		if !whole || !fin {
			continue // the loop ends if there is no more
		}
		if compressed {
			var err error
			var limit *LimitError
			message, err = c.Inflate.Inflate(nil, message, c.Limits.Message)
			if errors.As(err, &limit) {
				return fail(CloseMessageTooBig)
			} else if err != nil {
				return fail(CloseInvalidPayload)
			}
		}
		if op == OpText && !utf8.Valid(message) {
			return fail(CloseInvalidPayload)
		}
		t.add(Event{Kind: KindMessage, Opcode: op, Payload: message, Final: true})
		op = 0
	}
	return t
}

// outcome is what of a trace must not depend on how the input was cut.
func (t trace) outcome() string {
	return fmt.Sprintf("%s\nclose code %d", strings.Join(t.events, "\n"), closeCode(t.err))
}

// merged is feed for a streaming decoder, with the chunks of each message put
// together.
func merged(tb testing.TB, d *Decoder, pieces ...[]byte) (t trace) {
	tb.Helper()
	var message []byte
	for _, piece := range pieces {
		for b := slices.Clone(piece); len(b) > 0; {
			e, n, err := d.Decode(b)
			if err != nil {
				t.err = err
				return t
			}
			b = b[n:]
			if e.Kind != KindChunk {
				t.add(e)
				continue
			}
			if len(e.Payload) == 0 && !e.Final {
				tb.Fatal("an empty chunk that is not the last")
			}
			message = append(message, e.Payload...)
			if e.Final {
				t.add(Event{Kind: KindMessage, Opcode: e.Opcode, Payload: message, Final: true})
				message = nil
			}
		}
	}
	return t
}

// checkDecode compares a Decoder in all its modes with the reference.
func checkDecode(t *testing.T, c DecoderConfig, input []byte, i, j int) {
	t.Helper()
	want := referenceDecode(c, input).outcome()
	ways := []struct {
		name   string
		pieces [][]byte
	}{
		{"whole", [][]byte{input}},
		{"byte by byte", slices.Collect(slices.Chunk(input, 1))},
		{"in sevens", slices.Collect(slices.Chunk(input, 7))},
		{"in three", [][]byte{input[:i], input[i:j], input[j:]}},
	}
	most := 2*len(input) + 4<<10 + MaxControlPayload + 2*c.Limits.Message
	for _, w := range ways {
		d := newDecoder(c)
		if got := feed(t, d, w.pieces...).outcome(); got != want {
			t.Fatalf("%v, %s: Decode(%x) gave\n%s\nwant\n%s", c.Role, w.name, input, got, want)
		}
		if d.Held() > most {
			t.Fatalf("%v, %s: %d bytes held after %d", c.Role, w.name, d.Held(), len(input))
		}
		streaming := c
		streaming.Streaming = true
		if got := merged(t, newDecoder(streaming), w.pieces...).outcome(); got != want {
			t.Fatalf("%v, %s: streaming Decode(%x) gave\n%s\nwant\n%s", c.Role, w.name, input, got, want)
		}
	}
	for _, size := range []int{1, 10, 1000} {
		d := newDecoder(c)
		if got, _ := feedDirect(t, d, input, size); got.outcome() != want {
			t.Fatalf("%v, direct reads of %d: Decode(%x) gave\n%s\nwant\n%s", c.Role, size, input, got.outcome(), want)
		}
		if d.Held() > most {
			t.Fatalf("%v, direct reads of %d: %d bytes held after %d", c.Role, size, d.Held(), len(input))
		}
	}
}

var decodeSeeds = []struct {
	name   string
	frames []any
}{
	{"one message", []any{0x81, "Hello"}},
	{"fragments with a ping between", []any{0x01, "Hel", 0x89, "p", 0x00, "", 0x80, "lo"}},
	{"16-bit length", []any{0x82, strings.Repeat("x", 200)}},
	{"64-bit length", []any{0x82, strings.Repeat("x", 1<<16)}},
	{"cut character", []any{0x01, "\xe2\x82", 0x80, "\xac"}},
	{"bad character", []any{0x81, "\xed\xa0\x80"}},
	{"compressed", []any{0xC1, "\x03a\x02b", 0x42, "\x03", 0x80, "a"}},
	{"bomb", []any{0xC2, strings.Repeat("\xffa", 4)}},
	{"close", []any{0x88, "\x03\xe8bye", 0x81, "late"}},
	{"empty fragments", []any{0x01, "", 0x00, "", 0x00, "", 0x80, ""}},
	{"too many fragments", []any{0x02, "a", 0x00, "b", 0x00, "c", 0x00, "d", 0x00, "e", 0x80, "f"}},
	{"too large in fragments", []any{0x02, strings.Repeat("a", 250), 0x80, strings.Repeat("b", 51)}},
	{"reserved", []any{0x83, ""}},
}

var fuzzLimits = Limits{Message: 300, Fragments: 5, EmptyFragments: 2}

// FuzzDecode looks for input on which a Decoder panics, holds too much memory,
// or differs from the reference, whatever its mode and however the input is cut.
func FuzzDecode(f *testing.F) {
	for _, s := range decodeSeeds {
		for _, r := range []Role{RoleServer, RoleClient} {
			f.Add(peer{r}.frames(s.frames...), byte(r)|2, uint(3), uint(9))
		}
	}
	f.Fuzz(func(t *testing.T, input []byte, flags byte, i, j uint) {
		c := DecoderConfig{Role: Role(flags & 1), Limits: fuzzLimits}
		if flags&2 != 0 {
			c.Inflate = repeater{}
		}
		size := uint(len(input)) + 1
		i, j = i%size, j%size
		checkDecode(t, c, input, int(min(i, j)), int(max(i, j)))
	})
}

// The same on conversations that are mostly legal, which random bytes seldom
// are: all sequences of up to three of the frames below.
func TestDecodeAgainstReference(t *testing.T) {
	frames := []struct {
		b0      int
		payload string
	}{
		{0x01, "a\xe2"}, {0x41, "\x02a"}, {0x02, ""}, {0x81, "whole"}, {0xC2, "\x02a"}, {0x82, strings.Repeat("x", 150)},
		{0x00, "\x82\xac"}, {0x00, ""}, {0x80, ""}, {0x80, strings.Repeat("\x01b", 75)}, {0x89, "p"}, {0x88, "\x03\xe8"},
	}
	roles(t, func(t *testing.T, p peer) {
		c := DecoderConfig{Role: p.role, Limits: fuzzLimits, Inflate: repeater{}}
		var extend func(input []byte, depth int)
		extend = func(input []byte, depth int) {
			checkDecode(t, c, input, len(input)/3, len(input)/2)
			if depth == 0 || referenceDecode(c, input).err != nil {
				return
			}
			for _, f := range frames {
				extend(append(slices.Clip(input), p.frame(byte(f.b0), f.payload)...), depth-1)
			}
		}
		extend(nil, 3)
	})
}
