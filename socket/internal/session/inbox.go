package session

// How much comes before it is acknowledged by itself. What is sent the other way in the
// meantime carries an acknowledgement with it for nothing.
const (
	ackMessages = 32
	ackBytes    = 32 << 10
)

// Inbox follows the numbers of the messages that one end of a session receives. Its zero
// value expects number 1.
type Inbox struct {
	last    uint64 // of the messages that have come
	acked   uint64
	unacked int // bytes
}

// Take judges a message of size bytes: it is fresh, or one that has been there before,
// over another connection, and must be dropped. [ErrGap] means that one before it has
// never come.
func (i *Inbox) Take(n uint64, size int) (fresh bool, err error) {
	switch {
	case n <= i.last:
		return false, nil
	case n > i.last+1:
		return false, ErrGap
	}
	i.last = n
	i.unacked += size
	return true, nil
}

// Last returns the number of the last message that has come, 0 before the first.
func (i *Inbox) Last() uint64 { return i.last }

// Owes reports whether something has come that was not acknowledged.
func (i *Inbox) Owes() bool { return i.last != i.acked }

// Due reports whether so much has come that an acknowledgement must not wait for the
// next message the other way.
func (i *Inbox) Due() bool { return i.last-i.acked >= ackMessages || i.unacked >= ackBytes }

// Ack returns the number to acknowledge, and notes that the other end is told.
func (i *Inbox) Ack() uint64 {
	i.acked, i.unacked = i.last, 0
	return i.last
}
