package distributed_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

// near reports whether a is b but for a thousandth.
func near(a, b float64) bool { return a >= b*0.999 && a <= b*1.001 }

func TestStatsOfAProcessAreExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		r, _ := distributed.Spawn(n, func(p *distributed.Process, d time.Duration) error {
			time.Sleep(d)
			if d == 3*time.Millisecond {
				return errors.New("three")
			}
			return nil
		}, distributed.WithErrorsLogged())
		check := func(messages uint64, avg float64, errs uint64, active time.Time) {
			t.Helper()
			s, err := n.GetProcessStats(r.ID())
			if err != nil || s.ProcessID != r.ID() || s.MessagesTotal != messages || s.ErrorCount != errs ||
				!near(s.AvgProcessingMs+1, avg+1) {
				t.Errorf("%v %+v", err, s)
			}
			// The clock of a node is 1 ns ahead, so that it is never 0.
			if d := s.LastActive.Sub(active); active.IsZero() != s.LastActive.IsZero() || !active.IsZero() && (d < 0 || d > 1) {
				t.Errorf("last active %v after %v", d, active)
			}
		}
		check(0, 0, 0, time.Time{})
		time.Sleep(time.Hour)
		check(0, 0, 0, time.Time{})
		r.Send(2 * time.Millisecond)
		r.Send(3 * time.Millisecond)
		r.Send(4 * time.Millisecond)
		time.Sleep(4 * time.Millisecond)
		check(2, 2, 0, time.Now()) // 4 ms of 2 messages, of which the second is in hand
		time.Sleep(5 * time.Millisecond)
		synctest.Wait()
		end := time.Now()
		check(3, 3, 1, end)
		time.Sleep(time.Hour)
		check(3, 3, 1, end)
		n.Stop()
		if _, err := n.GetProcessStats(r.ID()); err != distributed.ErrProcessNotFound {
			t.Error(err)
		}
		if _, err := n.GetProcessStats("a@elsewhere"); err != distributed.ErrNoConnection {
			t.Error(err)
		}
	})
}

func TestMessagesPerSecondAreThoseOfNowAndNotOfTheNodesLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		time.Sleep(time.Hour) // the node is old, the process is not
		r := sink(t, n)
		rate := func() float64 {
			s, err := n.GetProcessStats(r.ID())
			if err != nil {
				t.Fatal(err)
			}
			return s.MessagesPerSec
		}
		second := func() {
			for range 100 {
				r.Send(1)
				synctest.Wait()
				time.Sleep(10 * time.Millisecond)
			}
		}
		for range 3 {
			if got := rate(); got > 1 {
				t.Errorf("%v a second before it has begun", got)
			}
			second()
			if got := rate(); got < 95 || got > 105 {
				t.Errorf("%v a second, want 100", got)
			}
			second()
			second()
			if got := rate(); got < 95 || got > 105 {
				t.Errorf("%v a second later, want 100", got)
			}
			time.Sleep(time.Hour) // and again, after a rest
		}
		n.Stop()
	})
}

func TestABurstAfterARestIsNotSpreadOverTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		r, _ := distributed.Spawn(n, func(*distributed.Process, int) error { time.Sleep(time.Millisecond); return nil })
		for range 2 {
			time.Sleep(time.Hour)
			for range 500 {
				r.Send(1)
			}
			time.Sleep(500*time.Millisecond + 1)
			synctest.Wait()
			if s, _ := n.GetProcessStats(r.ID()); s.MessagesPerSec != 500 {
				t.Errorf("%v a second, want 500", s.MessagesPerSec)
			}
		}
		n.Stop()
	})
}

func TestStatsOfANodeAreExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		hold := make(chan struct{})
		spawn := func(size int) distributed.Ref[error] {
			r, err := distributed.Spawn(n, func(p *distributed.Process, m error) error { <-hold; return m },
				distributed.WithMailbox(size, distributed.DropNewest))
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		a, b, c := spawn(2), spawn(4), spawn(4)
		a.Send(nil)
		b.Send(errors.New("crash"))
		c.Send(fmt.Errorf("in good order: %w", distributed.ErrShutdown))
		synctest.Wait()
		for range 3 {
			a.Send(nil) // the last is one too many
			b.Send(nil) // wait when it ends
		}
		close(hold)
		synctest.Wait()
		got := n.Stats()
		want := distributed.NodeStats{Processes: 1, Spawned: 3, Ended: 2, Crashed: 1, Dropped: 4}
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		n.Stop()
		if got := n.Stats(); got.Processes != 0 || got.Ended != 3 || got.Crashed != 1 {
			t.Errorf("at the end %+v", got)
		}
	})
}

func TestEventsSayWhatWhenWhoAndWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		boom := errors.New("boom")
		var got []distributed.SystemEvent
		stop := n.Monitor(func(e distributed.SystemEvent) { got = append(got, e) })
		r, _ := distributed.Spawn(n, func(p *distributed.Process, m error) error { return m }, distributed.WithName("a"))
		started := time.Now()
		time.Sleep(time.Second)
		r.Send(boom)
		synctest.Wait()
		stop()
		sink(t, n)
		synctest.Wait()
		want := []distributed.SystemEvent{
			{Type: distributed.ProcessStarted, Timestamp: started, ProcessID: "a", PID: r.PID(), NodeID: "n"},
			{Type: distributed.ProcessTerminated, Timestamp: started.Add(time.Second), ProcessID: "a", PID: r.PID(), NodeID: "n", Error: boom},
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", got, want)
		}
		n.Stop()
	})
}

func TestEventsThatAreTooManyAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		hold := make(chan struct{})
		got := 0
		n.Monitor(func(distributed.SystemEvent) { <-hold; got++ })
		sink(t, n)
		synctest.Wait() // it is on its way
		for range 5000 {
			sink(t, n)
		}
		close(hold)
		synctest.Wait()
		if lost := n.Stats().Lost; got != 4097 || lost != 5000-4096 {
			t.Errorf("told %d, lost %d", got, lost)
		}
		n.Stop()
	})
}
