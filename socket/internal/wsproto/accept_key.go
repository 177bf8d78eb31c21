package wsproto

import "encoding/base64"

// acceptGUID is the constant of RFC 6455 section 1.3.
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// AcceptKey returns the Sec-WebSocket-Accept value that answers the given
// Sec-WebSocket-Key value.
//
// RFC 6455 section 4.2.2 item 5.4 builds it with SHA-1. Section 10.8 says that
// the handshake does not rely on any security property of the hash, so with Go
// 1.26 and later it is computed outside of the enforcement of
// GODEBUG=fips140=only. Under Go 1.25 that mode refuses SHA-1 by a panic.
func AcceptKey(key string) string { return string(appendAcceptKey(nil, key)) }

// appendAcceptKey appends the [AcceptKey] of key.
func appendAcceptKey(dst []byte, key string) []byte {
	sum := acceptSum(append(append(make([]byte, 0, 64), key...), acceptGUID...))
	return base64.StdEncoding.AppendEncode(dst, sum[:])
}

// isKey reports whether s is a Sec-WebSocket-Key.
//
// RFC 6455 section 4.2.1 item 5: a base64-encoded value that, when decoded, is
// 16 bytes in length.
func isKey(s string) bool {
	if len(s) != 24 {
		return false
	}
	var raw [18]byte
	n, err := base64.StdEncoding.Decode(raw[:], []byte(s))
	return err == nil && n == 16
}
