package socket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
)

// The errors to tell apart with [errors.Is].
var (
	// ErrConnectionClosed: there is no connection, or it has ended. It matches
	// [net.ErrClosed].
	ErrConnectionClosed error = &sentinel{"connection closed", net.ErrClosed}

	// ErrInvalidMessage: a message is malformed, or its data is not of the type
	// that the handler takes. It is the cause inside a [MessageError].
	ErrInvalidMessage = errors.New("socket: invalid message")

	// ErrBufferFull: there is no connection, and more waits for the next one than is
	// kept, see [WithClientSessionBuffer].
	ErrBufferFull = errors.New("socket: too much waits for the next connection (WithClientSessionBuffer)")

	// ErrTooManyRequests: as many requests as may be wait for their replies, see
	// [WithMaxRequests] and [WithClientMaxRequests].
	ErrTooManyRequests = errors.New("socket: too many requests wait for replies (WithMaxRequests)")

	// ErrDropped: a message was not sent and is not kept, because the connection would
	// not take it at once, see [Client.SendVolatile].
	ErrDropped = errors.New("socket: the connection takes nothing just now, the message was dropped")

	// ErrGaveUp: all attempts to connect again have failed, see
	// [WithReconnectAttempts]. The client stays disconnected.
	ErrGaveUp = errors.New("socket: all attempts failed (WithReconnectAttempts)")

	// ErrStopped: the server has disconnected the client and told it not to come back,
	// see [RetryNever], or it has answered two attempts to connect again in a row with HTTP
	// status 401 or 403. The client stays disconnected.
	ErrStopped = errors.New("socket: the server has told the client to stay away")

	// ErrTimeout: the other end did not do in time what it had to. It matches
	// [os.ErrDeadlineExceeded].
	ErrTimeout error = &sentinel{"timeout", os.ErrDeadlineExceeded}
)

// sentinel is an error to compare with that also is a kind of another.
type sentinel struct {
	text string
	kind error
}

func (e *sentinel) Error() string { return "socket: " + e.text }
func (e *sentinel) Unwrap() error { return e.kind }

// ConnectionError is a failure of a connection: it could not be made, was lost,
// or could not take a message.
type ConnectionError struct {
	// Op is what was being done: "connect", "reconnect", "read", "send",
	// "heartbeat", "close", or "resume": to go on with a session.
	Op  string
	Err error
}

// Error returns the operation and its cause.
func (e *ConnectionError) Error() string { return fmt.Sprintf("socket: %s: %v", e.Op, e.Err) }

// Unwrap returns the cause.
func (e *ConnectionError) Unwrap() error { return e.Err }

// Is makes errors of the network and of transports match [ErrConnectionClosed]
// and [ErrTimeout] where they mean the same.
func (e *ConnectionError) Is(target error) bool {
	switch target {
	case ErrConnectionClosed:
		return errors.Is(e.Err, net.ErrClosed)
	case ErrTimeout:
		return errors.Is(e.Err, os.ErrDeadlineExceeded) || errors.Is(e.Err, context.DeadlineExceeded)
	}
	return false
}

// MessageError is a failure of one message: it could not be encoded, was
// malformed or of the wrong type, made its handler panic, was a request that had no
// reply, or one that could not be answered. The connection that
// it came on, or was to leave on, goes on, unless the handler panicked.
type MessageError struct {
	Event Event // "" when the message did not get as far as having one
	Err   error
}

// Error returns the event and the cause.
func (e *MessageError) Error() string {
	if e.Event == "" {
		return fmt.Sprintf("socket: message: %v", e.Err)
	}
	return fmt.Sprintf("socket: message %.128q: %v", e.Event, e.Err)
}

// Unwrap returns the cause.
func (e *MessageError) Unwrap() error { return e.Err }

// PanicError is the cause in a [MessageError] when a handler has panicked.
type PanicError struct {
	Value any    // what the handler panicked with
	Stack []byte // of the goroutine that it ran on
}

// newPanicError must be called while the panicking stack is still there. v is
// what recover has returned: nil means that there was no panic, and that the
// handler has ended its goroutine, as the FailNow of a test does.
func newPanicError(v any) *PanicError {
	if v == nil {
		v = errGoexit
	}
	return &PanicError{Value: v, Stack: debug.Stack()}
}

var errGoexit = errors.New("it ended its goroutine (runtime.Goexit)")

// Error returns the panic's value.
func (e *PanicError) Error() string { return fmt.Sprintf("handler panicked: %v", e.Value) }

// Unwrap returns the panic's value where that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// invalid is a cause that matches ErrInvalidMessage.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalidMessage}, args...)...)
}
