package distributed_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/kleeedolinux/socket.go/distributed"
)

func TestGivingUpWrapsTheReasonOfTheLastEndAndIsGoodOrder(t *testing.T) {
	for _, reason := range []error{errBoom, distributed.ErrKilled, distributed.ErrNormal} {
		t.Run(reason.Error(), func(t *testing.T) {
			onStage(t, func(s *stage) {
				sup := s.startSpec(distributed.SupervisorSpec{MaxRestarts: distributed.NoRestarts,
					Processes: []distributed.ProcessSpec{s.child("a"), s.child("b")}})
				linked, err := distributed.SpawnHandler(s.n, distributed.HandlerFunc[act](
					func(p *distributed.Process, m act) error { return m(p) }))
				if err != nil {
					t.Fatal(err)
				}
				s.n.LinkProcesses(linked.ID(), "sup")
				s.want("+a +b")
				if reason == distributed.ErrKilled {
					s.n.Kill("b")
					s.want("-a") // a is stopped as it is at any other time
				} else {
					s.end("b", reason)
					s.want("-b -a")
				}
				got := s.ended(sup)
				if !errors.Is(got, reason) || !errors.Is(got, distributed.ErrShutdown) {
					t.Errorf("reason %v", got)
				}
				if !strings.Contains(got.Error(), "more than 0 restarts within") {
					t.Error(got)
				}
				// The end of the child does not say how the supervisor has ended.
				if _, err := s.n.Info(linked.ID()); err != distributed.ErrProcessNotFound {
					t.Errorf("who is linked to the supervisor: %v", err)
				}
				synctest.Wait()
				st := s.n.Stats()
				crashed := uint64(1)
				if reason == distributed.ErrNormal {
					crashed = 0
				}
				if st.GaveUp != 1 || st.Crashed != crashed {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

func TestGivingUpAfterOneRestartSaysSo(t *testing.T) {
	err := &distributed.GiveUpError{Supervisor: "sup", Child: "a", Reason: errBoom, Restarts: 1}
	if !strings.Contains(err.Error(), "more than 1 restart within") {
		t.Error(err)
	}
}
