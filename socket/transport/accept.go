package transport

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// AcceptOptions configure [Accept] and [NewUpgrader]. nil and the zero value are
// the defaults. A negative size, count or duration means no limit, where there is
// one.
type AcceptOptions struct {
	// Subprotocols are those that the server speaks, best first. The first that
	// the client offers too is agreed on.
	Subprotocols []string

	// AllowedOrigins are origins besides the server's own from which pages may
	// connect, each as scheme://host[:port]. Requests without an Origin header,
	// which no browser sends, are always let in.
	AllowedOrigins []string

	// InsecureAllowAnyOrigin lets pages of every origin connect, with the
	// cookies of whoever looks at them.
	InsecureAllowAnyOrigin bool

	// TrustForwardedProto takes the scheme of the server's own origin from the
	// X-Forwarded-Proto header, for servers behind a proxy that sets it and
	// drops what clients send of it.
	TrustForwardedProto bool

	// Compression agrees to permessage-deflate, RFC 7692, where the client offers it
	// and has it as the server wants it; see there what it costs. nil, the default: it
	// is never agreed on.
	Compression *Compression

	// Header is added to the response that accepts a connection.
	Header http.Header

	// Limits and times; see [Limits].
	Limits
}

// Limits bound what a peer can make a connection hold, and for how long. The
// zero value of each is its default; a negative value lifts the limit.
type Limits struct {
	// MaxMessageSize is the size of the largest message that is received, in
	// bytes, after decompression. Default: 64 KiB for a server, 1 MiB for a
	// client. A larger one ends the connection with close code 1009.
	MaxMessageSize int

	// MaxFragments is how many frames one message may come in. Default: 1,024.
	MaxFragments int

	// MaxEmptyFragments is how many frames in a row may be empty. Default: 16.
	MaxEmptyFragments int

	// MaxInflateRatio is how many times larger than its compressed form a
	// message of more than 64 KiB may be. Default: 100. A larger ratio ends the
	// connection with close code 1009.
	MaxInflateRatio int

	// MaxQueueBytes and MaxQueueMessages bound what waits for a peer that does
	// not read. Default: 1 MiB and 1,024. A single message is never too large. What
	// the kernel has taken is not counted: on Linux, for a connection that was
	// started, that is about 256 KiB at most.
	MaxQueueBytes    int
	MaxQueueMessages int

	// BufferSize is how much the first read of a burst takes, in bytes, up to
	// 64 KiB; later ones take more. Default: 4 KiB. A waiting connection has no
	// buffer.
	BufferSize int

	// ReadTimeout is how long the peer may be silent while the connection is
	// read. Then it is cut, with an error that matches [os.ErrDeadlineExceeded].
	// Default: no limit.
	ReadTimeout time.Duration

	// WriteTimeout is how long the peer may take nothing while there is
	// something to send. Then the connection is cut, after a quarter more at the
	// latest, or closed by a [StallHandler]. Once it is closing, CloseTimeout
	// counts instead. Default: 10 s.
	WriteTimeout time.Duration

	// MessageTimeout is how long the rest of a message that has begun is waited
	// for, pings in between or not. Time in which this side does not read does
	// not count. Default: 30 s.
	MessageTimeout time.Duration

	// MaxControlFrames is how many pings, pongs and close frames may come within
	// 10 s. Default: 1,000.
	MaxControlFrames int

	// MemoryBudget bounds what all connections that are given the same one hold
	// together. Default: none.
	MemoryBudget *Budget

	// CloseTimeout is how long a closing handshake may take. Default: 5 s; it
	// cannot be lifted.
	CloseTimeout time.Duration
}

// newConfig resolves the defaults.
func (l Limits) newConfig(role wsproto.Role, maxMessage int) *config {
	return &config{
		role: role,
		limits: wsproto.Limits{
			Message:        orDefault(l.MaxMessageSize, maxMessage),
			Fragments:      l.MaxFragments,
			EmptyFragments: l.MaxEmptyFragments,
			InflateRatio:   l.MaxInflateRatio,
		},
		bufferSize:     min(max(orDefault(l.BufferSize, defaultBufferSize), minRead), maxBuffer),
		queueBytes:     orUnlimited(orDefault(l.MaxQueueBytes, defaultQueueBytes)),
		queueMessages:  min(orUnlimited(orDefault(l.MaxQueueMessages, defaultQueueMessages)), math.MaxInt32),
		readTimeout:    max(l.ReadTimeout, 0),
		writeTimeout:   max(orDefault(l.WriteTimeout, defaultWriteTimeout), 0),
		messageTimeout: max(orDefault(l.MessageTimeout, defaultMessageTimeout), 0),
		closeTimeout:   orDefault(max(l.CloseTimeout, 0), defaultCloseTimeout),
		maxControl:     orUnlimited(orDefault(l.MaxControlFrames, defaultControlFrames)),
		budget:         l.MemoryBudget,
		start:          time.Now(),
	}
}

func orDefault[T int | time.Duration](v, d T) T {
	if v == 0 {
		return d
	}
	return v
}

func orUnlimited(n int) int {
	if n < 0 {
		return int(^uint(0) >> 1)
	}
	return n
}

// The defaults and bounds behind [Limits].
const (
	defaultServerMessage  = 64 << 10
	defaultClientMessage  = 1 << 20
	defaultBufferSize     = 4 << 10
	defaultQueueBytes     = 1 << 20
	defaultQueueMessages  = 1024
	defaultWriteTimeout   = 10 * time.Second
	defaultCloseTimeout   = 5 * time.Second
	defaultMessageTimeout = 30 * time.Second
	defaultControlFrames  = 1000
	minRead               = 128 // smallest read buffer, bytes
)

// HandshakeError is an opening handshake that made no connection. From [Accept] it
// is a request that was not valid or not welcome, and the HTTP response has been
// sent; from [Dial] it is an answer that was no handshake, and so it is, in the chain of
// the error, from the Connect of both transports.
type HandshakeError struct {
	Status int    // of the HTTP response, 0 when the answer was not HTTP
	Reason string // fixed text

	// RetryAfter is how long the answer asks the client to wait before it tries again:
	// its Retry-After, a year at most. 0: it does not say.
	RetryAfter time.Duration

	closed *CloseError
}

// Error returns the reason and the HTTP status.
func (e *HandshakeError) Error() string {
	return fmt.Sprintf("websocket: handshake refused: %s (HTTP status %d)", e.Reason, e.Status)
}

// Unwrap returns, as an error, the [*CloseError] by which the server has ended the session
// that the request was to go on with, nil if the answer has none.
func (e *HandshakeError) Unwrap() error {
	if e.closed == nil {
		return nil
	}
	return e.closed
}

// IsUpgrade reports whether r asks for a WebSocket connection, well or badly.
// Such a request is to be given to [Accept], which refuses the bad ones.
func IsUpgrade(r *http.Request) bool { return wsproto.IsUpgrade(r.Header) }

// Accept makes a WebSocket connection of an HTTP request, RFC 6455 section 4.2.
// When it returns an error it has sent the HTTP response. After it the request
// and the ResponseWriter must not be used any more.
//
// Accept wants HTTP/1.1 and a ResponseWriter that supports hijacking, itself or
// through Unwrap. For many connections with the same options [NewUpgrader]
// saves memory.
func Accept(w http.ResponseWriter, r *http.Request, opts *AcceptOptions) (*Conn, error) {
	return NewUpgrader(opts).Accept(w, r, nil)
}

// Upgrader accepts connections that share one set of options. It may be used by
// any goroutines at once.
type Upgrader struct {
	opts   AcceptOptions
	origin wsproto.OriginPolicy
	cfg    *config
}

// NewUpgrader returns an Upgrader. It copies opts; nil means the defaults. It
// panics when an allowed origin is not of the form scheme://host[:port], or when
// Compression has a value that is not one.
func NewUpgrader(opts *AcceptOptions) *Upgrader {
	u := new(Upgrader)
	if opts != nil {
		u.opts = *opts
	}
	u.origin = wsproto.OriginPolicy{
		Allowed:             u.opts.AllowedOrigins,
		AllowAny:            u.opts.InsecureAllowAnyOrigin,
		TrustForwardedProto: u.opts.TrustForwardedProto,
	}
	if err := u.origin.Validate(); err != nil {
		panic("transport: AllowedOrigins: " + err.Error())
	}
	if err := u.opts.Compression.validate(wsproto.RoleServer); err != nil {
		panic("transport: " + err.Error())
	}
	u.cfg = u.opts.Limits.newConfig(wsproto.RoleServer, defaultServerMessage)
	u.cfg.compression = newCompression(u.opts.Compression, wsproto.RoleServer)
	return u
}

// WithMaxMessageSize returns an Upgrader whose connections take messages of another size,
// see [Limits], and share all else with those of u.
func (u *Upgrader) WithMaxMessageSize(n int) *Upgrader {
	v, cfg := *u, *u.cfg
	v.opts.Limits.MaxMessageSize = n
	cfg.limits.Message = orDefault(n, defaultServerMessage)
	v.cfg = &cfg
	return &v
}

// CheckOrigin reports why the page that r comes from may not connect, nil if it
// may. Accept includes it; it is here for requests that are not handshakes.
func (u *Upgrader) CheckOrigin(r *http.Request) error {
	if ref := u.origin.Check(handshakeRequest(r)); ref != nil {
		return &HandshakeError{Status: ref.Status, Reason: ref.Reason}
	}
	return nil
}

// Accept is the function [Accept] with the Upgrader's options. header, which may
// be nil, is added to this one response.
func (u *Upgrader) Accept(w http.ResponseWriter, r *http.Request, header http.Header) (*Conn, error) {
	return u.AcceptFunc(w, r, header, nil)
}

// AcceptFunc is Accept that calls opened with the connection before the client is
// answered: whoever has an answer is known to the server, and what opened sends
// follows the answer. opened must not read. When the answer cannot be sent, the
// connection is returned all the same, as one that was lost.
func (u *Upgrader) AcceptFunc(w http.ResponseWriter, r *http.Request, header http.Header, opened func(*Conn)) (*Conn, error) {
	req := handshakeRequest(r)
	offer, ref := wsproto.CheckUpgrade(req)
	if ref == nil {
		ref = u.origin.Check(req)
	}
	if ref != nil {
		if r.ContentLength != 0 {
			// net/http would wait for a body that nobody wants before it closes the
			// connection. Where this is not supported, it does.
			_ = http.NewResponseController(w).SetReadDeadline(aLongTimeAgo)
		}
		return nil, refuseUpgrade(w, ref)
	}
	answer := wsproto.Accept{
		Key:         offer.Key,
		Subprotocol: choose(u.opts.Subprotocols, offer.Subprotocols),
		Header:      merged(u.opts.Header, header),
	}
	var params *wsproto.DeflateParams
	if z := u.cfg.compression; z != nil && (z.Allow == nil || z.Allow(r)) {
		p, value, ok := wsproto.AcceptDeflate(offer.Extensions, z.policy())
		if ok {
			params, answer.Extensions = &p, value
		}
	}
	buf := getBuffer(minBuffer)
	defer putBuffer(buf)
	head, err := wsproto.AppendAccept(buf.b[:0], answer)
	if err != nil {
		return nil, errors.Join(err, refuseUpgrade(w, &wsproto.Refusal{Status: http.StatusInternalServerError, Reason: "the server is not configured properly"}))
	}
	return u.takeOver(w, head, answer.Subprotocol, params, opened)
}

// takeOver takes the network connection from the HTTP server and answers the
// handshake.
func (u *Upgrader) takeOver(w http.ResponseWriter, head []byte, subprotocol string, params *wsproto.DeflateParams, opened func(*Conn)) (*Conn, error) {
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		// Say which type is in the way: it is mostly a middleware's.
		err = fmt.Errorf("websocket: the ResponseWriter %T cannot be hijacked: %w", w, err)
		return nil, errors.Join(err, refuseUpgrade(w, &wsproto.Refusal{Status: http.StatusNotImplemented, Reason: "WebSocket is not supported here"}))
	}
	var early []byte
	if n := rw.Reader.Buffered(); n > 0 {
		early, _ = rw.Reader.Peek(n) // cannot fail: they are buffered
	}
	c := newConn(nc, u.cfg, subprotocol, params, early)
	if opened != nil {
		c.out.writing = true // what it sends waits
		opened(c)
	}
	err = c.answerUpgrade(head)
	if opened != nil {
		c.answered(err)
		return c, nil
	}
	if err != nil {
		_ = c.CloseNow() // never fails
		return nil, fmt.Errorf("websocket: handshake: %w", err)
	}
	return c, nil
}

// answerUpgrade sends the answer to an opening handshake.
func (c *Conn) answerUpgrade(head []byte) error {
	// Deadlines of the HTTP server may still be set.
	if err := c.nc.SetDeadline(time.Time{}); err != nil {
		return err
	}
	if c.tryable() {
		// As a rule the kernel takes it at once, and there is nothing to time.
		n, err := c.writeNow(head)
		if err != nil || n == len(head) {
			return err
		}
		head = head[n:]
	}
	if err := c.nc.SetWriteDeadline(time.Now().Add(defaultWriteTimeout)); err != nil {
		return err
	}
	if _, err := c.nc.Write(head); err != nil {
		return err
	}
	return c.nc.SetWriteDeadline(time.Time{})
}

// answered lets follow what waited for the answer to the opening handshake, or
// ends the connection when that could not be sent.
func (c *Conn) answered(err error) {
	if err != nil {
		c.wrote(getBatch(), err)
		return
	}
	c.out.mu.Lock()
	c.out.writing = false
	c.flush()
}

// handshakeRequest is what the protocol core wants to know of a request.
func handshakeRequest(r *http.Request) wsproto.Request {
	return wsproto.Request{
		Method: r.Method, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor,
		Host: r.Host, Header: r.Header, ContentLength: r.ContentLength, TLS: r.TLS != nil,
	}
}

// merged returns the fields of both headers.
func merged(a, b http.Header) http.Header {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	all := a.Clone()
	for name, values := range b {
		all[name] = append(all[name], values...)
	}
	return all
}

// choose returns the first of ours that is among theirs.
func choose(ours, theirs []string) string {
	for _, p := range ours {
		for _, q := range theirs {
			if p == q {
				return p
			}
		}
	}
	return ""
}

// refuseUpgrade answers a request that gets no connection. The HTTP connection
// is closed with it: what the client has sent behind the handshake was meant for
// another protocol, and a proxy that has switched to that protocol must not be
// made to pass it on as a further request.
func refuseUpgrade(w http.ResponseWriter, ref *wsproto.Refusal) error {
	h := w.Header()
	for name, value := range ref.Header {
		h.Set(name, value)
	}
	h.Set("Connection", "close")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Type", "application/json")
	w.WriteHeader(ref.Status)
	_, _ = fmt.Fprintf(w, "{\"error\":%q}\n", ref.Reason) // the connection is given up anyway
	return &HandshakeError{Status: ref.Status, Reason: ref.Reason}
}
