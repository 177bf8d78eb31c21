package transport

import (
	"errors"
	"fmt"
	"net"
)

// StatusCode says why a connection was closed, RFC 6455 section 7.4. Codes from
// 3000 are for libraries and frameworks, codes from 4000 for applications.
type StatusCode uint16

// The registered status codes. StatusNoStatusReceived and StatusAbnormalClosure
// are never sent: they stand for a close frame without a code, and for a
// connection that ended without a close frame.
const (
	StatusNormalClosure      StatusCode = 1000
	StatusGoingAway          StatusCode = 1001
	StatusProtocolError      StatusCode = 1002
	StatusUnsupportedData    StatusCode = 1003
	StatusNoStatusReceived   StatusCode = 1005
	StatusAbnormalClosure    StatusCode = 1006
	StatusInvalidPayload     StatusCode = 1007
	StatusPolicyViolation    StatusCode = 1008
	StatusMessageTooBig      StatusCode = 1009
	StatusMandatoryExtension StatusCode = 1010
	StatusInternalError      StatusCode = 1011
	StatusServiceRestart     StatusCode = 1012
	StatusTryAgainLater      StatusCode = 1013
	StatusBadGateway         StatusCode = 1014
)

// CloseError reports that the other end closed the connection, and what it gave
// as the reason. It matches [net.ErrClosed].
type CloseError struct {
	Code StatusCode

	// Reason is the other end's text, at most 123 bytes of valid UTF-8. It is
	// not to be trusted.
	Reason string
}

// Error returns the code and the quoted reason.
func (e *CloseError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("connection closed by the other end (close code %d)", e.Code)
	}
	return fmt.Sprintf("connection closed by the other end: %q (close code %d)", e.Reason, e.Code)
}

// Unwrap returns net.ErrClosed.
func (e *CloseError) Unwrap() error { return net.ErrClosed }

// CloseStatus returns the code that a connection was closed with when err is, or
// wraps, a *[CloseError], a *[ProtocolError] or a *[LimitError], and
// StatusAbnormalClosure for any other error and for nil.
func CloseStatus(err error) StatusCode {
	var ce *CloseError
	var pe *ProtocolError
	var le *LimitError
	switch {
	case errors.As(err, &ce):
		return ce.Code
	case errors.As(err, &pe):
		return pe.Code
	case errors.As(err, &le):
		return le.Code
	}
	return StatusAbnormalClosure
}
