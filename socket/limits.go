package socket

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// WithMaxFragments sets how many frames one WebSocket message may come in, and
// how many of them in a row may be empty. One that has more ends its connection
// with close code 1008. Default: 1,024 and 16; zero means the default, a negative
// value no limit.
func WithMaxFragments(fragments, empty int) ServerOption {
	return func(o *serverOptions) { o.fragments, o.emptyFragments = fragments, empty }
}

// WithMessageTimeout sets how long one WebSocket message may take from its first
// byte to its last, whatever else the client sends meanwhile. One that takes
// longer ends its connection with close code 1008. Default: 30 s; zero means the
// default, a negative value no limit.
func WithMessageTimeout(d time.Duration) ServerOption {
	return func(o *serverOptions) { o.messageTimeout = d }
}

// WithMaxControlFrames sets how many pings, pongs and close frames a WebSocket
// client may send within 10 s. One that sends more is closed with code 1008.
// Default: 1,000; zero means the default, a negative value no limit.
func WithMaxControlFrames(n int) ServerOption {
	return func(o *serverOptions) { o.controlFrames = n }
}

// WithMaxInflateRatio sets how many times larger than its compressed form a
// WebSocket message of more than 64 KiB may be. One that is larger ends its
// connection with close code 1009. Default: 100; zero means the default, a
// negative value no limit.
func WithMaxInflateRatio(n int) ServerOption {
	return func(o *serverOptions) { o.inflateRatio = n }
}

// RateLimits bound what one client may do in a second, with bursts of twice as
// much after a rest. Zero means no limit.
type RateLimits struct {
	Messages int // received
	Bytes    int // of messages received, after decompression
	Joins    int // of rooms

	// ReportOnly lets a client go on that passes a limit. It is for finding the
	// limits: what would have been refused is logged, once in a while.
	ReportOnly bool
}

// WithRateLimits bounds what each client may do in a second. A client that sends
// more is closed with code 1008; a join beyond is refused with a *[RoomError].
// Default: no limits. Control frames of WebSocket have one of their own, see
// [WithMaxControlFrames].
func WithRateLimits(l RateLimits) ServerOption {
	return func(o *serverOptions) { o.rates = l }
}

// rates is what a socket has used of its rate limits.
type rates struct {
	mu                     sync.Mutex // guards the fields below
	messages, bytes, joins session.Rate
	reported               limiter
}

// newRates returns nil when there are no limits.
func newRates(l RateLimits, now time.Duration) *rates {
	l.ReportOnly = false
	if l == (RateLimits{}) {
		return nil
	}
	return &rates{
		messages: session.NewRate(l.Messages, now),
		bytes:    session.NewRate(l.Bytes, now),
		joins:    session.NewRate(l.Joins, now),
	}
}

// admitMessage reports whether a message of n bytes is within the client's rates,
// and closes a client for which it is not.
func (c *conn) admitMessage(n int) bool {
	r := c.rates
	if r == nil {
		return true
	}
	l, now := &c.server.opts.rates, c.server.pulse.now()
	r.mu.Lock()
	tooMany, tooMuch := !r.messages.Allow(now, 1), !r.bytes.Allow(now, n)
	r.mu.Unlock()
	switch {
	case tooMany:
		return c.overRate("messages per second", l.Messages)
	case tooMuch:
		return c.overRate("bytes per second", l.Bytes)
	}
	return true
}

// overRate reports whether a client that has passed a limit may go on.
func (c *conn) overRate(limit string, most int) bool {
	if c.server.opts.rates.ReportOnly {
		if c.rates.reported.allow(time.Now()) {
			c.server.log.Warn("socket: rate limit passed, and only reported", "conn", c.id, "limit", limit, "max", most, "option", "WithRateLimits")
		}
		return true
	}
	err := fmt.Errorf("more than %d %s (WithRateLimits)", most, limit)
	if c.end(&ConnectionError{Op: "read", Err: err}) {
		c.server.log.Warn("socket: rate limit passed", "conn", c.id, "limit", limit, "max", most, "option", "WithRateLimits")
		c.link.refuse(transport.StatusPolicyViolation, err.Error())
	}
	return false
}

// admitJoin returns why a join is not within the client's rate, nil if it is. It
// is called with the socket's mu held.
func (c *conn) admitJoin(room string) error {
	r := c.rates
	if r == nil {
		return nil
	}
	l := &c.server.opts.rates
	r.mu.Lock()
	ok := r.joins.Allow(c.server.pulse.now(), 1)
	r.mu.Unlock()
	if ok || l.ReportOnly {
		return nil
	}
	return &RoomError{Room: room, Reason: fmt.Sprintf("more than %d joins per second (WithRateLimits)", l.Joins)}
}

// logRefusal logs that a connection was ended for a limit that its client has
// passed, or a rule that it broke.
func (s *Server) logRefusal(c *conn, err error) {
	var limit *transport.LimitError
	var broken *transport.ProtocolError
	switch {
	case errors.As(err, &limit):
		s.log.Warn("socket: limit exceeded", "conn", c.id, "limit", limit.Limit, "max", limit.Max, "actual", limit.Actual,
			"option", "With"+limit.Option, "code", int(limit.Code))
	case errors.As(err, &broken):
		s.log.Info("socket: protocol error", "conn", c.id, "reason", broken.Reason, "code", int(broken.Code))
	}
}

// logHandshake logs why a request got no connection: loudly, but not for each of
// them, when it is the server's configuration that is in the way.
func (s *Server) logHandshake(err error) {
	var he *transport.HandshakeError
	switch {
	case !errors.As(err, &he):
		s.log.Debug("socket: handshake lost", "err", err)
	case he.Status == http.StatusForbidden && s.refused.allow(time.Now()):
		s.log.Warn("socket: origin refused", "reason", he.Reason, "option", "WithAllowedOrigins")
	case he.Status >= 500 && s.refused.allow(time.Now()):
		s.log.Warn("socket: handshake failed", "err", err)
	default:
		s.log.Debug("socket: handshake refused", "reason", he.Reason, "status", he.Status)
	}
}

// NewHTTPServer returns an http.Server for an address and a handler with limits
// that suit an endpoint of this package: 5 s for a request's header, 16 KiB for
// its size, 2 minutes for an idle connection. There are no timeouts for whole
// requests, which would cut long polls; the endpoint sets its own.
func NewHTTPServer(addr string, handler http.Handler) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
}
