package transport

import "sync/atomic"

// Budget bounds the memory that the peers of many connections can make them hold
// together: messages that have begun to arrive and are not finished, and what
// waits for peers that do not read. It is counted where it is held for longer
// than a moment, so it costs nothing on the way of ordinary messages. Frames that
// several connections share count for each of them.
//
// What goes first when memory runs short: at 85 % of the bound [Budget.Tight]
// says so, for servers that refuse new connections then; at 95 % a connection
// whose unfinished message would grow is closed (code 1013); at 100 % nothing
// more is queued for a peer that does not read ([ErrQueueFull]).
//
// A Budget may be used by any goroutines at once. Use [NewBudget].
type Budget struct {
	max  int64
	used atomic.Int64
}

// NewBudget returns a budget of the given number of bytes, which must be
// positive.
func NewBudget(bytes int64) *Budget {
	if bytes <= 0 {
		panic("transport: NewBudget: the number of bytes is not positive")
	}
	return &Budget{max: bytes}
}

// Used returns how many bytes are held at the moment, and Max the bound.
func (b *Budget) Used() int64 { return b.used.Load() }

// Max returns the bound in bytes.
func (b *Budget) Max() int64 { return b.max }

// Tight reports whether 85 % of the budget are used.
func (b *Budget) Tight() bool { return b.used.Load() >= b.max/100*85 }

// charge counts n bytes more, or fewer, in place of those that *charged says,
// and reports whether no more than percent of the bound are used after it. A
// charge that is too much is not made. A nil budget is unlimited.
func (b *Budget) charge(charged *int64, n int64, percent int64) bool {
	if b == nil || n == *charged {
		return true
	}
	delta := n - *charged
	if used := b.used.Add(delta); delta > 0 && used > b.max/100*percent {
		b.used.Add(-delta)
		return false
	}
	*charged = n
	return true
}

// What of the budget each kind of memory may use up, in percent.
const (
	inboundShare  = 95
	outboundShare = 100
	anyShare      = 1 << 20 // what is there already, and cannot be refused
)
