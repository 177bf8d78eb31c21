package memnet

// minRing is the first size of a ring. Most test connections carry little, and
// a test may open thousands.
const minRing = 512

// ring is a FIFO of bytes that grows up to a limit.
type ring struct {
	buf   []byte
	head  int
	size  int
	limit int
}

// room returns how many bytes can still be written.
func (r *ring) room() int { return r.limit - r.size }

// write takes as much of b as there is room for.
func (r *ring) write(b []byte) int {
	b = b[:min(len(b), r.room())]
	r.grow(r.size + len(b))
	n := 0
	for n < len(b) {
		tail := (r.head + r.size) % len(r.buf)
		end := len(r.buf)
		if tail < r.head {
			end = r.head
		}
		m := copy(r.buf[tail:end], b[n:])
		n += m
		r.size += m
	}
	return n
}

// read moves the oldest bytes to b.
func (r *ring) read(b []byte) int {
	b = b[:min(len(b), r.size)]
	n := 0
	for n < len(b) {
		m := copy(b[n:], r.buf[r.head:min(r.head+r.size, len(r.buf))])
		n += m
		r.size -= m
		r.head = (r.head + m) % len(r.buf)
	}
	return n
}

// truncate drops all but the oldest n bytes.
func (r *ring) truncate(n int) { r.size = n }

// release drops all bytes and the memory.
func (r *ring) release() { r.buf, r.head, r.size = nil, 0, 0 }

func (r *ring) grow(need int) {
	if need <= len(r.buf) {
		return
	}
	size := max(minRing, len(r.buf))
	for size < need {
		size *= 2
	}
	grown := ring{buf: make([]byte, min(size, r.limit)), limit: r.limit}
	grown.size = r.read(grown.buf)
	*r = grown
}
