package wsproto

import "fmt"

// ProtocolError reports that the peer broke a rule of RFC 6455 or RFC 7692. The
// connection must be failed with Code. Reason is a fixed text that holds
// nothing of the peer's bytes, so it can be sent as the close reason and logged
// as it is.
type ProtocolError struct {
	Code   CloseCode
	Reason string
}

// Error returns the reason with the close code that it leads to.
func (e *ProtocolError) Error() string {
	return fmt.Sprintf("websocket: %s (close code %d)", e.Reason, uint16(e.Code))
}

// LimitError reports that the peer kept to the protocol but passed a limit that
// we set. The connection must be failed with Code. Limit names what was limited
// ("message size"), Max is the bound that is in force and Actual the smallest
// value that is known to have been asked for.
type LimitError struct {
	Code   CloseCode
	Limit  string
	Max    int64
	Actual int64
}

// Error returns the limit's name, its bound and the value that passed it.
func (e *LimitError) Error() string {
	return fmt.Sprintf("websocket: %s %d exceeds the limit of %d (close code %d)", e.Limit, e.Actual, e.Max, uint16(e.Code))
}

// violation is the common [ProtocolError].
func violation(reason string) error {
	return &ProtocolError{Code: CloseProtocolError, Reason: reason}
}
