package deflate_test

import (
	"bytes"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

func TestStoredMessageInflatesToItself(t *testing.T) {
	var o oracle
	var d deflate.Decoder
	for _, size := range []int{0, 1, 100, 1<<16 - 1, 1 << 16, 200_000} {
		message := bytes.Repeat([]byte{0, 1, 255, 'a', 'b'}, size/5+1)[:size]
		payload := deflate.Store([]byte("head"), message)
		if string(payload[:4]) != "head" || len(payload) > 4+size+6+5*(size>>16) {
			t.Errorf("%d bytes become %d", size, len(payload)-4)
		}
		payload = payload[4:]
		if got, err := o.inflate(payload, nil); err != nil || !bytes.Equal(got, message) {
			t.Errorf("%d bytes come back from compress/flate as %d, %v", size, len(got), err)
		}
		if got, err := d.Inflate(nil, payload, nil, size); err != nil || !bytes.Equal(got, message) {
			t.Errorf("%d bytes come back as %d, %v", size, len(got), err)
		}
	}
}
