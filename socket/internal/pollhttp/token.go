package pollhttp

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// tokenHeader carries the secret of a session. It is a header of our own, so a
// page of another origin cannot make a browser send it without asking first.
const tokenHeader = "Socket-Token"

const (
	tokenBytes = 24 // 192 bits
	idBytes    = 16
)

// tokenKey is the SHA-256 of a token. Sessions are found by it, so that neither
// the time a lookup takes nor a dump of the table tells a token.
type tokenKey [sha256.Size]byte

// newToken returns a fresh secret and its key.
func newToken() (string, tokenKey) {
	token := random(tokenBytes)
	return token, sha256.Sum256([]byte(token))
}

// keyOf returns the key of a token that a client sent; false if it cannot be one.
func keyOf(token string) (tokenKey, bool) {
	if len(token) != base64.RawURLEncoding.EncodedLen(tokenBytes) {
		return tokenKey{}, false
	}
	return sha256.Sum256([]byte(token)), true
}

// newID returns a fresh public id.
func newID() string { return random(idBytes) }

// random returns n random bytes in the alphabet of URLs.
func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails: it ends the process instead
	return base64.RawURLEncoding.EncodeToString(b)
}
