//go:build !unix

package transport

import "net"

// canTry says that this system has no reads and writes that package net lets us
// try without blocking; a goroutine does every write.
const canTry = false

type attempt struct{}

func (c *Conn) writeSome(*batch) (left bool, err error) { return true, nil }

func (c *Conn) fillRaw(size int) (*buffer, int, error) { panic("BUG: no raw connection here") }

func (c *Conn) waitRecord(net.Conn) error { return nil }
