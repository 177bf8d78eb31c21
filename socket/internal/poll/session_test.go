package poll_test

import (
	"errors"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/poll"
)

// server is a session under test.
type server struct {
	t *testing.T
	poll.Session
}

func newServer(t *testing.T) *server {
	return &server{t, poll.NewSession(poll.QueueLimits{}, poll.Limits{})}
}

func (s *server) push(texts ...string) {
	s.t.Helper()
	for _, x := range texts {
		if err := s.Push(text(x)); err != nil {
			s.t.Fatalf("Push(%q) = %v", x, err)
		}
	}
}

func (s *server) poll(ack uint64) uint64 {
	s.t.Helper()
	generation, err := s.Poll(ack)
	if err != nil {
		s.t.Fatalf("Poll(%d) = %v", ack, err)
	}
	return generation
}

// want checks what becomes of a poll.
func (s *server) want(generation uint64, a poll.Answer, first uint64, texts ...string) {
	s.t.Helper()
	got, gotFirst, batch := s.Next(generation, nil)
	var messages []poll.Message
	for _, x := range texts {
		messages = append(messages, text(x))
	}
	if got != a || gotFirst != first || !equal(batch, messages) {
		s.t.Errorf("Next = %v, %d, %q, want %v, %d, %q", got, gotFirst, batch, a, first, messages)
	}
}

func TestSessionAnswersAPollWithWhatIsQueued(t *testing.T) {
	s := newServer(t)
	s.push("1", "2")
	s.want(s.poll(0), poll.AnswerMessages, 1, "1", "2")
}

func TestSessionParksAPollUntilThereIsAMessage(t *testing.T) {
	s := newServer(t)
	p := s.poll(0)
	s.want(p, poll.AnswerNothing, 0)
	if !s.Waiting() {
		t.Error("no poll is waiting")
	}
	s.push("1")
	s.want(p, poll.AnswerMessages, 1, "1")
	if s.Waiting() {
		t.Error("the answered poll is waiting")
	}
}

func TestSessionSendsALostAnswerAgain(t *testing.T) {
	s := newServer(t)
	s.push("1", "2")
	s.want(s.poll(0), poll.AnswerMessages, 1, "1", "2")
	s.push("3")
	s.want(s.poll(0), poll.AnswerMessages, 1, "1", "2", "3")
	s.want(s.poll(2), poll.AnswerMessages, 3, "3")
	s.want(s.poll(3), poll.AnswerNothing, 0)
}

func TestSessionNewPollSupersedesTheParkedOne(t *testing.T) {
	s := newServer(t)
	first := s.poll(0)
	second := s.poll(0)
	s.push("1")
	s.want(first, poll.AnswerSuperseded, 0)
	s.want(second, poll.AnswerMessages, 1, "1")
	s.want(second, poll.AnswerSuperseded, 0) // it is answered already
}

func TestSessionRefusedPollLeavesTheParkedOneAlone(t *testing.T) {
	s := newServer(t)
	p := s.poll(0)
	if _, err := s.Poll(7); err == nil {
		t.Fatal("Poll(7) = nil")
	}
	s.push("1")
	s.want(p, poll.AnswerMessages, 1, "1")
}

func TestSessionPollThatIsLeftKeepsTheMessages(t *testing.T) {
	s := newServer(t)
	p := s.poll(0)
	s.Leave(p)
	if s.Waiting() {
		t.Error("a poll is waiting after Leave")
	}
	s.push("1")
	s.want(p, poll.AnswerSuperseded, 0)
	s.want(s.poll(0), poll.AnswerMessages, 1, "1")
}

func TestSessionLeaveOfAnOldPollLeavesTheNewOneAlone(t *testing.T) {
	s := newServer(t)
	first, second := s.poll(0), s.poll(0)
	s.Leave(first)
	s.push("1")
	s.want(second, poll.AnswerMessages, 1, "1")
}

func TestSessionCloseLetsTheClientPollWhatIsQueuedFirst(t *testing.T) {
	s := newServer(t)
	s.push("1")
	if !s.Close(1001, "maintenance") || s.Close(1000, "again") {
		t.Error("not exactly the first Close counted")
	}
	if err := s.Push(text("2")); !errors.Is(err, poll.ErrClosed) {
		t.Errorf("Push after Close = %v", err)
	}
	s.want(s.poll(0), poll.AnswerMessages, 1, "1")
	if s.Closed() {
		t.Error("closed before the last message was acknowledged")
	}
	s.want(s.poll(0), poll.AnswerMessages, 1, "1")
	s.want(s.poll(1), poll.AnswerClosed, 0)
	if !s.Closed() {
		t.Error("not closed")
	}
	s.want(s.poll(1), poll.AnswerClosed, 0) // the answer was lost
	if code, reason := s.CloseReason(); code != 1001 || reason != "maintenance" {
		t.Errorf("CloseReason = %d, %q", code, reason)
	}
}

func TestSessionCloseAnswersAParkedPoll(t *testing.T) {
	s := newServer(t)
	p := s.poll(0)
	s.Close(1000, "")
	s.want(p, poll.AnswerClosed, 0)
}

func TestSessionRefuseForgetsWhatIsQueued(t *testing.T) {
	s := newServer(t)
	s.push("1", "2")
	p := s.poll(0)
	s.Refuse(1013, "slow consumer")
	s.want(p, poll.AnswerClosed, 0)
	s.want(s.poll(0), poll.AnswerClosed, 0) // it has acknowledged nothing, which is fine
}

func TestSessionAbortAnswersAParkedPoll(t *testing.T) {
	s := newServer(t)
	p := s.poll(0)
	s.push("1")
	s.Abort()
	s.want(p, poll.AnswerClosed, 0)
	if n, size := s.Queued(); n != 0 || size != 0 {
		t.Errorf("%d messages, %d bytes are left", n, size)
	}
}

func TestSessionRecognisesAResentPost(t *testing.T) {
	s := newServer(t)
	if skip, err := s.Skip(1, 2); skip != 0 || err != nil {
		t.Fatalf("Skip = %d, %v", skip, err)
	}
	for range 2 {
		if err := s.Take(); err != nil {
			t.Fatal(err)
		}
	}
	if skip, err := s.Skip(1, 3); skip != 2 || err != nil {
		t.Errorf("the POST again with a message more: Skip = %d, %v, want 2", skip, err)
	}
	if got := s.Received(); got != 2 {
		t.Errorf("Received = %d", got)
	}
	s.Close(1000, "")
	if _, err := s.Skip(3, 1); !errors.Is(err, poll.ErrClosed) {
		t.Errorf("Skip after Close = %v", err)
	}
	if err := s.Take(); !errors.Is(err, poll.ErrClosed) {
		t.Errorf("Take after Close = %v", err)
	}
}

func TestLifetime(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(int64(seconds), 0) }
	tests := []struct {
		name  string
		steps func(l *poll.Lifetime)
		dead  int // the first second at which the session is dead; 0: never
	}{
		{"never asked about", func(l *poll.Lifetime) {}, 25},
		{"a request ended", func(l *poll.Lifetime) { l.Begin(); l.End(at(10)) }, 35},
		{"a request in flight", func(l *poll.Lifetime) { l.Begin() }, 0},
		{"one of two requests ended", func(l *poll.Lifetime) { l.Begin(); l.Begin(); l.End(at(10)) }, 0},
		{"closing", func(l *poll.Lifetime) { l.Close(at(3)) }, 8},
		{"closing twice", func(l *poll.Lifetime) { l.Close(at(3)); l.Close(at(7)) }, 8},
		{"closing with a request in flight", func(l *poll.Lifetime) { l.Begin(); l.Close(at(3)) }, 8},
		{"closing and then a request", func(l *poll.Lifetime) { l.Close(at(3)); l.Begin(); l.End(at(6)) }, 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := poll.Lifetime{Expiry: 25 * time.Second, Linger: 5 * time.Second}
			l.Start(at(0))
			tt.steps(&l)
			first := 0
			for s := range 1000 {
				if l.Dead(at(s)) {
					first = s
					break
				}
			}
			if first != tt.dead {
				t.Errorf("dead at second %d, want %d", first, tt.dead)
			}
		})
	}
}
