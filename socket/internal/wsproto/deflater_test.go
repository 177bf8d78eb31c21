package wsproto_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

// newInflater returns an inflater with a decoder of its own.
func newInflater(w wsproto.Window) *wsproto.PooledInflater {
	r := new(deflate.Decoder)
	return wsproto.NewInflater(wsproto.InflaterConfig{
		Window:   w,
		Borrow:   func() *deflate.Decoder { return r },
		GiveBack: func(*deflate.Decoder) {},
	})
}

// newDeflater returns a deflater with an encoder of its own.
func newDeflater(bits int) *wsproto.PooledDeflater {
	e := new(deflate.Encoder)
	return wsproto.NewDeflater(wsproto.DeflaterConfig{
		Window:   wsproto.Window{Bits: bits},
		Borrow:   func() *deflate.Encoder { return e },
		GiveBack: func(*deflate.Encoder) {},
	})
}

// reference is a sender of RFC 7692 messages made of compress/flate alone.
type reference struct {
	out bytes.Buffer
	w   *flate.Writer
}

func newReference(level int) *reference {
	r := new(reference)
	r.w, _ = flate.NewWriter(&r.out, level)
	return r
}

func (r *reference) message(p []byte) []byte {
	r.out.Reset()
	r.w.Write(p)
	r.w.Flush()
	return bytes.Clone(bytes.TrimSuffix(r.out.Bytes(), []byte("\x00\x00\xff\xff")))
}

// references holds one reference sender for each level, for payloads without
// history. One takes 1 MB.
type references map[int]*reference

func newReferences() references { return make(references) }

func (r references) payload(level int, p []byte) []byte {
	if r[level] == nil {
		r[level] = newReference(level)
	}
	r[level].w.Reset(&r[level].out)
	return r[level].message(p)
}

// inflateReference inflates a payload with compress/flate alone.
func inflateReference(payload []byte) ([]byte, error) {
	r := flate.NewReader(strings.NewReader(string(payload) + "\x00\x00\xff\xff\x01\x00\x00\xff\xff"))
	var out bytes.Buffer
	_, err := out.ReadFrom(r)
	return out.Bytes(), err
}

// TestRFC7692_7_2_3_Examples inflates the payloads that the RFC prints.
func TestRFC7692_7_2_3_Examples(t *testing.T) {
	tests := []struct {
		name    string
		payload string
		want    string
	}{
		{"7.2.3.1 one block", "\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello"},
		{"7.2.3.3 block with no compression", "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "Hello"},
		{"7.2.3.4 BFINAL set", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"},
		{"7.2.3.4 BFINAL set, nothing behind it", "\xf3\x48\xcd\xc9\xc9\x07\x00", "Hello"},
		{"7.2.3.5 two blocks", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"},
		{"7.2.3.6 empty message", "\x00", ""},
		{"empty message in a fixed block", "\x02\x00", ""},
		{"empty message in a final fixed block", "\x03\x00", ""},
		{"empty message in a final fixed block and an empty one", "\x03\x00\x00", ""},
		{"empty message in a final stored block", "\x01", ""},
		{"empty message without a byte", "", ""},
		{"two final blocks", "\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "HelloHello"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := newInflater(wsproto.Window{}).Inflate([]byte("before "), []byte(tt.payload), 100)
			if err != nil || string(got) != "before "+tt.want {
				t.Errorf("Inflate(%x) = %q, %v, want %q", tt.payload, got, err, "before "+tt.want)
			}
		})
	}
}

// TestRFC7692_7_2_3_2_ContextTakeover inflates the RFC's second "Hello", which
// refers to the first.
func TestRFC7692_7_2_3_2_ContextTakeover(t *testing.T) {
	first, second := []byte("\xf2\x48\xcd\xc9\xc9\x07\x00"), []byte("\xf2\x00\x11\x00\x00")
	f := newInflater(wsproto.Window{Takeover: true})
	for _, p := range [][]byte{first, second, second} {
		got, err := f.Inflate(nil, p, 5)
		if err != nil || string(got) != "Hello" {
			t.Fatalf("Inflate(%x) = %q, %v, want Hello", p, got, err)
		}
	}
	f = newInflater(wsproto.Window{})
	if _, err := f.Inflate(nil, first, 5); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Inflate(nil, second, 5); err == nil {
		t.Errorf("without takeover a reference to an earlier message gives %q", got)
	}
}

// TestInflateTruncated cuts payloads at every length: what is left is never
// delivered.
func TestInflateTruncated(t *testing.T) {
	text := []byte(strings.Repeat(`{"event":"chat","data":{"text":"hello, everyone"}}`, 8))
	for _, level := range []int{-2, 0, 1, 6, 9} {
		payload := newReference(level).message(text)
		f := newInflater(wsproto.Window{})
		for n := 1; n < len(payload); n++ {
			if string(payload[:n]) == "\x00" {
				continue // this is the whole empty message
			}
			got, err := f.Inflate([]byte("x"), payload[:n], 1<<16)
			var broken *wsproto.ProtocolError
			if !errors.As(err, &broken) || broken.Code != wsproto.CloseInvalidPayload || string(got) != "x" {
				t.Errorf("level %d cut at %d of %d: %q, %v, want a protocol error", level, n, len(payload), got, err)
			}
		}
		if got, err := f.Inflate(nil, payload, len(text)); err != nil || !bytes.Equal(got, text) {
			t.Errorf("level %d: whole payload after the cut ones: %v", level, err)
		}
	}
}

// TestDeflateRoundTrip compresses with each window and inflates both ways.
func TestDeflateRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var text []byte
	for len(text) < 100_000 {
		text = append(text, `{"event":"chat","data":"`...)
		for range rng.IntN(30) {
			text = append(text, byte('a'+rng.IntN(26)))
		}
		text = append(text, `"}`...)
	}
	for bits := 8; bits <= 15; bits++ {
		d := newDeflater(bits)
		for _, n := range []int{1, 100, 255, 256, 257, 1000, 5000, 40_000, len(text)} {
			payload, ok := d.Deflate([]byte("head"), text[:n])
			if !ok {
				if string(payload) != "head" {
					t.Errorf("bits %d, %d bytes: not ok, but dst is %q", bits, n, payload)
				}
				continue
			}
			payload = payload[4:]
			if len(payload) >= n {
				t.Errorf("bits %d: %d bytes became %d", bits, n, len(payload))
			}
			got, err := newInflater(wsproto.Window{}).Inflate(nil, payload, n)
			if err != nil || !bytes.Equal(got, text[:n]) {
				t.Errorf("bits %d, %d bytes: %v", bits, n, err)
			}
			if ref, err := inflateReference(payload); err != nil || !bytes.Equal(ref, text[:n]) {
				t.Errorf("bits %d, %d bytes: compress/flate: %v", bits, n, err)
			}
		}
	}
}
