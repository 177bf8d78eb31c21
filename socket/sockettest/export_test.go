package sockettest

import "testing"

// Diff is diff.
var Diff = diff

// WithT returns the same client with another T to fail.
func (c *Client) WithT(t testing.TB) *Client {
	same := *c
	same.t = t
	return &same
}

// WithT returns the same browser with another T to fail.
func (b *Browser) WithT(t testing.TB) *Browser {
	same := *b
	same.t = t
	return &same
}
