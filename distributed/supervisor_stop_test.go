package distributed_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

// sleeper is a child whose Terminate takes a time.
func (s *stage) sleeper(id distributed.ProcessID, d, shutdown time.Duration) distributed.ProcessSpec {
	c := s.childDoing(&actor{id: id, end: func(*distributed.Process) { time.Sleep(d) }})
	c.Shutdown = shutdown
	return c
}

func TestShutdownOfAChild(t *testing.T) {
	for _, tt := range []struct {
		name     string
		needs    time.Duration
		shutdown time.Duration
		wait     time.Duration
		zombie   bool
	}{
		{"in time", 4 * time.Second, 0, 4 * time.Second, false},
		{"killed after 5 s by default, and it ends in the grace", 7 * time.Second, 0, 7 * time.Second, false},
		{"killed after 5 s by default, and a zombie after the grace", time.Minute, 0, 10 * time.Second, true},
		{"killed after its own time", time.Minute, 20 * time.Second, 25 * time.Second, true},
		{"killed at once", time.Minute, distributed.BrutalKill, 0, false},
		{"awaited for ever", time.Hour, distributed.Infinity, time.Hour, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onStage(t, func(s *stage) {
				sup := s.start(distributed.OneForOne, s.sleeper("a", tt.needs, tt.shutdown))
				start := time.Now()
				if err := sup.TerminateChild(s.ctx, "a"); err != nil {
					t.Error(err)
				}
				if d := time.Since(start); d != tt.wait {
					t.Errorf("after %v, want %v", d, tt.wait)
				}
				if zombie := s.n.Stats().Zombies == 1; zombie != tt.zombie {
					t.Errorf("zombie: %v", zombie)
				}
				if _, err := sup.RestartChild(s.ctx, "a"); err != nil {
					t.Errorf("its name is not free: %v", err)
				}
				sup.TerminateChild(s.ctx, "a")
				time.Sleep(time.Hour) // for zombies
			})
		})
	}
}

func TestNaughtyChildThatHasUnlinkedItselfIsStoppedAndAwaited(t *testing.T) {
	onStage(t, func(s *stage) {
		c := s.childDoing(&actor{id: "a", init: func(p *distributed.Process) error {
			p.Unlink("sup")
			return nil
		}, end: func(*distributed.Process) { time.Sleep(time.Second) }})
		sup := s.start(distributed.OneForOne, s.child("b"), c)
		s.want("+b +a")
		sup.Stop(s.ctx)
		s.want("-a -b")
	})
}

// trapper is a process that traps exits and goes on.
type trapper struct{ actor }

func (*trapper) HandleExit(*distributed.Process, distributed.Exit) error { return nil }

func TestChildCannotTrapTheExitOfItsSupervisor(t *testing.T) {
	onStage(t, func(s *stage) {
		sup := s.start(distributed.OneForOne, distributed.ProcessSpec{ID: "a",
			Options: []distributed.SpawnOption{distributed.WithTrapExit()},
			Start: distributed.ChildOf(func() distributed.Handler[act] {
				return &trapper{actor{s: s, id: "a"}}
			})})
		s.n.Exit("a", errBoom)
		s.want("+a")
		start := time.Now()
		sup.Stop(s.ctx)
		if d := time.Since(start); d != 0 {
			t.Errorf("after %v", d)
		}
		s.want("-a")
	})
}

func TestTrueReasonOfAChildThatEndsOtherwiseWhenItIsStoppedIsLogged(t *testing.T) {
	for _, tt := range []struct {
		name string
		spec func(s *stage) distributed.ProcessSpec
		log  string
	}{
		{"in good order", func(s *stage) distributed.ProcessSpec { return s.child("a") }, ""},
		{"a crash that has begun before", func(s *stage) distributed.ProcessSpec {
			return s.childDoing(&actor{id: "a", init: func(p *distributed.Process) error {
				return p.Exit("a", errBoom)
			}, end: func(*distributed.Process) { time.Sleep(time.Second) }}) // in which it is told to stop
		}, "boom"},
		{"a service with an error", func(*stage) distributed.ProcessSpec {
			return distributed.ProcessSpec{ID: "a", Service: func(ctx context.Context) error {
				<-ctx.Done()
				return errBoom
			}}
		}, "boom"},
		{"a service that returns the error of its ctx", func(*stage) distributed.ProcessSpec {
			return distributed.ProcessSpec{ID: "a", Service: func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			}}
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				log := distributed.WithLogger(slog.New(slog.NewTextHandler(&out, nil)))
				s := &stage{T: t, ctx: t.Context(), n: distributed.NewNode("n", log)}
				spec := tt.spec(s)
				spec.Restart = distributed.Temporary
				sup := s.start(distributed.OneForAll)
				if _, err := sup.StartChild(s.ctx, spec); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if err := sup.Stop(s.ctx); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				_, line, _ := strings.Cut(out.String(), "ended otherwise when it was stopped")
				if tt.log == "" && line != "" || !strings.Contains(line, tt.log) {
					t.Errorf("log %q, want %q in it", out.String(), tt.log)
				}
			})
		})
	}
}

func TestKilledSupervisorHasEndedOnceItsChildrenHave(t *testing.T) {
	onStage(t, func(s *stage) {
		deep := &distributed.SupervisorSpec{ID: "deep", Processes: []distributed.ProcessSpec{s.child("b")}}
		top := s.start(distributed.OneForOne, distributed.ProcessSpec{Supervisor: &distributed.SupervisorSpec{ID: "below",
			Processes: []distributed.ProcessSpec{s.child("a"), {Supervisor: deep}}}})
		s.want("+a +b")
		s.send("a", func(p *distributed.Process) error {
			<-p.Done()
			time.Sleep(3 * time.Second)
			s.note("a returns")
			return nil
		})
		synctest.Wait()
		s.n.Kill("below")
		s.want("")
		time.Sleep(3 * time.Second)
		s.want("a returns +a +b")
		s.wantStates(top, "below:running")
		if st := s.n.Stats(); st.Zombies != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestSupervisorKilledWhileItStopsChildrenEndsAtOnce(t *testing.T) {
	onStage(t, func(s *stage) {
		sup := s.start(distributed.OneForOne, s.sleeper("a", time.Hour, distributed.Infinity))
		go sup.Stop(s.ctx)
		synctest.Wait()
		start := time.Now()
		s.n.Kill("sup")
		if reason := sup.Wait(s.ctx); reason != distributed.ErrKilled {
			t.Errorf("reason %v", reason)
		}
		// The child is a zombie then.
		if d := time.Since(start); d != 5*time.Second || s.n.Stats().Zombies != 1 {
			t.Errorf("after %v: %+v", d, s.n.Stats())
		}
		time.Sleep(time.Hour)
	})
}

func TestNodeStopsSupervisorsInReverseOrderOfTheirStart(t *testing.T) {
	onStage(t, func(s *stage) {
		for _, id := range []distributed.ProcessID{"1", "2", "3"} {
			s.startSpec(distributed.SupervisorSpec{ID: "sup" + id,
				Processes: []distributed.ProcessSpec{s.child("a" + id), s.child("b" + id)}})
		}
		two, err := distributed.LookupSupervisor(s.n, "sup2")
		if err != nil {
			t.Fatal(err)
		}
		s.want("+a1 +b1 +a2 +b2 +a3 +b3")
		two.Stop(s.ctx)
		s.want("-b2 -a2")
		if err := s.n.Shutdown(s.ctx); err != nil {
			t.Error(err)
		}
		s.want("-b3 -a3 -b1 -a1")
		if _, err := distributed.NewSupervisor(distributed.SupervisorSpec{ID: "late"}, s.n); err != distributed.ErrNodeStopped {
			t.Error(err)
		}
	})
}

func TestChildThatCrashesWhileTheNodeStopsIsNoReasonToGiveUp(t *testing.T) {
	onStage(t, func(s *stage) {
		first := s.startSpec(distributed.SupervisorSpec{ID: "first", MaxRestarts: 3, Processes: []distributed.ProcessSpec{s.child("a")}})
		s.startSpec(distributed.SupervisorSpec{ID: "second",
			Processes: []distributed.ProcessSpec{s.sleeper("b", time.Second, 0)}})
		s.want("+a +b")
		go s.n.Shutdown(s.ctx)
		synctest.Wait()
		s.end("a", errBoom)
		s.want("-a")
		s.wantStates(first, "a:stopped")
		time.Sleep(time.Second)
		s.want("-b")
		if reason := s.ended(first); reason != distributed.ErrShutdown {
			t.Errorf("reason %v", reason)
		}
	})
}

func TestShutdownThatTakesTooLongKillsTheTree(t *testing.T) {
	onStage(t, func(s *stage) {
		s.start(distributed.OneForOne, s.child("a"), distributed.ProcessSpec{Supervisor: &distributed.SupervisorSpec{ID: "below",
			Processes: []distributed.ProcessSpec{s.sleeper("b", 20*time.Second, distributed.Infinity)}}})
		ctx, cancel := context.WithTimeout(s.ctx, time.Second)
		defer cancel()
		if err := s.n.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if st := s.n.Stats(); st.Processes != 0 || st.Zombies != 1 {
			t.Errorf("only b is a zombie: %+v", st)
		}
		time.Sleep(time.Minute)
	})
}

func TestServiceIsAChild(t *testing.T) {
	onStage(t, func(s *stage) {
		fail := make(chan error)
		run := func(ctx context.Context) error {
			s.note("runs")
			defer s.note("returns")
			select {
			case <-ctx.Done():
				time.Sleep(time.Second) // it is awaited
				return nil
			case err := <-fail:
				return err
			}
		}
		sup := s.start(distributed.OneForOne, distributed.ProcessSpec{ID: "a", Service: run, Restart: distributed.Transient})
		s.want("runs")
		fail <- errBoom
		s.want("returns runs")
		if err := sup.TerminateChild(s.ctx, "a"); err != nil {
			t.Error(err)
		}
		s.want("returns")
		sup.RestartChild(s.ctx, "a")
		s.want("runs")
		fail <- nil
		s.want("returns")
		s.wantStates(sup, "a:stopped")
		sup.RestartChild(s.ctx, "a")
		if err := s.n.Send("a", 1); !errors.Is(err, distributed.ErrMessageType) {
			t.Error(err)
		}
		s.want("runs")
		sup.Stop(s.ctx)
		s.want("returns")
	})
}

func TestServiceThatDoesNotReturnIsKilledAndItsNameIsFree(t *testing.T) {
	onStage(t, func(s *stage) {
		hold := make(chan struct{})
		sup := s.start(distributed.OneForOne, distributed.ProcessSpec{ID: "a", Service: func(context.Context) error {
			<-hold
			return nil
		}})
		start := time.Now()
		sup.TerminateChild(s.ctx, "a")
		if d := time.Since(start); d != 10*time.Second || s.n.Stats().Zombies != 1 {
			t.Errorf("after %v: %+v", d, s.n.Stats())
		}
		close(hold)
		if _, err := sup.RestartChild(s.ctx, "a"); err != nil {
			t.Error(err)
		}
	})
}

func TestBackoffHasRestartsWait(t *testing.T) {
	onStage(t, func(s *stage) {
		backoff := func(p *distributed.ProcessSpec) {
			p.Backoff = distributed.Backoff{Min: time.Second, Max: 4 * time.Second}
		}
		sup := s.start(distributed.RestForOne, s.child("a"), s.child("b", backoff), s.child("c"))
		s.want("+a +b +c")
		crash := func(least, most time.Duration) {
			t.Helper()
			s.end("b", errBoom)
			s.want("-b -c")
			s.wantStates(sup, "a:running b:restarting c:stopped")
			time.Sleep(least - 1)
			s.want("")
			time.Sleep(most - least + 1)
			s.want("+b +c")
		}
		crash(time.Second/2, time.Second)
		crash(time.Second, 2*time.Second)
		crash(2*time.Second, 4*time.Second)
		crash(2*time.Second, 4*time.Second)
		time.Sleep(4 * time.Second)
		crash(time.Second/2, time.Second)
		// It cannot be started twice meanwhile, and what is stopped is not started later.
		s.end("b", errBoom)
		s.want("-b -c")
		if _, err := sup.RestartChild(s.ctx, "b"); err != distributed.ErrChildRestarting {
			t.Error(err)
		}
		if err := sup.TerminateChild(s.ctx, "b"); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		s.want("")
		s.wantStates(sup, "a:running b:stopped c:stopped")
	})
}

func TestRestartIsAnEvent(t *testing.T) {
	onStage(t, func(s *stage) {
		var got []distributed.SystemEvent
		s.n.Monitor(func(e distributed.SystemEvent) {
			if e.Type == distributed.SupervisorRestarting {
				got = append(got, e)
			}
		})
		s.start(distributed.OneForAll, s.child("a"), s.child("b"))
		s.end("a", errBoom)
		synctest.Wait()
		if len(got) != 1 || got[0].ProcessID != "sup" || got[0].Error != errBoom {
			t.Errorf("%+v", got)
		}
	})
}

func TestSignificantChildThatIsAboutToBeStartedAgainHasNotEnded(t *testing.T) {
	onStage(t, func(s *stage) {
		slow := func(p *distributed.ProcessSpec) { p.Backoff.Min = time.Minute }
		sup := s.startSpec(distributed.SupervisorSpec{AutoShutdown: distributed.AllSignificant, MaxRestarts: 10,
			Processes: []distributed.ProcessSpec{s.child("a", transient, significant, slow), s.child("b", temporary, significant)}})
		s.end("a", errBoom)
		s.want("+a +b -a")
		s.end("b", errBoom)
		s.want("-b")
		s.wantStates(sup, "a:restarting")
		time.Sleep(time.Minute)
		s.want("+a")
		s.end("a", distributed.ErrNormal)
		s.want("-a")
		s.ended(sup)
	})
}

func TestSiblingsEndHasAChildNotWaitAnyLonger(t *testing.T) {
	onStage(t, func(s *stage) {
		slow := func(p *distributed.ProcessSpec) { p.Backoff.Min = time.Minute }
		sup := s.start(distributed.RestForOne, s.child("a"), s.child("b"), s.child("c", slow))
		s.end("c", errBoom)
		s.want("+a +b +c -c")
		s.fails["b"] = 1
		s.end("a", errBoom)
		s.want("-a -b +a !b +b +c")
		time.Sleep(time.Hour)
		s.want("")
		s.wantStates(sup, "a:running b:running c:running")
	})
}
