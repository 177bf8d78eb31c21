package distributed_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

// Not in a bubble, so that the goroutines of many crashes get in each other's way.
func TestEndIsToldBeforeTheStartOfTheSuccessor(t *testing.T) {
	n := newNode(t)
	open := make(map[distributed.ProcessID]distributed.PID) // that have started and not ended, by name
	ready := make(chan struct{}, 1)                         // b has started, which is the last
	over := make(chan struct{})
	n.Monitor(func(e distributed.SystemEvent) {
		switch e.Type {
		case distributed.ProcessStarted:
			if before, ok := open[e.ProcessID]; ok {
				t.Errorf("%s: %v starts while %v has not ended", e.ProcessID, e.PID, before)
			}
			open[e.ProcessID] = e.PID
			if e.ProcessID == "b" {
				ready <- struct{}{}
			}
		case distributed.ProcessTerminated:
			if open[e.ProcessID] != e.PID {
				t.Errorf("%s: %v ends, and %v has started", e.ProcessID, e.PID, open[e.ProcessID])
			}
			delete(open, e.ProcessID)
			if e.ProcessID == "sup" {
				close(over)
			}
		}
	})
	child := func(id distributed.ProcessID) distributed.ProcessSpec {
		return distributed.ProcessSpec{ID: id, Start: distributed.ChildOf(func() distributed.Handler[error] {
			return distributed.HandlerFunc[error](func(_ *distributed.Process, reason error) error { return reason })
		})}
	}
	sup, err := distributed.NewSupervisor(distributed.SupervisorSpec{ID: "sup", Strategy: distributed.OneForAll,
		MaxRestarts: distributed.UnlimitedRestarts, Processes: []distributed.ProcessSpec{child("a"), child("b")}}, n)
	if err != nil {
		t.Fatal(err)
	}
	for range 2000 {
		<-ready
		if err := n.Send("a", errBoom); err != nil {
			t.Error(err)
		}
	}
	<-ready
	sup.Stop(t.Context())
	<-over
	n.Stop()
}

func TestEventsTellTheLivesOfOneNameApart(t *testing.T) {
	onStage(t, func(s *stage) {
		pids := make(map[distributed.PID]int) // in the order in which they are seen
		var got []string
		number := func(p distributed.PID) int {
			if p == (distributed.PID{}) {
				return 0
			}
			if pids[p] == 0 {
				pids[p] = len(pids) + 1
			}
			return pids[p]
		}
		s.n.Monitor(func(e distributed.SystemEvent) {
			got = append(got, fmt.Sprint(e.Type, " ", e.ProcessID, " ", number(e.PID), " ", number(e.Child)))
		})
		s.start(distributed.OneForOne, s.child("a"))
		s.fails["a"] = 1
		s.end("a", errBoom)
		time.Sleep(time.Second)
		synctest.Wait()
		want := []string{
			"process_started sup 1 0",
			"process_started a 2 0",
			"process_terminated a 2 0",
			"supervisor_restarting sup 1 2",
			"process_started a 3 0", // whose Init fails
			"process_terminated a 3 0",
			"supervisor_restarting sup 1 0",
			"process_started a 4 0",
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %q,\nwant %q", got, want)
		}
	})
}
