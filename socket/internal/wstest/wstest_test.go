package wstest

import (
	"bytes"
	"strings"
	"testing"
)

func TestAPatternMakesACaseForEachRow(t *testing.T) {
	cases, err := Parse("file", `
# a comment
table bits name; bits = the third; rsv3
  | two; "rsv1 rsv2"
cases 3.1.{n} {name} of {kind} fails
  each kind = text | binary
  each @bits
  > {kind} {bits}
  fails 1002

case 1.1.1 one by itself
  role client
  cuts whole 7
  limit message -1
  <> text "a # b" 3*ff
  bye
`)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range cases {
		got = append(got, c.ID+" "+c.Title)
	}
	want := []string{
		"3.1.1 the third of text fails", `3.1.2 two of text fails`,
		"3.1.3 the third of binary fails", `3.1.4 two of binary fails`, "1.1.1 one by itself",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("Parse = %q, want %q", got, want)
	}
	last := cases[4]
	if last.For(Server) || !last.For(Client) || len(last.Cuts) != 2 || last.Cuts[1] != 7 || last.Setup.MaxMessage != -1 || last.Family() != 1 {
		t.Errorf("the last case is %+v", last)
	}
}

func TestAMistakeInACaseIsNotPassedOver(t *testing.T) {
	for _, statement := range []string{
		"nonsense", "> ", "> txt", "> op16", "> text fff", `> text "open`, "> close 70000", "> text ascii:x", "> text magic:1",
		"< text xyz", "cuts 0", "cuts some", "limit speed 3", "fails often", "wait long", "app", "told closed 1000 x", "<< text",
	} {
		if _, err := Parse("file", "case 1.1.1 title\n  "+statement+"\n"); err == nil || !strings.HasPrefix(err.Error(), "file:2: ") {
			t.Errorf("Parse of %q = %v, want an error for line 2", statement, err)
		}
	}
	for _, text := range []string{"case 1.1.1\n", "cases 1.1.{n} no table\n", "case 1.1.1 a table\n  each a = b\n", "cases 1.1.{n} columns\n  each a; b = c\n", "chase 1.1.1 x\n"} {
		if _, err := Parse("file", text); err == nil {
			t.Errorf("Parse(%q) gives no error", text)
		}
	}
}

func TestFrameOfTheEndpointMustBeAsTheRFCHasIt(t *testing.T) {
	bad := map[string]struct {
		bytes      string
		fromClient bool
	}{
		"a client's frame without a mask": {"\x81\x01a", true},
		"a server's frame with a mask":    {"\x81\x81\x00\x00\x00\x00a", false},
		"16 bits for a length of 5":       {"\x82\x7e\x00\x05hello", false},
		"64 bits for a length of 5":       {"\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x05hello", false},
		"a fragmented ping":               {"\x09\x00", false},
		"a long ping":                     {"\x89\x7e\x00\x7e", false},
	}
	for name, tt := range bad {
		if f, n, err := parseFrame([]byte(tt.bytes), tt.fromClient); err == nil {
			t.Errorf("%s: parseFrame = %v, %d, want an error", name, f, n)
		}
	}
	for _, size := range []int{0, 1, 125, 126, 65535, 65536} {
		for _, key := range []*[4]byte{nil, {1, 2, 3, 4}} {
			want := Frame{Opcode: Binary, Payload: Bytes(size)}
			b := want.append(nil, key)
			got, n, err := parseFrame(b, key != nil)
			if err != nil || n != len(b) || !bytes.Equal(got.Payload, want.Payload) {
				t.Errorf("%d bytes, key %v: parseFrame = %v, %d, %v", size, key, got, n, err)
			}
			if _, n, err := parseFrame(b[:len(b)-1], key != nil); n != 0 || err != nil {
				t.Errorf("%d bytes, key %v, cut: parseFrame = %d, %v, want to wait", size, key, n, err)
			}
		}
	}
}

func TestPongsMayBeFewerOnlyAfterAWholeWrite(t *testing.T) {
	text, ping1, ping2 := Frame{Opcode: Text}, Frame{Opcode: Pong, Payload: []byte("1")}, Frame{Opcode: Pong, Payload: []byte("2")}
	closed := Frame{Opcode: Close}
	want := []Expect{{Frame: ping1}, {Frame: text}, {Frame: ping2}}
	tests := []struct {
		name         string
		got          []Frame
		whole, bytes bool
	}{
		{"all of them in order", []Frame{ping1, text, ping2}, true, true},
		{"the last alone", []Frame{text, ping2}, true, false},
		{"before the message", []Frame{ping1, ping2, text}, true, false},
		{"the first alone", []Frame{ping1, text}, false, false},
		{"in the wrong order", []Frame{ping2, text, ping1}, false, false},
		{"once too often", []Frame{ping1, text, ping2, ping2}, false, false},
		{"without the message", []Frame{ping1, ping2}, false, false},
		{"behind a close frame", []Frame{ping1, text, closed, ping2}, false, false},
	}
	for _, tt := range tests {
		if got := (&Peer{cut: Whole}).agree(tt.got, want); got != tt.whole {
			t.Errorf("%s, in one write: agree = %t, want %t", tt.name, got, tt.whole)
		}
		if got := (&Peer{cut: 1}).agree(tt.got, want); got != tt.bytes {
			t.Errorf("%s, byte by byte: agree = %t, want %t", tt.name, got, tt.bytes)
		}
	}
}

func TestPeerKeepsToItsWindowAndSeesWhoDoesNot(t *testing.T) {
	// The same 300 bytes twice, 700 bytes apart.
	message := append(append(Bytes(700), Bytes(300)...), Bytes(700)...)
	for bits := 8; bits <= 15; bits++ {
		payload := NewCompressor(9, bits, false).Message(message)
		d := Decompressor{Window: 1 << bits}
		if got, err := d.Message(payload); err != nil || !bytes.Equal(got, message) {
			t.Errorf("window 2^%d: %d bytes, %v, want the message", bits, len(got), err)
		}
		if _, distance, err := Inflate(payload, nil); err != nil || distance > 1<<bits {
			t.Errorf("window 2^%d: the peer refers back %d bytes, %v", bits, distance, err)
		}
	}
	payload := NewCompressor(9, 15, false).Message(message)
	if _, err := (&Decompressor{Window: 512}).Message(payload); err == nil {
		t.Error("a reference beyond the window is not seen")
	}
	takeover := NewCompressor(6, 15, true)
	first, second := takeover.Message(message), takeover.Message(message)
	both := Decompressor{Window: 1 << 15, Takeover: true}
	for i, p := range [][]byte{first, second} {
		if got, err := both.Message(p); err != nil || !bytes.Equal(got, message) {
			t.Errorf("message %d with takeover: %d bytes, %v", i+1, len(got), err)
		}
	}
	if _, err := (&Decompressor{Window: 1 << 15}).Message(second); err == nil {
		t.Error("a reference to an earlier message is not seen")
	}
}

func TestAnswerMustFitTheOffer(t *testing.T) {
	tests := []struct {
		offer  Offer
		answer string
		ok     bool
	}{
		{Offer{}, "permessage-deflate", true},
		{Offer{}, "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=8", true},
		{Offer{ClientBits: NoValue}, "permessage-deflate; client_max_window_bits=8", true},
		{Offer{ServerBits: 10}, "permessage-deflate; server_max_window_bits=9", true},
		{Offer{}, "permessage-deflate; client_max_window_bits=15", false},
		{Offer{ClientBits: NoValue}, "permessage-deflate; client_max_window_bits", false},
		{Offer{ClientBits: 10}, "permessage-deflate; client_max_window_bits=11", false},
		{Offer{ServerBits: 10}, "permessage-deflate", false},
		{Offer{ServerBits: 10}, "permessage-deflate; server_max_window_bits=11", false},
		{Offer{ServerNoTakeover: true}, "permessage-deflate", false},
		{Offer{}, "permessage-deflate; server_max_window_bits=08", false},
		{Offer{}, "permessage-deflate; server_max_window_bits=7", false},
		{Offer{}, "permessage-deflate; server_no_context_takeover=1", false},
		{Offer{}, "permessage-deflate; server_no_context_takeover; server_no_context_takeover", false},
		{Offer{}, "permessage-deflate; other", false},
		{Offer{}, "x-other", false},
	}
	for _, tt := range tests {
		if a, err := tt.offer.Check(tt.answer); (err == nil) != tt.ok {
			t.Errorf("%q in answer to %q: %+v, %v, want ok = %t", tt.answer, tt.offer, a, err, tt.ok)
		}
	}
}

// TestReferReachesTheEdgeOfTheWindowAndNoFarther has both decoders inflate what the
// compressor with takeover makes, message after message.
func TestReferReachesTheEdgeOfTheWindowAndNoFarther(t *testing.T) {
	block := Bytes(200)
	messages := [][]byte{nil, {'a'}, ASCII(2000), ASCII(2000), bytes.Repeat([]byte("abc"), 500), make([]byte, 70000), UTF8(5000), Bytes(3000), nil}
	for bits := 8; bits <= 15; bits++ {
		// What comes again exactly a window later, and a byte beyond.
		gap := ASCII(1<<bits - len(block) + 1)
		all := append(messages[:len(messages):len(messages)], block, gap[:1<<bits-len(block)], block, gap, block)
		c := NewCompressor(1, bits, true)
		d := Decompressor{Window: 1 << bits, Takeover: true}
		var history []byte
		farthest := 0
		for i, m := range all {
			payload := c.Message(m)
			got, distance, err := Inflate(payload, history)
			if err != nil || !bytes.Equal(got, m) {
				t.Fatalf("bits %d: message %d of %d bytes inflates to %d, %v", bits, i, len(m), len(got), err)
			}
			farthest = max(farthest, distance)
			if got, err := d.Message(payload); err != nil || !bytes.Equal(got, m) {
				t.Fatalf("bits %d: message %d of %d bytes comes as %d, %v", bits, i, len(m), len(got), err)
			}
			history = append(history, m...)
		}
		if farthest != 1<<bits {
			t.Errorf("bits %d: the farthest reference goes back %d bytes", bits, farthest)
		}
	}
}
