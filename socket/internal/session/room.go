package session

// Room is the memory of an [Outbox]: a log, in which messages lie one behind the other and go
// on at its begin where those before have left enough of it, and a ring of where each of them
// is. Neither has pointers, and a message takes 9 bytes of them beside its own.
//
// Like a Room of [NewRoom] is one that an Outbox has given back.
type Room struct {
	log  []byte
	ends []end // a power of two of them; that of message n is at n mod len

	// Places in the log. The messages lie between tail and head, or, if head < tail,
	// between tail and wrap, and go on between 0 and head.
	head, tail, wrap uint32
	next             uint32 // of the message that was begun

	// The bytes of all messages in the log up to the newest, and before the oldest, as those
	// of an end.
	sum, before uint32
	count       uint32 // of messages

	apart      []run // of messages that lie elsewhere, the oldest first
	gone       int   // how many of the runs, in front, are not kept any more
	apartBytes int
}

// List is a list of messages that lie elsewhere, which others may keep too, as a pointer.
// Neither it nor they change any more.
type List interface {
	// Message returns a message, and for how many bytes it counts.
	Message(i int) (b []byte, f Form, size int)
}

// run are messages of a list: message first is its element from, and so on.
type run struct {
	list  List
	first uint64
	from  uint32
	count uint32
	size  int // what all of them count for, bytes
}

// own is a message that lies elsewhere, and only for this Room.
type own struct {
	b    []byte
	form Form
	size int
}

func (o *own) Message(int) ([]byte, Form, int) { return o.b, o.form, o.size }

// end is a message in the ring.
type end struct {
	at    uint32 // its place in the log, where its form is, and its bytes behind that; and marks
	bytes uint32 // of all messages in the log up to this one, mod 1<<32
}

// apartMark, above the place, says that the message takes none in the log, but lies elsewhere.
const apartMark = 1 << 31

func (e *end) place() uint32 { return e.at &^ apartMark }

func (e *end) isApart() bool { return e.at&apartMark != 0 }

// Sizes of what a Room has.
const (
	fewEnds   = 16       // places in the ring of a new one
	largeLog  = 16 << 10 // bytes of the log of one that is given up when it is empty,
	largeRing = 512      // or places in its ring
)

// NewRoom returns an empty room with a log of size bytes, at most 1 GiB.
func NewRoom(size int) *Room {
	return &Room{log: make([]byte, size), ends: make([]end, fewEnds)}
}

// Size returns the bytes of the log.
func (r *Room) Size() int { return len(r.log) }

// Trim gives up what an empty room has beside its log, if that is much.
func (r *Room) Trim() {
	if len(r.ends) > largeRing {
		r.ends = make([]end, fewEnds)
	}
	if cap(r.apart) > largeRing {
		r.apart = nil
	}
}

func (r *Room) large() bool { return len(r.log) > largeLog || len(r.ends) > largeRing }

func (r *Room) end(n uint64) *end { return &r.ends[n&uint64(len(r.ends)-1)] }

// begin chooses the place for a message of about most bytes, and returns the end of the log
// for it, with all the room that there is; nil if there is not as much.
func (r *Room) begin(most int) []byte {
	at, limit := int(r.head), len(r.log)
	if r.head < r.tail { // which head must not become: then nothing would lie in between
		limit = int(r.tail) - 1
	}
	if at+1+most > limit {
		if r.head < r.tail || 1+most >= int(r.tail) {
			return nil
		}
		at, limit = 0, int(r.tail)-1
	}
	r.next = uint32(at)
	return r.log[at+1 : at+1 : limit]
}

// wants returns the size of the log that everything fits into together with n bytes: more than
// there is, unless most of that is free, in pieces that are too small.
func (r *Room) wants(n int) int {
	live := int(r.head) - int(r.tail)
	if live < 0 {
		live += int(r.wrap)
	}
	if n += live; n > len(r.log)/2 {
		n = max(n, len(r.log)+1)
	}
	return n
}

func (r *Room) add(n uint64, b []byte, f Form, size int) {
	r.log[r.next] = byte(f)
	if r.next < r.head {
		r.wrap = r.head
	}
	r.head = r.next + 1 + uint32(len(b))
	r.sum += uint32(size)
	r.place(n, r.next)
}

// addRun keeps messages from x.first on, which lie elsewhere.
func (r *Room) addRun(x run) {
	for n := range uint64(x.count) {
		r.place(x.first+n, r.head|apartMark)
	}
	r.apartBytes += x.size
	if last := len(r.apart) - 1; last >= r.gone {
		if y := &r.apart[last]; y.list == x.list && y.first+uint64(y.count) == x.first && y.from+y.count == x.from {
			y.count += x.count
			y.size += x.size
			return
		}
	}
	if r.gone > 0 && len(r.apart) == cap(r.apart) && r.gone >= len(r.apart)/2 {
		left := copy(r.apart, r.apart[r.gone:])
		clear(r.apart[left:])
		r.apart, r.gone = r.apart[:left], 0
	}
	r.apart = append(r.apart, x)
}

// place enters message n, which is the newest, in the ring.
func (r *Room) place(n uint64, at uint32) {
	if int(r.count) == len(r.ends) {
		r.grow(n)
	}
	*r.end(n) = end{at, r.sum}
	r.count++
}

// grow doubles the ring, which is full, for message n.
func (r *Room) grow(n uint64) {
	old := r.ends
	r.ends = make([]end, 2*len(old))
	for m := n - uint64(r.count); m < n; m++ {
		*r.end(m) = old[m&uint64(len(old)-1)]
	}
}

// undo takes out message n, which is the newest.
func (r *Room) undo(n uint64) {
	e := *r.end(n)
	if e.isApart() {
		i := len(r.apart) - 1
		x := &r.apart[i]
		x.count--
		_, _, size := x.list.Message(int(x.from + x.count))
		x.size -= size
		r.apartBytes -= size
		if x.count == 0 {
			*x = run{}
			r.apart = r.apart[:i]
		}
	}
	if r.count--; r.count == 0 {
		r.emptied()
		return
	}
	r.head, r.sum = e.place(), r.end(n-1).bytes
}

// drop takes out all messages up to n, which is there, as is the newest, last.
func (r *Room) drop(n, last uint64) {
	if n == last {
		clear(r.apart[r.gone:])
		r.count, r.apartBytes = 0, 0
		r.emptied()
		return
	}
	for ; r.gone < len(r.apart) && r.apart[r.gone].first <= n; r.gone++ {
		x := &r.apart[r.gone]
		if x.first+uint64(x.count) > n+1 {
			r.apartBytes -= x.cut(uint32(n + 1 - x.first))
			break
		}
		r.apartBytes -= x.size
		*x = run{}
	}
	r.count = uint32(last - n)
	r.before, r.tail = r.end(n).bytes, r.end(n+1).place()
}

// cut takes the first messages out of a run, and returns what they count for.
func (x *run) cut(n uint32) (bytes int) {
	for i := range n {
		_, _, size := x.list.Message(int(x.from + i))
		bytes += size
	}
	x.first += uint64(n)
	x.from += n
	x.count -= n
	x.size -= bytes
	return bytes
}

// emptied begins again at the begin of the log, which the processor has seen last.
func (r *Room) emptied() {
	r.head, r.tail, r.before = 0, 0, r.sum
	r.apart, r.gone = r.apart[:0], 0
}

// reset takes everything out.
func (r *Room) reset() {
	clear(r.apart)
	r.count, r.apartBytes = 0, 0
	r.emptied()
}

// bytes returns those of what is kept.
func (r *Room) bytes() int { return int(r.sum-r.before) + r.apartBytes }

// What a message costs beside its bytes, in bytes: a place in the ring and numbers in front, and
// more if it lies apart.
const (
	messageCost = 24
	apartCost   = 48
)

func (r *Room) held() int {
	return r.bytes() + int(r.count)*messageCost + (len(r.apart)-r.gone)*apartCost
}

// message returns message n, which lies in the log.
func (r *Room) message(n, last uint64) Kept {
	at, end := r.end(n).at, r.head
	if n < last {
		end = r.end(n + 1).place()
	}
	if end <= at { // the next has begun at the begin
		end = r.wrap
	}
	return Kept{B: r.log[at+1 : end : end], Form: Form(r.log[at])}
}

// moveTo moves everything, of which the newest is message last, to another room, which is
// empty. This one is empty then.
func (r *Room) moveTo(to *Room, last uint64) {
	ends := r.ends
	if len(ends) > len(to.ends) {
		to.ends, r.ends = r.ends, to.ends
	}
	front := uint32(0) // bytes that lie before those at the begin of the log
	if r.head < r.tail {
		front = uint32(copy(to.log, r.log[r.tail:r.wrap]))
		copy(to.log[front:], r.log[:r.head])
		to.head = front + r.head
	} else {
		to.head = uint32(copy(to.log, r.log[r.tail:r.head]))
	}
	for n := last + 1 - uint64(r.count); n <= last; n++ {
		e := ends[n&uint64(len(ends)-1)]
		if e.place() >= r.tail {
			e.at -= r.tail // the mark stays
		} else {
			e.at += front
		}
		*to.end(n) = e
	}
	to.sum, to.before, to.count = r.sum, r.before, r.count
	to.apart, to.gone, to.apartBytes, r.apart, r.gone = r.apart, r.gone, r.apartBytes, to.apart[:0], 0
	r.reset()
}
