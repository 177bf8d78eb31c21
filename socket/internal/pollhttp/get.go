package pollhttp

import (
	"net/http"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/poll"
)

// seqHeader carries the number of the first message of an answer.
const seqHeader = "Socket-Seq"

// poll serves a GET: it answers with what is queued, or holds the request until
// there is something.
func (e *Engine) poll(w http.ResponseWriter, r *http.Request, s *Session, q query) {
	if !q.ack.given {
		badRequest("the parameter ack is missing").write(w)
		return
	}
	if r.ContentLength != 0 {
		badRequest("a poll has no body").write(w)
		return
	}
	wait := e.config.Wait
	if q.wait.given {
		wait = min(wait, time.Duration(min(q.wait.value, uint64(wait/time.Millisecond)))*time.Millisecond)
	}
	// The timeouts of the http.Server count from the request on and would cut a
	// poll that is held: it gets its own. Writers without deadlines have none to
	// move, so the errors do not matter.
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Time{})
	control.SetWriteDeadline(time.Now().Add(wait + e.config.WriteTimeout))

	generation, wake, err := s.beginPoll(q.ack.value)
	if err != nil {
		conflict(err).write(w)
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		answer, first, batch := s.nextAnswer(generation)
		switch answer {
		case poll.AnswerMessages:
			control.SetWriteDeadline(time.Now().Add(e.config.WriteTimeout))
			e.writeRecords(w, r, s, first, batch)
			return
		case poll.AnswerSuperseded:
			w.WriteHeader(http.StatusNoContent)
			return
		case poll.AnswerClosed:
			s.writeClosed(w)
			return
		}
		select {
		case <-wake:
		case <-timer.C:
			s.leavePoll(generation)
			w.WriteHeader(http.StatusNoContent)
			return
		case <-r.Context().Done():
			s.leavePoll(generation)
			w.WriteHeader(http.StatusNoContent) // in case somebody still listens
			return
		}
	}
}

// beginPoll starts a poll and lets the one before go.
func (s *Session) beginPoll(ack uint64) (generation uint64, wake <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, _ := s.core.Queued()
	generation, err = s.core.Poll(ack)
	if err != nil {
		return 0, nil, err
	}
	if after, _ := s.core.Queued(); after < before {
		s.freed()
		if f := s.shrunk; f != nil {
			s.shrunk = nil
			f()
		}
	}
	s.notify()
	s.wake = make(chan struct{}, 1)
	return generation, s.wake, nil
}

// nextAnswer returns what becomes of a poll now.
func (s *Session) nextAnswer(generation uint64) (poll.Answer, uint64, []Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.Next(generation, nil)
}

// leavePoll takes a poll back.
func (s *Session) leavePoll(generation uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.core.Leave(generation)
}

// writeClosed tells the client that the session has ended, and the handler that
// the client was told.
func (s *Session) writeClosed(w http.ResponseWriter) {
	s.mu.Lock()
	code, reason := s.core.CloseReason()
	s.mu.Unlock()
	Closed(code, reason).write(w)
	s.finish(&CloseError{Code: code, Reason: reason})
}
