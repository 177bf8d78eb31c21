package socket

import (
	"fmt"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
)

// A session outlives its connections: both ends number their messages, keep them until
// they are acknowledged, and send them again over the next connection; see numbers for
// what there is of it on the wire.

// sessionHeader carries the offer in the handshake, and the answer.
const sessionHeader = "Socket-Session"

// defaultWindow is how long a session is kept without a connection.
const defaultWindow = 2 * time.Minute

// SessionError is the end of a session with messages that it could not deliver. It is
// the cause in the error that a client gets under [EventError], and a server's handlers
// under [EventDisconnect].
type SessionError struct {
	// Reason is why the session could not go on: a fixed text.
	Reason string

	// Unknown are the messages that may have been handled by the other end and may
	// not, the oldest first: they were sent, and not acknowledged. Dropped is how many
	// more there are of which nothing was kept.
	Unknown []Undelivered
	Dropped int

	Err error // of the last connection, nil if it had been lost before
}

// Undelivered is a message whose fate is unknown. Data is not to be changed: it may be that
// of a broadcast, which others have too.
type Undelivered struct {
	Binary bool   // it was a []byte under [EventMessage], and Data is that
	Data   []byte // else JSON, as it was sent: {"event":…,"data":…}; requests and replies have other members
}

// undelivered returns a SessionError with what is kept in an outbox.
func undelivered(reason string, out *session.Outbox) *SessionError {
	e := &SessionError{Reason: reason, Dropped: out.Dropped()}
	for _, k := range out.All() {
		e.Unknown = append(e.Unknown, undeliveredOf(k))
	}
	return e
}

// Error returns the reason, the error of the last connection if there is one, and the
// number of messages.
func (e *SessionError) Error() string {
	reason := e.Reason
	if e.Err != nil {
		reason += ": " + e.Err.Error()
	}
	return fmt.Sprintf("socket: the session ended: %s; %d messages were not acknowledged", reason, len(e.Unknown)+e.Dropped)
}

// Unwrap returns the error of the last connection.
func (e *SessionError) Unwrap() error { return e.Err }

// Is makes a SessionError match [ErrConnectionClosed].
func (e *SessionError) Is(target error) bool { return target == ErrConnectionClosed }
