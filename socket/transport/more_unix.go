//go:build unix && !linux

package transport

import "syscall"

// canSendMore says that a write can be held back for the next one.
const canSendMore = false

func (c *Conn) limitUnsent(int) {}

func sendMore(fd int, b []byte) (int, error) { return syscall.Write(fd, b) }
