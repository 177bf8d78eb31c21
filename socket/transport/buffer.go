package transport

import "sync"

// A buffer is borrowed while bytes are on their way in or out. An idle
// connection holds none, which is why they come from pools.
type buffer struct {
	b     []byte // full length, of its class
	class int8
}

// The sizes that buffers come in. What needs more is allocated for its use.
const (
	minBuffer  = 1 << 10
	maxBuffer  = 64 << 10
	classStep  = 4
	numClasses = 4  // 1, 4, 16 and 64 KiB, and spare
	spare      = 64 // for a frame whose payload is as long as a power of two
)

// notPooled is the class of a buffer that is not used again.
const notPooled int8 = -1

// Shared by all connections of the process: what one gives back another takes.
var bufferPools [numClasses]sync.Pool

// getBuffer returns a buffer of at least n bytes whose content is undefined.
func getBuffer(n int) *buffer {
	size, class := minBuffer, int8(0)
	for size+spare < n && size < maxBuffer {
		size, class = size*classStep, class+1
	}
	if n > size+spare {
		return &buffer{b: make([]byte, n), class: notPooled}
	}
	if buf, ok := bufferPools[class].Get().(*buffer); ok {
		return buf
	}
	return &buffer{b: make([]byte, size+spare), class: class}
}

// holds reports whether b, which ends where the buffer it lies in ends, lies in
// buf. Both may be nil.
func (buf *buffer) holds(b []byte) bool {
	return buf != nil && len(b) > 0 && &b[len(b)-1] == &buf.b[len(buf.b)-1]
}

// putBuffer gives buf back. Nobody may use it afterwards. nil is ignored.
func putBuffer(buf *buffer) {
	if buf != nil && buf.class >= 0 {
		bufferPools[buf.class].Put(buf)
	}
}
