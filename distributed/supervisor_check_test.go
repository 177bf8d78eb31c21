package distributed_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

func TestSpecThatMakesNoSenseIsRefused(t *testing.T) {
	run := distributed.ProcessFunc(func(context.Context, distributed.ProcessID, *distributed.Node, interface{}) error { return nil })
	serve := func(context.Context) error { return nil }
	one := func(p distributed.ProcessSpec) distributed.SupervisorSpec {
		return distributed.SupervisorSpec{ID: "sup", Processes: []distributed.ProcessSpec{p}}
	}
	for _, tt := range []struct {
		name string
		spec distributed.SupervisorSpec
		want string
	}{
		{"no ID", distributed.SupervisorSpec{}, `supervisor "": no ID`},
		{"an ID that is no name", distributed.SupervisorSpec{ID: "a@b"}, `supervisor "a@b": its ID is no name`},
		{"unknown strategy", distributed.SupervisorSpec{ID: "sup", Strategy: 77}, `there is no Strategy 77`},
		{"unknown auto shutdown", distributed.SupervisorSpec{ID: "sup", AutoShutdown: 3}, `there is no AutoShutdown 3`},
		{"negative restarts", distributed.SupervisorSpec{ID: "sup", MaxRestarts: -2}, `MaxRestarts is -2`},
		{"negative period", distributed.SupervisorSpec{ID: "sup", RestartPeriod: -1}, `RestartPeriod is -1ns`},
		{"two templates", distributed.SupervisorSpec{ID: "sup", Strategy: distributed.SimpleOneForOne,
			Processes: make([]distributed.ProcessSpec, 2)}, `has 2 Processes`},
		{"a template with an ID", distributed.SupervisorSpec{ID: "sup", Strategy: distributed.SimpleOneForOne,
			Processes: []distributed.ProcessSpec{{ID: "a", Function: run}}}, `child "a": the template has an ID`},
		{"child without an ID", one(distributed.ProcessSpec{Function: run}), `a child has no ID`},
		{"child with an ID that is no name",
			one(distributed.ProcessSpec{ID: "#1", Function: run}), `child "#1": its ID is no name`},
		{"duplicate ID",
			distributed.SupervisorSpec{ID: "sup", Processes: []distributed.ProcessSpec{{ID: "a", Function: run}, {ID: "a", Service: serve}}},
			`child "a": another one has the same ID`},
		{"nil function", one(distributed.ProcessSpec{ID: "a"}), `none of Function, Start, Service and Supervisor is set`},
		{"two kinds", one(distributed.ProcessSpec{ID: "a", Function: run, Service: serve}), `more than one of`},
		{"unknown restart", one(distributed.ProcessSpec{ID: "a", Function: run, Restart: 3}), `there is no Restart 3`},
		{"impossible shutdown", one(distributed.ProcessSpec{ID: "a", Function: run, Shutdown: -2}), `Shutdown is -2ns`},
		{"significant and permanent",
			one(distributed.ProcessSpec{ID: "a", Function: run, Significant: true}), `Significant and Permanent`},
		{"significant for nothing",
			one(distributed.ProcessSpec{ID: "a", Function: run, Significant: true, Restart: distributed.Transient}),
			`its supervisor has no AutoShutdown`},
		{"negative backoff",
			one(distributed.ProcessSpec{ID: "a", Function: run, Backoff: distributed.Backoff{Min: -1}}),
			`Backoff is -1ns`},
		{"backoff upside down",
			one(distributed.ProcessSpec{ID: "a", Function: run, Backoff: distributed.Backoff{Min: 2, Max: 1}}),
			`Backoff is 2ns, and 1ns at most`},
		{"supervisor with a time to stop",
			one(distributed.ProcessSpec{ID: "a", Supervisor: &distributed.SupervisorSpec{}, Shutdown: time.Second}),
			`the Shutdown of a supervisor is Infinity`},
		{"supervisor with options", one(distributed.ProcessSpec{ID: "a", Supervisor: &distributed.SupervisorSpec{},
			Options: []distributed.SpawnOption{distributed.WithPriority(distributed.PriorityHigh)}}), `a supervisor has no Options`},
		{"supervisor with two IDs",
			one(distributed.ProcessSpec{ID: "a", Supervisor: &distributed.SupervisorSpec{ID: "b"}}), `another ID, "b"`},
		{"deep below",
			one(distributed.ProcessSpec{ID: "a", Supervisor: &distributed.SupervisorSpec{Processes: []distributed.ProcessSpec{{ID: "x"}}}}),
			`supervisor "a": child "x": none of`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t)
			_, err := distributed.NewSupervisor(tt.spec, n)
			var se *distributed.SpecError
			if !errors.As(err, &se) || !contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
			if s := n.Stats(); s.Spawned != 0 {
				t.Errorf("%d processes were spawned", s.Spawned)
			}
		})
	}
}

func TestSupervisorNeedsItsName(t *testing.T) {
	onStage(t, func(s *stage) {
		s.start(distributed.OneForOne, s.child("a"))
		if _, err := distributed.NewSupervisor(distributed.SupervisorSpec{ID: "sup"}, s.n); err != distributed.ErrNameTaken {
			t.Error(err)
		}
		_, err := distributed.NewSupervisor(distributed.SupervisorSpec{ID: "other", Processes: []distributed.ProcessSpec{s.child("a")}}, s.n)
		if !errors.Is(err, distributed.ErrNameTaken) || !contains(err.Error(), `"a"`) {
			t.Error(err)
		}
	})
}

func TestSpecMayBeChangedOnceItWasUsed(t *testing.T) {
	onStage(t, func(s *stage) {
		below := &distributed.SupervisorSpec{ID: "below", Processes: []distributed.ProcessSpec{s.child("b")}}
		spec := distributed.SupervisorSpec{MaxRestarts: 2, Processes: []distributed.ProcessSpec{s.child("a"), {Supervisor: below}}}
		sup := s.startSpec(spec)
		spec.Processes[0], below.Processes[0] = distributed.ProcessSpec{}, distributed.ProcessSpec{}
		s.end("a", errBoom)
		s.want("+a +b -a +a")
		s.n.Kill("below")
		s.want("+b")
		s.wantStates(sup, "a:running below:running")
	})
}
