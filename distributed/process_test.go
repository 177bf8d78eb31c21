package distributed_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/kleeedolinux/socket.go/distributed"
)

// inBubble runs a test in virtual time, with a node that has ended when the test has.
func inBubble(t *testing.T, f func(t *testing.T, n *distributed.Node), opts ...distributed.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, opts...)
		f(t, n)
		n.Stop()
		synctest.Wait()
		if s := n.Stats(); s.Processes != 0 || s.Zombies != 0 {
			t.Errorf("left at the end: %+v", s)
		}
	})
}

// do is a message that has a process run a function as its handler.
type do func(p *distributed.Process) error

// subject is a process that does what it is told by a do, and notes all else that it gets.
type subject struct {
	*distributed.Process
	ref   distributed.Ref[any]
	notes []any
	on    func(m any) // called instead of noting m; nil: note it
	ended []error     // what Terminate was called with
	onEnd func()      // called in Terminate; nil: nothing
}

// Init has the test know the process.
func (s *subject) Init(p *distributed.Process) error { s.Process = p; return nil }

func (s *subject) Handle(p *distributed.Process, m any) error {
	if f, ok := m.(do); ok {
		return f(p)
	}
	if s.on != nil {
		s.on(m)
		return nil
	}
	s.notes = append(s.notes, m)
	return nil
}

func (s *subject) Terminate(p *distributed.Process, reason error) {
	s.ended = append(s.ended, reason)
	if s.onEnd != nil {
		s.onEnd()
	}
}

// spawn starts a subject.
func spawn(t *testing.T, n *distributed.Node, opts ...distributed.SpawnOption) *subject {
	t.Helper()
	s := new(subject)
	r, err := distributed.SpawnHandler[any](n, s, opts...)
	if err != nil {
		t.Fatal(err)
	}
	s.ref = r
	return s
}

// does has the subject run f as its handler, and waits until everything is at rest.
func (s *subject) does(t *testing.T, f func(p *distributed.Process)) {
	t.Helper()
	s.ends(t, func(p *distributed.Process) error { f(p); return nil })
}

// ends is does for a handler that returns an error.
func (s *subject) ends(t *testing.T, f func(p *distributed.Process) error) {
	t.Helper()
	if err := s.ref.Send(do(f)); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// hold keeps the subject busy until release is called or it has to end.
func (s *subject) hold(t *testing.T) (release func()) {
	t.Helper()
	c := make(chan struct{})
	s.does(t, func(p *distributed.Process) {
		select {
		case <-c:
		case <-p.Done():
		}
	})
	return func() { close(c); synctest.Wait() }
}

// got returns the notes, Downs and Exits as their reasons, and forgets them.
func (s *subject) got() string {
	synctest.Wait()
	var out []any
	for _, m := range s.notes {
		switch m := m.(type) {
		case distributed.Down:
			out = append(out, fmt.Sprintf("down:%v", m.Reason))
		case distributed.Exit:
			out = append(out, fmt.Sprintf("exit:%v", m.Reason))
		default:
			out = append(out, m)
		}
	}
	s.notes = nil
	return fmt.Sprint(out)
}

// reason returns why a process has ended, nil if it has not.
func (s *subject) reason() error {
	synctest.Wait()
	if s.Err() == nil {
		return nil
	}
	return context.Cause(s)
}

func (s *subject) wantNotes(t *testing.T, what, want string) {
	t.Helper()
	if got := s.got(); got != want {
		t.Errorf("%s: got %s, want %s", what, got, want)
	}
}
