package pollhttp

import (
	"context"
	"net/http"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/poll"
)

// Engine serves the long-polling sessions of one server. Use [New].
type Engine struct {
	config   Config
	sessions registry
	zip      *zipper // nil: answers are not compressed
}

// Config is what an [Engine] is made of. Only Open is required.
type Config struct {
	// Open admits a session: it returns the handler of what its client sends, or
	// refuses with an error, best a [*Refusal]. It runs on the goroutine of the
	// opening request and before the client knows the session, so no message
	// comes before it returned; it may use the session already. The request's
	// body, which is not the protocol's, is limited to 4 KiB.
	Open func(s *Session, r *http.Request) (Handler, error)
	// Check, if not nil, looks at every later request of a session, for example
	// whether it comes from the same user; an error refuses that request only.
	Check func(s *Session, r *http.Request) error
	// NewID, if not nil, makes the public id of a session. By default it is 128
	// random bits.
	NewID func() string

	// Limits bounds the bodies in both directions.
	Limits poll.Limits
	// Extra is how much larger a message may be that comes to a session for which
	// [Session.AllowExtra] was called, in bytes.
	Extra int
	// Queue bounds what waits to be polled by one client.
	Queue poll.QueueLimits

	// Wait is how long a poll is held; by default 25 s.
	Wait time.Duration
	// Expiry is how long a client may stay away between two requests; by default
	// 25 s. Then its session ends with [ErrExpired].
	Expiry time.Duration
	// CloseWait is how long a closing session waits for its client to poll what
	// is queued and the reason, and how long it can still tell the reason; by
	// default 5 s.
	CloseWait time.Duration
	// ReadTimeout is the time for the body of a POST; by default 30 s.
	ReadTimeout time.Duration
	// WriteTimeout is the time for writing an answer; by default 10 s.
	WriteTimeout time.Duration

	// Hold, if not nil, is asked before n bytes more are held for the body of a
	// POST, and told with a negative n when they are held no longer. Where it says
	// no, the request is refused with 503, upon which a client repeats it; it may
	// not say no to what must be held, the answer that a session's queue empties
	// into.
	Hold func(n int, must bool) bool

	// Compression lets answers of 1 KiB and more be compressed with gzip for
	// clients that accept it. Compressed POSTs are always understood.
	Compression bool
}

// Handler takes what happens to one session. Its methods are called one at a
// time.
type Handler interface {
	// Message takes a message of the client. The payload is the handler's to keep.
	Message(m Message)
	// Closed tells that the session has ended and why: a [*CloseError] when
	// either side closed it, [ErrExpired] when the client stayed away,
	// [net.ErrClosed] after CloseNow. It is the last call, made exactly once, on
	// a goroutine of its own.
	Closed(cause error)
}

// Message is a whole message: its payload and whether that is text.
type Message = poll.Message

// New returns an engine without sessions. It panics when Open is missing.
func New(c Config) *Engine {
	if c.Open == nil {
		panic("pollhttp: Config.Open is nil")
	}
	if c.NewID == nil {
		c.NewID = newID
	}
	if c.Hold == nil {
		c.Hold = func(int, bool) bool { return true }
	}
	c.Limits = c.Limits.WithDefaults()
	if extra := c.Limits; c.Extra > 0 && extra.Message >= 0 && extra.Body >= 0 {
		extra.Message, extra.Body = extra.Message+c.Extra, 0
		c.Limits.Body = max(c.Limits.Body, extra.WithDefaults().Body)
	}
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&c.Wait, 25 * time.Second},
		{&c.Expiry, 25 * time.Second},
		{&c.CloseWait, 5 * time.Second},
		{&c.ReadTimeout, 30 * time.Second},
		{&c.WriteTimeout, 10 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.fallback
		}
	}
	e := &Engine{config: c}
	e.sessions.init()
	if c.Compression {
		e.zip = new(zipper)
	}
	return e
}

// Len returns the number of sessions whose handler has not been told the end.
func (e *Engine) Len() int { return e.sessions.len() }

// Advance ends the sessions whose time is over at now. It does not block and
// costs nothing for those whose time is not.
func (e *Engine) Advance(now time.Time) {
	for _, s := range e.sessions.expired(now) {
		s.expire()
	}
}

// Shutdown refuses new sessions, closes all others with code and reason, which
// answers the polls that are held, and waits until the clients have polled what
// is queued and every handler has been told the end. Advance must go on being
// called meanwhile for clients that do not come. When ctx ends first, what is
// left is closed at once and Shutdown returns ctx.Err() without waiting for the
// handlers.
func (e *Engine) Shutdown(ctx context.Context, code uint16, reason string) error {
	for _, s := range e.sessions.shutDown() {
		s.Close(code, reason)
	}
	select {
	case <-e.sessions.empty():
		return nil
	default:
	}
	select {
	case <-e.sessions.empty():
		return nil
	case <-ctx.Done():
	}
	for _, s := range e.sessions.all() {
		s.CloseNow()
	}
	return ctx.Err()
}

// ServeHTTP serves one request of the protocol.
func (e *Engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.ContentLength != 0 {
		// net/http reads a body to its end before it sends the answer, also one
		// that nobody asked for: it must not wait for ever. Writers without
		// deadlines have none to set, so the error does not matter.
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(e.config.ReadTimeout))
	}
	q, refusal := parseQuery(r.URL.RawQuery)
	if refusal != nil {
		refusal.write(w)
		return
	}
	token, refusal := requestToken(r)
	if refusal != nil {
		refusal.write(w)
		return
	}
	if token == "" && r.Method == http.MethodPost && !q.seq.given {
		e.open(w, r)
		return
	}
	s, refusal := e.find(token)
	if refusal != nil {
		refusal.write(w)
		return
	}
	defer e.sessions.end(s)
	if e.config.Check != nil {
		if err := e.config.Check(s, r); err != nil {
			refusalOf(err, http.StatusForbidden, "the request does not belong to the session").write(w)
			return
		}
	}
	switch r.Method {
	case http.MethodGet:
		e.poll(w, r, s, q)
	case http.MethodPost:
		e.post(w, r, s, q)
	case http.MethodDelete:
		s.end(&CloseError{Code: 1000, Remote: true})
		w.WriteHeader(http.StatusNoContent)
	}
}

// find returns the session of the token and counts the request as its own.
func (e *Engine) find(token string) (*Session, *Refusal) {
	if token == "" {
		return nil, &Refusal{Status: http.StatusUnauthorized, Reason: "the header " + tokenHeader + " with the session's token is missing"}
	}
	return e.sessions.begin(token)
}
