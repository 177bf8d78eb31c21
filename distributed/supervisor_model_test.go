package distributed_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

var supervisorSeed = flag.Uint64("supervisor.seed", 0, "the one seed that TestSupervisorDoesWhatTheModelDoes runs")

// supervisorModel is OTP's supervisor as a sequential program: what do_restart, restart, add_restart,
// terminate_children and start_children of supervisor.erl do, on lists.
type supervisorModel struct {
	spec     distributed.SupervisorSpec
	children []*supervisorModelChild
	times    []time.Duration // of restarts, the newest first
	now      time.Duration
	ended    bool
	fails    map[distributed.ProcessID]int
	notes    []string
}

type supervisorModelChild struct {
	id          distributed.ProcessID
	kind        distributed.Restart
	significant bool
	state       distributed.ChildState
}

func (m *supervisorModel) note(what string) { m.notes = append(m.notes, what) }

func (m *supervisorModel) find(id distributed.ProcessID) *supervisorModelChild {
	for _, c := range m.children {
		if c.id == id {
			return c
		}
	}
	return nil
}

func (m *supervisorModel) start(c *supervisorModelChild) bool {
	if m.fails[c.id] > 0 {
		m.fails[c.id]--
		m.note("!" + string(c.id))
		return false
	}
	m.note("+" + string(c.id))
	c.state = distributed.ChildRunning
	return true
}

// stop stops children, the last first, and forgets those that are temporary.
func (m *supervisorModel) stop(which []*supervisorModelChild) {
	for _, c := range slices.Backward(slices.Clone(which)) {
		if c.state == distributed.ChildRunning {
			m.note("-" + string(c.id))
		}
		c.state = distributed.ChildStopped
		if c.kind == distributed.Temporary {
			m.remove(c)
		}
	}
}

func (m *supervisorModel) remove(c *supervisorModelChild) {
	m.children = slices.DeleteFunc(m.children, func(x *supervisorModelChild) bool { return x == c })
}

func (m *supervisorModel) shutdown() {
	m.ended = true
	m.stop(m.children)
}

// end is the end of a child by itself.
func (m *supervisorModel) end(c *supervisorModelChild, ordered, silent bool) {
	if !silent {
		m.note("-" + string(c.id))
	}
	c.state = distributed.ChildStopped
	if c.kind == distributed.Permanent || c.kind == distributed.Transient && !ordered {
		m.restart(c)
		return
	}
	if c.kind == distributed.Temporary {
		m.remove(c)
	}
	others := slices.ContainsFunc(m.children, func(x *supervisorModelChild) bool {
		return x.significant && x.state != distributed.ChildStopped
	})
	auto := m.spec.AutoShutdown
	if c.significant && (auto == distributed.AnySignificant || auto == distributed.AllSignificant && !others) {
		m.shutdown()
	}
}

func (m *supervisorModel) addRestart() bool {
	times := []time.Duration{m.now}
	for _, t := range m.times {
		if t >= m.now-m.spec.RestartPeriod {
			times = append(times, t)
		}
	}
	m.times = times
	switch m.spec.MaxRestarts {
	case distributed.NoRestarts:
		return false
	case distributed.UnlimitedRestarts:
		return true
	}
	return len(times) <= m.spec.MaxRestarts
}

func (m *supervisorModel) restart(c *supervisorModelChild) {
	for {
		if !m.addRestart() {
			c.state = distributed.ChildStopped
			m.shutdown()
			return
		}
		c.state = distributed.ChildStopped
		again := []*supervisorModelChild{c}
		switch m.spec.Strategy {
		case distributed.OneForAll:
			again = m.children
		case distributed.RestForOne:
			again = m.children[slices.Index(m.children, c):]
		}
		again = slices.Clone(again)
		m.stop(again)
		again = slices.DeleteFunc(again, func(x *supervisorModelChild) bool { return m.find(x.id) != x })
		failed := slices.IndexFunc(again, func(x *supervisorModelChild) bool { return !m.start(x) })
		if failed < 0 {
			return
		}
		c = again[failed] // it is tried again
	}
}

func (m *supervisorModel) states() string {
	var out []string
	for _, c := range m.children {
		out = append(out, string(c.id)+":"+string(c.state))
	}
	return strings.Join(out, " ")
}

// ask does what somebody asks for, and returns the error.
func (m *supervisorModel) ask(what string, id distributed.ProcessID) error {
	c := m.find(id)
	switch {
	case what == "start" && c != nil:
		return distributed.ErrChildExists
	case what == "start":
		c = &supervisorModelChild{id: id, kind: kindOf(id), state: distributed.ChildStopped}
		if m.children = append(m.children, c); !m.start(c) {
			m.remove(c)
			return errBoom
		}
		return nil
	case c == nil:
		return distributed.ErrChildNotFound
	case what == "terminate":
		m.stop([]*supervisorModelChild{c})
		return nil
	case c.state == distributed.ChildRunning:
		return distributed.ErrChildRunning
	case what == "delete":
		m.remove(c)
	case !m.start(c):
		return errBoom
	}
	return nil
}

// kindOf makes the kind of a child that is started later from its name.
func kindOf(id distributed.ProcessID) distributed.Restart {
	return distributed.Restart(id[0] % 3)
}

func TestSupervisorDoesWhatTheModelDoes(t *testing.T) {
	first, n := rand.Uint64(), uint64(300)
	if *supervisorSeed != 0 {
		first, n = *supervisorSeed, 1
	}
	for seed := first; seed != first+n && !t.Failed(); seed++ {
		onStage(t, func(s *stage) {
			r := rand.New(rand.NewPCG(seed, 0))
			if trace, ok := s.compare(r); !ok {
				t.Errorf("-supervisor.seed=%d\n%s", seed, strings.Join(trace, "\n"))
			}
		})
	}
}

// compare plays a random trace to a supervisor and to the model.
func (s *stage) compare(r *rand.Rand) (trace []string, ok bool) {
	spec := distributed.SupervisorSpec{ID: "sup", Strategy: distributed.Strategy(r.IntN(3)),
		AutoShutdown:  distributed.AutoShutdown(r.IntN(3)),
		RestartPeriod: time.Duration(1+r.IntN(5)) * time.Second,
		MaxRestarts:   []int{distributed.NoRestarts, 1, 2, 3, 4, 8, distributed.UnlimitedRestarts}[r.IntN(7)]}
	m := &supervisorModel{spec: spec, fails: map[distributed.ProcessID]int{}}
	names := []distributed.ProcessID{"a", "b", "c", "d", "e", "f"}
	for _, id := range names[:1+r.IntN(5)] {
		c := &supervisorModelChild{id: id, kind: distributed.Restart(r.IntN(3))}
		c.significant = c.kind != distributed.Permanent && spec.AutoShutdown != distributed.NeverShutdown && r.IntN(3) == 0
		m.children = append(m.children, c)
		p := s.child(id)
		p.Restart, p.Significant = c.kind, c.significant
		spec.Processes = append(spec.Processes, p)
	}
	sup := s.startSpec(spec)
	for _, c := range m.children {
		m.start(c)
	}
	trace = append(trace, fmt.Sprintf("strategy %d, auto %d, %d in %v",
		spec.Strategy, spec.AutoShutdown, spec.MaxRestarts, spec.RestartPeriod))
	for _, c := range m.children {
		trace = append(trace, fmt.Sprintf("child %+v", *c))
	}
	for range 40 {
		event, err, want := s.step(r, m, sup, names)
		synctest.Wait()
		s.mu.Lock()
		got := strings.Join(s.notes, " ")
		s.notes = nil
		s.mu.Unlock()
		model := strings.Join(m.notes, " ")
		m.notes = nil
		trace = append(trace, fmt.Sprintf("%s: %s", event, got))
		if got != model || !errors.Is(err, want) {
			return append(trace, fmt.Sprintf("want %s; error %v, want %v", model, err, want)), false
		}
		if _, there := s.n.Whereis("sup"); there == m.ended {
			return append(trace, fmt.Sprintf("ended %v, want %v", !there, m.ended)), false
		}
		if m.ended {
			return trace, true
		}
		if got, want := s.states(sup), m.states(); got != want {
			return append(trace, fmt.Sprintf("states %s, want %s", got, want)), false
		}
	}
	return trace, true
}

// step does one thing to both.
func (s *stage) step(
	r *rand.Rand, m *supervisorModel, sup *distributed.Supervisor, names []distributed.ProcessID,
) (event string, err, want error) {
	id := names[r.IntN(len(names))]
	c := m.find(id)
	running := c != nil && c.state == distributed.ChildRunning
	what := []string{"sleep", "fail", "crash", "crash", "crash", "normal", "shutdown", "kill",
		"start", "terminate", "restart", "delete"}[r.IntN(12)]
	event = what + " " + string(id)
	switch what {
	case "sleep":
		d := time.Duration(r.IntN(4)) * time.Second
		time.Sleep(d)
		m.now += d
	case "fail":
		n := r.IntN(4)
		m.fails[id] = n
		s.mu.Lock()
		s.fails[id] = n
		s.mu.Unlock()
		event += fmt.Sprint(" ", n)
	case "start":
		p := s.child(id)
		p.Restart = kindOf(id)
		_, err = sup.StartChild(s.ctx, p)
		want = m.ask(what, id)
	case "terminate":
		err, want = sup.TerminateChild(s.ctx, id), m.ask(what, id)
	case "delete":
		err, want = sup.DeleteChild(s.ctx, id), m.ask(what, id)
	case "restart":
		_, err = sup.RestartChild(s.ctx, id)
		want = m.ask(what, id)
	case "kill":
		if running {
			s.n.Kill(id)
			m.end(c, false, true)
		}
	default:
		reason := map[string]error{"crash": errBoom, "normal": distributed.ErrNormal,
			"shutdown": distributed.ErrShutdown}[what]
		if running {
			s.end(id, reason)
			m.end(c, reason != errBoom, false)
		}
	}
	return event, err, want
}
