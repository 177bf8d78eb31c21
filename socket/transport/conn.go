package transport

import (
	"crypto/tls"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// Conn is one WebSocket connection, of either role. [Accept] and [Dial] make
// it.
//
// A Conn is read in one of two ways, chosen by the first call: pulled, with
// [Conn.Read] and [Conn.Reader] on the caller's goroutine, or driven, with
// [Conn.Start], which lets a [Handler] be called and keeps neither a buffer nor,
// where the system allows it, a goroutine while the connection waits. Control
// frames are answered while somebody reads; a pulled connection that nobody reads
// answers no ping.
//
// All methods may be called from any goroutine at any time, but only one Read
// or Reader at a time makes progress. Messages are sent in the order of the
// calls.
//
// At most 512 bytes: the garbage collector looks at larger ones one by one, and
// there are many. What few connections need is behind pointers.
type Conn struct {
	nc     net.Conn        // Start may change it and raw: see detach
	raw    syscall.RawConn // of nc, or of what is under its TLS; nil unless it can be tried without blocking
	cfg    *config
	agreed *agreed // nil: on nothing but RFC 6455

	in  input
	out output

	closing closing
	pings   atomic.Pointer[pings] // nil until Ping is called: the server pings with QueuePing
}

// agreed is what the opening handshake has agreed on.
type agreed struct {
	subprotocol string
	codec       *codec // nil: no permessage-deflate
}

// config is what all connections made with the same options share.
type config struct {
	role           wsproto.Role
	limits         wsproto.Limits
	bufferSize     int
	queueBytes     int
	queueMessages  int
	readTimeout    time.Duration // longest silence of the peer, 0: any
	writeTimeout   time.Duration
	closeTimeout   time.Duration
	messageTimeout time.Duration
	compression    *compression // nil: none is agreed to
	maxControl     int          // control frames in controlWindow
	start          time.Time    // what moments are kept as the time since
	budget         *Budget
	unwatched      bool // for tests: a goroutine waits for each connection
}

// newConn takes over nc after the opening handshake. early are the bytes that
// followed it in the same read; they are copied.
func newConn(nc net.Conn, cfg *config, subprotocol string, params *wsproto.DeflateParams, early []byte) *Conn {
	c := &Conn{nc: nc, cfg: cfg}
	if subprotocol != "" || params != nil {
		c.agreed = &agreed{subprotocol: subprotocol}
	}
	if tc, ok := nc.(*tls.Conn); ok {
		nc = tc.NetConn()
	}
	c.raw = rawConn(nc)
	dc := wsproto.DecoderConfig{Role: cfg.role, Limits: cfg.limits, Keep: true}
	if params != nil {
		c.agreed.codec = cfg.compression.codecFor(cfg.role, *params)
		dc.Inflate = c.agreed.codec.inflater
	}
	c.in.dec.Init(dc)
	if len(early) > 0 {
		c.in.buf = getBuffer(len(early))
		c.in.rest = c.in.buf.b[:copy(c.in.buf.b, early)]
	}
	return c
}

// tryable reports whether messages can be read from and written to the descriptor:
// under TLS it only tells that something has come.
func (c *Conn) tryable() bool { return c.raw != nil && !c.sealed() }

// sealed reports whether nc is a TLS connection.
func (c *Conn) sealed() bool {
	_, ok := c.nc.(*tls.Conn)
	return ok
}

// rawConn returns the descriptor of nc when reads and writes on it can be tried
// without going through nc. The concrete types are asked for, not the
// interface: a wrapper that embeds *net.TCPConn has the method too, and its own
// Read and Write must not be passed by.
func rawConn(nc net.Conn) syscall.RawConn {
	if !canTry {
		return nil
	}
	var raw syscall.RawConn
	switch nc := nc.(type) {
	case *net.TCPConn:
		raw, _ = nc.SyscallConn() // an error means: no descriptor, use nc itself
	case *net.UnixConn:
		raw, _ = nc.SyscallConn()
	}
	return raw
}

// Subprotocol returns the subprotocol that the handshake agreed on, "" if none.
func (c *Conn) Subprotocol() string {
	if c.agreed == nil {
		return ""
	}
	return c.agreed.subprotocol
}

// codec returns how messages are compressed, nil unless permessage-deflate was
// agreed on.
func (c *Conn) codec() *codec {
	if c.agreed == nil {
		return nil
	}
	return c.agreed.codec
}

// LocalAddr returns the local network address.
func (c *Conn) LocalAddr() net.Addr { return c.netConn().LocalAddr() }

// RemoteAddr returns the network address of the other end, which is the
// nearest proxy's when there is one.
func (c *Conn) RemoteAddr() net.Addr { return c.netConn().RemoteAddr() }

// netConn is nc for those who neither read nor write.
func (c *Conn) netConn() net.Conn {
	c.closing.mu.Lock()
	defer c.closing.mu.Unlock()
	return c.nc
}

// Compressed reports whether the handshake agreed on permessage-deflate (RFC
// 7692).
func (c *Conn) Compressed() bool { return c.codec() != nil }

// Received returns a number that changes whenever bytes arrive from the peer.
// Whoever watches over many connections compares it with the value that it saw
// before, instead of keeping a timer for each.
func (c *Conn) Received() uint32 { return c.in.received.Load() }
