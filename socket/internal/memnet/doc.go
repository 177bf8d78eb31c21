// Package memnet is a network in memory for tests: pairs of [net.Conn] with a
// buffer between them, a [Listener] to make them by dialling, and the faults
// that a real network has.
//
//	l := memnet.Listen("server:80")
//	go http.Serve(l, handler)
//	c, err := l.Dial(ctx)
//	…
//	c.CutAfter(100) // the connection breaks behind the 100th byte from now on
//
// A [Conn] behaves as a TCP connection of package net does, down to the errors:
// they are *net.OpError values around [net.ErrClosed], [os.ErrDeadlineExceeded],
// syscall.ECONNRESET or syscall.EPIPE. Write returns once its bytes are in the
// buffer, which holds 64 KiB in each direction unless told otherwise; a reader
// that stops reading therefore blocks the writer. Two differences are on
// purpose: a write to a peer that has closed fails at once, not with the second
// write, and a Close with unread bytes ends in order, without a reset.
//
// # Goroutines and virtual time
//
// All methods may be called concurrently. The bytes of one Write stay together.
// Every blocking method waits on a [sync.Cond] and every deadline is a timer,
// so that in a testing/synctest bubble a blocked call counts as durably blocked
// and deadlines pass in virtual time. A pair belongs to the bubble in which its
// deadlines are set. The package starts no goroutine of its own.
package memnet
