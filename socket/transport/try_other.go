//go:build !unix

package transport

// canTry says that this system has no reads and writes that package net lets us
// try without blocking; a goroutine does every write.
const canTry = false

type attempt struct{}

func (c *Conn) writeSome(*batch) (left bool, err error) { return true, nil }

type intake struct{}

func (c *Conn) fillRaw() (int, error) { panic("BUG: no raw connection here") }

func (c *Conn) waitRecord() error { panic("BUG: no raw connection here") }
