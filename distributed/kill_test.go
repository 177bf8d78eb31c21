package distributed_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

// stubborn starts a process with a goroutine that does not return before its channel is
// closed.
func stubborn(t *testing.T, n *distributed.Node, w *watcher) (id distributed.ProcessID, free chan struct{}) {
	t.Helper()
	free = make(chan struct{})
	w.init = func(p *distributed.Process) {
		p.Go(func(context.Context) error {
			<-free
			return nil
		})
	}
	r, err := distributed.SpawnHandler[any](n, w)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return r.ID(), free
}

func TestKilledProcessWhoseGoroutineDoesNotReturnIsAZombie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		id, free := stubborn(t, n, &watcher{})
		start := time.Now()
		n.Kill(id)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := n.Wait(ctx, id); err != distributed.ErrKilled || time.Since(start) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if s := n.Stats(); s.Zombies != 1 {
			t.Errorf("%+v", s)
		}
		close(free)
		synctest.Wait()
		if s := n.Stats(); s.Zombies != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestTerminateIsNotCalledOfOneKilledWhileItsGoroutinesAreAwaited(t *testing.T) {
	for _, tt := range []struct {
		name string
		wait time.Duration // before the goroutine returns
	}{
		{"before it is a zombie", time.Second},
		{"as a zombie", time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				id, free := stubborn(t, n, &watcher{
					on: func(*distributed.Process, any) error { return errors.New("over") },
					end: func(p *distributed.Process, reason error) {
						t.Errorf("Terminate(%v)", reason)
					},
				})
				n.Send(id, 1)
				synctest.Wait()
				n.Kill(id)
				time.Sleep(tt.wait)
				close(free)
				synctest.Wait()
				if s := n.Stats(); s.Zombies != 0 || s.Processes != 0 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}
