package transport

import (
	"net"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// NewTestConn makes a connection of nc as if an opening handshake had agreed on
// params (nil: no compression), with early behind it in the same read.
func NewTestConn(nc net.Conn, role wsproto.Role, l Limits, params *wsproto.DeflateParams, early []byte) *Conn {
	limit := defaultServerMessage
	if role == wsproto.RoleClient {
		limit = defaultClientMessage
	}
	return newConn(nc, l.newConfig(role, limit), "", params, early)
}

// Readable reports whether c reads and writes its descriptor without going
// through the net.Conn.
func (c *Conn) Raw() bool { return c.raw != nil }

// Holds reports what a connection has borrowed: a read buffer, and batches of
// frames.
func (c *Conn) Holds() (reading, writing bool) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.in.buf != nil, c.out.queue != nil || c.out.pong != nil || c.out.deferred != nil
}

// CorkTime is how long answers wait for the rest of their batch.
const CorkTime = corkTime

// LingerTime and others are the defaults that tests reckon with.
const (
	DefaultCloseTimeout   = defaultCloseTimeout
	DefaultMessageTimeout = defaultMessageTimeout
	DefaultWriteTimeout   = defaultWriteTimeout
)

// ALongTimeAgo is a deadline that has passed.
func ALongTimeAgo() time.Time { return aLongTimeAgo }

// HeldByQueue returns the bytes of all buffers that what is queued lies in.
func (c *Conn) HeldByQueue() (n int) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	for _, q := range []*batch{c.out.queue, c.out.deferred, c.out.pong} {
		if q == nil {
			continue
		}
		for _, it := range q.items {
			if it.buf != nil {
				n += len(it.buf.b)
			}
		}
	}
	return n
}

// Answered lets f see the header of the answer that opens the connection.
func (o *DialOptions) Answered(f func(header map[string][]string)) { o.answered = f }

// Waiting reports whether nothing is being written and nothing waits to be. Then
// a peer that has all answers may take the connection for idle.
func (c *Conn) Waiting() bool {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return !c.out.writing && !c.out.corked && c.out.queue == nil && c.out.pong == nil && c.out.deferred == nil
}

// NewCheckedConn is NewTestConn for a connection that compresses with windows of the
// given bits and shows check every message that it has compressed.
func NewCheckedConn(nc net.Conn, role wsproto.Role, l Limits, bits int, check func(plain, payload []byte)) *Conn {
	cfg := l.newConfig(role, 1<<20)
	cfg.checkDeflated = check
	params := &wsproto.DeflateParams{ServerNoTakeover: true, ClientNoTakeover: true, ServerBits: bits, ClientBits: bits}
	return newConn(nc, cfg, "", params, nil)
}
