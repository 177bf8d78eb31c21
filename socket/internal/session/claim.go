package session

import (
	"crypto/subtle"
	"encoding/base64"
)

// Claim says who may go on with a session. Each connection is given a token of its own.
// Earlier ones stay good until something has come over the latest: an answer that brought
// a token may have been lost, and a proxy may have made a request twice.
type Claim struct {
	latest secret
	past   *past // nil: only the latest is good
}

// secret is a token in its shortest form.
type secret [TokenLength * 6 / 8]byte

// past are earlier tokens that are good, the first n of them, the oldest first.
type past struct {
	n      int
	tokens [claimTokens - 1]secret
}

// claimTokens is how many tokens are good at most.
const claimTokens = 4

// NewClaim returns the claim of a session whose first connection is given token, which
// [NewToken] has made.
func NewClaim(token string) Claim {
	latest, _ := parseToken(token)
	return Claim{latest: latest}
}

// parseToken reports whether token has the form of one.
func parseToken(token string) (s secret, ok bool) {
	if !CheckToken(token) {
		return s, false
	}
	n, err := base64.RawURLEncoding.Decode(s[:], []byte(token))
	return s, err == nil && n == len(s)
}

// Check reports whether token proves that one is the session's client. The time that it
// takes tells nothing about the good ones.
func (c *Claim) Check(token string) bool {
	s, ok := parseToken(token)
	if !ok {
		return false
	}
	good := subtle.ConstantTimeCompare(s[:], c.latest[:])
	if c.past != nil {
		for _, t := range c.past.tokens[:c.past.n] {
			good |= subtle.ConstantTimeCompare(s[:], t[:])
		}
	}
	return good == 1
}

// Attach gives the session to another connection, which is handed token. Of more than a
// few that nothing was heard of, the first token, which the client is known to have, and
// the latest ones stay good.
func (c *Claim) Attach(token string) {
	if c.past == nil {
		c.past = new(past)
	}
	p := c.past
	if p.n == len(p.tokens) {
		p.n--
		copy(p.tokens[1:], p.tokens[2:])
	}
	p.tokens[p.n] = c.latest
	p.n++
	c.latest, _ = parseToken(token)
}

// Heard notes that something came over the latest connection, whose client so has the
// token.
func (c *Claim) Heard() {
	if c.past != nil {
		c.past = nil
	}
}
