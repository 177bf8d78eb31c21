package distributed_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/kleeedolinux/socket.go/distributed"
)

var errBoom = errors.New("boom")

// stage is a node with supervised processes that note down when they start and end.
type stage struct {
	*testing.T
	n   *distributed.Node
	ctx context.Context

	mu    sync.Mutex // guards the fields below
	notes []string
	fails map[distributed.ProcessID]int // starts that are still to fail
	none  map[distributed.ProcessID]bool
}

// onStage runs a test in a bubble. Every process has to have ended at its end.
func onStage(t *testing.T, test func(s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{T: t, n: newNode(t), ctx: t.Context()}
		s.fails, s.none = map[distributed.ProcessID]int{}, map[distributed.ProcessID]bool{}
		test(s)
		s.n.Stop()
		synctest.Wait()
		if st := s.n.Stats(); st.Processes != 0 || st.Zombies != 0 {
			t.Errorf("at the end: %+v", st)
		}
	})
}

func (s *stage) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, what)
}

// want compares what was noted since the last time, once nothing happens any more.
func (s *stage) want(notes string) {
	s.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := strings.Join(s.notes, " "); got != notes {
		s.Errorf("noted %q, want %q", got, notes)
	}
	s.notes = nil
}

// act is what the processes are sent.
type act func(p *distributed.Process) error

// actor is a process on the stage.
type actor struct {
	s    *stage
	id   distributed.ProcessID
	init act
	end  func(p *distributed.Process)
}

func (a *actor) Init(p *distributed.Process) error {
	a.s.mu.Lock()
	failing := a.s.fails[a.id] > 0
	if failing {
		a.s.fails[a.id]--
	}
	none := a.s.none[a.id]
	a.s.mu.Unlock()
	switch {
	case failing:
		a.s.note("!" + string(a.id))
		return errBoom
	case none:
		return distributed.ErrIgnore
	case a.init != nil:
		if err := a.init(p); err != nil {
			return err
		}
	}
	a.s.note("+" + string(a.id))
	return nil
}

func (a *actor) Handle(p *distributed.Process, m act) error { return m(p) }

func (a *actor) Terminate(p *distributed.Process, _ error) {
	if a.end != nil {
		a.end(p)
	}
	a.s.note("-" + string(a.id))
}

// child is the spec of a process on the stage.
func (s *stage) child(id distributed.ProcessID, options ...func(*distributed.ProcessSpec)) distributed.ProcessSpec {
	return s.childDoing(&actor{id: id}, options...)
}

// childDoing is child with more to do.
func (s *stage) childDoing(like *actor, options ...func(*distributed.ProcessSpec)) distributed.ProcessSpec {
	spec := distributed.ProcessSpec{ID: like.id, Start: distributed.ChildOf(func() distributed.Handler[act] {
		a := *like
		a.s = s
		return &a
	})}
	for _, o := range options {
		o(&spec)
	}
	return spec
}

func transient(p *distributed.ProcessSpec)   { p.Restart = distributed.Transient }
func temporary(p *distributed.ProcessSpec)   { p.Restart = distributed.Temporary }
func significant(p *distributed.ProcessSpec) { p.Significant = true }

// start starts a supervisor named sup.
func (s *stage) start(strategy distributed.Strategy, children ...distributed.ProcessSpec) *distributed.Supervisor {
	s.Helper()
	return s.startSpec(distributed.SupervisorSpec{Strategy: strategy, MaxRestarts: 100, Processes: children})
}

func (s *stage) startSpec(spec distributed.SupervisorSpec) *distributed.Supervisor {
	s.Helper()
	if spec.ID == "" {
		spec.ID = "sup"
	}
	sup, err := distributed.NewSupervisor(spec, s.n)
	if err != nil {
		s.Fatal(err)
	}
	return sup
}

// send has a process do something.
func (s *stage) send(id distributed.ProcessID, a act) {
	s.Helper()
	if err := s.n.Send(id, a); err != nil {
		s.Errorf("send to %s: %v", id, err)
	}
}

// end has a process end with a reason.
func (s *stage) end(id distributed.ProcessID, reason error) {
	s.Helper()
	s.send(id, func(*distributed.Process) error { return reason })
}

// states are the children with their states, in order.
func (s *stage) states(sup *distributed.Supervisor) string {
	s.Helper()
	all, err := sup.WhichChildren(s.ctx)
	if err != nil {
		return err.Error()
	}
	var out []string
	for _, c := range all {
		out = append(out, string(c.ID)+":"+string(c.State))
	}
	return strings.Join(out, " ")
}

// wantStates compares them.
func (s *stage) wantStates(sup *distributed.Supervisor, want string) {
	s.Helper()
	synctest.Wait()
	if got := s.states(sup); got != want {
		s.Errorf("children %q, want %q", got, want)
	}
}

// ended returns the reason of a supervisor that has to have ended.
func (s *stage) ended(sup *distributed.Supervisor) error {
	s.Helper()
	synctest.Wait()
	if _, there := s.n.Whereis(sup.PID().ID()); there {
		s.Fatalf("the supervisor has not ended: %s", s.states(sup))
	}
	return sup.Wait(s.ctx)
}
