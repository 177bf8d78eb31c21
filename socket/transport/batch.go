package transport

import (
	"sync"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// batch is a list of frames on their way out. Batches are pooled so that a
// queue that comes and goes with every message costs no allocation.
type batch struct {
	items  []item
	first  int  // of the items that have not left
	begun  bool // a part of that one has left
	bytes  int  // of all frames ever added
	frames int
	memory int // that these lie in, with the buffers' spare room, bytes
}

// itemCost is what an item costs beside its bytes: its place in the list and, in
// a blocked write, in the vectors that the system call wants.
const itemCost = 80

// item is one frame or several, ready for the wire. b lies in buf; it is shared with
// other connections, and must not be changed, where buf is not pooled or, for a single
// frame, nil.
type item struct {
	b   []byte
	buf *buffer
}

// Shared by all connections of the process.
var batchPool sync.Pool

func getBatch() *batch {
	if q, ok := batchPool.Get().(*batch); ok {
		return q
	}
	return &batch{items: make([]item, 0, 8)}
}

// putBatch gives the list and the buffers that it owns back. nil is ignored.
func putBatch(q *batch) {
	if q == nil {
		return
	}
	for i := range q.items {
		putBuffer(q.items[i].buf)
		q.items[i] = item{}
	}
	if cap(q.items) <= 1024 {
		*q = batch{items: q.items[:0]}
		batchPool.Put(q)
	}
}

// share appends a frame that belongs to several connections.
func (q *batch) share(frame []byte) {
	q.items = append(q.items, item{b: frame})
	q.bytes += len(frame)
	q.frames++
	q.memory += len(frame) + itemCost
}

// shareRun appends frames that belong to several connections.
func (q *batch) shareRun(r *run) {
	for _, it := range r.pieces {
		q.items = append(q.items, it)
		q.memory += len(it.b) + itemCost
	}
	q.bytes += r.bytes
	q.frames += r.frames
}

// room returns an item of the batch's own with at least n spare bytes after
// what it holds, so that small frames lie side by side and leave in one write.
func (q *batch) room(n int) *item {
	size := n
	if last := len(q.items) - 1; last >= 0 && q.items[last].buf != nil {
		it := &q.items[last]
		if cap(it.b)-len(it.b) >= n {
			return it
		}
		// A second buffer in a row means that there is a burst: take a larger
		// one.
		size = max(n, maxBuffer/4)
	}
	buf := getBuffer(size)
	q.items = append(q.items, item{b: buf.b[:0], buf: buf})
	q.memory += len(buf.b) + itemCost
	return &q.items[len(q.items)-1]
}

// keepRest appends a copy of a frame that is counted in q already, without its
// first n bytes, which have left.
func (q *batch) keepRest(n int, head, payload []byte) {
	buf := getBuffer(len(head) + len(payload) - n)
	b := append(buf.b[:0], head[min(n, len(head)):]...)
	b = append(b, payload[max(n-len(head), 0):]...)
	q.items = append(q.items, item{b: b, buf: buf})
	q.memory += len(buf.b) + itemCost
	q.begun = n > 0
}

// append moves all of more behind q and gives the empty list back.
func (q *batch) append(more *batch) {
	q.items = append(q.items, more.items...)
	q.bytes += more.bytes
	q.frames += more.frames
	q.memory += more.memory
	clear(more.items)
	more.items = more.items[:0]
	putBatch(more)
}

// left returns the items that have not left.
func (q *batch) left() []item { return q.items[q.first:] }

// skip drops the first n bytes of the list, which have left.
func (q *batch) skip(n int) {
	for ; q.first < len(q.items); q.first++ {
		it := &q.items[q.first]
		if n < len(it.b) {
			it.b = it.b[n:]
			q.begun = q.begun || n > 0
			return
		}
		n -= len(it.b)
		it.b = nil
		q.begun = false
	}
}

// cut drops the frames of which nothing has left, so that what follows is the next
// that the peer sees.
func (q *batch) cut() {
	left := q.left()
	q.memory = 0
	if len(left) > 0 && q.begun {
		it := &left[0]
		end := len(it.b)
		if it.buf != nil && q.frames > 1 {
			end = it.frameEnd()
		}
		q.memory = cap(it.b) + itemCost
		q.bytes -= len(it.b) - end
		it.b = it.b[:end]
		left = left[1:]
	}
	for i := range left {
		q.bytes -= len(left[i].b)
		putBuffer(left[i].buf)
		left[i] = item{}
	}
	q.frames = min(q.frames, 1)
}

// frameEnd returns where the frame ends that b begins in the middle of. buf holds
// whole frames.
func (it *item) frameEnd() int {
	begin := cap(it.buf.b) - cap(it.b)
	frames := it.buf.b[:begin+len(it.b)]
	end := 0
	for end < begin {
		h, n, _ := wsproto.ParseHeader(frames[end:]) // our own: it is valid
		end += n + int(h.Length)
	}
	return end - begin
}
