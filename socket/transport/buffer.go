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
	numClasses = 4 // 1, 4, 16 and 64 KiB
)

// Shared by all connections of the process: what one gives back another takes.
var bufferPools [numClasses]sync.Pool

// getBuffer returns a buffer of at least n bytes whose content is undefined.
func getBuffer(n int) *buffer {
	size, class := minBuffer, int8(0)
	for size < n && size < maxBuffer {
		size, class = size*4, class+1
	}
	if n > size {
		return &buffer{b: make([]byte, n), class: -1}
	}
	if buf, ok := bufferPools[class].Get().(*buffer); ok {
		return buf
	}
	return &buffer{b: make([]byte, size), class: class}
}

// putBuffer gives buf back. Nobody may use it afterwards. nil is ignored.
func putBuffer(buf *buffer) {
	if buf != nil && buf.class >= 0 {
		bufferPools[buf.class].Put(buf)
	}
}
