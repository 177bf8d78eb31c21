package session

import (
	"errors"
	"iter"
)

// Errors of what one end tells the other about its numbers. Either means that the two
// do not talk about the same session.
var (
	// ErrAck: the other end has acknowledged a message that was never sent.
	ErrAck = errors.New("a message was acknowledged that was never sent")
	// ErrGap: a message that the other end needs next is not there.
	ErrGap = errors.New("messages are missing")
)

// Defaults of [OutboxLimits].
const (
	DefaultOutboxBytes    = 256 << 10
	DefaultOutboxMessages = 1024
)

// OutboxLimits bounds an [Outbox]. Zero means the default, a negative value no bound.
type OutboxLimits struct {
	Bytes    int // zero: [DefaultOutboxBytes]
	Messages int // zero: [DefaultOutboxMessages]
}

// Quarter returns a quarter of the limits.
func (l OutboxLimits) Quarter() OutboxLimits {
	return OutboxLimits{quarterOf(l.Bytes, DefaultOutboxBytes), quarterOf(l.Messages, DefaultOutboxMessages)}
}

// quarterOf returns a quarter of a limit that may be missing.
func quarterOf(limit, missing int) int {
	switch {
	case limit < 0:
		return limit
	case limit == 0:
		limit = missing
	}
	return max(limit/4, 1)
}

// Outbox numbers the messages of one direction of a session, and keeps them until the
// other end has acknowledged them, so that they can be sent again over another
// connection. The first message has number 1.
//
// It never refuses a message: whether there is room for it is [Outbox.Full], and what to
// do then is for the caller to decide, who can drop the oldest. The zero value is empty
// and takes no memory beyond its own. One whose messages are all acknowledged keeps the
// room of a few for the next, until [Outbox.Shrink].
type Outbox[M any] struct {
	ring  *ring[M] // nil: nothing is kept
	last  uint64   // number of the newest
	acked uint64
}

// ring is the room for what is kept.
type ring[M any] struct {
	places []kept[M] // a power of two of them; message n is in place n mod len
	count  int       // of messages, the last of them the newest
	bytes  int
	few    [4]kept[M] // the first places
}

// kept is a message of a number of bytes.
type kept[M any] struct {
	m    M
	size int
}

// emptyPlaces is how many places an Outbox has at most that keeps nothing.
const emptyPlaces = 128

// Add keeps a message of size bytes and returns its number.
func (o *Outbox[M]) Add(m M, size int) uint64 {
	*o.Place(size) = m
	return o.last
}

// Place is Add for those who make the message where it is kept: what it returns is empty,
// and is good until the next call.
func (o *Outbox[M]) Place(size int) *M {
	r := o.ring
	if r == nil {
		r = new(ring[M])
		r.places = r.few[:]
		o.ring = r
	}
	if r.count == len(r.places) {
		o.grow()
	}
	o.last++
	k := r.place(o.last)
	k.size = size
	r.count++
	r.bytes += size
	return &k.m
}

func (r *ring[M]) place(n uint64) *kept[M] { return &r.places[n&uint64(len(r.places)-1)] }

func (o *Outbox[M]) grow() {
	r := o.ring
	old := *r
	r.places = make([]kept[M], 2*len(old.places))
	for n := o.first(); n <= o.last; n++ {
		*r.place(n) = *old.place(n)
	}
	clear(r.few[:])
}

// Undo takes the newest message out again, which nobody has seen.
func (o *Outbox[M]) Undo() M {
	m := o.ring.take(o.last)
	o.last--
	o.emptied()
	return m
}

// take takes message n out.
func (r *ring[M]) take(n uint64) M {
	k := r.place(n)
	m := k.m
	r.count--
	r.bytes -= k.size
	*k = kept[M]{}
	return m
}

// emptied gives a large ring up if nothing is in it.
func (o *Outbox[M]) emptied() {
	if o.Len() == 0 && len(o.ring.places) > emptyPlaces {
		o.ring = nil
	}
}

// Shrink gives up all memory if nothing is kept. It is called now and then.
func (o *Outbox[M]) Shrink() {
	if o.Len() == 0 {
		o.ring = nil
	}
}

// Last returns the number of the newest message, 0 before the first.
func (o *Outbox[M]) Last() uint64 { return o.last }

// Acked returns the number of the last message that was acknowledged.
func (o *Outbox[M]) Acked() uint64 { return o.acked }

// Len returns how many messages are kept, and Bytes their bytes.
func (o *Outbox[M]) Len() int {
	if o.ring == nil {
		return 0
	}
	return o.ring.count
}

// first returns the number of the oldest that is kept, last+1 if none is.
func (o *Outbox[M]) first() uint64 { return o.last + 1 - uint64(o.Len()) }

// Dropped returns how many messages are neither acknowledged nor kept.
func (o *Outbox[M]) Dropped() int { return int(o.last-o.acked) - o.Len() }

// Bytes returns the bytes of what is kept.
func (o *Outbox[M]) Bytes() int {
	if o.ring == nil {
		return 0
	}
	return o.ring.bytes
}

// Full reports whether more is kept than l allows. A single message is never too much.
func (o *Outbox[M]) Full(l OutboxLimits) bool {
	n := o.Len()
	return n > 1 && (n > bound(l.Messages, DefaultOutboxMessages) || o.Bytes() > bound(l.Bytes, DefaultOutboxBytes))
}

// Asks reports whether message n is to ask for an acknowledgement, see [AskEvery], with l
// as the limits: it is when a quarter of them is passed.
func (o *Outbox[M]) Asks(n uint64, l OutboxLimits) bool {
	return n%AskEvery == 0 && o.Full(l.Quarter())
}

// Drop takes the oldest message out, acknowledged or not; it is not ok when there is
// none. If the other end should need it, [Outbox.Resume] will say so.
func (o *Outbox[M]) Drop() (m M, ok bool) {
	if o.Len() == 0 {
		return m, false
	}
	m = o.ring.take(o.first())
	o.emptied()
	return m, true
}

// Ack takes out all messages up to number n, which the other end has, and calls free for
// each. An n that was acknowledged before does nothing.
func (o *Outbox[M]) Ack(n uint64, free func(M)) error {
	if n > o.last {
		return ErrAck
	}
	o.acked = max(o.acked, n)
	first := o.first()
	if first > n {
		return nil
	}
	for ; first <= n; first++ {
		free(o.ring.take(first))
	}
	o.emptied()
	return nil
}

// Resume looks whether another connection can go on behind message n, the last that the
// other end has: those after it are to be sent again, and are there, unless the error is
// [ErrGap]. It acknowledges nothing: what the other end has it may not have handled.
func (o *Outbox[M]) Resume(n uint64) error {
	if n > o.last {
		return ErrAck
	}
	if n < o.acked || o.last > n && o.first() > n+1 {
		return ErrGap
	}
	return nil
}

// All returns what is kept with its numbers, the oldest first.
func (o *Outbox[M]) All() iter.Seq2[uint64, M] { return o.From(0) }

// From is All from message n on.
func (o *Outbox[M]) From(n uint64) iter.Seq2[uint64, M] {
	return func(yield func(uint64, M) bool) {
		if o.Len() == 0 {
			return
		}
		for n := max(n, o.first()); n <= o.last; n++ {
			if !yield(n, o.ring.place(n).m) {
				return
			}
		}
	}
}
