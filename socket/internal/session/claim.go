package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

// KeyLength is that of a [Claim]'s key, bytes.
const KeyLength = 32

// Claim says who may go on with a session. Each connection is handed a token of its own.
// Earlier ones stay good until something has come over the latest: the answers that brought
// tokens may have been lost, however many of them, and a proxy may have made a request
// twice.
//
// No token is kept. One is its number, and the code of that which only the key makes.
type Claim struct {
	key           [KeyLength]byte
	first, latest uint32 // numbers of the tokens that are good
}

// numberLength is how many bytes of a token are its number. The others are the front of an
// HMAC-SHA256, 160 bits.
const numberLength = 4

// NewClaim returns the claim of a session whose first connection is to be handed
// [Claim.Token]. The caller fills key from crypto/rand.
func NewClaim(key [KeyLength]byte) Claim { return Claim{key: key} }

// Token returns the token of the latest connection.
func (c *Claim) Token() string { return NewToken(c.token(c.latest)) }

func (c *Claim) token(number uint32) (t [24]byte) {
	binary.BigEndian.PutUint32(t[:], number)
	h := hmac.New(sha256.New, c.key[:])
	h.Write(t[:numberLength])
	var sum [sha256.Size]byte
	copy(t[numberLength:], h.Sum(sum[:0]))
	return t
}

// Check reports whether token proves that one is the session's client. The time that it
// takes tells nothing about the good ones but their numbers.
func (c *Claim) Check(token string) bool {
	var t [24]byte
	if len(token) != TokenLength {
		return false
	}
	// Line ends, which Decode skips, leave it short.
	if n, err := base64.RawURLEncoding.Decode(t[:], []byte(token)); err != nil || n != len(t) {
		return false
	}
	number := binary.BigEndian.Uint32(t[:])
	if number-c.first > c.latest-c.first { // also where the numbers begin at 0 again
		return false
	}
	good := c.token(number)
	return hmac.Equal(t[:], good[:])
}

// Attach gives the session to another connection, which is to be handed [Claim.Token].
func (c *Claim) Attach() { c.latest++ }

// Heard notes that something came over the latest connection, whose client so has the
// token.
func (c *Claim) Heard() { c.first = c.latest }
