package transport

import "sync/atomic"

// Budget bounds the memory that the peers of many connections can make them hold
// together: messages that have begun to arrive, or that a handler is at work on,
// and what waits for peers that do not read. It counts the buffers that these lie
// in, not only the bytes in them, where they are held for longer than a moment, so
// that it costs nothing on the way of ordinary messages: a connection's first
// 4 KiB of finished input are not counted. Frames that several connections share
// count for each of them.
//
// What goes first when memory runs short: from 25 % of the bound on connections
// read with small buffers, which makes large messages slower and nothing else; at
// 85 % [Budget.Tight] says so, for servers that refuse new connections then; at
// 95 % a connection whose message would need more is closed (code 1013); at 100 %
// nothing more is queued for a peer that does not read ([ErrQueueFull]).
//
// A Budget may be used by any goroutines at once. Use [NewBudget]. A nil *Budget
// has no bound and counts nothing.
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

// Used returns how many bytes are held at the moment, and Max the bound. Both are
// 0 without a bound.
func (b *Budget) Used() int64 {
	if b == nil {
		return 0
	}
	return b.used.Load()
}

// Max returns the bound in bytes.
func (b *Budget) Max() int64 {
	if b == nil {
		return 0
	}
	return b.max
}

// Tight reports whether 85 % of the budget are used.
func (b *Budget) Tight() bool { return b.beyond(tightShare) }

// Add counts n bytes more, whatever the bound, or fewer if n is negative. It is
// for memory that an application holds for its peers and cannot refuse, and for
// giving back what TryAdd has counted.
func (b *Budget) Add(n int64) {
	if b != nil {
		b.used.Add(n)
	}
}

// TryAdd counts n bytes more, which must not be negative, and reports whether no
// more than percent of the bound are used then. If it is false nothing was
// counted.
func (b *Budget) TryAdd(n int64, percent int) bool {
	var charged int64
	return b.charge(&charged, n, int64(percent))
}

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

// fits reports whether no more than percent of the bound would be used with n
// bytes more.
func (b *Budget) fits(n, percent int64) bool {
	return b == nil || b.used.Load()+n <= b.max/100*percent
}

// beyond reports whether so many percent of the bound are used.
func (b *Budget) beyond(percent int64) bool {
	return b != nil && b.used.Load() >= b.max/100*percent
}

// What of the budget each kind of memory may use up, in percent.
const (
	largeShare    = 25 // large read buffers, which HandOff may double
	tightShare    = 85 // new connections
	inboundShare  = 95
	outboundShare = 100
	anyShare      = 1 << 20 // what is there already, and cannot be refused
)

// smallInput is how much of finished input a connection holds uncounted.
const smallInput = 4<<10 + spare
