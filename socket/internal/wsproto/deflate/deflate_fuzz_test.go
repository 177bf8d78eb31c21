package deflate_test

import (
	"bytes"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

// FuzzDeflateRoundTrip compresses any bytes behind any history with any options.
// They come back from two decoders, no reference is too far, and a used encoder does
// what a new one does.
func FuzzDeflateRoundTrip(f *testing.F) {
	f.Add([]byte(`{"event":"chat","data":"hello hello hello"}`), []byte("hello"), uint8(15))
	f.Add(bytes.Repeat([]byte("ab"), 400), bytes.Repeat([]byte("ab"), 300), uint8(0))
	f.Add(bytes.Repeat([]byte("abcdefghijklmnopqrstuvwxyz"), 25), []byte{}, uint8(9))
	f.Add(make([]byte, 700), make([]byte, 300), uint8(17))
	var used deflate.Encoder
	var o oracle
	f.Fuzz(func(t *testing.T, text, history []byte, option uint8) {
		options := deflate.Options{WindowBits: 8 + int(option)%8, Thorough: option&8 != 0}
		check(t, &used, &o, text, history, options)
		first, ok := new(deflate.Encoder).Deflate(nil, text, history, options)
		second, ok2 := used.Deflate(nil, text, history, options)
		if ok != ok2 || !bytes.Equal(first, second) {
			t.Errorf("%+v: %d bytes behind %d: %x, and %x with a used encoder", options, len(text), len(history), first, second)
		}
	})
}
