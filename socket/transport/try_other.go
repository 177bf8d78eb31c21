//go:build !unix

package transport

// canTry says that this system has no reads and writes that package net lets us
// try without blocking; a goroutine does every write.
const canTry = false

func (c *Conn) writeSome(*batch) (left bool, err error) { return true, nil }

// canSendMore says that a write can be held back for the next one.
const canSendMore = false

func (c *Conn) writeNow([]byte) (int, error) { panic("BUG: no raw connection here") }

func (c *Conn) writeMore([]byte) (int, error) { panic("BUG: no raw connection here") }

func (c *Conn) limitUnsent(int) {}

type intake struct{}

func (c *Conn) fillRaw() (int, error) { panic("BUG: no raw connection here") }

func (c *Conn) waitRecord() error { panic("BUG: no raw connection here") }

func (c *Conn) readNow([]byte) (int, error) { panic("BUG: no raw connection here") }

func (c *Conn) peekNow() (bool, error) { panic("BUG: no raw connection here") }
