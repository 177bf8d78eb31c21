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

// Defaults of [NewOutboxLimits].
const (
	DefaultOutboxBytes    = 256 << 10
	DefaultOutboxMessages = 1024
)

// OutboxLimits bounds an [Outbox].
type OutboxLimits struct {
	all     limits
	asking  limits // beyond which an acknowledgement is asked for
	quarter limits
}

type limits struct{ bytes, messages int }

// NewOutboxLimits returns limits of so many bytes and messages. Zero means the default, a
// negative value no bound.
func NewOutboxLimits(bytes, messages int) OutboxLimits {
	all := limits{bound(bytes, DefaultOutboxBytes), bound(messages, DefaultOutboxMessages)}
	part := func(eighths int) limits { return limits{max(all.bytes/8*eighths, 1), max(all.messages/8*eighths, 1)} }
	return OutboxLimits{all: all, asking: part(3), quarter: part(2)}
}

// Outbox numbers the messages of one direction of a session, and keeps them until the
// other end has acknowledged them, so that they can be sent again over another
// connection. The first message has number 1.
//
// Messages lie one behind the other in a [Room], which whoever owns the Outbox gives it,
// and gets back; those that others have too, or that are large, stay where they are
// ([Outbox.AddApart], [Outbox.AddList]).
//
// It never refuses a message: whether there is room for it within the limits is
// [Outbox.Full], and what to do then is for the caller to decide, who can drop the oldest.
// The zero value is empty and takes no memory beyond its own.
type Outbox struct {
	room  *Room  // nil: nothing is kept
	last  uint64 // number of the newest
	acked uint64
}

// Form is how a message looks that is kept: bytes of the numbers that it begins with, at most
// 127, and [BinaryForm] if it is binary.
type Form uint8

// BinaryForm is the bit of a Form that a text does not have.
const BinaryForm Form = 1 << 7

// Head returns how many bytes of numbers the message begins with.
func (f Form) Head() int { return int(f &^ BinaryForm) }

// Binary reports whether the message is binary.
func (f Form) Binary() bool { return f&BinaryForm != 0 }

// Kept is a message that an [Outbox] keeps.
type Kept struct {
	B     []byte // good until the Outbox is changed, unless it lies apart
	Form  Form
	Apart bool // B is what was given to [Outbox.AddApart], or is of an [Outbox.AddList]
}

// Begin returns the empty end of the room, of most bytes or more, for a message to be appended
// to, upon which [Outbox.Add] keeps it if it has fitted in. It is nil if there is no room: then
// [Outbox.Move] is to be called with one of [Outbox.Wants] bytes.
func (o *Outbox) Begin(most int) []byte {
	if o.room == nil {
		return nil
	}
	return o.room.begin(most)
}

// Wants returns the size of the room, bytes, that everything fits into together with a
// message of at most most bytes.
func (o *Outbox) Wants(most int) int {
	if o.room == nil {
		return 1 + most
	}
	return o.room.wants(1 + most)
}

// Move moves everything into an empty room, of the size that [Outbox.Wants] says or larger, and
// returns the one before, nil if there was none.
func (o *Outbox) Move(r *Room) (before *Room) {
	before, o.room = o.room, r
	if before != nil {
		before.moveTo(r, o.last)
	}
	return before
}

// Add keeps b, which was appended to what [Outbox.Begin] has returned, as a message that
// counts for size bytes, and returns its number.
func (o *Outbox) Add(b []byte, f Form, size int) uint64 {
	o.last++
	o.room.add(o.last, b, f, size)
	return o.last
}

// AddApart is Add for a message that stays where it is, and must not be changed any more.
// Without a room it makes a small one.
func (o *Outbox) AddApart(b []byte, f Form, size int) uint64 {
	o.AddList(&own{b, f, size}, 0, 1, size)
	return o.last
}

// AddList is AddApart for count messages of a list, from element from on, which count for size
// bytes together. It takes about what one message does.
func (o *Outbox) AddList(l List, from, count, size int) {
	if count == 0 {
		return
	}
	if o.room == nil {
		o.room = NewRoom(0)
	}
	first := o.last + 1
	o.last += uint64(count)
	o.room.addRun(run{list: l, first: first, from: uint32(from), count: uint32(count), size: size})
}

// Undo takes the newest message out again, which nobody has seen.
func (o *Outbox) Undo() {
	o.room.undo(o.last)
	o.last--
}

// Shrink returns the room, to be given up, if nothing is kept, and else nil. It is called
// now and then: one whose messages are all acknowledged keeps a small room for the next.
func (o *Outbox) Shrink() *Room {
	if o.Len() > 0 {
		return nil
	}
	r := o.room
	o.room = nil
	return r
}

// Reset makes the Outbox a new one, and returns the room that it had, nil if it had none.
func (o *Outbox) Reset() *Room {
	r := o.room
	if r != nil {
		r.reset()
	}
	*o = Outbox{}
	return r
}

// Last returns the number of the newest message, 0 before the first.
func (o *Outbox) Last() uint64 { return o.last }

// Acked returns the number of the last message that was acknowledged.
func (o *Outbox) Acked() uint64 { return o.acked }

// Len returns how many messages are kept, and Bytes their bytes.
func (o *Outbox) Len() int {
	if o.room == nil {
		return 0
	}
	return int(o.room.count)
}

// first returns the number of the oldest that is kept, last+1 if none is.
func (o *Outbox) first() uint64 { return o.last + 1 - uint64(o.Len()) }

// Dropped returns how many messages are neither acknowledged nor kept.
func (o *Outbox) Dropped() int { return int(o.last-o.acked) - o.Len() }

// Bytes returns the bytes of what is kept.
func (o *Outbox) Bytes() int {
	if o.room == nil {
		return 0
	}
	return o.room.bytes()
}

// Held returns about how many bytes of memory what is kept takes.
func (o *Outbox) Held() int {
	if o.room == nil {
		return 0
	}
	return o.room.held()
}

// Full reports whether more is kept than l allows. A single message is never too much.
func (o *Outbox) Full(l *OutboxLimits) bool { return o.exceeds(&l.all) }

// QuarterFull is Full for a quarter of l.
func (o *Outbox) QuarterFull(l *OutboxLimits) bool { return o.exceeds(&l.quarter) }

func (o *Outbox) exceeds(l *limits) bool {
	n := o.Len()
	return n > 1 && (n > l.messages || o.room.bytes() > l.bytes)
}

// Within reports whether o is not Full, and Held not more than held.
func (o *Outbox) Within(l *OutboxLimits, held int) bool {
	return !o.Full(l) && o.Held() <= held
}

// Asks reports whether message n is to ask for an acknowledgement, see [AskEvery] and
// [Outbox.Asking].
func (o *Outbox) Asks(n uint64, l *OutboxLimits) bool { return n%AskEvery == 0 && o.Asking(l) }

// Asking is Full for three eighths of l, which are passed before the other end acknowledges by
// itself if l is less than the default.
func (o *Outbox) Asking(l *OutboxLimits) bool { return o.exceeds(&l.asking) }

// Drop takes the oldest message out, acknowledged or not; it is not ok when there is
// none. If the other end should need it, [Outbox.Resume] will say so.
func (o *Outbox) Drop() (ok bool) {
	if o.Len() == 0 {
		return false
	}
	o.room.drop(o.first(), o.last)
	return true
}

// Ack takes out all messages up to number n, which the other end has. If nothing is left in
// a large room, it is given to free. An n that was acknowledged before does nothing.
func (o *Outbox) Ack(n uint64, free func(*Room)) error {
	if n > o.last {
		return ErrAck
	}
	o.acked = max(o.acked, n)
	r := o.room
	if r == nil || o.first() > n {
		return nil
	}
	if r.drop(n, o.last); r.count == 0 && r.large() {
		o.room = nil
		free(r)
	}
	return nil
}

// Resume looks whether another connection can go on behind message n, the last that the
// other end has: those after it are to be sent again, and are there, unless the error is
// [ErrGap]. It acknowledges nothing: what the other end has it may not have handled.
func (o *Outbox) Resume(n uint64) error {
	if n > o.last {
		return ErrAck
	}
	if n < o.acked || o.last > n && o.first() > n+1 {
		return ErrGap
	}
	return nil
}

// All returns what is kept with its numbers, the oldest first.
func (o *Outbox) All() iter.Seq2[uint64, Kept] { return o.From(0) }

// From is All from message n on.
func (o *Outbox) From(n uint64) iter.Seq2[uint64, Kept] {
	return func(yield func(uint64, Kept) bool) {
		r := o.room
		if r == nil {
			return
		}
		runs := r.apart[r.gone:]
		last := o.last
		for n := max(n, o.first()); n <= last; n++ {
			for len(runs) > 0 && runs[0].first+uint64(runs[0].count) <= n {
				runs = runs[1:]
			}
			var k Kept
			if r.end(n).isApart() {
				x := &runs[0]
				b, f, _ := x.list.Message(int(x.from) + int(n-x.first))
				k = Kept{B: b, Form: f, Apart: true}
			} else {
				k = r.message(n, last)
			}
			if !yield(n, k) {
				return
			}
		}
	}
}
