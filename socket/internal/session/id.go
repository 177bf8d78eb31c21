package session

import "encoding/base64"

// Lengths of the two names of a session.
const (
	IDLength    = 22 // 128 random bits
	TokenLength = 32 // with 160 bits that nobody can guess
)

// NewID returns the public name of a session: 22 characters of the URL-safe
// base64 alphabet. The caller fills random from crypto/rand. The name is shown
// to handlers, to other users and in logs, and proves nothing.
func NewID(random [16]byte) string {
	return base64.RawURLEncoding.EncodeToString(random[:])
}

// NewToken returns the secret of a session as text, see [Claim]: 32 characters of the
// URL-safe base64 alphabet. Whoever holds the token is the session's peer: it must not
// appear in a URL or in a log.
func NewToken(t [24]byte) string {
	return base64.RawURLEncoding.EncodeToString(t[:])
}

// CheckID reports whether s has the form of an id that [NewID] can have made.
func CheckID(s string) bool { return len(s) == IDLength && decodes(s) }

// CheckToken reports whether s has the form of a token that [NewToken] can have
// made.
func CheckToken(s string) bool { return len(s) == TokenLength && decodes(s) }

// decodes is strict: the unused low bits of the last character are zero, so that
// a value has one spelling.
func decodes(s string) bool {
	var src [TokenLength]byte
	var dst [24]byte
	n := copy(src[:], s)
	// Decode skips line ends, which then leave the result short.
	m, err := base64.RawURLEncoding.Strict().Decode(dst[:], src[:n])
	return err == nil && m == n*6/8
}
