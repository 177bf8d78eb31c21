//go:build go1.26

package wsproto

import (
	"crypto/fips140"
	"crypto/sha1"
)

// acceptSum is the one use of SHA-1. Its input and its result are public.
func acceptSum(b []byte) (sum [sha1.Size]byte) {
	fips140.WithoutEnforcement(func() { sum = sha1.Sum(b) })
	return sum
}
