package socket

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/envelope"
	"github.com/kleeedolinux/socket.go/socket/internal/session"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// A session outlives its connections: both ends number their messages, keep them until
// they are acknowledged, and send them again over the next connection. On the wire that
// is two members in front of a text message,
//
//	{"seq":7,"ack":3,"event":"chat","data":"hello"}
//
// and two varints in front of a binary one. A message without a number is not kept.

// sessionHeader carries the offer in the handshake, and the answer.
const sessionHeader = "Socket-Session"

// defaultWindow is how long a session is kept without a connection.
const defaultWindow = 2 * time.Minute

// numbers are the seq and ack of a message; 0 means that there is none.
type numbers struct {
	seq, ack uint64
	head     int // bytes that they took in front of the message, when they were read
}

// maxHead is the longest that appendHead appends, bytes.
const maxHead = 64

// appendHead begins a message with its numbers. A text message goes on behind the {
// that it begins with.
func (n numbers) appendHead(dst []byte, typ transport.MessageType) []byte {
	if typ == transport.MessageBinary {
		dst = binary.AppendUvarint(dst, n.seq)
		return binary.AppendUvarint(dst, n.ack)
	}
	if n.seq > 0 {
		dst = append(dst, `{"seq":`...)
		dst = strconv.AppendUint(dst, n.seq, 10)
		dst = append(dst, ',')
	} else {
		dst = append(dst, '{')
	}
	if n.ack > 0 {
		dst = append(dst, `"ack":`...)
		dst = strconv.AppendUint(dst, n.ack, 10)
		dst = append(dst, ',')
	}
	return dst
}

// headless is how much of a message without numbers is left out behind a head.
func headless(typ transport.MessageType) int {
	if typ == transport.MessageBinary {
		return 0
	}
	return 1
}

// appendAck appends a message that is nothing but an acknowledgement.
func appendAck(dst []byte, ack uint64) []byte {
	dst = append(dst, `{"ack":`...)
	dst = strconv.AppendUint(dst, ack, 10)
	return append(dst, '}')
}

// parseNumbers takes the numbers from a message of a session. What is left is nil if
// they are all there is. They are cut off in place where they are in front, so p is
// changed; else a text is left as it is: other members do no harm.
func parseNumbers(typ transport.MessageType, p []byte) (n numbers, rest []byte, err error) {
	if typ == transport.MessageBinary {
		return binaryNumbers(p)
	}
	n, i, ok := leadingNumbers(p)
	if !ok {
		return memberNumbers(p)
	}
	n.head = i - 1
	switch {
	case i == len(p) && n.seq == 0:
		return n, nil, nil
	case i == len(p) || i == 1:
		return n, p, nil
	}
	p[i-1] = '{'
	return n, p[i-1:], nil
}

func binaryNumbers(p []byte) (n numbers, rest []byte, err error) {
	whole := len(p)
	for _, v := range [...]*uint64{&n.seq, &n.ack} {
		x, size := binary.Uvarint(p)
		if size <= 0 {
			return n, nil, invalid("a binary message of a session has no numbers")
		}
		*v, p = x, p[size:]
	}
	n.head = whole - len(p)
	return n, p[:len(p):len(p)], nil
}

// leadingNumbers reads numbers as appendHead and appendAck write them. i is where the
// rest begins, which is another member, or the end. It is not ok when p begins otherwise.
func leadingNumbers(p []byte) (n numbers, i int, ok bool) {
	const seq, ack, event = `{"seq":`, `"ack":`, `{"event":`
	if len(p) < len(seq) {
		return n, 0, false
	}
	if i = 1; string(p[:len(seq)]) == seq {
		if n.seq, i, ok = leadingNumber(p, len(seq)); !ok || i == len(p) {
			return n, i, ok
		}
	}
	if len(p)-i >= len(ack) && string(p[i:i+len(ack)]) == ack {
		if n.ack, i, ok = leadingNumber(p, i+len(ack)); !ok || i == len(p) {
			return n, i, ok && p[0] == '{'
		}
	}
	return n, i, i > 1 && p[0] == '{' || len(p) > len(event) && string(p[:len(event)]) == event
}

// leadingNumber reads a number at p[i:] and what ends it. It is not ok unless that is the
// comma in front of another member, or the end of p.
func leadingNumber(p []byte, i int) (x uint64, end int, ok bool) {
	x, size := digits(p[i:])
	i += size
	switch {
	case size == 0 || i == len(p):
		return 0, 0, false
	case p[i] == '}':
		return x, i + 1, i+1 == len(p)
	}
	return x, i + 1, p[i] == ',' && i+1 < len(p) && p[i+1] == '"'
}

// digits reads a number of at most 18 digits, and returns how many it has.
func digits(p []byte) (x uint64, n int) {
	for n < len(p) && n < 18 && '0' <= p[n] && p[n] <= '9' {
		x = 10*x + uint64(p[n]-'0')
		n++
	}
	return x, n
}

// memberNumbers is parseNumbers for a text that spells them in another way.
func memberNumbers(p []byte) (n numbers, rest []byte, err error) {
	if trimmed := bytes.TrimLeft(p, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return n, p, nil
	}
	for _, m := range [...]struct {
		name string
		v    *uint64
	}{{"seq", &n.seq}, {"ack", &n.ack}} {
		raw, err := envelope.Member(p, m.name)
		if err != nil {
			return n, nil, invalid("%v", err)
		}
		if raw == nil {
			continue
		}
		x, size := digits(raw)
		if size == 0 || size != len(raw) {
			return n, nil, invalid("%q is not a number", m.name)
		}
		*m.v = x
		n.head += len(m.name) + len(raw) + 4 // with quotes, colon and comma
	}
	if n.seq == 0 && n.head > 0 {
		var members map[string]json.RawMessage
		if json.Unmarshal(p, &members) == nil && len(members) == 1 {
			return n, nil, nil // an acknowledgement and nothing else
		}
	}
	return n, p, nil
}

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
func undelivered[M interface{ undelivered() Undelivered }](reason string, out *session.Outbox[M]) *SessionError {
	e := &SessionError{Reason: reason, Dropped: out.Dropped()}
	for _, m := range out.All() {
		e.Unknown = append(e.Unknown, m.undelivered())
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
