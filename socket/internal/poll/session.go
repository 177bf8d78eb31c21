package poll

// Session is the server's end of a long-polling session: what waits to be
// polled, what was received, the one poll that may be parked, and how the
// session closes. Use [NewSession].
//
// A poll is told by its generation. A new one supersedes the one before, which
// is then answered without messages, so that never two polls deliver the same.
type Session struct {
	out        Outbox
	in         Inbox
	answers    Limits
	generation uint64 // of the newest poll
	waiting    bool   // the newest poll is not answered yet
	phase      phase
	code       uint16
	reason     string
}

// phase is how far the session is on its way to the end.
type phase uint8

const (
	phaseOpen    phase = iota
	phaseClosing       // what is queued may still be polled
	phaseClosed        // nothing is queued, and acknowledgements do not matter
)

// NewSession returns an open session whose queue has the limits queue and whose
// answers are bounded by answers.
func NewSession(queue QueueLimits, answers Limits) Session {
	return Session{out: NewOutbox(queue), answers: answers}
}

// Push queues a message for the client. It returns [ErrFull], [ErrTooLarge], or
// [ErrClosed] once the session closes. When Waiting reports true, the shell lets
// the parked poll look again.
func (s *Session) Push(m Message) error {
	if s.phase != phaseOpen {
		return ErrClosed
	}
	return s.out.Push(m)
}

// Waiting reports whether a poll waits for an answer.
func (s *Session) Waiting() bool { return s.waiting }

// Queued returns the number of messages that the client has not acknowledged
// and the sum of their payloads.
func (s *Session) Queued() (messages, bytes int) { return s.out.Len(), s.out.Bytes() }

// Poll begins a poll that acknowledges the messages up to ack, and returns its
// generation. It supersedes the poll before. A refused one, whose acknowledgement
// cannot be, changes nothing.
func (s *Session) Poll(ack uint64) (generation uint64, err error) {
	if s.phase != phaseClosed {
		if err := s.out.Ack(ack); err != nil {
			return 0, err
		}
	}
	s.generation++
	s.waiting = true
	return s.generation, nil
}

// Answer says what becomes of a poll.
type Answer uint8

const (
	// AnswerNothing leaves the poll parked: there is nothing to say yet.
	AnswerNothing Answer = iota
	// AnswerMessages ends the poll with messages.
	AnswerMessages
	// AnswerSuperseded ends the poll without messages: a newer one has come.
	AnswerSuperseded
	// AnswerClosed ends the poll, and the session: the client has everything.
	AnswerClosed
)

// Next returns what becomes of the poll of this generation now. With
// [AnswerMessages] it appends to dst the messages to send, the first of which
// has the number first; they count as delivered when a later poll acknowledges
// them. The shell calls it when the poll begins and whenever something happened.
func (s *Session) Next(generation uint64, dst []Message) (a Answer, first uint64, batch []Message) {
	switch {
	case generation != s.generation || !s.waiting:
		return AnswerSuperseded, 0, dst
	case s.phase != phaseClosed && s.out.Len() > 0:
		s.waiting = false
		first, batch = s.out.Batch(dst, s.answers)
		return AnswerMessages, first, batch
	case s.phase != phaseOpen:
		s.waiting = false
		s.phase = phaseClosed
		return AnswerClosed, 0, dst
	}
	return AnswerNothing, 0, dst
}

// Leave takes back the poll of this generation: its time is over or its client
// has gone. What is queued stays queued.
func (s *Session) Leave(generation uint64) {
	if generation == s.generation {
		s.waiting = false
	}
}

// Skip returns how many of n messages that came, numbered from first on, were
// taken before and must be passed over. It returns an [*OrderError] when there
// is a gap, and [ErrClosed] once the session closes.
func (s *Session) Skip(first uint64, n int) (int, error) {
	if s.phase != phaseOpen {
		return 0, ErrClosed
	}
	return s.in.Skip(first, n)
}

// Take counts the next message as received. It returns [ErrClosed], and the
// message must not be handed on, once the session closes.
func (s *Session) Take() error {
	if s.phase != phaseOpen {
		return ErrClosed
	}
	s.in.Take()
	return nil
}

// Received returns the number of the last message that was taken.
func (s *Session) Received() uint64 { return s.in.Last() }

// Close lets the session end politely: it takes no more messages in either
// direction, and the client learns code and reason when it has polled what is
// queued. It reports false, and changes nothing, when the session closes already.
func (s *Session) Close(code uint16, reason string) bool {
	if s.phase != phaseOpen {
		return false
	}
	s.phase = phaseClosing
	s.code, s.reason = code, reason
	return true
}

// Refuse is Close in place of what is queued, which is forgotten.
func (s *Session) Refuse(code uint16, reason string) bool {
	if !s.Close(code, reason) {
		return false
	}
	s.Abort()
	return true
}

// Abort ends the session at once and forgets what is queued.
func (s *Session) Abort() {
	s.phase = phaseClosed
	s.out.Drop()
}

// Closing reports whether the session takes no more messages.
func (s *Session) Closing() bool { return s.phase != phaseOpen }

// Closed reports whether the session has ended.
func (s *Session) Closed() bool { return s.phase == phaseClosed }

// CloseReason returns what Close was given; 0 and "" when it was not called.
func (s *Session) CloseReason() (code uint16, reason string) { return s.code, s.reason }
