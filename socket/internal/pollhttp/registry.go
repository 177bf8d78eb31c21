package pollhttp

import (
	"net/http"
	"sync"
	"time"
)

// registry is the table of an engine's sessions, with an index of those whose
// time can run out: a list of the idle ones in the order in which their last
// request ended, and a list of the closing ones in the order in which they began
// to close. Both orders are those of the deadlines, so that whoever is over is
// at the front.
type registry struct {
	mu       sync.Mutex // guards all below, and the life and links of each session
	sessions map[tokenKey]*Session
	idle     list
	closing  list
	live     int           // sessions whose handler was not told the end
	refusing bool          // no new sessions
	drained  chan struct{} // closed when refusing and live is 0
	isEmpty  bool          // drained is closed
}

func (g *registry) init() {
	g.sessions = make(map[tokenKey]*Session)
	g.drained = make(chan struct{})
}

// admit counts a session that is being opened; false after shutDown.
func (g *registry) admit() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refusing {
		return false
	}
	g.live++
	return true
}

// add enters a session that was admitted, and reports whether the engine is
// shutting down meanwhile.
func (g *registry) add(s *Session, now time.Time) (refusing bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sessions[s.key] = s
	s.life.Start(now)
	s.listed = true
	g.idle.push(s)
	return g.refusing
}

// maxRequests is how many requests of one session may be in flight. A client has
// two or three; more come when they are repeated on the way.
const maxRequests = 256

// begin finds the session of a token and counts a request as its own, or returns
// why not.
func (g *registry) begin(token string) (*Session, *Refusal) {
	unknown := &Refusal{Status: http.StatusNotFound, Reason: "the session is unknown or has expired"}
	key, ok := keyOf(token)
	if !ok {
		return nil, unknown
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.sessions[key]
	if s == nil {
		return nil, unknown
	}
	if s.life.Requests() >= maxRequests {
		return nil, &Refusal{
			Status: http.StatusTooManyRequests,
			Reason: "too many requests of the session are in flight",
			Header: http.Header{"Retry-After": {"1"}},
		}
	}
	s.life.Begin()
	if !s.life.Closing() {
		g.idle.remove(s)
	}
	return s, nil
}

// hold counts a batch of messages as a request of s: it may outlive its POST.
func (g *registry) hold(s *Session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s.life.Begin()
	if !s.life.Closing() {
		g.idle.remove(s)
	}
}

// end counts a request of s as answered.
func (g *registry) end(s *Session) {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	s.life.End(now)
	if s.listed && s.life.Idle() && !s.life.Closing() {
		g.idle.push(s)
	}
}

// close starts the linger time of s.
func (g *registry) close(s *Session, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !s.listed || s.life.Closing() {
		return
	}
	g.idle.remove(s)
	s.life.Close(now)
	g.closing.push(s)
}

// remove takes s out of the table: its token is unknown from now on.
func (g *registry) remove(s *Session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drop(s)
}

func (g *registry) drop(s *Session) {
	if !s.listed {
		return
	}
	s.listed = false
	delete(g.sessions, s.key)
	g.idle.remove(s)
	g.closing.remove(s)
}

// gone counts a session out whose handler was told the end, or that was refused.
func (g *registry) gone() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.live--
	g.signal()
}

// signal closes drained when nothing is left. The caller holds mu.
func (g *registry) signal() {
	if g.refusing && g.live == 0 && !g.isEmpty {
		g.isEmpty = true
		close(g.drained)
	}
}

// expired takes the sessions out of the table whose time is over and returns them.
func (g *registry) expired(now time.Time) []*Session {
	g.mu.Lock()
	defer g.mu.Unlock()
	var dead []*Session
	for _, l := range []*list{&g.idle, &g.closing} {
		for l.front != nil && l.front.life.Dead(now) {
			dead = append(dead, l.front)
			g.drop(l.front)
		}
	}
	return dead
}

// shutDown refuses new sessions from now on and returns those there are.
func (g *registry) shutDown() []*Session {
	g.mu.Lock()
	g.refusing = true
	g.signal()
	g.mu.Unlock()
	return g.all()
}

// all returns the sessions in the table.
func (g *registry) all() []*Session {
	g.mu.Lock()
	defer g.mu.Unlock()
	sessions := make([]*Session, 0, len(g.sessions))
	for _, s := range g.sessions {
		sessions = append(sessions, s)
	}
	return sessions
}

// empty returns a channel that is closed once nothing is left after shutDown.
func (g *registry) empty() <-chan struct{} { return g.drained }

func (g *registry) len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.live
}
