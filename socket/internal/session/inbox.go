package session

// How much comes before it is acknowledged by itself. What is sent the other way in the
// meantime carries an acknowledgement with it for nothing.
const (
	ackMessages = 32
	ackBytes    = 32 << 10
)

// Inbox follows the numbers of the messages that one end of a session receives. Its zero
// value expects number 1.
//
// A message comes once and counts as handled later, when its handlers are called; only
// then it is acknowledged. Whoever ends before that has not said that it was handled.
type Inbox struct {
	last    uint64 // of the messages that have come
	handled uint64
	owed    uint32 // of those, how many are not acknowledged
	unacked uint32 // their bytes, as far as they matter
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
	return true, nil
}

// Handled notes that the handlers are called for message n, of size bytes.
func (i *Inbox) Handled(n uint64, size int) {
	i.owed += uint32(n - i.handled)
	i.handled = n
	i.unacked += uint32(min(size, ackBytes))
}

// Last returns the number of the last message that has come, 0 before the first.
func (i *Inbox) Last() uint64 { return i.last }

// Owes reports whether something was handled that was not acknowledged.
func (i *Inbox) Owes() bool { return i.owed > 0 }

// Owed returns the number of the last message that was handled.
func (i *Inbox) Owed() uint64 { return i.handled }

// Due reports whether so much was handled that an acknowledgement must not wait for the
// next message the other way.
func (i *Inbox) Due() bool { return i.owed >= ackMessages || i.unacked >= ackBytes }

// Ack returns the number to acknowledge, and notes that the other end is told.
func (i *Inbox) Ack() uint64 {
	i.owed, i.unacked = 0, 0
	return i.handled
}
