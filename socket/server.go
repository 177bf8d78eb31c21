package socket

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/pollhttp"
	"github.com/kleeedolinux/socket.go/socket/internal/session"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// Server accepts connections and passes their events to handlers.
//
// All methods may be called from any goroutine and any handler, at any time.
type Server struct {
	opts     serverOptions
	log      *slog.Logger
	upgrader *transport.Upgrader
	sessions *transport.Upgrader // of connections that carry sessions
	handlers handlers

	responders responders

	sockets  *registry
	any      handlers // of HandleAny
	rooms    *rooms
	pulse    pulse
	polling  *pollhttp.Engine
	budget   *transport.Budget // nil: none
	fanout   fanout
	patience patience
	policies roomPolicies
	slow     slowCounters
	drained  handlers     // of OnDrain
	detached detachedList // sessions without a connection
	verdicts verdicts     // for those that have ended, and whose clients may not know

	middleware middleware
	identities *rooms // the sockets of each identity
	admissions admissions

	full    limiter // of the log lines about full servers
	refused limiter // of the log lines about refused handshakes

	mu      sync.Mutex // guards the fields below
	count   int        // connections, accepted and not forgotten
	closing bool       // Shutdown was called
	leaving leaving    // what it tells clients
	gone    chan struct{}
}

// NewServer returns a server. It starts nothing: as long as there is no
// connection there is no goroutine either. It panics when an option has an
// impossible value.
func NewServer(opts ...ServerOption) *Server {
	o := defaultServerOptions()
	for _, opt := range opts {
		opt(&o)
	}
	s := &Server{opts: o, log: o.logger, budget: newBudget(o.memory), sockets: newRegistry(), rooms: newRooms(), identities: newRooms()}
	s.upgrader = transport.NewUpgrader(&transport.AcceptOptions{
		AllowedOrigins:         o.origins,
		InsecureAllowAnyOrigin: o.anyOrigin,
		TrustForwardedProto:    o.forwardedProto,
		Compression:            o.compression,
		Limits: transport.Limits{
			MaxMessageSize:   o.maxMessage,
			MaxQueueBytes:    o.queueBytes,
			MaxQueueMessages: o.queueMessages,
			BufferSize:       o.bufferSize,
			WriteTimeout:     o.writeTimeout,
			CloseTimeout:     o.closeTimeout,
			MemoryBudget:     s.budget,

			MaxFragments:      o.fragments,
			MaxEmptyFragments: o.emptyFragments,
			MessageTimeout:    o.messageTimeout,
			MaxControlFrames:  o.controlFrames,
			MaxInflateRatio:   o.inflateRatio,
		},
	})
	s.sessions = s.upgrader
	if o.maxMessage > 0 {
		s.sessions = s.upgrader.WithMaxMessageSize(o.maxMessage + maxHead) // the session looks at what is behind that
	}
	if o.anyOrigin {
		s.log.Warn("socket: web pages of every origin may connect", "option", "WithInsecureAnyOrigin")
	}
	s.fanout.server = s
	if s.upgrader.NewHistory() != nil {
		s.rooms.make, s.fanout.past.make = s.upgrader.NewHistory, s.upgrader.NewHistory
	}
	s.pulse.init(s)
	s.polling = newPollEngine(s)
	return s
}

// HandleFunc adds a handler for an event: a built-in one or any name that
// clients send. Several handlers of one event run in the order they were added.
// Handlers of one socket run one at a time, in the order in which its messages
// came; those of different sockets run in parallel. data is what
// [encoding/json] makes of JSON in an interface{}; see [Handle] for other types.
//
// A handler that blocks delays only its own socket. One that panics is reported
// under [EventError] and closes its own socket, with code 1011. A message whose
// event has no handler is dropped. Handlers can be added at any time and cannot be
// removed; HandleFunc panics when handler is nil.
func (s *Server) HandleFunc(event Event, handler func(s Socket, data interface{})) {
	if handler == nil {
		panic("socket: HandleFunc: nil handler")
	}
	s.handlers.add(event, anyHandler(handler))
}

// GetSocket returns the connected socket with the given id.
func (s *Server) GetSocket(id string) (Socket, bool) {
	if c := s.sockets.get(id); c != nil && c.IsConnected() {
		return c, true
	}
	return nil, false
}

// Count returns the number of connections. One counts until its disconnect
// handlers have run.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// ServeHTTP is [Server.HandleHTTP], so that a Server is an [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.HandleHTTP(w, r) }

// HandleHTTP serves WebSocket and long polling on the path that it is mounted
// at; it does not look at the path. It returns as soon as a WebSocket connection
// is open, and holds a long poll until there is a message, for the ping interval
// at most. A GET that asks for neither is answered with a page that explains the
// address. It wants HTTP/1.1 for WebSocket, and a ResponseWriter that can be
// hijacked, itself or through Unwrap.
func (s *Server) HandleHTTP(w http.ResponseWriter, r *http.Request) {
	if transport.IsUpgrade(r) {
		s.serveWebSocket(w, r)
		return
	}
	if len(r.Header["Upgrade"]) > 0 {
		// To another protocol, which is not switched to. A proxy in front may
		// think otherwise, and must not pass on what follows as further requests.
		w.Header().Set("Connection", "close")
	}
	if r.URL.Query().Get("transport") == "polling" {
		s.servePolling(w, r)
		return
	}
	serveExplanation(w, r)
}

// The names in the handshake that a client of this module asks with and is
// answered with; no other is told anything.
const (
	versionHeader = "Socket-Version"
	idHeader      = "Socket-Id"
)

func (s *Server) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	a, ref := s.authenticateUpgrade(r)
	if ref != nil {
		refuse(w, ref)
		return
	}
	defer a.end()
	if o, ok := s.offer(r); ok {
		s.serveSession(w, r, o, a)
		return
	}
	if ref := s.admit(); ref != nil {
		refuse(w, ref)
		return
	}
	c := s.newConn(newID(), r, a)
	var answer http.Header
	if r.Header.Get(versionHeader) != "" {
		answer = http.Header{idHeader: {c.id}}
	}
	ws, err := s.upgrader.AcceptFunc(w, r, answer, func(ws *transport.Conn) { s.open(c, webSocketLink{ws}, a) })
	if err != nil {
		s.release()
		s.logHandshake(err)
		return
	}
	ws.Start(webSocketHandler{c})
}

// serveSession serves the opening handshake of a client that wants a session, or to go
// on with one.
func (s *Server) serveSession(w http.ResponseWriter, r *http.Request, o session.Offer, a *admission) {
	p, ref := s.place(r, o, a)
	if ref != nil {
		refuse(w, ref)
		return
	}
	answer := http.Header{idHeader: {p.link.c.id}, sessionHeader: {p.answer.String()}}
	ws, err := s.sessions.AcceptFunc(w, r, answer, func(ws *transport.Conn) { p.attach(webSocketLink{ws}) })
	if err != nil {
		p.abandon()
		s.logHandshake(err)
		return
	}
	ws.Start(p.link.handler(p.gen))
}

// placement is a session for which a connection is being made.
type placement struct {
	link      *sessionLink
	answer    session.Answer
	gen       uint32
	admission *admission
}

// place finds the session that a client offers to go on with, or makes a new one.
func (s *Server) place(r *http.Request, o session.Offer, who *admission) (placement, *pollhttp.Refusal) {
	if o.Session != (session.Session{}) && !s.closed() {
		if c := s.sockets.get(o.Session.ID); c != nil {
			if l, ok := c.link.(*sessionLink); ok {
				if l.foreign(o, who.who()) {
					return placement{}, notYours
				}
				if a, gen, ok := l.offered(o); ok {
					return placement{l, a, gen, who}, nil
				}
			}
		}
		if ref := s.verdict(o, who.who()); ref != nil {
			return placement{}, ref
		}
	}
	if ref := s.admit(); ref != nil {
		return placement{}, ref
	}
	l, token := s.newSession(r, who)
	return placement{link: l, admission: who, answer: session.Answer{
		Session: session.Session{ID: l.c.id, Token: token}, Window: s.opts.windowSeconds(),
	}}, nil
}

// attach gives the session its connection.
func (p *placement) attach(u physical) {
	p.link.attach(p.gen, u)
	if !p.answer.Resumed {
		p.link.c.server.open(&p.link.c, p.link, p.admission)
	}
}

// abandon gives up the place of a new session whose connection could not be made.
func (p *placement) abandon() {
	if !p.answer.Resumed {
		p.link.c.server.release()
	}
}

// offer returns what a request says about sessions, and whether it does and they are
// wanted. A line that is malformed says nothing.
func (s *Server) offer(r *http.Request) (session.Offer, bool) {
	lines := r.Header[sessionHeader]
	if s.opts.window <= 0 || len(lines) != 1 {
		return session.Offer{}, false
	}
	o, err := session.ParseOffer(lines[0])
	return o, err == nil
}

// newID returns an id that nobody can guess.
func newID() string {
	var random [16]byte
	rand.Read(random[:]) // never fails
	return session.NewID(random)
}

// newConn returns the socket of a connection that is being made.
func (s *Server) newConn(id string, r *http.Request, a *admission) *conn {
	c := new(conn)
	s.initConn(c, id, r, a)
	return c
}

// initConn makes c, which is zero, the socket of a connection that is being made.
func (s *Server) initConn(c *conn, id string, r *http.Request, a *admission) {
	c.id = id
	c.server = s
	c.info = newRequestInfo(r)
	c.rates = newRates(s.opts.rates, s.pulse.now())
	c.turn.budget = s.budget
	if identity := a.who(); identity != "" {
		c.extra().who = &membership{room: identity, c: c} // nobody else has c yet
	}
}

// open makes a connection known and runs its connect handlers, before the first
// message and without keeping the caller.
func (s *Server) open(c *conn, l link, a *admission) {
	c.link = l
	first := l
	if s, ok := l.(*sessionLink); ok {
		first = s.current() // nil if it is lost already
	}
	if ws, ok := first.(webSocketLink); ok {
		c.refers = ws.TakesHistory()
	}
	passed := s.passes(c)
	c.told = !passed // it was never connected
	c.reaped = c.told
	s.fanout.past.count(c, 1)
	s.identify(c)
	s.sockets.add(c)
	s.pulse.add(c)
	if s.closed() {
		// Shutdown has passed by in between.
		c.close(transport.StatusGoingAway, s.goodbye())
	}
	if r, ok := a.wasRevoked(); ok {
		c.disconnectFor(r)
	}
	if passed && len(s.handlers.get(EventConnect)) > 0 {
		c.turn.spawn(func() { c.call(&incoming{event: EventConnect, kind: builtIn}) })
	}
}

// forget drops a socket whose disconnect handlers have run.
func (s *Server) forget(c *conn) {
	c.leaveAll()
	s.unidentify(c)
	s.sockets.remove(c)
	s.fanout.past.count(c, -1)
	s.pulse.remove(c)
	s.release()
}

// admit takes a place for a connection, or returns how to refuse it.
func (s *Server) admit() *pollhttp.Refusal {
	made := s.makeRoom()
	s.mu.Lock()
	closing := s.closing
	full := s.isFull() && !made
	tight := s.budget.Tight()
	if !closing && !full && !tight {
		s.count++
	}
	s.mu.Unlock()
	reason := goingAway
	switch {
	case closing:
	case full:
		reason = "the server is full"
		if s.full.allow(time.Now()) {
			s.log.Warn("socket: connection refused: the server is full", "option", "WithMaxConcurrency", "max", s.opts.maxConnections)
		}
	case tight:
		reason = "the server is short of memory"
		if s.full.allow(time.Now()) {
			s.log.Warn("socket: connection refused: memory is short", "option", "WithMemoryBudget", "max", s.budget.Max(), "actual", s.budget.Used())
		}
	default:
		return nil
	}
	return &pollhttp.Refusal{Status: http.StatusServiceUnavailable, Reason: reason, Header: http.Header{"Retry-After": {s.retryAfter()}}}
}

// isFull is called with mu held.
func (s *Server) isFull() bool {
	return s.opts.maxConnections > 0 && s.count >= s.opts.maxConnections
}

// makeRoom ends a session that has no connection if its place or its memory is needed,
// and reports whether it did: the place is free in a moment.
func (s *Server) makeRoom() bool {
	s.mu.Lock()
	needed := s.isFull() || s.budget.Tight()
	s.mu.Unlock()
	return needed && s.detached.evict()
}

// release gives a place back.
func (s *Server) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count--
	if s.count == 0 && s.gone != nil {
		close(s.gone)
		s.gone = nil
	}
}

func (s *Server) closed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// limiter allows one thing in a while, so that a flood of refused connections is
// no flood of log lines.
type limiter struct {
	mu   sync.Mutex // guards last
	last time.Time
}

func (l *limiter) allow(now time.Time) bool {
	const pause = 10 * time.Second
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.last.IsZero() && now.Sub(l.last) < pause {
		return false
	}
	l.last = now
	return true
}
