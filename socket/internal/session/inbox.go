package session

import (
	"errors"
	"math"
)

// How much comes before it is acknowledged by itself. What is sent the other way in the
// meantime may carry an acknowledgement with it for nothing.
const (
	ackMessages = 256
	ackBytes    = 64 << 10
)

// manyMessages is how many that are not acknowledged are enough to take an
// acknowledgement along with whatever is sent, askedMessages for one that was asked for.
const (
	manyMessages  = 32
	askedMessages = 16
)

// AskEvery is how often a message can ask for an acknowledgement: those can whose number is
// a multiple of it. Who has little room left asks; so the other end need not know how much.
const AskEvery = 32

// ErrNoNumber: a message does not say its number, and neither did one before it.
var ErrNoNumber = errors.New("the first message over a connection does not say its number")

// Order follows the numbers over one connection, where most messages do not say theirs.
// Its zero value is that of a new connection.
type Order struct{ last uint64 }

// Number returns the number of the next message: n if it says so, else one more than that
// of the message before.
func (o *Order) Number(n uint64, said bool) (uint64, error) {
	switch {
	case said:
		o.last = n
	case o.last == 0:
		return 0, ErrNoNumber
	default:
		o.last++
	}
	return o.last, nil
}

// Inbox follows the numbers of the messages that one end of a session receives. Its zero
// value expects number 1.
//
// A message comes once and counts as handled later, when its handlers are called; only
// then it is acknowledged. Whoever ends before that has not said that it was handled.
type Inbox struct {
	last    uint64 // of the messages that have come
	open    uint32 // of those, how many are not handled
	owed    uint32 // of the others, how many are not acknowledged
	unacked uint32 // their bytes, as far as they matter
	behind  uint32 // how far the Order of Next is behind last, and 1 more; 0: it is that of a new connection
}

// Take judges a message: it is fresh, or one that has been there before, over another
// connection, and must be dropped. [ErrGap] means that one before it has never come.
func (i *Inbox) Take(n uint64) (fresh bool, err error) {
	switch {
	case n <= i.last:
		return false, nil
	case n > i.last+1:
		return false, ErrGap
	}
	i.last = n
	i.open++
	return true, nil
}

// Next is [Order.Number] and Take, for an end that listens to one connection at a time: the
// order is that of the connection since [Inbox.Begin].
func (i *Inbox) Next(n uint64, said bool) (number uint64, fresh bool, err error) {
	var o Order
	if i.behind > 0 {
		o.last = i.last + 1 - uint64(i.behind)
	}
	if n, err = o.Number(n, said); err != nil {
		return 0, false, err
	}
	if fresh, err = i.Take(n); err == nil && i.last-n >= math.MaxUint32 {
		err = ErrGap // nobody has kept as many
	}
	if err != nil {
		return n, false, err
	}
	i.behind = uint32(i.last-n) + 1
	return n, fresh, nil
}

// Follow is Next and Handled for a message of size bytes that does not say its number, whose
// handlers are called at once. It does nothing, and is false, if it may be that the message is
// not fresh, or that one before it is not handled.
func (i *Inbox) Follow(size int) bool {
	if i.behind != 1 || i.open != 0 {
		return false
	}
	i.last++
	i.owed++
	i.unacked += uint32(min(size, ackBytes))
	return true
}

// Begin says that what comes from now on comes over another connection.
func (i *Inbox) Begin() { i.behind = 0 }

// Handled notes that the handlers are called for message n, of size bytes. asks is whether
// it says its number, see [AskEvery].
func (i *Inbox) Handled(n uint64, size int, asks bool) {
	i.owed += uint32(n - i.Owed())
	i.open = uint32(i.last - n)
	i.unacked += uint32(min(size, ackBytes))
	if asks && n%AskEvery == 0 && i.owed >= askedMessages {
		i.unacked += ackBytes
	}
}

// Last returns the number of the last message that has come, 0 before the first.
func (i *Inbox) Last() uint64 { return i.last }

// Owes reports whether something was handled that was not acknowledged.
func (i *Inbox) Owes() bool { return i.owed > 0 }

// OwesOne is Owes for exactly one message.
func (i *Inbox) OwesOne() bool { return i.owed == 1 }

// Many reports whether so much was handled that whatever is sent takes an acknowledgement
// along.
func (i *Inbox) Many() bool { return i.owed >= manyMessages }

// Owed returns the number of the last message that was handled.
func (i *Inbox) Owed() uint64 { return i.last - uint64(i.open) }

// Due reports whether so much was handled that an acknowledgement must not wait for the
// next message the other way.
func (i *Inbox) Due() bool { return i.owed >= ackMessages || i.unacked >= ackBytes }

// Ack returns the number to acknowledge, and notes that the other end is told.
func (i *Inbox) Ack() uint64 {
	i.owed, i.unacked = 0, 0
	return i.Owed()
}
