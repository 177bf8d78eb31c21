package distributed_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

func TestSystemEventsComeInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		var got []string
		var times []time.Time
		stop := n.Monitor(func(e distributed.SystemEvent) {
			got = append(got, fmt.Sprintf("%s %s %v", e.Type, e.ProcessID, e.Error))
			times = append(times, e.Timestamp)
			if e.NodeID != "n" {
				t.Errorf("event of node %q", e.NodeID)
			}
		})
		a := spawn(t, n, distributed.WithName("a"))
		spawn(t, n, distributed.WithName("b"))
		n.LinkProcesses("a", "b")
		time.Sleep(time.Second)
		a.ends(t, fails)
		want := []string{
			"process_started a <nil>", "process_started b <nil>",
			"process_terminated a boom", "process_terminated b boom",
		}
		slices.Sort(got[2:]) // a and b end at once
		if !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
		if !slices.IsSortedFunc(times, time.Time.Compare) || times[2].Sub(times[0]) != time.Second {
			t.Errorf("times %v", times)
		}
		stop()
		spawn(t, n)
		synctest.Wait()
		if len(got) != 4 {
			t.Errorf("an event after stop: %q", got[4:])
		}
	})
}

func TestEventsThatAreTooManyAreDroppedAndCounted(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		goOn := make(chan struct{})
		got := 0
		stop := n.Monitor(func(e distributed.SystemEvent) {
			<-goOn
			got++
		})
		spawn(t, n)
		synctest.Wait() // its event is with the observer
		const more = 100
		for range 4096 + more {
			spawn(t, n)
		}
		synctest.Wait()
		if lost := n.Stats().Lost; lost != more {
			t.Errorf("lost %d, want %d", lost, more)
		}
		close(goOn)
		synctest.Wait()
		if got != 4097 {
			t.Errorf("got %d events", got)
		}
		for range 10 {
			spawn(t, n)
		}
		synctest.Wait()
		if lost := n.Stats().Lost; got != 4107 || lost != more {
			t.Errorf("got %d events, %d lost", got, lost)
		}
		stop()
	})
}

// What waits for others is more than can wait at once: the bound holds all the same.
func TestEventsThatWaitAreBoundedWhileSomeArePassedOn(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		turn := make(chan struct{})
		stop := n.Monitor(func(e distributed.SystemEvent) { <-turn })
		for range 2 {
			spawn(t, n)
			synctest.Wait() // the first is with the observer
			for range 4999 {
				spawn(t, n)
			}
			turn <- struct{}{}
			turn <- struct{}{}
			synctest.Wait()
		}
		// 4097 of the first 5000 were taken, and two of the second.
		if lost := n.Stats().Lost; lost != 10000-4097-2 {
			t.Errorf("lost %d, want %d", lost, 10000-4097-2)
		}
		stop()
		close(turn)
	})
}

func TestObserverGetsEventsFromItsMonitorOnUntilStop(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		goOn := make(chan struct{})
		n.Monitor(func(e distributed.SystemEvent) { <-goOn })
		spawn(t, n)
		spawn(t, n)
		var late, stopped int
		stop := n.Monitor(func(e distributed.SystemEvent) { stopped++ })
		spawn(t, n)
		n.Monitor(func(e distributed.SystemEvent) { late++ })
		spawn(t, n)
		synctest.Wait()
		stop()
		close(goOn)
		synctest.Wait()
		if late != 1 || stopped != 0 {
			t.Errorf("%d events, of which one came after its Monitor; %d after stop", late, stopped)
		}
	})
}

func TestObserverThatPanicsDoesNotEndTheProgramNorTheEvents(t *testing.T) {
	for name, f := range map[string]func(){
		"panic":  func() { panic("x") },
		"Goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *distributed.Node) {
				got := 0
				n.Monitor(func(e distributed.SystemEvent) { f() })
				n.Monitor(func(e distributed.SystemEvent) { got++ })
				for range 3 {
					spawn(t, n)
				}
				synctest.Wait()
				if got != 3 {
					t.Errorf("another observer got %d events of 3", got)
				}
			})
		})
	}
}
