package socket

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/pollhttp"
	"github.com/kleeedolinux/socket.go/socket/internal/session"
)

// WithAuthenticator sets the function that says who makes a connection, from the HTTP
// request that opens it: its cookies, headers and address. It is asked
//
//   - for each WebSocket handshake and each long-polling session, before that takes a
//     place of [WithMaxConcurrency];
//   - again when a client goes on with its session over another connection. One that
//     then has another identity is refused with HTTP status 403, and the session is kept
//     for its owner.
//
// Pages of other origins are refused before it is asked. The identity is what
// [Socket.Identity] returns from then on and what [Server.ToIdentity] finds: the name of
// a user, "" for somebody unknown. An error refuses the request: with the status and the
// reason of an *[AuthError], and with 401 and a fixed reason for any other, of which the
// client learns nothing.
//
// The authenticator runs on the goroutine of the request, and no lock is held: it may
// wait, for a database for example, and the context of the request ends when the client
// goes away. It runs for many requests at once; how many, it bounds itself if it must.
// Default and nil: everybody may connect, with the identity "".
func WithAuthenticator(f func(r *http.Request) (identity string, err error)) ServerOption {
	return func(o *serverOptions) { o.authenticator = f }
}

// AuthError is an error of an authenticator that says how the request is refused, see
// [WithAuthenticator].
type AuthError struct {
	Status int    // of the HTTP response, 400 to 599; anything else is 401
	Reason string // one sentence for the client; "" is the fixed reason
	Err    error  // for the log; may be nil
}

// Error returns the reason, the status and the cause.
func (e *AuthError) Error() string {
	text := fmt.Sprintf("socket: not authenticated: %s (HTTP status %d)", e.reason(), e.status())
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *AuthError) Unwrap() error { return e.Err }

func (e *AuthError) status() int {
	if e.Status < 400 || e.Status > 599 {
		return http.StatusUnauthorized
	}
	return e.Status
}

func (e *AuthError) reason() string {
	if e.Reason == "" {
		return "the server does not know who you are"
	}
	return e.Reason
}

// admissions are the requests of clients that the authenticator was asked about, and
// whose sockets nobody can find yet. An identity that is disconnected meanwhile must not
// slip through: the authenticator may have said yes before its rights ended.
type admissions struct {
	mu      sync.Mutex // guards pending, and revoked of all in it
	pending map[*admission]struct{}
}

// admission is the making of one connection. It is nil where there is no authenticator.
type admission struct {
	all      *admissions
	identity string
	revoked  map[string]DisconnectReason // the identities that were disconnected meanwhile
}

// begin is called before the authenticator is; end must follow.
func (all *admissions) begin() *admission {
	a := &admission{all: all}
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.pending == nil {
		all.pending = make(map[*admission]struct{})
	}
	all.pending[a] = struct{}{}
	return a
}

func (a *admission) end() {
	if a == nil {
		return
	}
	a.all.mu.Lock()
	defer a.all.mu.Unlock()
	delete(a.all.pending, a)
}

// revoke notes that an identity is disconnected. Its sockets are to be looked for after
// that.
func (all *admissions) revoke(identity string, r DisconnectReason) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for a := range all.pending {
		if a.revoked == nil {
			a.revoked = make(map[string]DisconnectReason)
		}
		a.revoked[identity] = r
	}
}

// wasRevoked reports whether the identity was disconnected since begin. It is asked once
// the socket can be found.
func (a *admission) wasRevoked() (DisconnectReason, bool) {
	if a == nil {
		return DisconnectReason{}, false
	}
	a.all.mu.Lock()
	defer a.all.mu.Unlock()
	r, ok := a.revoked[a.identity]
	return r, ok
}

// who returns the identity.
func (a *admission) who() string {
	if a == nil {
		return ""
	}
	return a.identity
}

// authenticate asks who makes a connection. The caller ends the admission that it
// returns.
func (s *Server) authenticate(r *http.Request) (*admission, *pollhttp.Refusal) {
	ask := s.opts.authenticator
	if ask == nil {
		return nil, nil
	}
	a := s.admissions.begin()
	known := false
	defer func() {
		if !known {
			a.end() // it has panicked, or refused
		}
	}()
	identity, err := ask(r)
	if err != nil {
		return nil, s.unauthenticated(err)
	}
	known = true
	a.identity = identity
	return a, nil
}

// authenticateUpgrade is authenticate for a request whose origin was not looked at.
func (s *Server) authenticateUpgrade(r *http.Request) (*admission, *pollhttp.Refusal) {
	if s.opts.authenticator == nil {
		return nil, nil
	}
	if err := s.upgrader.CheckOrigin(r); err != nil {
		s.logHandshake(err)
		return nil, &pollhttp.Refusal{Status: http.StatusForbidden, Reason: badOrigin}
	}
	return s.authenticate(r)
}

// unauthenticated is the refusal of a request for an error of the authenticator.
func (s *Server) unauthenticated(err error) *pollhttp.Refusal {
	var ae *AuthError
	if !errors.As(err, &ae) {
		ae = new(AuthError)
	}
	if ae.status() >= 500 && s.refused.allow(time.Now()) {
		s.log.Warn("socket: the authenticator failed", "err", err, "status", ae.status(), "option", "WithAuthenticator")
	} else {
		s.log.Debug("socket: not authenticated", "err", err, "status", ae.status())
	}
	return &pollhttp.Refusal{Status: ae.status(), Reason: ae.reason()}
}

// foreign reports whether a client has the token of the session and is somebody else
// than its owner. It changes nothing. Who has no token learns nothing of the session.
func (l *sessionLink) foreign(o session.Offer, identity string) bool {
	if l.c.Identity() == identity {
		return false
	}
	l.lock()
	defer l.unlock()
	return !l.over && l.claim.Check(o.Session.Token)
}

// notYours refuses a client that is somebody else than the owner of its session.
var notYours = &pollhttp.Refusal{Status: http.StatusForbidden, Reason: "the session belongs to somebody else"}

// identify makes the socket one of those of its identity.
func (s *Server) identify(c *conn) {
	if m := c.identified(); m != nil {
		s.identities.add(m)
	}
}

// unidentify ends that.
func (s *Server) unidentify(c *conn) {
	if m := c.identified(); m != nil {
		s.identities.remove(m, nil)
	}
}

// identified returns the membership in the sockets of the identity, nil if there is none.
func (c *conn) identified() *membership {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.extras == nil {
		return nil
	}
	return c.extras.who
}

func (c *conn) Identity() string {
	if m := c.identified(); m != nil {
		return m.room
	}
	return ""
}

// Revalidate calls check for each connected socket, one after the other, and disconnects
// those for which it returns an error: as a [DisconnectReason] says, if the error is or
// wraps one, and otherwise with [RetryNever] and a fixed reason, of which the client
// learns nothing more. It returns how many these are. Call it now and then where
// credentials expire; check may wait and runs on the caller's goroutine.
//
// To end what an identity may do at once, use [Server.ToIdentity] and
// [Target.Disconnect].
func (s *Server) Revalidate(check func(s Socket) error) (disconnected int) {
	for _, c := range s.sockets.appendAll(nil) {
		if !c.IsConnected() {
			continue
		}
		if err := check(c); err != nil {
			s.log.Debug("socket: not valid any more", "conn", c.id, "err", err)
			r := DisconnectReason{Reason: "the credentials are not valid any more", Retry: RetryNever}
			errors.As(err, &r)
			if c.disconnectFor(r) {
				disconnected++
			}
		}
	}
	return disconnected
}
