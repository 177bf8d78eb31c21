package distributed_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/kleeedolinux/socket.go/distributed"
)

// plain is a process that has nothing to do at its end. It does what it is told by a do.
func plain(t *testing.T, n *distributed.Node, opts ...distributed.SpawnOption) distributed.Ref[any] {
	t.Helper()
	r, err := distributed.Spawn(n, func(p *distributed.Process, m any) error {
		if f, ok := m.(do); ok {
			return f(p)
		}
		return nil
	}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// doNow has a process run f as its handler, and returns when it has.
func doNow(r distributed.Ref[any], f func(p *distributed.Process)) {
	over := make(chan struct{})
	r.Send(do(func(p *distributed.Process) error { defer close(over); f(p); return nil }))
	<-over
}

// has reports whether there is a process.
func has(n *distributed.Node, r distributed.Ref[any]) bool {
	_, ok := n.Whereis(r.PID().ID())
	return ok
}

func TestIdleProcessThatIsToldToExitHasEndedWithoutAGoroutineWhenExitReturns(t *testing.T) {
	for name, reason := range map[string]error{
		"in good order": distributed.ErrShutdown, "killed": distributed.ErrKilled, "a crash that nobody logs": errBoom,
		"of a type that cannot be compared": incomparable{"boom"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *distributed.Node) {
				w := spawn(t, n)
				r := plain(t, n, distributed.WithName("a"))
				timer := make(chan struct{})
				r.Send(do(func(p *distributed.Process) error {
					p.Monitor(w.ID())
					distributed.SendAfter(p, 1, r, any(do(func(*distributed.Process) error { close(timer); return nil })))
					return nil
				}))
				w.does(t, func(p *distributed.Process) { p.Monitor("a") })
				release := w.hold(t) // so that none of its goroutines begins or ends
				synctest.Wait()
				before := runtime.NumGoroutine()
				n.Exit("a", reason)
				if now := runtime.NumGoroutine(); has(n, r) || n.Len() != 1 || now > before { // those of earlier tests may end
					t.Errorf("%d processes, %d goroutines, before %d", n.Len(), now, before)
				}
				if err := n.Register("a", w.ID()); err != nil {
					t.Errorf("the name: %v", err)
				}
				if err := r.Send(1); err != distributed.ErrProcessNotFound {
					t.Errorf("Send: %v", err)
				}
				release()
				w.wantNotes(t, name, fmt.Sprintf("[down:%v]", reason))
				select {
				case <-timer:
					t.Error("its timer has sent something")
				default:
				}
			})
		})
	}
}

// incomparable is an error that == panics for.
type incomparable []string

func (e incomparable) Error() string { return e[0] }

// Whatever is left to do at the end of a process that is the application's, or may wait, is
// done by a goroutine of its own: whoever tells the process to exit may hold what it waits for.
func TestWhoTellsAProcessToExitIsNotHeldUpByWhatItDoesAtItsEnd(t *testing.T) {
	var held sync.Mutex // by whoever tells it to exit
	waited := 0
	wait := func() { held.Lock(); defer held.Unlock(); waited++ }
	handler := slog.NewTextHandler(writerFunc(func(b []byte) (int, error) { wait(); return len(b), nil }), nil)
	for name, start := range map[string]func(t *testing.T, n *distributed.Node) distributed.ProcessID{
		"Terminate": func(t *testing.T, n *distributed.Node) distributed.ProcessID {
			s := spawn(t, n)
			s.onEnd = wait
			return s.ID()
		},
		"a goroutine of Go": func(t *testing.T, n *distributed.Node) distributed.ProcessID {
			r := plain(t, n)
			doNow(r, func(p *distributed.Process) {
				p.Go(func(ctx context.Context) error { <-ctx.Done(); wait(); return nil })
			})
			return r.ID()
		},
		"the log": func(t *testing.T, n *distributed.Node) distributed.ProcessID { return plain(t, n).ID() },
		"the log of one that is linked": func(t *testing.T, n *distributed.Node) distributed.ProcessID {
			r := plain(t, n)
			n.LinkProcesses(r.ID(), plain(t, n).ID())
			return r.ID()
		},
		"somebody who watches events": func(t *testing.T, n *distributed.Node) distributed.ProcessID {
			n.Monitor(func(distributed.SystemEvent) { wait() })
			return plain(t, n).ID()
		},
		"somebody who is told": func(t *testing.T, n *distributed.Node) distributed.ProcessID {
			r, s := plain(t, n), spawn(t, n)
			s.on = func(any) { wait() }
			doNow(s.ref, func(p *distributed.Process) { p.Monitor(r.ID()) })
			return r.ID()
		},
		"a child of a supervisor that was killed": func(t *testing.T, n *distributed.Node) distributed.ProcessID {
			sup, err := distributed.NewSupervisor(distributed.SupervisorSpec{ID: "sup", Processes: []distributed.ProcessSpec{{
				ID: "c", Service: func(ctx context.Context) error { <-ctx.Done(); wait(); return nil },
			}}}, n)
			if err != nil {
				t.Fatal(err)
			}
			return sup.ID()
		},
	} {
		for _, reason := range []error{errBoom, distributed.ErrKilled, distributed.ErrShutdown} {
			t.Run(fmt.Sprint(name, ", ", reason), func(t *testing.T) {
				n := newNode(t, distributed.WithLogger(slog.New(handler)))
				id := start(t, n)
				held.Lock()
				if err := n.Exit(id, reason); err != nil {
					t.Error(err)
				}
				held.Unlock() // which is never reached if it waits
				n.Stop()
			})
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestHundredThousandLinkedIdleProcessesEndWithoutADeepStack(t *testing.T) {
	for _, test := range []struct {
		name string
		many int
		to   func(i int) int // the process that the one of an index is linked to
	}{
		{"in a row", 100_000, func(i int) int { return i - 1 }},
		{"all with one", 10_000, func(int) int { return 0 }},
		{"as a tree", 10_000, func(i int) int { return (i - 1) / 7 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which makes stacks smaller
			n := newNode(t)
			all := make([]distributed.ProcessID, test.many)
			for i := range all {
				r, err := distributed.Spawn(n, func(*distributed.Process, int) error { return nil })
				if err != nil {
					t.Fatal(err)
				}
				if all[i] = r.ID(); i > 0 {
					n.LinkProcesses(all[i], all[test.to(i)])
				}
			}
			before := stacks()
			n.Exit(all[0], distributed.ErrShutdown)
			for n.Len() > 0 {
				runtime.Gosched()
			}
			if more := stacks() - before; more > 16<<20 { // goroutines that were there for a moment
				t.Errorf("%d KiB of stacks", more>>10)
			}
		})
	}
}

// stacks is how many bytes all stacks take.
func stacks() int {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.StackInuse)
}

func TestProcessThatIsLinkedToTheOneThatEndsQuietlyIsToldToo(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		all := make([]distributed.Ref[any], 50)
		for i := range all {
			all[i] = plain(t, n)
			if i > 0 {
				n.LinkProcesses(all[i].ID(), all[i-1].ID())
			}
		}
		trapping := spawn(t, n, distributed.WithTrapExit())
		n.LinkProcesses(trapping.ID(), all[49].ID())
		n.Exit(all[25].ID(), errBoom) // in both directions
		trapping.wantNotes(t, "the last", "[exit:boom]")
		if n.Len() != 1 {
			t.Errorf("%d processes", n.Len())
		}
	})
}

// An end within a handler keeps the order of what it sends, before and after, with the Down
// and the Exit.
func TestEndWithinAHandlerKeepsTheOrderOfSignals(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		from, to := spawn(t, n, distributed.WithTrapExit()), spawn(t, n, distributed.WithTrapExit())
		quiet := plain(t, n)
		quiet.Send(do(func(*distributed.Process) error { sendAll(t, to.ref, 0); return nil }))
		synctest.Wait()
		n.LinkProcesses(quiet.ID(), from.ID())
		n.LinkProcesses(quiet.ID(), to.ID())
		for _, s := range []*subject{from, to} {
			s.does(t, func(p *distributed.Process) { p.Monitor(quiet.ID()) })
		}
		from.does(t, func(p *distributed.Process) {
			sendAll(t, from.ref, 1)
			sendAll(t, to.ref, 1)
			p.Exit(quiet.ID(), errBoom)
			if has(n, quiet) {
				t.Error("it is still there")
			}
			sendAll(t, from.ref, 2)
			sendAll(t, to.ref, 2)
			if len(from.notes) != 0 {
				t.Errorf("handled within a handler: %v", from.notes)
			}
		})
		from.wantNotes(t, "it that tells it to exit", "[1 exit:boom down:boom 2]")
		to.wantNotes(t, "another one", "[0 1 exit:boom down:boom 2]")
	})
}

func TestProcessThatIsLinkedToTheOneThatItEndsGoesOnToTheEndOfItsHandler(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		s, quiet := spawn(t, n), plain(t, n)
		n.LinkProcesses(quiet.ID(), s.ID())
		over := false
		release := s.hold(t)
		sendAll(t, s.ref, do(func(p *distributed.Process) error {
			p.Exit(quiet.ID(), errBoom)
			if context.Cause(p) != errBoom || len(s.ended) != 0 {
				t.Errorf("as a context it has ended with %v, Terminate was called with %v", context.Cause(p), s.ended)
			}
			over = true
			return nil
		}), 1)
		release()
		if !over || !slices.Equal(s.ended, []error{errBoom}) || len(s.notes) != 0 {
			t.Errorf("over %v, Terminate was called with %v, and it has handled %v", over, s.ended, s.notes)
		}
	})
}
