package session

import "crypto/subtle"

// Claim says who may go on with a session, and which of several connections has it.
// Each connection is given a token of its own. Earlier ones stay good until something
// has come over one whose token is later: an answer that brought a token may have been
// lost, and a proxy may have made a request twice.
type Claim struct {
	tokens [claimTokens]string // those that are good, the latest last; "" where there is none
	gens   [claimTokens]uint32 // of the connections that they were given to
	gen    uint32              // of the latest connection
}

// claimTokens is how many tokens are good at most.
const claimTokens = 4

// NewClaim returns the claim of a session whose first connection, of generation 0, is
// given token.
func NewClaim(token string) Claim {
	var c Claim
	c.tokens[claimTokens-1] = token
	return c
}

// Check reports whether token proves that one is the session's client. The time that it
// takes tells nothing about the good ones.
func (c *Claim) Check(token string) bool {
	good := 0
	for _, t := range c.tokens {
		good |= subtle.ConstantTimeCompare([]byte(token), []byte(t))
	}
	return good == 1 && token != ""
}

// Attach gives the session to another connection, which is handed token, and returns the
// connection's generation. Of more than a few that nothing was heard of, the first token,
// which the client is known to have, and the latest ones stay good.
func (c *Claim) Attach(token string) (gen uint32) {
	from := 0
	if c.tokens[0] != "" {
		from = 1
	}
	copy(c.tokens[from:], c.tokens[from+1:])
	copy(c.gens[from:], c.gens[from+1:])
	c.gen++
	c.tokens[claimTokens-1], c.gens[claimTokens-1] = token, c.gen
	return c.gen
}

// Heard notes that something came over the connection of a generation, whose client so
// has the token; and reports whether that connection has the session.
func (c *Claim) Heard(gen uint32) bool {
	if gen != c.gen {
		return false
	}
	clear(c.tokens[:claimTokens-1])
	return true
}
