package pollhttp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/poll"
)

// Session is one client's long-polling session. Its methods may be called from
// any goroutine, also from its handler. None of them blocks but WaitQueue.
type Session struct {
	engine  *Engine
	id      string
	key     tokenKey
	handler Handler     // set before the client knows the session
	answer  http.Header // of the opening request; nil once that is over
	extra   bool        // messages may be larger; set before the client knows the session

	turn  chan struct{} // holds a token while a POST hands on its messages
	slots chan struct{} // holds a token for each POST whose body is in memory

	answering atomic.Int32 // polls whose answer is being written

	mu      sync.Mutex // guards all below
	core    poll.Session
	wake    chan struct{} // tells the newest poll to look again; nil before the first
	space   chan struct{} // closed when the queue shrinks; nil: nobody waits
	shrunk  func()        // called when the queue shrinks; nil: nobody wants it
	current *batch        // what is being handed on; nil between two
	running bool          // the handler may be in a call
	ended   bool
	told    bool // Closed was called, or is about to be
	cause   error

	// Guarded by the registry's mu:
	life   poll.Lifetime
	links  links
	listed bool // in the registry's table
}

// postSlots is how many POSTs of one session may hold a body in memory. One that
// is stalled in the middle of its body does not hold up its own repetition.
const postSlots = 4

func newSession(e *Engine, id string, key tokenKey) *Session {
	return &Session{
		engine: e,
		id:     id,
		key:    key,
		turn:   make(chan struct{}, 1),
		slots:  make(chan struct{}, postSlots),
		core:   poll.NewSession(e.config.Queue, e.config.Limits),
		life:   poll.Lifetime{Expiry: e.config.Expiry, Linger: e.config.CloseWait},
	}
}

// ID returns the public id. It is not the secret.
func (s *Session) ID() string { return s.id }

// Send queues a message for the client; a poll that is held is answered at once.
// The payload is kept, not copied, and may be shared between sessions: nobody may
// change it afterwards. Send returns [ErrQueueFull], [ErrTooLarge] or [ErrClosed],
// and then the message is not queued.
func (s *Session) Send(m Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.core.Push(m); err != nil {
		if errors.Is(err, poll.ErrClosed) {
			return ErrClosed
		}
		return err
	}
	s.notify()
	return nil
}

// WaitQueue waits until the client has acknowledged something of what is queued,
// if anything is, so that a [Session.Send] that was refused with [ErrQueueFull]
// may succeed. It returns [ErrClosed] when the session closes, and ctx.Err() when
// ctx ends first.
func (s *Session) WaitQueue(ctx context.Context) error {
	s.mu.Lock()
	closing := s.core.Closing()
	queued, _ := s.core.Queued()
	if s.space == nil && queued > 0 {
		s.space = make(chan struct{})
	}
	space := s.space
	s.mu.Unlock()
	if closing {
		return ErrClosed
	}
	if queued == 0 {
		return nil
	}
	select {
	case <-space:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// NotifyQueue has f called, once, when the client has acknowledged something of what is
// queued, and at once if nothing is. f is called with locks held: it must not block, nor
// call methods of s. A later call takes the place of this one; f is not called once the
// session closes.
func (s *Session) NotifyQueue(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	queued, _ := s.core.Queued()
	switch {
	case s.core.Closing():
	case queued == 0:
		f()
	default:
		s.shrunk = f
	}
}

// Queued returns the number of messages that the client has not acknowledged and
// the sum of their payloads.
func (s *Session) Queued() (messages, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.Queued()
}

// Close ends the session politely: nothing more is sent or received, the client
// polls what is queued and is then told code and reason. Closed is called when
// it was told, or stayed away for Config.CloseWait. Only the first call counts.
func (s *Session) Close(code uint16, reason string) {
	s.close(code, reason, (*poll.Session).Close)
}

// Refuse is Close in place of what is queued, which is lost.
func (s *Session) Refuse(code uint16, reason string) {
	s.close(code, reason, (*poll.Session).Refuse)
}

func (s *Session) close(code uint16, reason string, how func(*poll.Session, uint16, string) bool) {
	s.mu.Lock()
	first := how(&s.core, code, reason)
	if first {
		s.notify()
		s.freed()
	}
	s.mu.Unlock()
	if first {
		s.engine.sessions.close(s, time.Now())
	}
}

// CloseNow ends the session at once: what is queued is lost and the token is
// unknown from now on.
func (s *Session) CloseNow() {
	s.end(net.ErrClosed)
}

// expire ends a session whose time is over.
func (s *Session) expire() {
	s.mu.Lock()
	var cause error = ErrExpired
	if code, reason := s.core.CloseReason(); s.core.Closing() {
		cause = &CloseError{Code: code, Reason: reason}
	}
	s.mu.Unlock()
	s.finish(cause)
}

// end ends the session for a cause and forgets its token.
func (s *Session) end(cause error) {
	s.engine.sessions.remove(s)
	s.finish(cause)
}

// finish ends the session and lets the handler know, once it is idle.
func (s *Session) finish(cause error) {
	s.mu.Lock()
	if !s.ended {
		s.ended = true
		s.cause = cause
		s.core.Abort()
		s.notify()
		s.freed()
	}
	tell := s.tell()
	s.mu.Unlock()
	if tell {
		s.callClosed()
	}
}

// rest marks the handler as idle, and calls Closed if the session ended meanwhile.
func (s *Session) rest() {
	s.mu.Lock()
	s.running = false
	s.current = nil
	tell := s.tell()
	s.mu.Unlock()
	if tell {
		s.callClosed()
	}
}

// tell reports whether Closed is due. It does so once. The caller holds mu.
func (s *Session) tell() bool {
	if !s.ended || s.running || s.told {
		return false
	}
	s.told = true
	return true
}

// callClosed calls Closed on a goroutine of its own, which ends with that call:
// the caller may be the server's clock, or a request whose answer must go out.
func (s *Session) callClosed() {
	go func() {
		defer s.engine.sessions.gone()
		s.handler.Closed(s.cause)
	}()
}

// notify lets the newest poll look again. The caller holds mu.
func (s *Session) notify() {
	if s.wake == nil {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default: // it has not looked since the last time
	}
}

// freed lets those look again who wait for space. The caller holds mu.
func (s *Session) freed() {
	if s.space != nil {
		close(s.space)
		s.space = nil
	}
}
