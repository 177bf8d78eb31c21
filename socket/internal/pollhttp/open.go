package pollhttp

import (
	"net/http"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/poll"
)

// openBody is how much of the body of an opening request may be read.
const openBody = 4 << 10

// opened is the answer that opens a session.
type opened struct {
	Version int         `json:"v"`
	ID      string      `json:"id"`
	Token   string      `json:"token"`
	Wait    int64       `json:"wait"`
	Limit   openedLimit `json:"limit"`
}

type openedLimit struct {
	Messages int `json:"messages"`
	Bytes    int `json:"bytes"`
	Message  int `json:"message"`
}

// open serves a POST without a token: it makes a session.
func (e *Engine) open(w http.ResponseWriter, r *http.Request) {
	if !e.sessions.admit() {
		(&Refusal{
			Status: http.StatusServiceUnavailable,
			Reason: "the server is shutting down",
			Header: http.Header{"Retry-After": {"5"}},
		}).write(w)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, openBody)
	token, key := newToken()
	s := newSession(e, e.config.NewID(), key)
	s.running = true // so that Closed is not called before Open has returned
	s.answer = w.Header()
	handler, err := e.admitted(s, r)
	s.answer = nil
	if err != nil {
		refusalOf(err, http.StatusInternalServerError, "the session could not be opened").write(w)
		return
	}
	s.handler = handler
	now := time.Now()
	if e.sessions.add(s, now) {
		s.Close(1001, "the server is shutting down")
	}
	s.mu.Lock()
	closing, ended := s.core.Closing(), s.ended
	s.mu.Unlock()
	if closing {
		e.sessions.close(s, now)
	}
	if ended {
		e.sessions.remove(s)
	}
	s.rest()
	l := s.limits()
	writeJSON(w, http.StatusOK, opened{
		Version: 1,
		ID:      s.id,
		Token:   token,
		Wait:    e.config.Wait.Milliseconds(),
		Limit:   openedLimit{Messages: l.Messages, Bytes: l.Body, Message: l.Message},
	})
}

// admitted calls Open and counts the session out again if that refuses or panics.
func (e *Engine) admitted(s *Session, r *http.Request) (handler Handler, err error) {
	defer func() {
		if handler == nil {
			s.refuse()
			e.sessions.gone()
		}
	}()
	handler, err = e.config.Open(s, r)
	if handler == nil && err == nil {
		panic("pollhttp: Config.Open returned neither a handler nor an error")
	}
	if err != nil {
		handler = nil
	}
	return handler, err
}

// AnswerHeader returns the header of the answer that opens the session, for
// [Config.Open] to add to, and nil once that has returned.
func (s *Session) AnswerHeader() http.Header { return s.answer }

// AllowExtra lets messages come that are larger by [Config.Extra]. It is for
// [Config.Open].
func (s *Session) AllowExtra() { s.extra = true }

// limits returns the bounds of the bodies of the client.
func (s *Session) limits() poll.Limits {
	l := s.engine.config.Limits
	if s.extra && l.Message >= 0 {
		l.Message += s.engine.config.Extra
	}
	return l
}

// refuse ends a session that never was.
func (s *Session) refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.told = true, true
	s.core.Abort()
	s.freed()
}
