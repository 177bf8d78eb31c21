package wsproto_test

import (
	"bytes"
	"errors"
	"math"
	"testing"

	. "github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// The frames that RFC 6455 section 5.7 spells out.
func TestRFC6455_5_7_Examples(t *testing.T) {
	payload256 := bytes.Repeat([]byte{'x'}, 256)
	payload64K := bytes.Repeat([]byte{'x'}, 65536)
	tests := []struct {
		name    string
		header  Header
		payload []byte
		want    []byte
	}{
		{
			name:    "single-frame unmasked text",
			header:  Header{Fin: true, Opcode: OpText},
			payload: []byte("Hello"),
			want:    []byte{0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f},
		},
		{
			name:    "single-frame masked text",
			header:  Header{Fin: true, Opcode: OpText, Masked: true, Key: testKey},
			payload: []byte("Hello"),
			want:    []byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58},
		},
		{
			name:    "first fragment",
			header:  Header{Opcode: OpText},
			payload: []byte("Hel"),
			want:    []byte{0x01, 0x03, 0x48, 0x65, 0x6c},
		},
		{
			name:    "last fragment",
			header:  Header{Fin: true, Opcode: OpContinuation},
			payload: []byte("lo"),
			want:    []byte{0x80, 0x02, 0x6c, 0x6f},
		},
		{
			name:    "ping",
			header:  Header{Fin: true, Opcode: OpPing},
			payload: []byte("Hello"),
			want:    []byte{0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f},
		},
		{
			name:    "masked pong",
			header:  Header{Fin: true, Opcode: OpPong, Masked: true, Key: testKey},
			payload: []byte("Hello"),
			want:    []byte{0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58},
		},
		{
			name:    "256 bytes of binary",
			header:  Header{Fin: true, Opcode: OpBinary},
			payload: payload256,
			want:    append([]byte{0x82, 0x7E, 0x01, 0x00}, payload256...),
		},
		{
			name:    "64 KiB of binary",
			header:  Header{Fin: true, Opcode: OpBinary},
			payload: payload64K,
			want:    append([]byte{0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0}, payload64K...),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := bytes.Clone(tt.payload)
			got := AppendFrame([]byte("kept"), tt.header, tt.payload)
			if want := append([]byte("kept"), tt.want...); !bytes.Equal(got, want) {
				t.Errorf("AppendFrame = %x, want %x", got, want)
			}
			if !bytes.Equal(tt.payload, before) {
				t.Errorf("AppendFrame changed the payload")
			}
			h, n, err := ParseHeader(tt.want)
			want := tt.header
			want.Length = uint64(len(tt.payload))
			if h != want || n != len(tt.want)-len(tt.payload) || err != nil {
				t.Errorf("ParseHeader = %+v, %d, %v, want %+v", h, n, err, want)
			}
		})
	}
}

var headerLengths = []uint64{0, 1, 125, 126, 127, 0xFFFF, 0x10000, 1 << 31, 1<<32 - 1, 1 << 48, math.MaxInt64}

func TestHeaderRoundTripAndPrefixes(t *testing.T) {
	for _, length := range headerLengths {
		for _, masked := range []bool{false, true} {
			for b0 := range 256 {
				h := Header{Fin: b0&0x80 != 0, RSV: uint8(b0) >> 4 & 7, Opcode: Opcode(b0 & 0xF), Masked: masked, Length: length}
				if masked {
					h.Key = testKey
				}
				b := AppendHeader(nil, h)
				if len(b) > MaxHeaderSize {
					t.Fatalf("AppendHeader(%+v) has %d bytes", h, len(b))
				}
				for n := range b {
					if got, used, err := ParseHeader(b[:n]); used != 0 || err != nil || got != (Header{}) {
						t.Fatalf("ParseHeader(%x) = %+v, %d, %v, want incomplete", b[:n], got, used, err)
					}
				}
				got, n, err := ParseHeader(append(b, "payload"...))
				if got != h || n != len(b) || err != nil {
					t.Fatalf("ParseHeader(%x) = %+v, %d, %v, want %+v, %d", b, got, n, err, h, len(b))
				}
			}
		}
	}
}

// RFC 6455 section 5.2: "the minimal number of bytes MUST be used to encode the
// length", and the highest bit of 64 must be 0.
func TestRFC6455_5_2_LengthEncoding(t *testing.T) {
	tests := []struct {
		name string
		b    []byte
		ok   bool
	}{
		{"0 in 16 bits", []byte{0x82, 126, 0, 0}, false},
		{"125 in 16 bits", []byte{0x82, 126, 0, 125}, false},
		{"126 in 16 bits", []byte{0x82, 126, 0, 126}, true},
		{"0 in 64 bits", []byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0, 0}, false},
		{"65535 in 64 bits", []byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, false},
		{"65536 in 64 bits", []byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}, true},
		{"2^63-1", []byte{0x82, 127, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, true},
		{"2^63", []byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, n, err := ParseHeader(tt.b)
			var broken *ProtocolError
			if tt.ok && (n != len(tt.b) || err != nil) {
				t.Errorf("ParseHeader(%x) = %d, %v, want %d, nil", tt.b, n, err, len(tt.b))
			}
			if !tt.ok && (n != 0 || !errors.As(err, &broken) || broken.Code != CloseProtocolError) {
				t.Errorf("ParseHeader(%x) = %d, %v, want a protocol error", tt.b, n, err)
			}
		})
	}
}

func FuzzAppendFrameRoundTrip(f *testing.F) {
	f.Add(byte(0x81), true, []byte{1, 2, 3, 4}, []byte("Hello"))
	f.Add(byte(0x02), false, []byte{}, bytes.Repeat([]byte{0xFF}, 126))
	f.Add(byte(0xFF), true, []byte{0xFF}, []byte{})
	f.Fuzz(func(t *testing.T, b0 byte, masked bool, key, payload []byte) {
		h := Header{Fin: b0&0x80 != 0, RSV: b0 >> 4 & 7, Opcode: Opcode(b0 & 0xF), Masked: masked}
		if masked {
			copy(h.Key[:], key)
		}
		before := bytes.Clone(payload)
		frame := AppendFrame(nil, h, payload)
		if !bytes.Equal(payload, before) {
			t.Fatalf("AppendFrame changed the payload")
		}
		h.Length = uint64(len(payload))
		got, n, err := ParseHeader(frame)
		if got != h || err != nil || len(frame) != n+len(payload) {
			t.Fatalf("ParseHeader(%x) = %+v, %d, %v, want %+v", frame, got, n, err, h)
		}
		if masked {
			Mask(h.Key, 0, frame[n:])
		}
		if !bytes.Equal(frame[n:], payload) {
			t.Fatalf("payload %x came back as %x", payload, frame[n:])
		}
		// Both ends agree: what is a legal message decodes to itself.
		if h.RSV == 0 && h.Fin && h.Opcode == OpBinary {
			role := RoleClient
			if masked {
				role = RoleServer
				Mask(h.Key, 0, frame[n:])
			}
			got := feed(t, newDecoder(DecoderConfig{Role: role, Limits: Limits{Message: -1}}), frame)
			want := trace{}
			want.add(Event{Kind: KindMessage, Opcode: OpBinary, Payload: payload, Final: true})
			if got.String() != want.String() {
				t.Fatalf("decoded %v, want %v", got, want)
			}
		}
	})
}
