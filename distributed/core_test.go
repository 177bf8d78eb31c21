package distributed_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

func newNode(t *testing.T, opts ...distributed.Option) *distributed.Node {
	t.Helper()
	return distributed.NewNode("n", append([]distributed.Option{distributed.WithLogger(nil)}, opts...)...)
}

// watcher collects Downs and Exits.
type watcher struct {
	init func(p *distributed.Process)
	on   func(p *distributed.Process, m any) error
	end  func(p *distributed.Process, reason error)
}

func (w *watcher) Init(p *distributed.Process) error {
	if w.init != nil {
		w.init(p)
	}
	return nil
}
func (w *watcher) Handle(p *distributed.Process, m any) error { return w.on(p, m) }
func (w *watcher) Terminate(p *distributed.Process, reason error) {
	if w.end != nil {
		w.end(p, reason)
	}
}

func TestMessagesSentBeforeAnEndAreHandledBeforeTheDown(t *testing.T) {
	n := newNode(t, distributed.WithMailboxSize(1<<20))
	const messages = 20000
	got, late := 0, 0
	down := make(chan struct{})
	var target distributed.Ref[int]
	w, err := distributed.SpawnHandler[any](n, &watcher{on: func(p *distributed.Process, m any) error {
		switch m.(type) {
		case string:
			p.Monitor(target.ID())
			target.Send(1)
		case int:
			got++
			select {
			case <-down:
				late++
			default:
			}
		case distributed.Down:
			close(down)
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	target, _ = distributed.Spawn(n, func(p *distributed.Process, m int) error {
		for i := range messages {
			w.Send(i)
		}
		return errors.New("over")
	})
	w.Send("go")
	<-down
	if got != messages || late != 0 {
		t.Errorf("%d of %d before, %d after", got, messages, late)
	}
	n.Stop()
}

func TestCallToAProcessThatDiesReturnsItsReasonAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		boom := errors.New("boom")
		r, _ := distributed.Spawn(n, func(p *distributed.Process, m distributed.From[int]) error {
			time.Sleep(time.Second)
			return boom
		})
		start := time.Now()
		_, err := distributed.Call(t.Context(), r, func(f distributed.From[int]) distributed.From[int] { return f })
		if !errors.Is(err, boom) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		r, _ = distributed.Spawn(n, func(p *distributed.Process, m distributed.From[int]) error {
			time.Sleep(time.Minute)
			if m.Reply(1) {
				t.Error("late reply taken")
			}
			return nil
		})
		start = time.Now()
		_, err = distributed.Call(t.Context(), r, func(f distributed.From[int]) distributed.From[int] { return f })
		if !errors.Is(err, distributed.ErrTimeout) || time.Since(start) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		time.Sleep(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := n.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestPanicEndsTheProcessAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		var order []string
		_, err := n.SpawnProcessWithID("a", func(ctx context.Context, self distributed.ProcessID, n *distributed.Node, m interface{}) error {
			panic(fmt.Sprint(m))
		})
		if err != nil {
			t.Fatal(err)
		}
		var reason error
		distributed.SpawnHandler[any](n, &watcher{
			init: func(p *distributed.Process) { p.Monitor("a") },
			on: func(p *distributed.Process, m any) error {
				reason = m.(distributed.Down).Reason
				if _, ok := n.Whereis("a"); ok {
					t.Error("name not free")
				}
				return nil
			},
		})
		if err := n.Send("a", "x"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		var pe *distributed.PanicError
		if !errors.As(reason, &pe) || pe.Value != "x" || len(pe.Stack) == 0 {
			t.Errorf("reason %v", reason)
		}
		_ = order
		if err := n.Send("a", "x"); err != distributed.ErrProcessNotFound {
			t.Error(err)
		}
		n.Stop()
		if n.Len() != 0 {
			t.Error(n.Len())
		}
	})
}

func TestKilledHandlerThatDoesNotReturnIsAZombie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		var events []string
		n.Monitor(func(e distributed.SystemEvent) { events = append(events, string(e.Type)) })
		id, _ := n.SpawnProcess(func(ctx context.Context, self distributed.ProcessID, n *distributed.Node, m interface{}) error {
			<-ctx.Done()
			if context.Cause(ctx) != distributed.ErrKilled {
				t.Error(context.Cause(ctx))
			}
			time.Sleep(time.Minute)
			return nil
		})
		n.Send(id, 1)
		synctest.Wait()
		start := time.Now()
		n.Kill(id)
		if err := n.Wait(t.Context(), id); err != distributed.ErrKilled || time.Since(start) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		synctest.Wait()
		if s := n.Stats(); s.Zombies != 1 || s.Processes != 0 {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Hour)
		if s := n.Stats(); s.Zombies != 0 {
			t.Errorf("%+v", s)
		}
		if fmt.Sprint(events) != "[process_started process_zombie process_terminated]" {
			t.Error(events)
		}
	})
}
