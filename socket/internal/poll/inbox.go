package poll

// MaxNumber is the largest number that a message can have: the largest integer
// that a number of JavaScript holds exactly.
const MaxNumber = 1<<53 - 1

// Inbox is the receiving half of one direction: it says which of the messages
// that come are new. The zero Inbox expects the message with the number 1.
type Inbox struct {
	last uint64
}

// Skip returns how many of n messages, the first of which has the number first,
// were taken before: the others are new and in order. It returns an
// [*OrderError] when messages are missing in between, and a [*ProtocolError]
// for numbers that no message has.
func (i *Inbox) Skip(first uint64, n int) (int, error) {
	if first == 0 || first > MaxNumber {
		return 0, &ProtocolError{"the number of the first message is out of range"}
	}
	if first > i.last+1 {
		return 0, &OrderError{Want: i.last + 1, Got: first}
	}
	known := i.last + 1 - first
	if known >= uint64(n) {
		return n, nil
	}
	return int(known), nil
}

// Take counts the next message as received.
func (i *Inbox) Take() { i.last++ }

// Last returns the number of the last message that was taken, 0 when none was:
// the acknowledgement to send.
func (i *Inbox) Last() uint64 { return i.last }
