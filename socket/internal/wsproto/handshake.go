package wsproto

import (
	"fmt"
	"maps"
	"slices"
)

// version is the value of Sec-WebSocket-Version, RFC 6455 section 4.1 item 9.
const version = "13"

// The header fields of the handshake, as net/http spells its map keys.
const (
	hostField       = "Host"
	originField     = "Origin"
	upgradeField    = "Upgrade"
	connectionField = "Connection"
	keyField        = "Sec-Websocket-Key"
	acceptField     = "Sec-Websocket-Accept"
	versionField    = "Sec-Websocket-Version"
	protocolField   = "Sec-Websocket-Protocol"
	extensionsField = "Sec-Websocket-Extensions"
)

// HandshakeError reports that the peer's half of an opening handshake is not what
// RFC 6455 section 4 or RFC 7692 section 5 allows. There is no WebSocket
// connection then. Reason is a fixed text that holds nothing of the peer's bytes.
type HandshakeError struct {
	Status int // the status code of the response that was read, 0 for none
	Reason string
}

// Error returns the reason, and the status if the server gave another than 101.
func (e *HandshakeError) Error() string {
	if e.Status != 0 && e.Status != 101 {
		return fmt.Sprintf("websocket: handshake: %s (status %d)", e.Reason, e.Status)
	}
	return "websocket: handshake: " + e.Reason
}

// appendField appends one header line. Name and value must be valid.
func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// appendHeader appends the caller's own header fields in the order of their
// names. Each is checked and refused as it is, never changed to fit: a value with
// a line break in it is somebody's attempt to add a header.
func appendHeader(dst []byte, header map[string][]string) ([]byte, error) {
	if len(header) == 0 {
		return dst, nil // without the memory for the order of the names
	}
	for _, name := range slices.Sorted(maps.Keys(header)) {
		if !isToken(name) {
			return nil, fmt.Errorf("header name %.64q is not a token", name)
		}
		if isReserved(name) {
			return nil, fmt.Errorf("header %.64q belongs to the handshake and cannot be set", name)
		}
		for _, value := range header[name] {
			if !isFieldValue(value) {
				// The value may be a secret and stays out of the message.
				return nil, fmt.Errorf("the value of header %.64q has a line break, a control byte or whitespace at its ends", name)
			}
			dst = appendField(dst, name, value)
		}
	}
	return dst, nil
}

// isReserved reports whether a header is one that the handshake writes itself, or
// one that would put a body or another protocol behind it.
func isReserved(name string) bool {
	const prefix = "sec-websocket-"
	if len(name) >= len(prefix) && equalFold(name[:len(prefix)], prefix) {
		return true
	}
	for _, r := range [...]string{
		hostField, upgradeField, connectionField, "Content-Length", "Transfer-Encoding",
		"Trailer", "TE", "Expect", "Keep-Alive", "Proxy-Connection", "HTTP2-Settings",
	} {
		if equalFold(name, r) {
			return true
		}
	}
	return false
}
