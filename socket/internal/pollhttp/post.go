package pollhttp

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/poll"
)

// post serves a POST with messages: it hands the new ones to the handler and
// answers how far the server has got.
func (e *Engine) post(w http.ResponseWriter, r *http.Request, s *Session, q query) {
	if !q.seq.given {
		badRequest("the parameter seq is missing").write(w)
		return
	}
	ctx := r.Context()
	if !acquire(ctx, s.slots) {
		cancelled.write(w)
		return
	}
	defer release(s.slots)
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(e.config.ReadTimeout))
	m := memory{engine: e}
	handed := false
	defer func() {
		if !handed {
			m.free()
		}
	}()
	body, refusal := e.readBody(w, r, &m)
	if refusal != nil {
		refusal.write(w)
		return
	}
	messages, err := poll.ParseRecords(nil, body, s.limits())
	if err != nil {
		malformed(err).write(w)
		return
	}
	m.must(binaries(messages))
	// The handler may take its time: nothing must cut the connection meanwhile.
	control.SetReadDeadline(time.Time{})
	control.SetWriteDeadline(time.Time{})
	if !acquire(ctx, s.turn) {
		cancelled.write(w)
		return
	}
	b, refusal := s.handOn(q.seq.value, messages, m)
	if refusal != nil {
		refusal.write(w)
		return
	}
	handed = true
	select {
	case <-b.done:
	case <-ctx.Done():
		cancelled.write(w) // the handler goes on; a repetition waits for it
		return
	}
	control.SetWriteDeadline(time.Now().Add(e.config.WriteTimeout))
	if b.refusal != nil {
		b.refusal.write(w)
		return
	}
	writeJSON(w, http.StatusOK, map[string]uint64{"ack": b.received})
}

// cancelled answers a request whose client has gone, in case somebody still
// listens: the messages were perhaps not taken.
var cancelled = &Refusal{Status: http.StatusServiceUnavailable, Reason: "the request was cancelled"}

// batch is the messages of a POST on their way to the handler.
type batch struct {
	done chan struct{} // closed when the handler has seen them

	// Guarded by the session's mu, and fixed once done is closed:
	messages []Message // those that it has not seen
	memory   memory    // that they lie in
	runners  int       // goroutines inside run
	runner   int       // the goroutine whose turn it is, counted by HandOff
	calling  bool      // it is in a call of the handler
	received uint64    // the acknowledgement
	refusal  *Refusal  // why the rest was not taken; nil if all was
}

// handOn begins to give the messages that are new to the handler. The caller has
// the turn and the memory, which are passed on to the batch; with a refusal the
// turn is given back.
func (s *Session) handOn(first uint64, messages []Message, m memory) (*batch, *Refusal) {
	b := &batch{done: make(chan struct{}), memory: m, runners: 1}
	s.mu.Lock()
	skip, err := s.core.Skip(first, len(messages))
	if err == nil {
		b.messages = messages[skip:]
		s.current, s.running = b, true
	}
	s.mu.Unlock()
	if err != nil {
		release(s.turn)
		return nil, s.notTaken(err)
	}
	// A goroutine of the batch, so that the POST can be answered, or given up by
	// its client, while a handler that called HandOff still runs. It ends with
	// the last call to the handler; finish counts on it.
	s.engine.sessions.hold(s)
	go s.run(b, 0)
	return b, nil
}

// run calls the handler for the messages of b, as the goroutine whose turn it is
// while b.runner is mine.
func (s *Session) run(b *batch, mine int) {
	calling := false
	defer func() {
		if calling {
			// The handler has ended its goroutine (runtime.Goexit), and nothing
			// else: a fresh one goes on.
			go s.run(b, mine)
			return
		}
		s.leaveBatch(b)
	}()
	for {
		s.mu.Lock()
		if b.runner != mine {
			s.mu.Unlock()
			return // HandOff passed the rest on
		}
		b.calling = false
		if len(b.messages) == 0 {
			b.received = s.core.Received()
			s.mu.Unlock()
			break
		}
		if err := s.core.Take(); err != nil {
			s.mu.Unlock()
			b.refusal = s.notTaken(err)
			break
		}
		m := b.messages[0]
		b.messages = b.messages[1:]
		b.calling = true
		s.mu.Unlock()
		calling = true
		s.handler.Message(m)
		calling = false
	}
	s.rest()
	close(b.done)
	release(s.turn)
	s.engine.sessions.end(s)
}

// leaveBatch counts a goroutine of b out. With the last one nobody holds its
// messages any more.
func (s *Session) leaveBatch(b *batch) {
	s.mu.Lock()
	b.runners--
	last := b.runners == 0
	s.mu.Unlock()
	if last {
		b.memory.free()
	}
}

// HandOff lets messages go on being handed on while the handler is still inside
// Message: a fresh goroutine takes over, and the POST is answered once it is
// through. Whoever calls it keeps the order of messages itself from there on. It
// reports whether there was a call to overtake.
func (s *Session) HandOff() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.current
	if b == nil || !b.calling {
		return false
	}
	b.calling = false
	b.runner++
	b.runners++
	go s.run(b, b.runner)
	return true
}

// notTaken returns the refusal of messages that were not handed on.
func (s *Session) notTaken(err error) *Refusal {
	var order *poll.OrderError
	switch {
	case errors.Is(err, poll.ErrClosed):
		s.mu.Lock()
		defer s.mu.Unlock()
		return Closed(s.core.CloseReason())
	case errors.As(err, &order):
		r := conflict(err)
		r.more = map[string]any{"ack": order.Want - 1}
		return r
	}
	return malformed(err)
}

// malformed returns the refusal of a body or a number.
func malformed(err error) *Refusal {
	status := http.StatusBadRequest
	var l *poll.LimitError
	if errors.As(err, &l) {
		status = http.StatusRequestEntityTooLarge
	}
	return &Refusal{Status: status, Reason: sentence(err)}
}

// conflict returns the refusal of numbers that contradict the session's state.
func conflict(err error) *Refusal {
	return &Refusal{Status: http.StatusConflict, Reason: sentence(err)}
}

// sentence returns the text of an error of package poll for the client. Those
// texts hold nothing of anybody's bytes.
func sentence(err error) string {
	const prefix = "poll: "
	return err.Error()[len(prefix):]
}

// acquire takes a place in the semaphore; false when ctx ends first.
func acquire(ctx context.Context, semaphore chan struct{}) bool {
	select {
	case semaphore <- struct{}{}:
		return true
	default:
	}
	select {
	case semaphore <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func release(semaphore chan struct{}) { <-semaphore }
