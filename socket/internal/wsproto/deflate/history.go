package deflate

import "fmt"

// Window keeps the end of the plaintext that one direction of a connection has
// compressed, for messages that refer back to it: the context that RFC 7692
// lets a connection take over from one message to the next. It holds no memory before
// the first byte, and then about what has been appended, at most its size.
//
// The zero value is a window of 32 KiB. A Window must not be copied once it is used.
type Window struct {
	less uint8 // than maxWindowBits
	b    []byte
}

// NewWindow returns a window of 1<<bits bytes. It panics unless bits is in the range
// 8 to 15.
func NewWindow(bits int) Window {
	if bits < minWindowBits || bits > maxWindowBits {
		panic(fmt.Sprintf("deflate: window bits %d are not in the range 8 to 15", bits))
	}
	return Window{less: uint8(maxWindowBits - bits)}
}

// Size is the most bytes that the window keeps.
func (w *Window) Size() int { return 1 << (maxWindowBits - w.less) }

// Held is how many bytes of memory the window takes, spare room included.
func (w *Window) Held() int { return cap(w.b) }

// Tail is the plaintext that the window holds, the newest byte last. It is valid until
// the next call of Append or Reset, and must not be changed.
func (w *Window) Tail() []byte { return w.b }

// Append adds the plaintext of a message, which is copied. The oldest bytes that do
// not fit in the window any more are dropped.
func (w *Window) Append(message []byte) {
	size := w.Size()
	message = message[max(0, len(message)-size):]
	if n := min(len(w.b)+len(message), size); n > cap(w.b) {
		grown := make([]byte, len(w.b), min(max(n, 2*cap(w.b)), size))
		copy(grown, w.b)
		w.b = grown
	}
	if drop := len(w.b) + len(message) - size; drop > 0 {
		w.b = w.b[:copy(w.b, w.b[drop:])]
	}
	w.b = append(w.b, message...)
}

// Reset forgets everything and lets go of the memory. A sender may do that between any
// two messages; a receiver may not, as its peer goes on to refer back.
func (w *Window) Reset() { w.b = nil }
