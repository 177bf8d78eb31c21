package socket

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// Retry says what a client does that was disconnected by its server. It travels as the
// close code: docs/protocol.md has the table.
type Retry uint8

// The verdicts. The zero value is what the code says, and RetryBackoff where there is
// none.
const (
	// RetryBackoff: connect again after a pause, as after a connection that was lost.
	RetryBackoff Retry = iota + 1

	// RetryNow: connect again at once. A connection that lasted for less than the
	// client's [WithReconnectDelay] is made again after a pause all the same.
	RetryNow

	// RetryNever: stay away. A [Client] gives up and reports [ErrStopped].
	RetryNever
)

// The codes of this library: from each on, up to the next, they carry a verdict.
const (
	codeBackoff transport.StatusCode = 4000
	codeNow     transport.StatusCode = 4400
	codeNever   transport.StatusCode = 4500
	codeEnd     transport.StatusCode = 5000
)

// retryOf returns the verdict of a close code. Those of other ranges say that a
// connection was lost, whatever the reason.
func retryOf(code transport.StatusCode) Retry {
	switch {
	case code >= codeNow && code < codeNever:
		return RetryNow
	case code >= codeNever && code < codeEnd:
		return RetryNever
	}
	return RetryBackoff
}

// DisconnectReason says why a server ends a connection, and whether the client is to
// make another. It is an error, for [Server.UseConnect] and [Server.Revalidate] to
// return and for the disconnect handlers to get; it matches [ErrConnectionClosed].
type DisconnectReason struct {
	// Code is the close code: 4000 to 4399 for [RetryBackoff], 4400 to 4499 for
	// [RetryNow], 4500 to 4999 for [RetryNever], or 1000, 1001, 1008 or 1013, which
	// mean RetryBackoff. Zero is the first of those of Retry.
	Code transport.StatusCode

	// Reason is for the client, a text of 123 bytes at most; what is longer is cut off.
	Reason string

	// Retry is the verdict. Zero is that of Code.
	Retry Retry
}

// Error returns the reason and the close code.
func (r DisconnectReason) Error() string {
	if r.Reason == "" {
		return fmt.Sprintf("socket: disconnected by the server (close code %d)", r.code())
	}
	return fmt.Sprintf("socket: disconnected by the server: %s (close code %d)", r.Reason, r.code())
}

// Unwrap returns [ErrConnectionClosed].
func (r DisconnectReason) Unwrap() error { return ErrConnectionClosed }

// code returns the close code.
func (r DisconnectReason) code() transport.StatusCode {
	if r.Code != 0 {
		return r.Code
	}
	switch r.Retry {
	case RetryNow:
		return codeNow
	case RetryNever:
		return codeNever
	}
	return codeBackoff
}

// check panics for a code that no server sends, and for one that contradicts the
// verdict.
func (r DisconnectReason) check() {
	switch code := r.code(); {
	case r.Retry > RetryNever:
		panic(fmt.Sprintf("socket: DisconnectReason: the Retry %d does not exist", r.Retry))
	case code >= codeBackoff && code < codeEnd:
	case code == transport.StatusNormalClosure, code == transport.StatusGoingAway,
		code == transport.StatusPolicyViolation, code == transport.StatusTryAgainLater:
	default:
		panic(fmt.Sprintf("socket: DisconnectReason: the Code %d is not one of those that a server may choose", code))
	}
	if r.Retry != 0 && r.Retry != retryOf(r.code()) {
		panic(fmt.Sprintf("socket: DisconnectReason: the Code %d contradicts Retry", r.Code))
	}
}

// maxCloseReason is how long a close frame's reason may be, bytes.
const maxCloseReason = 123

// text returns the reason as it fits into a close frame.
func (r DisconnectReason) text() string {
	text := strings.ToValidUTF8(r.Reason, "\uFFFD")
	if len(text) <= maxCloseReason {
		return text
	}
	end := maxCloseReason
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

func (c *conn) Disconnect(r DisconnectReason) { c.disconnectFor(r) }

// disconnectFor ends the connection from this side, and reports whether it was open.
func (c *conn) disconnectFor(r DisconnectReason) bool {
	r.check()
	c.server.fanout.settle()
	if !c.end(r) {
		return false
	}
	c.link.close(r.code(), r.text())
	return true
}

// verdictOf returns what a server has told a client that ended a connection with err.
func verdictOf(err error) Retry {
	var ce *transport.CloseError
	if errors.As(err, &ce) {
		return retryOf(ce.Code)
	}
	return RetryBackoff
}
