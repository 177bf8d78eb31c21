package wsproto_test

import (
	"math"
	"strings"
	"testing"

	. "github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// What happens for every message allocates nothing.
func TestNoAllocations(t *testing.T) {
	p := peer{RoleServer}
	text := strings.Repeat("\x00", 64) // ASCII under any ASCII mask
	key := [4]byte{1, 2, 3, 4}
	frame := func(b0 byte, payload string) []byte {
		h := Header{Fin: b0&0x80 != 0, Opcode: Opcode(b0 & 0xF), Masked: true, Key: key}
		return AppendFrame(nil, h, []byte(payload))
	}
	large := frame(0x82, strings.Repeat("x", 32<<10))
	small := frame(0x81, text)
	fragments := append(frame(0x01, text), frame(0x80, text)...)
	ping, emptyClose := frame(0x89, "ping"), frame(0x88, "")

	var d Decoder
	decode := func(pieces ...[]byte) func() {
		return func() {
			for _, b := range pieces {
				for len(b) > 0 {
					_, n, err := d.Decode(b)
					if err != nil {
						t.Fatal(err)
					}
					b = b[n:]
				}
			}
		}
	}
	huge := AppendHeader(nil, Header{Opcode: OpBinary, Masked: true, Length: math.MaxInt32})
	decodeClose, decodeHuge := decode(emptyClose, small), decode(huge)
	var headers [][]byte
	for _, length := range []uint64{0, 125, 126, 1 << 16, 1 << 40} {
		headers = append(headers, AppendHeader(nil, Header{Opcode: OpText, Masked: true, Key: key, Length: length}))
	}
	buf := make([]byte, 0, 64<<10)
	payload := []byte(text)
	tests := []struct {
		name string
		f    func()
	}{
		{"small message", decode(small)},
		{"large message", decode(large)},
		{"ping", decode(ping)},
		{"fragments, when the buffer is warm", decode(fragments)},
		{"a message cut anywhere, when the buffer is warm", decode(small[:1], small[1:5], small[5:20], small[20:])},
		{"a large message cut, when the buffer is warm", decode(large[:1000], large[1000:20000], large[20000:])},
		{"close and what follows", func() {
			d.Init(DecoderConfig{Role: p.role})
			decodeClose()
		}},
		{"the header of a huge message", func() {
			d.Init(DecoderConfig{Role: p.role, Limits: Limits{Message: -1}})
			decodeHuge()
			if d.Want() != nil {
				t.Fatal("memory for nothing")
			}
		}},
		{"append a frame", func() {
			buf = AppendFrame(buf[:0], Header{Fin: true, Opcode: OpText, Masked: true, Key: key}, payload)
		}},
		{"append headers of every form", func() {
			for _, length := range []uint64{0, 125, 126, 1 << 16, 1 << 40} {
				buf = AppendHeader(buf[:0], Header{Opcode: OpText, Masked: true, Key: key, Length: length})
			}
		}},
		{"parse headers of every form", func() {
			for _, b := range headers {
				if _, n, err := ParseHeader(b); n != len(b) || err != nil {
					t.Fatal(n, err)
				}
			}
		}},
		{"a message that is assembled where it begins, and read to there", func() {
			d.Init(DecoderConfig{Role: p.role, Keep: true})
			begin := append(buf[:0], large[:20_000]...)
			if _, n, err := d.Decode(begin); n != len(begin) || err != nil {
				t.Fatal(n, err)
			}
			n := copy(d.Want(), large[len(begin):])
			if e, err := d.Filled(n); e.Kind != KindMessage || err != nil {
				t.Fatal(e.Kind, err)
			}
		}},
		{"append a close payload", func() { buf, _ = AppendClosePayload(buf[:0], CloseNormal, "bye") }},
		{"check a text", func() {
			var u UTF8
			u.Write(payload)
		}},
	}
	for _, tt := range tests {
		d.Init(DecoderConfig{Role: p.role})
		tt.f()
		if got := testing.AllocsPerRun(100, tt.f); got != 0 {
			t.Errorf("%s: %v allocations, want none", tt.name, got)
		}
	}
}
