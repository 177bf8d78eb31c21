package poll

import (
	"errors"
	"fmt"
)

// Errors of a caller that offers a message to a queue.
var (
	// ErrFull reports that the queue has no room for the message now.
	ErrFull = errors.New("poll: the queue is full")
	// ErrTooLarge reports a message that would not fit into an empty queue.
	ErrTooLarge = errors.New("poll: the message is larger than the whole queue")
	// ErrClosed reports that the session takes no more messages.
	ErrClosed = errors.New("poll: the session is closed")
)

// ProtocolError reports that the peer broke a rule of the protocol. Reason is a
// fixed text that holds nothing of the peer's bytes.
type ProtocolError struct {
	Reason string
}

// Error returns the reason.
func (e *ProtocolError) Error() string { return "poll: " + e.Reason }

// LimitError reports that the peer kept to the protocol but passed a limit that
// we set. Actual is the smallest value that is known to have been asked for.
type LimitError struct {
	Limit  string
	Max    int
	Actual int
}

// Error returns the limit's name, its bound and the value that passed it.
func (e *LimitError) Error() string {
	return fmt.Sprintf("poll: %s %d exceeds the limit of %d", e.Limit, e.Actual, e.Max)
}

// OrderError reports messages that do not follow on what came before: those
// between Want and Got are missing. Nothing was taken of them.
type OrderError struct {
	Want, Got uint64
}

// Error returns the number that came and the one that was due.
func (e *OrderError) Error() string {
	return fmt.Sprintf("poll: message %d came where message %d was due", e.Got, e.Want)
}

// AckError reports an acknowledgement that cannot be: of a message that was
// never sent, or of less than was acknowledged before.
type AckError struct {
	Ack, Acked, Sent uint64
}

// Error returns the acknowledgement and what it contradicts.
func (e *AckError) Error() string {
	if e.Ack > e.Sent {
		return fmt.Sprintf("poll: message %d is acknowledged, but %d is the last that was sent", e.Ack, e.Sent)
	}
	return fmt.Sprintf("poll: the acknowledgement went back from message %d to %d", e.Acked, e.Ack)
}
