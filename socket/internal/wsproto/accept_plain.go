//go:build !go1.26

package wsproto

import "crypto/sha1"

// acceptSum is the one use of SHA-1. Its input and its result are public.
func acceptSum(b []byte) [sha1.Size]byte { return sha1.Sum(b) }
