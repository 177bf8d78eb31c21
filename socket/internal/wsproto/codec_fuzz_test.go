package wsproto_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
	"github.com/kleeedolinux/socket.go/socket/internal/wstest"
)

// FuzzParseExtensions: what is taken has the same meaning in its normal form, and
// both roles read the same agreement from any answer that the server gives.
func FuzzParseExtensions(f *testing.F) {
	f.Add("permessage-deflate; client_max_window_bits", "x; a=\"b\\c\"")
	f.Add("permessage-deflate; server_max_window_bits=16, permessage-deflate", "")
	f.Add(`;,"\`, "a;b=")
	f.Fuzz(func(t *testing.T, a, b string) {
		list, err := wsproto.ParseExtensions([]string{a, b})
		if err != nil {
			var malformed *wsproto.HandshakeError
			var tooMany *wsproto.LimitError
			if list != nil || !errors.As(err, &malformed) && !errors.As(err, &tooMany) {
				t.Fatalf("ParseExtensions(%q, %q) = %v, %v", a, b, list, err)
			}
			return
		}
		normal := format(list)
		again, err := wsproto.ParseExtensions([]string{normal})
		if err != nil || format(again) != normal {
			t.Fatalf("%q from %q, %q: %v, %v", normal, a, b, again, err)
		}
		for _, policy := range []wsproto.DeflatePolicy{{}, {ServerNoTakeover: true, ClientNoTakeover: true, ServerBits: 9, ClientBits: 9}} {
			p, answer, ok := wsproto.AcceptDeflate(list, policy)
			if !ok {
				continue
			}
			accepted, err := wsproto.ParseExtensions([]string{answer})
			if err != nil || len(accepted) != 1 {
				t.Fatalf("answer %q to %q: %v", answer, normal, err)
			}
			// A client that offers everything can read any answer.
			got, ok, err := wsproto.CheckDeflate(wsproto.DeflateOffer{ClientBits: 15}, accepted)
			if err != nil || !ok || got.Sent(wsproto.RoleServer) != p.Sent(wsproto.RoleServer) || got.Sent(wsproto.RoleClient) != p.Sent(wsproto.RoleClient) {
				t.Fatalf("answer %q to %q: %+v, %v, %v, want %+v", answer, normal, got, ok, err, p)
			}
		}
		wsproto.CheckDeflate(wsproto.DeflateOffer{}, list)
	})
}

// FuzzInflate compares with the oracle on any bytes: the same verdict and the same
// message, never more than the limit, and the same again with a used decoder.
func FuzzInflate(f *testing.F) {
	f.Add([]byte("\xf2\x48\xcd\xc9\xc9\x07\x00"), uint16(5))
	f.Add([]byte("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), uint16(100))
	f.Add([]byte("\xf3\x48\xcd\xc9\xc9\x07\x00\x03\x00"), uint16(4))
	f.Add([]byte{0x01}, uint16(0))
	used := newInflater(wsproto.Window{})
	f.Fuzz(func(t *testing.T, payload []byte, size uint16) {
		if len(payload) > 1<<12 {
			return // the oracle is slow
		}
		limit := int(size)
		got, err := used.Inflate([]byte("x"), payload, limit)
		if len(got) > limit+1 || got[0] != 'x' || err != nil && len(got) != 1 {
			t.Fatalf("Inflate(%x) = %d bytes, %v", payload, len(got), err)
		}
		want, _, wantErr := wstest.Inflate(payload, nil)
		var tooLarge *wsproto.LimitError
		switch {
		case errors.As(err, &tooLarge):
			// A message that is damaged behind the limit is still too large.
			if wantErr == nil && len(want) <= limit && tooLarge.Limit == "message size" {
				t.Errorf("Inflate(%x) = %v for %d bytes", payload, err, len(want))
			}
		case (err == nil) != (wantErr == nil) || !bytes.Equal(got[1:], want):
			t.Errorf("Inflate(%x) = %x, %v, want %x, %v", payload, got[1:], err, want, wantErr)
		}
	})
}

// FuzzDeflateRoundTrip sends conversations with and without takeover: what we
// compress the oracle and we inflate to the same, within the window, and what
// compress/flate sends with takeover we inflate.
func FuzzDeflateRoundTrip(f *testing.F) {
	f.Add([]byte(`{"event":"chat","data":"hello hello hello"}`), []byte("hello"), uint8(15))
	f.Add(bytes.Repeat([]byte("ab"), 400), bytes.Repeat([]byte("ab"), 300), uint8(8))
	f.Add([]byte{}, []byte{0}, uint8(9))
	encoder := new(deflate.Encoder)
	reader := new(deflate.Decoder)
	sender := newReference(6)
	f.Fuzz(func(t *testing.T, first, second []byte, bits uint8) {
		size := 8 + int(bits)%8
		d := wsproto.NewDeflater(wsproto.DeflaterConfig{
			Window:   wsproto.Window{Bits: size},
			Borrow:   func() *deflate.Encoder { return encoder },
			GiveBack: func(*deflate.Encoder) {},
		})
		inflater := func() *wsproto.PooledInflater {
			return wsproto.NewInflater(wsproto.InflaterConfig{
				Window:   wsproto.Window{Takeover: true},
				Borrow:   func() *deflate.Decoder { return reader },
				GiveBack: func(*deflate.Decoder) {},
			})
		}
		ours, theirs := inflater(), inflater()
		sender.w.Reset(&sender.out)
		for _, text := range [][]byte{first, second, first} {
			if payload, ok := d.Deflate(nil, text); ok {
				if len(payload) >= len(text) {
					t.Errorf("%d bytes became %d", len(text), len(payload))
				}
				out, distance, err := wstest.Inflate(payload, nil)
				if err != nil || !bytes.Equal(out, text) || distance > 1<<size {
					t.Errorf("bits %d: %x gives %x, distance %d, %v", size, text, out, distance, err)
				}
				got, err := ours.Inflate(nil, payload, len(text))
				if err != nil || !bytes.Equal(got, text) {
					t.Errorf("bits %d: %x comes back as %x, %v", size, text, got, err)
				}
			}
			got, err := theirs.Inflate(nil, sender.message(text), len(text))
			if err != nil || !bytes.Equal(got, text) {
				t.Errorf("compress/flate sends %x, comes as %x, %v", text, got, err)
			}
		}
	})
}
