package transport

import (
	"net"
	"reflect"
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
	cfg := l.newConfig(role, limit)
	if params != nil {
		cfg.compression = newCompression(new(Compression), role)
	}
	return newConn(nc, cfg, "", params, early)
}

// Unwatch gives c, which is not started yet, a goroutine of its own to wait for
// what comes, as it has where nothing can watch over connections.
func (c *Conn) Unwatch() {
	cfg := *c.cfg // which other connections share
	cfg.unwatched = true
	c.cfg = &cfg
}

// Watched reports whether c has been started and waits without a goroutine.
func (c *Conn) Watched() bool { return c.in.watch.state.Load() != unwatched }

// InputMemory returns the bytes of all buffers that a started connection holds for
// what it receives, and those that it has counted, if it waits without a goroutine
// at the moment.
func (c *Conn) InputMemory() (held int, charged int64, waits bool) {
	if !c.wake() {
		return 0, 0, false
	}
	in := &c.in
	held = in.dec.Held()
	if kept := in.dec.Kept(); kept != nil {
		held += len(in.kept.b) - cap(kept)
	}
	if in.buf != nil {
		held += len(in.buf.b)
	}
	charged = in.charged
	go c.serve(in.turn.state.Load()) // waits again
	return held, charged, true
}

// Raw reports whether c reads and writes its descriptor without going through the
// net.Conn.
func (c *Conn) Raw() bool { return c.tryable() }

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

// NewCompressingConn is NewTestConn for a connection that compresses as z says, with
// what was agreed on in the handshake.
func NewCompressingConn(nc net.Conn, role wsproto.Role, l Limits, z *Compression, agreed wsproto.DeflateParams) *Conn {
	cfg := l.newConfig(role, 1<<20)
	cfg.compression = newCompression(z, role)
	return newConn(nc, cfg, "", &agreed, nil)
}

// Compressed returns options for tests that compress, or nil.
func Compressed(on bool) *Compression {
	if !on {
		return nil
	}
	return &Compression{Verify: true}
}

// NewTestHistory returns a history for messages to connections that compress as z says.
func NewTestHistory(z *Compression, b *Budget) *History {
	return NewUpgrader(&AcceptOptions{Compression: z, Limits: Limits{MemoryBudget: b}}).NewHistory()
}

// Forms returns how many compressed forms of m were made.
func (m *PreparedMessage) Forms() (n int) {
	for v := m.variants.Load(); v != nil; v = v.next {
		if v.frame != nil {
			n++
		}
	}
	return n
}

// CodecSize is what a connection holds for compression by the members of a room, bytes.
func CodecSize() uintptr { return reflect.TypeFor[codec]().Size() }

// SharesCodec reports whether both connections have the same codec, and SharesCoders
// whether both halves of theirs are the same.
func SharesCodec(a, b *Conn) bool { return a.codec() == b.codec() }

func SharesCoders(a, b *Conn) bool {
	return a.codec().deflater == b.codec().deflater && a.codec().inflater == b.codec().inflater
}

// ShareConfig gives b the options of a, and a codec by them for what both have agreed
// on.
func ShareConfig(a, b *Conn, agreed wsproto.DeflateParams) {
	b.cfg = a.cfg
	for _, c := range [...]*Conn{a, b} {
		c.agreed.codec = a.cfg.compression.codecFor(a.cfg.role, agreed)
	}
}
