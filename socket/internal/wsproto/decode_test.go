package wsproto_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	. "github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// peer writes the frames that the other end of a decoder would send.
type peer struct {
	role Role // of the decoder, so the opposite of the writer's
}

var testKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// frame is one frame with the first byte b0 and the right masking.
func (p peer) frame(b0 byte, payload string) []byte {
	h := Header{
		Fin:    b0&0x80 != 0,
		RSV:    b0 >> 4 & 7,
		Opcode: Opcode(b0 & 0xF),
		Masked: p.role == RoleServer,
		Key:    testKey,
	}
	return AppendFrame(nil, h, []byte(payload))
}

// frames joins frames given as first bytes and payloads in turn.
func (p peer) frames(parts ...any) []byte {
	var b []byte
	for i := 0; i < len(parts); i += 2 {
		b = append(b, p.frame(byte(parts[i].(int)), parts[i+1].(string))...)
	}
	return b
}

// trace is everything that came of an input: one line an event, and the error.
type trace struct {
	events []string
	err    error
}

func (t *trace) add(e Event) {
	if e.Kind == KindNone {
		return
	}
	s := e.Kind.String()
	switch e.Kind {
	case KindMessage, KindChunk:
		s = fmt.Sprintf("%s %d %q %t", s, e.Opcode, e.Payload, e.Final)
	case KindPing, KindPong:
		s = fmt.Sprintf("%s %q", s, e.Payload)
	case KindClose:
		s = fmt.Sprintf("%s %d %q", s, e.Code, e.Reason)
	}
	t.events = append(t.events, s)
}

func (t trace) String() string {
	return fmt.Sprintf("%s / %v", strings.Join(t.events, ", "), t.err)
}

// feed gives d the input in the given pieces, each in memory of its own that is
// overwritten afterwards, as a pooled read buffer would be.
func feed(tb testing.TB, d *Decoder, pieces ...[]byte) trace {
	tb.Helper()
	var t trace
	for _, piece := range pieces {
		b := bytes.Clone(piece)
		for rest := b; len(rest) > 0; {
			e, n, err := d.Decode(rest)
			if err != nil {
				if e.Kind != KindNone {
					tb.Fatalf("Decode gave the event %v with the error %v", e.Kind, err)
				}
				t.err = err
				return t
			}
			if e.Kind == KindNone && n != len(rest) {
				tb.Fatalf("Decode consumed %d of %d bytes without an event", n, len(rest))
			}
			t.add(e)
			rest = rest[n:]
		}
		for i := range b {
			b[i] = 0xAA
		}
	}
	return t
}

func newDecoder(c DecoderConfig) *Decoder {
	d := new(Decoder)
	d.Init(c)
	return d
}

// everySplit checks that the input gives the same whole, byte by byte, and cut
// in two and (short inputs) three pieces at every point.
func everySplit(t *testing.T, c DecoderConfig, input []byte) trace {
	t.Helper()
	want := feed(t, newDecoder(c), input)
	check := func(name string, pieces ...[]byte) {
		t.Helper()
		if got := feed(t, newDecoder(c), pieces...); !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: got %v, want %v", name, got, want)
		}
	}
	check("byte by byte", slices.Collect(slices.Chunk(input, 1))...)
	for i := range input {
		check(fmt.Sprintf("cut at %d", i), input[:i], input[i:])
		if len(input) > 80 {
			continue
		}
		for j := i; j < len(input); j++ {
			check(fmt.Sprintf("cut at %d and %d", i, j), input[:i], input[i:j], input[j:])
		}
	}
	return want
}

func roles(t *testing.T, f func(t *testing.T, p peer)) {
	for _, r := range []Role{RoleServer, RoleClient} {
		t.Run(r.String(), func(t *testing.T) { f(t, peer{r}) })
	}
}

// The scripted conversations: what a peer sends, and what it comes to, wherever
// the bytes are cut.
func TestDecodeConversations(t *testing.T) {
	long := strings.Repeat("long ", 60)
	tests := []struct {
		name   string
		frames []any
		limits Limits
		want   []string
		code   CloseCode // of the error, 0: none
	}{
		{
			name:   "TestRFC6455_5_6_TextAndBinary",
			frames: []any{0x81, "Hello", 0x82, "\xff\x00", 0x81, "", 0x82, ""},
			want:   []string{`message 1 "Hello" true`, `message 2 "\xff\x00" true`, `message 1 "" true`, `message 2 "" true`},
		},
		{
			name:   "TestRFC6455_5_2_ExtendedLength",
			frames: []any{0x81, long, 0x82, long[:126], 0x82, long[:125]},
			want:   []string{fmt.Sprintf("message 1 %q true", long), fmt.Sprintf("message 2 %q true", long[:126]), fmt.Sprintf("message 2 %q true", long[:125])},
		},
		{
			name:   "TestRFC6455_5_4_Fragments",
			frames: []any{0x01, "Hel", 0x00, "", 0x80, "lo", 0x02, "", 0x80, "", 0x82, "x"},
			want:   []string{`message 1 "Hello" true`, `message 2 "" true`, `message 2 "x" true`},
		},
		{
			name:   "TestRFC6455_5_4_ControlFramesBetweenFragments",
			frames: []any{0x01, "Hel", 0x89, "p", 0x00, "l", 0x8A, "", 0x80, "o", 0x89, ""},
			want:   []string{`ping "p"`, `pong ""`, `message 1 "Hello" true`, `ping ""`},
		},
		{
			name:   "TestRFC6455_5_4_NewMessageWithinMessage",
			frames: []any{0x01, "a", 0x81, "b"},
			code:   1002,
		},
		{
			name:   "TestRFC6455_5_4_ContinuationWithoutStart",
			frames: []any{0x81, "a", 0x80, "b"},
			want:   []string{`message 1 "a" true`},
			code:   1002,
		},
		{
			name:   "TestRFC6455_5_5_FragmentedControl",
			frames: []any{0x09, ""},
			code:   1002,
		},
		{
			name:   "TestRFC6455_5_5_LongControl",
			frames: []any{0x89, long[:126]},
			code:   1002,
		},
		{
			name:   "TestRFC6455_5_5_LongestControl",
			frames: []any{0x89, long[:125]},
			want:   []string{fmt.Sprintf("ping %q", long[:125])},
		},
		{
			name:   "TestRFC6455_5_2_ReservedBits",
			frames: []any{0x89, "", 0xA1, "a"},
			want:   []string{`ping ""`},
			code:   1002,
		},
		{
			name:   "TestRFC6455_5_2_ReservedBitsWithoutExtension",
			frames: []any{0xC1, "a"},
			code:   1002,
		},
		{
			name:   "TestRFC6455_5_2_ReservedOpcode",
			frames: []any{0x83, ""},
			code:   1002,
		},
		{
			name:   "TestRFC6455_5_5_1_CloseEndsEverything",
			frames: []any{0x01, "a", 0x88, "\x03\xe8bye", 0x80, "b", 0xFF, "junk"},
			want:   []string{`close 1000 "bye"`},
		},
		{
			name:   "TestRFC6455_7_1_5_CloseWithoutCode",
			frames: []any{0x88, ""},
			want:   []string{`close 1005 ""`},
		},
		{
			name:   "TestRFC6455_5_5_1_CloseOfOneByte",
			frames: []any{0x88, "\x03"},
			code:   1002,
		},
		{
			name:   "TestRFC6455_7_4_InvalidCode",
			frames: []any{0x88, "\x03\xed"},
			code:   1002,
		},
		{
			name:   "TestRFC6455_5_5_1_ReasonNotUTF8",
			frames: []any{0x88, "\x03\xe8\xff"},
			code:   1007,
		},
		{
			name:   "TestRFC6455_8_1_CharacterCutByFragments",
			frames: []any{0x01, "\xe2", 0x00, "\x82", 0x80, "\xac"},
			want:   []string{`message 1 "€" true`},
		},
		{
			name:   "TestRFC6455_8_1_CharacterCutByMessageEnd",
			frames: []any{0x01, "\xe2", 0x80, "\x82"},
			code:   1007,
		},
		{
			name:   "TestRFC6455_8_1_BadByteBeatsLaterFrames",
			frames: []any{0x01, "\xc0", 0x89, "never seen", 0x80, ""},
			code:   1007,
		},
		{
			name:   "TestRFC6455_8_1_InOneFrame",
			frames: []any{0x81, "a\xed\xa0\x80"},
			code:   1007,
		},
		{
			name:   "message limit, exact",
			frames: []any{0x81, "12345678", 0x02, "1234", 0x80, "5678"},
			limits: Limits{Message: 8},
			want:   []string{`message 1 "12345678" true`, `message 2 "12345678" true`},
		},
		{
			name:   "message limit, one more",
			frames: []any{0x81, "123456789"},
			limits: Limits{Message: 8},
			code:   1009,
		},
		{
			name:   "message limit, one more in fragments",
			frames: []any{0x02, "1234", 0x80, "56789"},
			limits: Limits{Message: 8},
			code:   1009,
		},
		{
			name:   "fragment limit, exact",
			frames: []any{0x02, "1", 0x00, "2", 0x80, "3", 0x02, "4", 0x80, "5"},
			limits: Limits{Fragments: 3},
			want:   []string{`message 2 "123" true`, `message 2 "45" true`},
		},
		{
			name:   "fragment limit, one more",
			frames: []any{0x02, "1", 0x00, "2", 0x00, "3", 0x80, "4"},
			limits: Limits{Fragments: 3},
			code:   1008,
		},
		{
			name:   "empty fragments, exact and not in a row",
			frames: []any{0x02, "", 0x00, "", 0x00, "1", 0x00, "", 0x00, "", 0x80, ""},
			limits: Limits{EmptyFragments: 2},
			want:   []string{`message 2 "1" true`},
		},
		{
			name:   "empty fragments, one more",
			frames: []any{0x02, "", 0x00, "", 0x00, "", 0x80, "1"},
			limits: Limits{EmptyFragments: 2},
			code:   1008,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			roles(t, func(t *testing.T, p peer) {
				got := everySplit(t, DecoderConfig{Role: p.role, Limits: tt.limits}, p.frames(tt.frames...))
				if !slices.Equal(got.events, tt.want) {
					t.Errorf("events %v, want %v", got.events, tt.want)
				}
				if code := closeCode(got.err); code != tt.code {
					t.Errorf("error %v, want close code %d", got.err, tt.code)
				}
			})
		})
	}
}

// closeCode is the close code of a decoder's error, which must be one of the two
// types.
func closeCode(err error) CloseCode {
	var broken *ProtocolError
	var limit *LimitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &broken):
		return broken.Code
	case errors.As(err, &limit):
		return limit.Code
	}
	return 1
}

func TestDecoderIsSmall(t *testing.T) {
	if got := reflect.TypeFor[Decoder]().Size(); got > 128 {
		t.Errorf("a Decoder has %d bytes, want at most 128", got)
	}
}
