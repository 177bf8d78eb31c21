package transport

import (
	"sync"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

// History is what the messages of a room may refer back to when they are compressed,
// see [CommonTakeover]. A nil *History does nothing.
type History struct {
	z      *compression
	budget *Budget

	mu      sync.Mutex // guards the fields below
	common  *deflate.Common
	charged int64 // to the budget
	closed  bool
}

// NewHistory returns a history for the messages of one room, whose members are
// connections that u has accepted. It is nil unless u's connections can use one. It
// takes no memory before the first message.
func (u *Upgrader) NewHistory() *History {
	z := u.cfg.compression
	if z == nil || z.Takeover != CommonTakeover {
		return nil
	}
	return &History{z: z, budget: u.cfg.budget, common: deflate.NewCommon(z.Window)}
}

// TakesHistory reports whether what c is sent can refer to a [History].
func (c *Conn) TakesHistory() bool { return c.codec() != nil && c.codec().takeover == CommonTakeover }

// Add adds a message to the history, which must not be in one yet nor have been sent.
// Messages must be queued in the order in which they were added, for each connection
// that gets them; one that leaves some out is noticed, and is sent more bytes for a
// while.
func (h *History) Add(m *PreparedMessage) {
	if h == nil || len(m.payload) < h.z.thresholds[1] {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	t := &commonText{h.common.Next(m.payload)}
	m.common = t
	all := variantKey{bits: uint8(h.z.Window), thorough: true, refers: refersToAll}
	if m.variant(all) == nil {
		// Nobody shall have it in his window: it does not compress.
		m.common = nil
		m.variants.Store(&variant{key: variantKey{bits: all.bits, thorough: h.z.Thorough}})
		return
	}
	h.common.Add(t.text, m.payload)
	if !h.budget.charge(&h.charged, int64(h.common.Held()), outboundShare) {
		h.common.Reset() // the next messages refer back to less
		h.budget.charge(&h.charged, 0, anyShare)
	}
}

// Close lets go of the memory. Messages that are added later are compressed each on
// its own.
func (h *History) Close() {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.common.Reset()
	h.budget.charge(&h.charged, 0, anyShare)
}
