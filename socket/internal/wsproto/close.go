package wsproto

import "errors"

// Sendable reports whether a close frame may carry the code c: RFC 6455 section
// 7.4 with the codes registered since, and 3000 to 4999 for libraries and
// applications.
func (c CloseCode) Sendable() bool {
	switch {
	case c >= 3000 && c <= 4999:
		return true
	case c >= CloseNormal && c <= CloseUnsupportedData:
		return true
	}
	// 1004 is reserved, 1005 and 1006 are never on the wire.
	return c >= CloseInvalidPayload && c <= CloseBadGateway
}

// ParseClose reads the payload of a close frame. An empty one is
// [CloseNoStatus]. The error is a *[ProtocolError]. The reason is the peer's
// text: valid UTF-8, at most 123 bytes, and not to be trusted in a log.
func ParseClose(payload []byte) (CloseCode, string, error) {
	switch {
	case len(payload) == 0:
		return CloseNoStatus, "", nil
	case len(payload) == 1:
		// RFC 6455 section 5.5.1: "the first two bytes of the body MUST be a
		// 2-byte unsigned integer".
		return 0, "", violation("close frame has a payload of one byte")
	case len(payload) > MaxControlPayload:
		return 0, "", violation("control frame is longer than 125 bytes")
	}
	code := CloseCode(payload[0])<<8 | CloseCode(payload[1])
	if !code.Sendable() {
		return 0, "", violation("close frame has an invalid code")
	}
	if !validUTF8(payload[2:]) {
		return 0, "", &ProtocolError{Code: CloseInvalidPayload, Reason: "close reason is not valid UTF-8"}
	}
	return code, string(payload[2:]), nil
}

// The reasons for AppendClosePayload to refuse. They are mistakes of the caller.
var (
	ErrCloseCode   = errors.New("websocket: close code cannot be sent")
	ErrCloseReason = errors.New("websocket: close reason is longer than 123 bytes or not valid UTF-8")
)

// AppendClosePayload appends the payload of a close frame to dst.
// [CloseNoStatus], which is how an empty close frame is reported, appends
// nothing, so that a received close frame can be answered in kind; it cannot
// carry a reason. The error is [ErrCloseCode] or [ErrCloseReason], and dst is
// then returned as it was.
func AppendClosePayload(dst []byte, code CloseCode, reason string) ([]byte, error) {
	if code == CloseNoStatus && reason == "" {
		return dst, nil
	}
	if !code.Sendable() {
		return dst, ErrCloseCode
	}
	if len(reason) > MaxControlPayload-2 {
		return dst, ErrCloseReason
	}
	start := len(dst)
	dst = append(dst, byte(code>>8), byte(code))
	dst = append(dst, reason...)
	if !validUTF8(dst[start+2:]) {
		return dst[:start], ErrCloseReason
	}
	return dst, nil
}
