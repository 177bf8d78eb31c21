package socket

import (
	"bytes"
	"fmt"
	"math"
	"runtime/debug"
	"time"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// WithMemoryBudget bounds the memory that all clients together can make the
// server hold beside their connections: the buffers of messages that have begun
// to arrive, that handlers are at work on, or that wait for a handler; what large
// messages decode to, by an estimate; the bodies of long polling; and what waits
// for clients that do not read, where a message to many counts for each of them.
// A few KiB of each connection are not counted.
//
// When it runs short, clients are held back or refused in this order. From 25 %
// of the budget on, large messages are read in small pieces. From 75 % on,
// clients whose messages would wait for a handler are not read, and requests of
// long polling that bring messages wait, and after 10 s get HTTP status 503, upon
// which a client repeats them. From 85 % on, new connections get status 503. From
// 95 % on, connections whose message needs more memory are closed with code 1013.
// From 100 % on, clients are closed as slow consumers whose queue would grow. A
// part of what is counted is there before it can be refused: some 25 % of the
// budget may come on top of it in the worst case.
//
// Default: half of the runtime's soft memory limit (GOMEMLIMIT) where there is
// one, and 1 GiB otherwise; zero means the default, a negative value no budget.
func WithMemoryBudget(bytes int64) ServerOption {
	return func(o *serverOptions) { o.memory = bytes }
}

// newBudget resolves the default of [WithMemoryBudget].
func newBudget(bytes int64) *transport.Budget {
	switch {
	case bytes > 0:
		return transport.NewBudget(bytes)
	case bytes < 0:
		return nil
	}
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		return transport.NewBudget(max(limit/2, 1<<20))
	}
	return transport.NewBudget(1 << 30)
}

// What of the budget may be used up, in percent, by what can wait in the network
// as well, and by messages that are being handled.
const (
	waitingShare = 75
	messageShare = 95
)

// smallMessage is how much a handler may be given uncounted, in bytes.
const smallMessage = 4 << 10

// decodedSize estimates how much memory the data of a message takes once it is
// decoded, in bytes, from what costs most: the elements of arrays, and objects. It
// is not exact: [1,1,…] takes 25 bytes for each comma, [[1],[1],…] takes 66, and
// {"":1} takes 360 bytes.
func decodedSize(raw []byte) int64 {
	const short = 256 // not worth the counting
	n := len(raw)
	if n > short && raw[0] != '"' {
		n += 64*bytes.Count(raw, []byte(",")) + 300*bytes.Count(raw, []byte("{"))
	}
	return int64(n)
}

// callWithin is dispatch for data of n bytes, counted while the handlers run. A client
// whose message is too much for the memory budget is closed.
func (c *conn) callWithin(n int64, m *incoming) {
	b := c.server.budget
	if b == nil || n <= smallMessage {
		c.dispatch(m)
		return
	}
	if !b.TryAdd(n, messageShare) {
		c.noMemory(n)
		return
	}
	defer b.Add(-n)
	c.dispatch(m)
}

// hold counts n bytes for the requests of long polling, fewer if n is negative. It
// reports whether there is room for them; those that must be held are counted
// whether there is or not.
func (s *Server) hold(n int, must bool) bool {
	b := s.budget
	if must || n < 0 {
		b.Add(int64(n))
		return true
	}
	if b.TryAdd(int64(n), waitingShare) {
		return true
	}
	if s.full.allow(time.Now()) {
		s.log.Warn("socket: request refused: memory is short", "option", "WithMemoryBudget", "max", b.Max(), "actual", b.Used())
	}
	return false
}

// noMemory closes a client for whose message there is no memory.
func (c *conn) noMemory(n int64) {
	b := c.server.budget
	err := fmt.Errorf("no memory for a message: %d of %d bytes are used (WithMemoryBudget)", b.Used(), b.Max())
	if c.end(&ConnectionError{Op: "read", Err: err}) {
		c.server.log.Warn("socket: no memory for a message", "conn", c.id, "size", n,
			"option", "WithMemoryBudget", "max", b.Max(), "actual", b.Used())
		c.link.refuse(transport.StatusTryAgainLater, "the server is short of memory (WithMemoryBudget)")
	}
}

// chargeWaiting counts n bytes that wait against the budget, in whole steps and in place
// of those that *charged says, and reports whether there is room for them. If there is
// not, nothing is changed.
func chargeWaiting(b *transport.Budget, charged *int64, n int) bool {
	held := int64(n) / chargeStep * chargeStep
	switch more := held - *charged; {
	case more < 0:
		b.Add(more)
	case more > 0 && !b.TryAdd(more, waitingShare):
		return false
	}
	*charged = held
	return true
}
