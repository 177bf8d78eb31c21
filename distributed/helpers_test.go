package distributed_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

func TestHelpersThatFailEndTheirProcess(t *testing.T) {
	for name, test := range map[string]struct {
		helper func(context.Context) error
		want   string
	}{
		"an error":   {func(context.Context) error { return errBoom }, "boom"},
		"a panic":    {func(context.Context) error { panic("x") }, "panic x"},
		"a Goexit":   {func(context.Context) error { runtime.Goexit(); return nil }, "panic <nil>"},
		"nil":        {func(context.Context) error { return nil }, "<nil>"},
		"normal end": {func(context.Context) error { return distributed.ErrNormal }, "normal"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *distributed.Node) {
				s := spawn(t, n)
				s.does(t, func(p *distributed.Process) { p.Go(test.helper) })
				if got := errorOf(s.reason()); got != test.want {
					t.Errorf("the process ended with %s, want %s", got, test.want)
				}
			})
		})
	}
}

func TestHelpersAreAwaitedBeforeTerminate(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		s, w := spawn(t, n), spawn(t, n)
		var order []string
		s.onEnd = func() { order = append(order, "terminate") }
		w.on = func(any) { order = append(order, "down") }
		w.does(t, func(p *distributed.Process) { p.Monitor(s.ID()) })
		s.ends(t, func(p *distributed.Process) error {
			p.Go(func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Minute)
				order = append(order, "helper")
				return errors.New("too late to be the reason")
			})
			return errBoom
		})
		s.Go(func(context.Context) error { t.Error("a helper of a process that ends"); return nil })
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := fmt.Sprint(order); got != "[helper terminate down]" || s.reason() != errBoom {
			t.Errorf("order %s, reason %v", got, s.reason())
		}
	})
}

func TestGoexitInAHandlerEndsTheProcess(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		s, w := spawn(t, n), spawn(t, n)
		w.does(t, func(p *distributed.Process) { p.Monitor(s.ID()) })
		s.ends(t, func(*distributed.Process) error { runtime.Goexit(); return nil })
		w.wantNotes(t, "told", "[down:goroutine ended by runtime.Goexit]")
		if len(s.ended) != 1 {
			t.Error("no Terminate")
		}
	})
}

func TestPanicInTerminateDoesNotKeepTheEndFromBeingTold(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		s, w := spawn(t, n), spawn(t, n)
		s.onEnd = func() { panic("x") }
		w.does(t, func(p *distributed.Process) { p.Monitor(s.ID()) })
		s.ends(t, fails)
		w.wantNotes(t, "told", "[down:boom]")
	})
}

func TestKilledWhileItTerminatesIsToldAsKilled(t *testing.T) {
	for _, hang := range []time.Duration{time.Second, time.Minute} {
		inBubble(t, func(t *testing.T, n *distributed.Node) {
			s, w := spawn(t, n), spawn(t, n)
			var events []distributed.EventType
			n.Monitor(func(e distributed.SystemEvent) { events = append(events, e.Type) })
			s.onEnd = func() { time.Sleep(hang) }
			w.does(t, func(p *distributed.Process) { p.Monitor(s.ID()) })
			s.ends(t, fails)
			start := time.Now()
			n.Kill(s.ID())
			if err := n.Wait(t.Context(), s.ID()); err != distributed.ErrKilled || time.Since(start) != min(hang, 5*time.Second) {
				t.Errorf("hangs for %v: told %v after %v", hang, err, time.Since(start))
			}
			w.wantNotes(t, "told", "[down:killed]")
			want := "[process_terminated]"
			if hang > 5*time.Second {
				want = "[process_zombie process_terminated]"
			}
			if got := fmt.Sprint(events); got != want {
				t.Errorf("events %s, want %s", got, want)
			}
			time.Sleep(time.Hour)
		})
	}
}

func TestKillOfAnIdleProcessDoesNotTerminate(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		s := spawn(t, n, distributed.WithTrapExit())
		n.Kill(s.ID())
		if s.reason() != distributed.ErrKilled || len(s.ended) != 0 {
			t.Errorf("reason %v, Terminate %v", s.reason(), s.ended)
		}
		if err := n.Kill(s.ID()); err != distributed.ErrProcessNotFound {
			t.Errorf("a second Kill: %v", err)
		}
	})
}

func TestTimersDieWithTheirProcess(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		s, to := spawn(t, n), spawn(t, n)
		s.does(t, func(p *distributed.Process) {
			distributed.SendAfter(p, time.Second, to.ref, any("once"))
			distributed.SendEvery(p, 2*time.Second, to.ref, any("again"))
			stopped := distributed.SendAfter(p, time.Second, to.ref, any("stopped"))
			if !stopped.Stop() || stopped.Stop() {
				t.Error("Stop is true the first time only")
			}
			distributed.SendAfter(p, 6*time.Second, to.ref, any("late"))
		})
		time.Sleep(5 * time.Second)
		to.wantNotes(t, "before the end", "[once again again]")
		s.ends(t, fails)
		time.Sleep(time.Hour)
		to.wantNotes(t, "after the end", "[]")
		if tm := distributed.SendAfter(s.Process, 0, to.ref, any("dead")); tm.Stop() {
			t.Error("the timer of a process that has ended runs")
		}
		to.wantNotes(t, "a timer of a process that has ended", "[]")
		stop := n.SendAfter(time.Second, to.ID(), "node's")
		time.Sleep(2 * time.Second)
		to.wantNotes(t, "a timer of the node", "[node's]")
		if stop() {
			t.Error("stop of a timer that has fired")
		}
	})
}
