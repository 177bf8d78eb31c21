package deflate_test

import (
	"errors"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

// FuzzInflate: what is accepted the oracle accepts and compress/flate too, all with the
// same text, and nothing is ever longer than the limit.
func FuzzInflate(f *testing.F) {
	f.Add([]byte("\xf2\x48\xcd\xc9\xc9\x07\x00"), []byte{}, uint16(5))
	f.Add([]byte("\xf2\x00\x11\x00\x00"), []byte("Hello"), uint16(100))
	f.Add([]byte("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), []byte{}, uint16(4))
	f.Add([]byte("\xf3\x48\xcd\xc9\xc9\x07\x00\x03\x00"), []byte{}, uint16(5))
	f.Add(flateSender{}.payload(6, inflateMix(200, 1)[0]), []byte{}, uint16(200))
	f.Add(payloadWithHistory(9, []byte("who is here, and who is not"), []byte("and who is here")), []byte("and who is here"), uint16(99))
	f.Add([]byte{0x01}, []byte{}, uint16(0))
	var d deflate.Decoder
	f.Fuzz(func(t *testing.T, payload, history []byte, size uint16) {
		if len(payload) > 4<<10 || len(history) > 32<<10 {
			return // the oracle is slow, and no history is longer
		}
		limit := int(size)
		got, err := d.Inflate([]byte("x"), payload, history, limit)
		if len(got) > limit+1 || got[0] != 'x' || err != nil && len(got) != 1 {
			t.Fatalf("Inflate(%x) = %d bytes, %v", payload, len(got), err)
		}
		if err == nil || !errors.Is(err, deflate.ErrTooLong) {
			new(verdicts).judge(t, &d, payload, history)
		}
	})
}
