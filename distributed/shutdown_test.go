package distributed_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

func TestShutdownEndsEverybodyInGoodOrderTrappedOrNot(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		plain, trapping, busy := spawn(t, n), spawn(t, n, distributed.WithTrapExit()), spawn(t, n)
		busy.ref.Send(do(func(p *distributed.Process) error { <-p.Done(); time.Sleep(time.Second); return p.Err() }))
		synctest.Wait()
		start := time.Now()
		if err := n.Shutdown(t.Context()); err != nil || time.Since(start) != time.Second {
			t.Errorf("Shutdown = %v after %v", err, time.Since(start))
		}
		for _, s := range []*subject{plain, trapping, busy} {
			if s.reason() != distributed.ErrShutdown || len(s.ended) != 1 {
				t.Errorf("reason %v, Terminate %v", s.reason(), s.ended)
			}
		}
		if s := n.Stats(); s.Crashed != 0 || s.Ended != 3 {
			t.Errorf("%+v", s)
		}
		if _, err := n.SpawnProcess(nothing); err != distributed.ErrNodeStopped {
			t.Errorf("spawn after Shutdown: %v", err)
		}
		if err := n.Shutdown(t.Context()); err != nil {
			t.Errorf("a second Shutdown: %v", err)
		}
	})
}

func TestShutdownKillsWhatIsLeftWhenItsContextEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		s := spawn(t, n)
		s.onEnd = func() { time.Sleep(3 * time.Second) }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := n.Shutdown(ctx); err != context.DeadlineExceeded {
			t.Errorf("Shutdown = %v", err)
		}
		if err := n.Wait(t.Context(), s.ID()); err != distributed.ErrKilled {
			t.Errorf("what was left ended with %v", err)
		}
	})
}

func TestStopKillsAfterItsTimeout(t *testing.T) {
	for _, fromHandler := range []bool{false, true} {
		inBubble(t, func(t *testing.T, n *distributed.Node) {
			s, other := spawn(t, n), spawn(t, n)
			start := time.Now()
			var took time.Duration
			stop := func(*distributed.Process) error { n.Stop(); took = time.Since(start); return nil }
			if fromHandler {
				s.ref.Send(do(stop)) // it waits for itself
				time.Sleep(time.Minute)
			} else {
				s.ref.Send(do(func(*distributed.Process) error { time.Sleep(time.Minute); return nil }))
				synctest.Wait()
				stop(nil)
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			if took != 10*time.Second || n.Len() != 0 || other.reason() != distributed.ErrShutdown {
				t.Errorf("Stop took %v, %d left, another ended with %v", took, n.Len(), other.reason())
			}
		})
	}
}

func TestShutdownByAHandlerWithItselfAsContextReturns(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		s, other := spawn(t, n), spawn(t, n)
		start := time.Now()
		var err error
		s.does(t, func(p *distributed.Process) { err = n.Shutdown(p) })
		synctest.Wait()
		if !errors.Is(err, context.Canceled) || time.Since(start) != 0 || n.Len() != 0 {
			t.Errorf("Shutdown = %v after %v, %d left", err, time.Since(start), n.Len())
		}
		if other.reason() == nil || s.reason() == nil {
			t.Error("somebody goes on")
		}
	})
}

// Whoever spawns while the node stops gets a process that ends, or ErrNodeStopped.
func TestSpawnsDuringShutdownEndOrAreRefused(t *testing.T) {
	for range 200 {
		n := newNode(t)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for {
					_, err := distributed.SpawnHandler[any](n, new(subject))
					if err == distributed.ErrNodeStopped {
						return
					}
					if err != nil && err != distributed.ErrShutdown {
						t.Error(err)
					}
				}
			})
		}
		if err := n.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		all.Wait()
		if s := n.Stats(); s.Processes != 0 || s.Spawned != s.Ended {
			t.Fatalf("after Shutdown: %+v", s)
		}
	}
}

func TestRegisteredNames(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		a, b := spawn(t, n, distributed.WithName("a")), spawn(t, n)
		want := func(what string, got, want error) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
		want("a taken name", n.Register("a", b.ID()), distributed.ErrNameTaken)
		want("a second name", n.Register("a2", "a"), nil)
		want("the same again", n.Register("a2", "a"), distributed.ErrNameTaken)
		want("nobody", n.Register("x", "nobody"), distributed.ErrProcessNotFound)
		for _, bad := range []distributed.ProcessID{"", "#1", "x@y", distributed.ProcessID(make([]byte, 256))} {
			want("bad name", n.Register(bad, "a"), distributed.ErrBadName)
		}
		if pid, ok := n.Whereis("a2@n"); !ok || pid != a.PID() {
			t.Errorf("a2@n is %v", pid)
		}
		want("unregister", n.Unregister("a"), nil)
		want("unregister again", n.Unregister("a"), distributed.ErrProcessNotFound)
		want("a free name", n.Register("a", b.ID()), nil)
		a.ends(t, fails)
		want("the name of the other stays", n.Send("a", 1), nil)
		b.wantNotes(t, "by its name", "[1]")
		want("freed at the end", n.Register("a2", b.ID()), nil)
		_, err := n.SpawnProcessWithID("a", nothing)
		want("spawn with a taken name", err, distributed.ErrNameTaken)
		_, err = n.SpawnProcessWithID("", nothing)
		want("spawn with a bad name", err, distributed.ErrBadName)
		if s := n.Stats(); s.Spawned != 2 || s.Processes != 1 {
			t.Errorf("%+v", s)
		}
	})
}
