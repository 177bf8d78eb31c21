package distributed_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

// hang is a goroutine that does not look at its context.
func hang(d time.Duration) func(context.Context) error {
	return func(context.Context) error { time.Sleep(d); return nil }
}

func TestKilledWhileHelpersAreAwaitedDoesNotTerminate(t *testing.T) {
	for _, helper := range []time.Duration{time.Second, time.Minute} {
		inBubble(t, func(t *testing.T, n *distributed.Node) {
			s, w := spawn(t, n), spawn(t, n)
			id := s.ID()
			w.does(t, func(p *distributed.Process) { p.Monitor(id) })
			s.ends(t, func(p *distributed.Process) error { p.Go(hang(helper)); return errBoom })
			n.Kill(id)
			time.Sleep(2 * helper)
			w.wantNotes(t, "watcher", "[down:killed]")
			if len(s.ended) != 0 {
				t.Errorf("helper of %v: Terminate(%v) of a process that was killed", helper, s.ended)
			}
		})
	}
}

func TestKilledIdleProcessWhoseHelperHangsIsAZombie(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		s := spawn(t, n)
		id := s.ID()
		s.does(t, func(p *distributed.Process) { p.Go(hang(time.Hour)) })
		start := time.Now()
		n.Kill(id)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := n.Wait(ctx, id); err != distributed.ErrKilled || time.Since(start) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if z := n.Stats().Zombies; z != 1 {
			t.Errorf("%d zombies", z)
		}
		time.Sleep(time.Hour)
		if z := n.Stats().Zombies; z != 0 {
			t.Errorf("%d zombies after the helper has returned", z)
		}
	})
}

// initHandler is a handler whose Init is a function.
type initHandler struct {
	init func(p *distributed.Process) error
	end  func(p *distributed.Process, reason error)
}

func (h initHandler) Init(p *distributed.Process) error          { return h.init(p) }
func (h initHandler) Handle(p *distributed.Process, m any) error { return nil }
func (h initHandler) Terminate(p *distributed.Process, reason error) {
	if h.end != nil {
		h.end(p, reason)
	}
}

func TestKilledWhileAFailedInitAwaitsHelpersIsAZombieUntilTheyReturn(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		var self distributed.ProcessID
		go distributed.SpawnHandler[any](n, initHandler{init: func(p *distributed.Process) error {
			self = p.ID()
			p.Go(hang(time.Minute))
			return errBoom
		}})
		synctest.Wait()
		n.Kill(self)
		time.Sleep(10 * time.Second)
		if s := n.Stats(); s.Zombies != 1 || s.Processes != 0 {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Hour)
		if s := n.Stats(); s.Zombies != 0 || s.Processes != 0 {
			t.Errorf("%+v after the helper has returned", s)
		}
	})
}

func TestGoexitInTerminateEndsTheProcess(t *testing.T) {
	for name, handler := range map[string]func(p *distributed.Process) error{
		"after an error": func(*distributed.Process) error { return errBoom },
		"after a panic":  func(*distributed.Process) error { panic(errBoom) },
		"after a Goexit": func(*distributed.Process) error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *distributed.Node) {
				w := spawn(t, n)
				id, err := n.SpawnProcess(nothing)
				if err != nil {
					t.Fatal(err)
				}
				r, _ := distributed.SpawnHandler[any](n, &watcher{
					on:  func(p *distributed.Process, m any) error { return handler(p) },
					end: func(*distributed.Process, error) { runtime.Goexit() },
				}, distributed.WithName("it"))
				w.does(t, func(p *distributed.Process) { p.Monitor("it"); p.Monitor(id) })
				r.Send(1)
				synctest.Wait()
				if len(w.notes) != 1 {
					t.Errorf("the watcher got %v", w.got())
				}
				if _, ok := n.Whereis("it"); ok || n.Len() != 2 {
					t.Errorf("still there: name %v, %d processes", ok, n.Len())
				}
			})
		})
	}
}

func nothing(context.Context, distributed.ProcessID, *distributed.Node, interface{}) error {
	return nil
}

// hangAndFail is a helper that fails after a while.
func hangAndFail(context.Context) error { time.Sleep(time.Second); return errBoom }
