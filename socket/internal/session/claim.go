package session

import "crypto/subtle"

// Claim says who may go on with a session, and which of several connections has it.
// Each connection gets a token of its own. The one before stays good until the client
// has shown that it has the new one: the answer that brought it may have been lost.
type Claim struct {
	token    string
	previous string // "" when the client is known to have token
	gen      uint32
}

// NewClaim returns the claim of a session whose first connection is given token.
func NewClaim(token string) Claim { return Claim{token: token} }

// Check reports whether token proves that one is the session's client. The time that it
// takes tells nothing about the token.
func (c *Claim) Check(token string) bool {
	is := subtle.ConstantTimeCompare([]byte(token), []byte(c.token))
	was := subtle.ConstantTimeCompare([]byte(token), []byte(c.previous))
	if c.previous == "" {
		was = 0
	}
	return is|was == 1
}

// Attach gives the session to another connection, which is handed next as its token, and
// returns the connection's generation. old is the token that it came with.
func (c *Claim) Attach(old, next string) (gen uint32) {
	c.previous, c.token = old, next
	c.gen++
	return c.gen
}

// Heard notes that the client has sent something over the connection of a generation, so
// that it has that one's token; and reports whether that connection has the session.
func (c *Claim) Heard(gen uint32) bool {
	if gen != c.gen {
		return false
	}
	c.previous = ""
	return true
}
