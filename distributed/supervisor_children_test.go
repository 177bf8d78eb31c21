package distributed_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

func TestChildrenThatAreStartedLater(t *testing.T) {
	onStage(t, func(s *stage) {
		sup := s.start(distributed.RestForOne, s.child("a"))
		check := func(what string, err, want error) {
			t.Helper()
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		id, err := sup.StartChild(s.ctx, s.child("b"))
		check("start", err, nil)
		if id != "b" {
			t.Errorf("address %q", id)
		}
		s.fails["c"] = 1
		_, err = sup.StartChild(s.ctx, s.child("c"))
		check("start of one that fails", err, errBoom)
		_, err = sup.StartChild(s.ctx, s.child("b"))
		check("start of one that runs", err, distributed.ErrChildExists)
		_, err = sup.StartChild(s.ctx, distributed.ProcessSpec{ID: "x"})
		var bad *distributed.SpecError
		if !errors.As(err, &bad) || bad.Process != "x" {
			t.Errorf("start of nothing: %v", err)
		}
		s.want("+a +b !c")
		s.wantStates(sup, "a:running b:running")

		_, err = sup.RestartChild(s.ctx, "b")
		check("restart of one that runs", err, distributed.ErrChildRunning)
		check("delete of one that runs", sup.DeleteChild(s.ctx, "b"), distributed.ErrChildRunning)
		check("terminate", sup.TerminateChild(s.ctx, "b"), nil)
		check("terminate of one that was", sup.TerminateChild(s.ctx, "b"), nil)
		s.want("-b")
		s.wantStates(sup, "a:running b:stopped")
		_, err = sup.StartChild(s.ctx, s.child("b"))
		check("start of one that is there", err, distributed.ErrChildExists)
		s.fails["b"] = 1
		_, err = sup.RestartChild(s.ctx, "b")
		check("restart that fails", err, errBoom)
		s.wantStates(sup, "a:running b:stopped")
		id, err = sup.RestartChild(s.ctx, "b")
		check("restart", err, nil)
		if id != "b" {
			t.Errorf("address %q", id)
		}
		s.want("!b +b")
		s.end("a", errBoom)
		s.want("-a -b +a +b")
		pid, _ := s.n.Whereis("b")
		check("terminate by the process", sup.TerminateChild(s.ctx, pid.ID()), nil)
		check("delete", sup.DeleteChild(s.ctx, "b"), nil)
		s.want("-b")
		check("delete of none", sup.DeleteChild(s.ctx, "b"), distributed.ErrChildNotFound)
		check("terminate of none", sup.TerminateChild(s.ctx, "b"), distributed.ErrChildNotFound)
		check("terminate of a life that is over", sup.TerminateChild(s.ctx, pid.ID()), distributed.ErrChildNotFound)
		_, err = sup.RestartChild(s.ctx, "b")
		check("restart of none", err, distributed.ErrChildNotFound)
		_, err = sup.ChildSpec(s.ctx, "b")
		check("spec of none", err, distributed.ErrChildNotFound)
		spec, err := sup.ChildSpec(s.ctx, "a")
		check("spec", err, nil)
		if spec.ID != "a" || spec.Shutdown != 5*time.Second {
			t.Errorf("spec %+v", spec)
		}
		s.wantStates(sup, "a:running")

		sup.Stop(s.ctx)
		_, err = sup.StartChild(s.ctx, s.child("z"))
		check("start when it has ended", err, distributed.ErrProcessNotFound)
		check("stop when it has ended", sup.Stop(s.ctx), nil)
	})
}

func TestTemporaryChildThatIsStoppedIsForgotten(t *testing.T) {
	onStage(t, func(s *stage) {
		sup := s.start(distributed.OneForOne, s.child("a", temporary))
		sup.TerminateChild(s.ctx, "a")
		s.wantStates(sup, "")
		if _, err := sup.StartChild(s.ctx, s.child("a")); err != nil {
			t.Error(err)
		}
	})
}

func TestCountChildren(t *testing.T) {
	onStage(t, func(s *stage) {
		slow := func(p *distributed.ProcessSpec) { p.Backoff.Min = time.Hour }
		sup := s.start(distributed.OneForOne, s.child("a"), s.child("b"), s.child("c", slow),
			distributed.ProcessSpec{Supervisor: &distributed.SupervisorSpec{ID: "below"}})
		sup.TerminateChild(s.ctx, "b")
		s.end("c", errBoom)
		synctest.Wait()
		got, err := sup.CountChildren(s.ctx)
		want := distributed.ChildCount{Specs: 4, Running: 2, Restarting: 1, Supervisors: 1, Workers: 3}
		if err != nil || got != want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
		all, _ := sup.WhichChildren(s.ctx)
		if c := all[2]; c.Restarts != 1 || c.Process != "" || c.State != distributed.ChildRestarting {
			t.Errorf("%+v", c)
		}
		if c := all[3]; !c.IsSupervisor || c.Process != "below" || c.PID.ID() == "" {
			t.Errorf("%+v", c)
		}
	})
}

func TestChildrenFromATemplate(t *testing.T) {
	onStage(t, func(s *stage) {
		template := s.child("", transient)
		template.ID = ""
		sup := s.start(distributed.SimpleOneForOne, template)
		var ids []distributed.ProcessID
		for range 3 {
			id, err := sup.StartChild(s.ctx, distributed.ProcessSpec{})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		if id, err := sup.StartChild(s.ctx, distributed.ProcessSpec{ID: "named"}); id != "named" || err != nil {
			t.Errorf("%q, %v", id, err)
		}
		if id, err := sup.StartChild(s.ctx, s.child("other")); id != "other" || err != nil {
			t.Errorf("%q, %v", id, err)
		}
		s.want("+ + + + +other")
		if _, err := sup.StartChild(s.ctx, distributed.ProcessSpec{ID: "named"}); err != distributed.ErrChildExists {
			t.Error(err)
		}
		for _, bad := range []distributed.ProcessSpec{{Restart: distributed.Temporary}, {Shutdown: 1}, {Anonymous: true}, {ID: "@"}} {
			var se *distributed.SpecError
			if _, err := sup.StartChild(s.ctx, bad); !errors.As(err, &se) {
				t.Errorf("%+v: %v", bad, err)
			}
		}
		s.end(ids[0], errBoom)
		s.want("- +")
		all, _ := sup.WhichChildren(s.ctx)
		if len(all) != 5 || all[0].Process == ids[0] || all[1].Process != ids[1] || all[0].Restarts != 1 {
			t.Errorf("%+v", all)
		}
		s.end(ids[1], distributed.ErrNormal)
		s.want("-")
		if err := sup.TerminateChild(s.ctx, ids[2]); err != nil {
			t.Error(err)
		}
		if err := sup.TerminateChild(s.ctx, ids[2]+"@n"); err != distributed.ErrChildNotFound {
			t.Error(err)
		}
		s.want("-")
		if _, err := sup.RestartChild(s.ctx, "named"); err != distributed.ErrFromTemplate {
			t.Error(err)
		}
		if err := sup.DeleteChild(s.ctx, "named"); err != distributed.ErrFromTemplate {
			t.Error(err)
		}
		s.end("named", errBoom)
		s.want("- +")
		s.wantStates(sup, ":running named:running other:running")
	})
}

func TestSupervisorsFromATemplate(t *testing.T) {
	onStage(t, func(s *stage) {
		hidden := func(p *distributed.ProcessSpec) { p.Anonymous = true }
		sup := s.start(distributed.SimpleOneForOne, distributed.ProcessSpec{Supervisor: &distributed.SupervisorSpec{
			MaxRestarts: distributed.NoRestarts,
			Processes:   []distributed.ProcessSpec{s.child("a", hidden)},
		}})
		for _, id := range []distributed.ProcessID{"", "x"} {
			if _, err := sup.StartChild(s.ctx, distributed.ProcessSpec{ID: id}); err != nil {
				t.Fatal(err)
			}
		}
		s.want("+a +a")
		x, err := distributed.LookupSupervisor(s.n, "x")
		if err != nil {
			t.Fatal(err)
		}
		all, _ := x.WhichChildren(s.ctx)
		s.end(all[0].Process, errBoom)
		s.want("-a +a")
		if reason := x.Wait(s.ctx); !errors.Is(reason, distributed.ErrShutdown) {
			t.Errorf("no restart is allowed there: %v", reason)
		}
		s.wantStates(sup, ":running x:running")
	})
}

func TestChildrenFromATemplateAreStoppedAtTheSameTime(t *testing.T) {
	onStage(t, func(s *stage) {
		var template distributed.ProcessSpec
		template.Shutdown = 5 * time.Second
		sup := s.start(distributed.SimpleOneForOne, template)
		for i := range 100 {
			spec := s.sleeper("", time.Duration(i)*100*time.Millisecond, 0)
			if _, err := sup.StartChild(s.ctx, spec); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		start := time.Now()
		sup.Stop(s.ctx)
		if d := time.Since(start); d != 9900*time.Millisecond { // the slowest is killed after 5 s, and has a grace
			t.Errorf("after %v", d)
		}
		s.mu.Lock()
		if n := len(s.notes); n != 200 {
			t.Errorf("%d notes", n)
		}
		s.mu.Unlock()
	})
}

func TestChildCallsItsSupervisor(t *testing.T) {
	onStage(t, func(s *stage) {
		sup := s.start(distributed.OneForOne, s.child("a"))
		s.want("+a")
		s.send("a", func(p *distributed.Process) error {
			if _, err := sup.StartChild(p, s.child("b")); err != nil {
				t.Error(err)
			}
			s.note(s.states(sup))
			return nil
		})
		s.want("+b a:running b:running")

		// It asks to be stopped itself: it is told so, and need not wait for the answer.
		start := time.Now()
		s.send("a", func(p *distributed.Process) error {
			err := sup.TerminateChild(p, "a")
			if !errors.Is(err, context.Canceled) || p.Err() == nil {
				t.Errorf("%v, and it is told %v", err, context.Cause(p))
			}
			return nil
		})
		s.want("-a")
		s.wantStates(sup, "a:stopped b:running")

		// With another ctx it waits for its supervisor, which kills it.
		s.send("b", func(p *distributed.Process) error {
			if err := sup.TerminateChild(s.ctx, "b"); err != nil {
				t.Error(err)
			}
			return nil
		})
		synctest.Wait()
		if err := sup.DeleteChild(s.ctx, "b"); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("after %v", d)
		}
		sup.RestartChild(s.ctx, "a")
		s.want("+a")
		s.send("a", func(p *distributed.Process) error {
			if err := sup.Stop(p); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			return nil
		})
		s.want("-a")
		s.ended(sup)
	})
}

func TestChildThatAsksItsSupervisorInItsInitIsRefused(t *testing.T) {
	onStage(t, func(s *stage) {
		ask := func(p *distributed.Process) error {
			for _, id := range []distributed.ProcessID{"sup", "below"} {
				sup, err := distributed.LookupSupervisor(s.n, id)
				if err != nil {
					return err
				}
				if _, err := sup.CountChildren(p); !errors.Is(err, distributed.ErrCallingSelf) {
					t.Errorf("%s: %v", id, err)
				}
			}
			return nil
		}
		s.start(distributed.OneForOne, distributed.ProcessSpec{Supervisor: &distributed.SupervisorSpec{ID: "below",
			Processes: []distributed.ProcessSpec{s.childDoing(&actor{id: "a", init: ask})}}})
		s.want("+a")
	})
}

func TestStartFunctions(t *testing.T) {
	type start = distributed.StartFunc
	other := func(n *distributed.Node, opts ...distributed.SpawnOption) (distributed.ProcessID, error) {
		r, err := distributed.Spawn(n, func(p *distributed.Process, m act) error { return m(p) }, opts...)
		return r.ID(), err
	}
	for _, tt := range []struct {
		name  string
		start func(s *stage) start
		want  string // part of the error; "": none
	}{
		{"a function", func(*stage) start { return other }, ""},
		{"without the options", func(s *stage) start {
			return func(n *distributed.Node, _ ...distributed.SpawnOption) (distributed.ProcessID, error) {
				return other(n, distributed.WithName("a"))
			}
		}, ""},
		{"with another name", func(s *stage) start {
			return func(n *distributed.Node, opts ...distributed.SpawnOption) (distributed.ProcessID, error) {
				return other(n, slices.Concat(opts, []distributed.SpawnOption{distributed.WithName("b")})...)
			}
		}, ""},
		{"an error", func(s *stage) start {
			return func(*distributed.Node, ...distributed.SpawnOption) (distributed.ProcessID, error) { return "", errBoom }
		}, "boom"},
		{"an error after the process has started", func(s *stage) start {
			return func(n *distributed.Node, opts ...distributed.SpawnOption) (distributed.ProcessID, error) {
				other(n, opts...)
				return "", errBoom
			}
		}, "boom"},
		{"a panic", func(s *stage) start {
			return func(*distributed.Node, ...distributed.SpawnOption) (distributed.ProcessID, error) { panic("ouch") }
		}, "panic: ouch"},
		{"nothing", func(s *stage) start {
			return func(*distributed.Node, ...distributed.SpawnOption) (distributed.ProcessID, error) { return "", nil }
		}, "neither an address nor an error"},
		{"no process", func(s *stage) start {
			return func(*distributed.Node, ...distributed.SpawnOption) (distributed.ProcessID, error) {
				return "nobody", nil
			}
		}, "no such process"},
		{"the supervisor", func(s *stage) start {
			return func(*distributed.Node, ...distributed.SpawnOption) (distributed.ProcessID, error) { return "sup", nil }
		}, "is the supervisor"},
		{"another's child", func(s *stage) start {
			s.startSpec(distributed.SupervisorSpec{ID: "other", Processes: []distributed.ProcessSpec{s.child("theirs")}})
			return func(*distributed.Node, ...distributed.SpawnOption) (distributed.ProcessID, error) {
				return "theirs", nil
			}
		}, "another supervisor"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onStage(t, func(s *stage) {
				sup := s.start(distributed.OneForOne)
				spec := distributed.ProcessSpec{ID: "a", Start: tt.start(s)}
				before := s.n.Len()
				id, err := sup.StartChild(s.ctx, spec)
				if tt.want != "" {
					if err == nil || !contains(err.Error(), tt.want) {
						t.Errorf("error %v, want %q in it", err, tt.want)
					}
					synctest.Wait()
					if n := s.n.Len(); n != before {
						t.Errorf("%d processes, want %d", n, before)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				s.end(id, errBoom)
				synctest.Wait()
				s.end(id, errBoom) // it is there again
				s.wantStates(sup, "a:running")
			})
		})
	}
}

func TestEndsOfOthersAreNoConcernOfASupervisor(t *testing.T) {
	onStage(t, func(s *stage) {
		sup := s.start(distributed.OneForOne, s.child("a"))
		s.n.SpawnProcessWithID("x", func(context.Context, distributed.ProcessID, *distributed.Node, interface{}) error { return errBoom })
		s.n.LinkProcesses("sup", "x")
		s.n.Send("x", 1)
		s.n.Exit("sup", errBoom)
		s.send("a", func(p *distributed.Process) error { return p.Exit("sup", errBoom) })
		s.want("+a")
		s.wantStates(sup, "a:running")
		if err := s.n.Send("sup", 1); err != distributed.ErrMessageType {
			t.Error(err)
		}
		if _, err := distributed.LookupSupervisor(s.n, "a"); err != distributed.ErrMessageType {
			t.Error(err)
		}
	})
}
