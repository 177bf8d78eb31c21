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
	f.Add(make([]byte, 700), make([]byte, 300), uint8(1))
	f.Add([]byte(`{"p":12.34,"v":5.678},{"p":12.35,"v":5.679}`), []byte(`{"p":12.33,"v":5.677}`), uint8(21))
	var used deflate.Encoder
	var o oracle
	f.Fuzz(func(t *testing.T, text, history []byte, option uint8) {
		options := deflate.Options{WindowBits: 8 + int(option)%8, Thorough: option&8 != 0, Shortest: option&16 != 0}
		check(t, &used, &o, text, history, options)
		first, ok := new(deflate.Encoder).Deflate(nil, text, history, options)
		second, ok2 := used.Deflate(nil, text, history, options)
		if ok != ok2 || !bytes.Equal(first, second) {
			t.Errorf("%+v: %d bytes behind %d: %x, and %x with a used encoder", options, len(text), len(history), first, second)
		}
	})
}

// FuzzContext sends what the script says over one connection, whose window it begins
// with: parts of the text, compressed in one of the two ways or for many, and new
// beginnings. The receiver gets all of it, and another encoder does the same.
func FuzzContext(f *testing.F) {
	f.Add([]byte("\x04\x00\x00\x20\x00\x08\x20\x02\x00\x30\x03\x10\x20"), []byte(`{"event":"chat","data":"hello hello hello"}{"event":"chat","data":"hello"}`))
	f.Add([]byte("\x00\x00\x00\xff\x02\x10\xff\x00\x00\xff\x04\x00\x00\x00\x00\x80"), bytes.Repeat([]byte("abcdefghijklmnopq"), 40))
	f.Add([]byte("\x07\x05\x00\xff\x00\x00\xff\x01\x00\xff\x02\x00\xff\x00\x08\x20"), make([]byte, 2000))
	var used, second deflate.Encoder
	f.Fuzz(func(t *testing.T, script, text []byte) {
		if len(script) == 0 || len(script) > 61 || len(text) > 2000 {
			return // the slow receiver would take too long
		}
		p := newContextPeer(8+int(script[0])%8, &used)
		other := deflate.NewContext(p.bits)
		for script = script[1:]; len(script) >= 3; script = script[3:] {
			from := min(len(text), int(script[1])*20)
			part := text[from:min(len(text), from+int(script[2])*4)]
			if script[0]&16 != 0 {
				part = bytes.Repeat(part, 9) // longer than some windows
			}
			switch o := (deflate.Options{Thorough: script[0]&8 != 0, Shortest: script[0]&32 != 0}); script[0] % 8 {
			case 0, 1, 2, 3:
				payload, ok := second.DeflateContext(nil, part, &other, o)
				before := p.packed
				if sent := p.send(t, part, o); sent != ok || ok && p.packed-before != len(payload) {
					t.Fatalf("%d bytes: another encoder makes %d of them, %v", len(part), len(payload), ok)
				}
			case 4, 5, 6:
				p.context.Append(part)
				other.Append(part)
				p.got(part)
			default:
				p.context.Reset()
				other.Reset()
			}
			if n := p.context.Kept(); n > 2<<p.bits {
				t.Fatalf("bits %d: the context holds %d bytes", p.bits, n)
			}
		}
	})
}
