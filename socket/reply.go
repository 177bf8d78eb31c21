package socket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/kleeedolinux/socket.go/socket/internal/envelope"
)

// Caller is what can be asked: a *[Client] asks its server, a [Socket] its client.
type Caller interface {
	// Call sends a request and waits for the reply, see [Socket].
	Call(ctx context.Context, event Event, data interface{}) (Reply, error)
}

var (
	_ Caller = (*Client)(nil)
	_ Caller = Socket(nil)
)

// Call asks the other end of a connection and returns what it replies, decoded into a
// Resp as [encoding/json] does it; a reply without data is the zero value. One that does
// not fit is a *[MessageError] that matches [ErrInvalidMessage]. In all else it is
// [Client.Call], or the Call of a [Socket].
func Call[Resp any](ctx context.Context, to Caller, event Event, data interface{}) (Resp, error) {
	var resp Resp
	r, err := to.Call(ctx, event, data)
	if err == nil {
		err = r.Decode(&resp)
	}
	return resp, err
}

// Reply is what the other end has replied to a request.
type Reply struct {
	// Data is the JSON of the reply's data, nil when it has none. It is the caller's.
	Data json.RawMessage

	event Event // of the request, for errors
}

// Decode decodes the reply's data into v, a pointer, as [encoding/json] does it; data
// that is missing or null leaves v as it is. The error is a *[MessageError] that matches
// [ErrInvalidMessage].
func (r Reply) Decode(v any) error {
	if r.Data == nil {
		return nil
	}
	if err := json.Unmarshal(r.Data, v); err != nil {
		return &MessageError{Event: r.event, Err: invalid("reply: %v", err)}
	}
	return nil
}

// The codes of the replies that this module makes by itself.
const (
	// CodeUnknownEvent: nothing answers requests of the event.
	CodeUnknownEvent = "unknown_event"

	// CodeInvalidData: the request's data is not of the type that the event takes.
	CodeInvalidData = "invalid_data"

	// CodeInternal: the other end failed to answer.
	CodeInternal = "internal"
)

// ReplyError is a reply that says no. What answers a request returns one to have its
// code and message told to the other end, where Call returns it.
type ReplyError struct {
	Code    string // a word for programs, such as "not_found", or one of the Code constants
	Message string // for people
}

// Error returns the code and the message.
func (e *ReplyError) Error() string {
	return fmt.Sprintf("socket: reply: %.128s: %s", e.Code, e.Message)
}

// The errors that this module replies by itself. Their text is fixed: nothing of this
// end's inside leaves it.
var (
	errUnknownEvent = &ReplyError{CodeUnknownEvent, "nothing answers requests of this event"}
	errInvalidData  = &ReplyError{CodeInvalidData, "the data is not what the event takes"}
	errInternal     = &ReplyError{CodeInternal, "the request could not be answered"}
)

// asReplyError returns what the other end is told of an error.
func asReplyError(err error) *ReplyError {
	var told *ReplyError
	var unfit *dataError
	switch {
	case errors.As(err, &told):
		return told
	case errors.As(err, &unfit):
		return errInvalidData
	}
	return errInternal
}

// dataError is data of a request that is not what its event takes.
type dataError struct{ err error }

func (e *dataError) Error() string { return e.err.Error() }
func (e *dataError) Unwrap() error { return e.err }

// encodeRequest makes the message of a request, whose data is always JSON.
func encodeRequest(number uint64, event Event, data any) (*encoded, error) {
	m := newText()
	b, err := envelope.AppendRequest(m.b, number, event, data)
	m.b = b
	if err != nil {
		m.free()
		return nil, &MessageError{Event: event, Err: err}
	}
	return m, nil
}

// encodeReply makes the reply to a request, which is an error if err is one.
func encodeReply(number uint64, data any, err error) (*encoded, error) {
	m := newText()
	if err == nil {
		m.b, err = envelope.AppendReply(m.b, number, data)
		if err != nil {
			m.free()
			return nil, err
		}
		return m, nil
	}
	told := asReplyError(err)
	m.b = envelope.AppendError(m.b, number, told.Code, told.Message)
	return m, nil
}

// decodeReplyError returns the error that a reply is. It never returns nil.
func decodeReplyError(event Event, raw []byte) error {
	var e struct{ Code, Message string }
	if err := json.Unmarshal(raw, &e); err != nil {
		return &MessageError{Event: event, Err: invalid("the reply's error has no code and message: %v", err)}
	}
	return &ReplyError{e.Code, e.Message}
}
