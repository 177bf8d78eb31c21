package distributed_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

func TestChildrenAreStartedInOrderAndStoppedInTheOpposite(t *testing.T) {
	onStage(t, func(s *stage) {
		sup := s.start(distributed.OneForOne, s.child("a"), s.child("b"), s.child("c"))
		s.want("+a +b +c")
		if err := sup.Stop(s.ctx); err != nil {
			t.Error(err)
		}
		s.want("-c -b -a")
		if reason := s.ended(sup); reason != distributed.ErrShutdown {
			t.Errorf("reason %v", reason)
		}
	})
}

func TestSupervisorWhoseChildCannotStartStopsTheOthersAndNamesIt(t *testing.T) {
	onStage(t, func(s *stage) {
		s.fails["c"] = 1
		spec := distributed.SupervisorSpec{ID: "sup", Processes: []distributed.ProcessSpec{
			s.child("a"), s.child("b"), s.child("c"), s.child("d"),
		}}
		_, err := distributed.NewSupervisor(spec, s.n)
		var se *distributed.StartError
		if !errors.As(err, &se) || se.Child != "c" || se.Supervisor != "sup" || !errors.Is(err, errBoom) {
			t.Errorf("error %v", err)
		}
		s.want("+a +b !c -b -a")
		if n := s.n.Len(); n != 0 {
			t.Errorf("%d processes left", n)
		}
		if _, err = distributed.NewSupervisor(spec, s.n); err != nil {
			t.Error(err)
		}
		s.want("+a +b +c +d")
	})
}

func TestStrategies(t *testing.T) {
	for _, tt := range []struct {
		name     string
		strategy distributed.Strategy
		want     string
	}{
		{"one for one", distributed.OneForOne, "-b +b"},
		{"one for all: the others are stopped in reverse, and all started in order", distributed.OneForAll, "-b -c -a +a +b +c"},
		{"rest for one: the same for those after it", distributed.RestForOne, "-b -c +b +c"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onStage(t, func(s *stage) {
				s.start(tt.strategy, s.child("a"), s.child("b"), s.child("c"))
				s.want("+a +b +c")
				s.end("b", errBoom)
				s.want(tt.want)
			})
		})
	}
}

func TestWhichEndsAChildIsStartedAgainAfter(t *testing.T) {
	for _, tt := range []struct {
		name   string
		kind   func(*distributed.ProcessSpec)
		reason error
		notes  string
		states string
	}{
		{"permanent, crash", nil, errBoom, "-a +a", "a:running"},
		{"permanent, normal", nil, distributed.ErrNormal, "-a +a", "a:running"},
		{"permanent, shutdown", nil, distributed.ErrShutdown, "-a +a", "a:running"},
		{"transient, crash", transient, errBoom, "-a +a", "a:running"},
		{"transient, normal", transient, distributed.ErrNormal, "-a", "a:stopped"},
		{"transient, shutdown with more to say", transient, errors.Join(distributed.ErrShutdown, errBoom), "-a", "a:stopped"},
		{"temporary, crash", temporary, errBoom, "-a", ""},
		{"temporary, normal", temporary, distributed.ErrNormal, "-a", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onStage(t, func(s *stage) {
				c := s.child("a")
				if tt.kind != nil {
					tt.kind(&c)
				}
				sup := s.start(distributed.OneForOne, c)
				s.want("+a")
				s.end("a", tt.reason)
				s.want(tt.notes)
				s.wantStates(sup, tt.states)
			})
		})
	}
}

func TestTemporaryChildThatASiblingsEndStopsIsForgotten(t *testing.T) {
	onStage(t, func(s *stage) {
		sup := s.start(distributed.OneForAll, s.child("a", temporary), s.child("b"), s.child("c", temporary))
		s.end("b", errBoom)
		s.want("+a +b +c -b -c -a +b")
		s.wantStates(sup, "b:running")
	})
}

func TestSiblingsThatHadEndedAreStartedWithTheOthers(t *testing.T) {
	onStage(t, func(s *stage) {
		sup := s.start(distributed.OneForAll, s.child("a", transient), s.child("b"), s.child("c"))
		s.end("a", distributed.ErrNormal)
		s.want("+a +b +c -a")
		if err := sup.TerminateChild(s.ctx, "c"); err != nil {
			t.Error(err)
		}
		s.want("-c")
		s.end("b", errBoom)
		s.want("-b +a +b +c")
	})
}

func TestRestartIsOneEventHoweverManyChildrenItConcerns(t *testing.T) {
	onStage(t, func(s *stage) {
		sup := s.startSpec(distributed.SupervisorSpec{Strategy: distributed.OneForAll, MaxRestarts: 2,
			Processes: []distributed.ProcessSpec{s.child("a"), s.child("b"), s.child("c"), s.child("d")}})
		s.end("b", errBoom)
		s.want("+a +b +c +d -b -d -c -a +a +b +c +d")
		s.end("b", errBoom)
		s.want("-b -d -c -a +a +b +c +d")
		s.end("d", errBoom)
		s.want("-d -c -b -a")
		var gu *distributed.GiveUpError
		if reason := s.ended(sup); !errors.As(reason, &gu) || !errors.Is(reason, distributed.ErrShutdown) ||
			gu.Child != "d" || gu.Reason != errBoom || gu.Restarts != 2 || gu.Period != 5*time.Second || gu.Supervisor != "sup" {
			t.Errorf("reason %v", reason)
		}
	})
}

func TestRestartIntensity(t *testing.T) {
	for _, tt := range []struct {
		name string
		max  int
		rest []time.Duration // before each end
		want bool            // that the supervisor goes on
	}{
		{"by default one in 5 s", 0, []time.Duration{0}, true},
		{"by default not two in 5 s", 0, []time.Duration{0, 5 * time.Second}, false},
		{"by default two in more than 5 s", 0, []time.Duration{0, 5*time.Second + 1}, true},
		{"none", distributed.NoRestarts, []time.Duration{0}, false},
		{"three of three", 3, []time.Duration{0, time.Second, time.Second}, true},
		{"four of three", 3, []time.Duration{0, time.Second, time.Second, time.Second}, false},
		{"four of three, the first of which is old", 3, []time.Duration{0, 4 * time.Second, time.Second, 1}, true},
		{"unlimited", distributed.UnlimitedRestarts, make([]time.Duration, 1000), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onStage(t, func(s *stage) {
				sup := s.startSpec(distributed.SupervisorSpec{MaxRestarts: tt.max, Processes: []distributed.ProcessSpec{s.child("a")}})
				for _, d := range tt.rest {
					time.Sleep(d)
					s.end("a", errBoom)
					if tt.want {
						s.wantStates(sup, "a:running")
					}
				}
				if !tt.want {
					s.ended(sup)
				}
			})
		})
	}
}

func TestRestartThatFailsIsTriedAgainAndCountsEachTime(t *testing.T) {
	onStage(t, func(s *stage) {
		sup := s.startSpec(distributed.SupervisorSpec{MaxRestarts: 4,
			Processes: []distributed.ProcessSpec{s.child("a"), s.child("b")}})
		s.want("+a +b")
		s.fails["b"] = 3
		s.end("b", errBoom)
		s.want("-b !b !b !b +b")
		time.Sleep(time.Minute)
		s.fails["b"] = 5
		s.end("b", errBoom)
		s.want("-b !b !b !b !b -a")
		var gu *distributed.GiveUpError
		if reason := s.ended(sup); !errors.As(reason, &gu) || !errors.Is(gu.Reason, errBoom) {
			t.Errorf("reason %v", reason)
		}
	})
}

func TestOtherRequestsAreServedBetweenTriesToStart(t *testing.T) {
	onStage(t, func(s *stage) {
		tries := 0
		hold := make(chan struct{})
		spec := s.childDoing(&actor{id: "a", init: func(*distributed.Process) error {
			if tries++; tries == 1 {
				return nil
			}
			if tries == 2 {
				<-hold
			}
			return errBoom
		}})
		sup := s.startSpec(distributed.SupervisorSpec{MaxRestarts: distributed.UnlimitedRestarts,
			Processes: []distributed.ProcessSpec{spec}})
		s.end("a", errBoom)
		s.want("+a -a")
		got := make(chan string)
		go func() { got <- s.states(sup) }()
		synctest.Wait()
		close(hold)
		if states := <-got; states != "a:restarting" {
			t.Errorf("children %q", states)
		}
		if err := sup.TerminateChild(s.ctx, "a"); err != nil {
			t.Error(err)
		}
		s.wantStates(sup, "a:stopped")
		if err := sup.Stop(s.ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestSiblingThatCannotStartIsTriedAgainWithTheStrategy(t *testing.T) {
	onStage(t, func(s *stage) {
		s.start(distributed.RestForOne, s.child("a"), s.child("b"), s.child("c"), s.child("d"))
		s.fails["c"] = 1
		s.end("a", errBoom)
		s.want("+a +b +c +d -a -d -c -b +a +b !c +c +d")
	})
	onStage(t, func(s *stage) {
		s.start(distributed.OneForAll, s.child("a"), s.child("b"), s.child("c"))
		s.fails["c"] = 1
		s.end("a", errBoom)
		s.want("+a +b +c -a -c -b +a +b !c -b -a +a +b +c")
	})
}

func TestAutoShutdown(t *testing.T) {
	const a, b, c = distributed.ProcessID("a"), distributed.ProcessID("b"), distributed.ProcessID("c")
	for _, tt := range []struct {
		name  string
		auto  distributed.AutoShutdown
		do    func(s *stage, sup *distributed.Supervisor)
		want  bool // that the supervisor has ended
		notes string
	}{
		{"any: a transient one that ends in good order", distributed.AnySignificant,
			func(s *stage, _ *distributed.Supervisor) { s.end(a, distributed.ErrNormal) }, true, "-a -c -b"},
		{"any: a temporary one that crashes", distributed.AnySignificant,
			func(s *stage, _ *distributed.Supervisor) { s.end(b, errBoom) }, true, "-b -c -a"},
		{"any: not a transient one that crashes", distributed.AnySignificant,
			func(s *stage, _ *distributed.Supervisor) { s.end(a, errBoom) }, false, "-a +a"},
		{"any: not one that is insignificant", distributed.AnySignificant,
			func(s *stage, _ *distributed.Supervisor) { s.end(c, distributed.ErrNormal) }, false, "-c"},
		{"any: not one that somebody stops", distributed.AnySignificant,
			func(s *stage, sup *distributed.Supervisor) { sup.TerminateChild(s.ctx, a) }, false, "-a"},
		{"all: not the first", distributed.AllSignificant,
			func(s *stage, _ *distributed.Supervisor) { s.end(a, distributed.ErrNormal) }, false, "-a"},
		{"all: the last", distributed.AllSignificant,
			func(s *stage, _ *distributed.Supervisor) {
				s.end(a, distributed.ErrNormal)
				s.want("-a")
				s.end(b, distributed.ErrNormal)
			}, true, "-b -c"},
		{"all: the last, when the other was stopped", distributed.AllSignificant,
			func(s *stage, sup *distributed.Supervisor) {
				sup.TerminateChild(s.ctx, a)
				s.want("-a")
				s.end(b, distributed.ErrNormal)
			}, true, "-b -c"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onStage(t, func(s *stage) {
				sup := s.startSpec(distributed.SupervisorSpec{AutoShutdown: tt.auto, Processes: []distributed.ProcessSpec{
					s.child(a, transient, significant), s.child(b, temporary, significant), s.child(c, transient),
				}})
				s.want("+a +b +c")
				tt.do(s, sup)
				s.want(tt.notes)
				if !tt.want {
					sup.CountChildren(s.ctx)
					return
				}
				if reason := s.ended(sup); !errors.Is(reason, distributed.ErrShutdown) {
					t.Errorf("reason %v", reason)
				}
			})
		})
	}
}

func TestSignificantChildThatASiblingsEndStopsEndsNothing(t *testing.T) {
	onStage(t, func(s *stage) {
		sup := s.startSpec(distributed.SupervisorSpec{Strategy: distributed.OneForAll, AutoShutdown: distributed.AnySignificant,
			Processes: []distributed.ProcessSpec{s.child("a", temporary, significant), s.child("b")}})
		s.end("b", errBoom)
		s.want("+a +b -b -a +b")
		s.wantStates(sup, "b:running")
	})
}

func TestSupervisorThatGivesUpIsStartedAgainByItsOwnAndThatCountsThere(t *testing.T) {
	onStage(t, func(s *stage) {
		top := s.startSpec(distributed.SupervisorSpec{MaxRestarts: 1, Processes: []distributed.ProcessSpec{
			s.child("x"),
			{Supervisor: &distributed.SupervisorSpec{ID: "below", MaxRestarts: 1,
				Processes: []distributed.ProcessSpec{s.child("a"), s.child("b")}}},
		}})
		s.want("+x +a +b")
		s.end("a", errBoom)
		s.want("-a +a")
		s.end("a", errBoom)
		s.want("-a -b +a +b")
		s.end("a", errBoom)
		s.want("-a +a")
		s.end("a", errBoom)
		s.want("-a -b -x")
		var gu *distributed.GiveUpError
		if reason := s.ended(top); !errors.As(reason, &gu) || gu.Child != "below" || !errors.As(gu.Reason, &gu) || gu.Child != "a" {
			t.Errorf("reason %v", reason)
		}
	})
}

func TestTransientSupervisorThatGivesUpIsNotStartedAgain(t *testing.T) {
	onStage(t, func(s *stage) {
		below := &distributed.SupervisorSpec{ID: "below", MaxRestarts: distributed.NoRestarts,
			Processes: []distributed.ProcessSpec{s.child("a")}}
		top := s.start(distributed.OneForOne, distributed.ProcessSpec{Restart: distributed.Transient, Supervisor: below})
		s.end("a", errBoom)
		s.want("+a -a")
		s.wantStates(top, "below:stopped")
	})
}

func TestChildWithNothingToStart(t *testing.T) {
	onStage(t, func(s *stage) {
		s.none["a"], s.none["b"], s.none["d"] = true, true, true
		sup := s.start(distributed.OneForOne, s.child("a"), s.child("b", temporary), s.child("c"))
		s.want("+c")
		s.wantStates(sup, "a:stopped c:running")
		if id, err := sup.StartChild(s.ctx, s.child("d")); id != "" || err != nil {
			t.Errorf("%q, %v", id, err)
		}
		s.wantStates(sup, "a:stopped c:running d:stopped")
		s.none["c"], s.none["d"] = true, false
		s.end("c", errBoom)
		s.want("-c")
		s.wantStates(sup, "a:stopped c:stopped d:stopped")
		if id, err := sup.RestartChild(s.ctx, "d"); id != "d" || err != nil {
			t.Errorf("%q, %v", id, err)
		}
		if st := s.n.Stats(); st.Crashed != 1 {
			t.Errorf("crashed: %d", st.Crashed)
		}
	})
}

func TestNextLifeBeginsOnceTheOldOneHasEndedAndItsNamesAreFree(t *testing.T) {
	onStage(t, func(s *stage) {
		lives := 0
		sup := s.start(distributed.OneForOne, s.childDoing(&actor{id: "a",
			init: func(p *distributed.Process) error {
				if lives++; lives > 1 {
					t.Error("two lives at once")
				}
				return s.n.Register("other", p.PID().ID())
			},
			end: func(*distributed.Process) {
				time.Sleep(2 * time.Second)
				lives--
			}}))
		for range 10 {
			s.end("a", errBoom)
			time.Sleep(time.Minute)
		}
		s.wantStates(sup, "a:running")
	})
}

func TestChildIsSpawnedBeforeItsEndIsSeen(t *testing.T) {
	onStage(t, func(s *stage) {
		lives := 0
		sup := s.start(distributed.OneForOne, s.childDoing(&actor{id: "a", init: func(p *distributed.Process) error {
			if lives++; lives < 5 {
				p.Exit("a", errBoom) // it ends as soon as it has begun
			}
			return nil
		}}))
		s.want("+a -a +a -a +a -a +a -a +a")
		s.wantStates(sup, "a:running")
	})
}
