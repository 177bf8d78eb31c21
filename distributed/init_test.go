package distributed_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

func TestSpawnOfAProcessThatIsKilledInInitDoesNotWaitForever(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		var self distributed.ProcessID
		start := time.Now()
		told := make(chan error, 1)
		go func() {
			_, err := distributed.SpawnHandler[any](n, initHandler{init: func(p *distributed.Process) error {
				self = p.ID()
				time.Sleep(time.Hour)
				return nil
			}})
			told <- err
		}()
		synctest.Wait()
		n.Kill(self)
		if err := <-told; err != distributed.ErrKilled || time.Since(start) != 5*time.Second {
			t.Errorf("spawn returned %v after %v", err, time.Since(start))
		}
		time.Sleep(2 * time.Hour)
	})
}

// errorOf says what an error is.
func errorOf(err error) string {
	var p *distributed.PanicError
	if errors.As(err, &p) {
		return fmt.Sprintf("panic %v", p.Value)
	}
	return fmt.Sprint(err)
}

func TestInitThatFailsIsToldOnceTheNameIsFree(t *testing.T) {
	for name, test := range map[string]struct {
		init func(p *distributed.Process) error
		want string
	}{
		"an error":        {func(*distributed.Process) error { return errBoom }, "boom"},
		"a panic":         {func(*distributed.Process) error { panic("x") }, "panic x"},
		"a Goexit":        {func(*distributed.Process) error { runtime.Goexit(); return nil }, "panic <nil>"},
		"a normal end":    {func(*distributed.Process) error { return distributed.ErrNormal }, "normal"},
		"killed by init":  {func(p *distributed.Process) error { p.Node().Kill(p.ID()); return errBoom }, "killed"},
		"a helper fails":  {func(p *distributed.Process) error { p.Go(hang(time.Second)); return errBoom }, "boom"},
		"names of Init's": {func(p *distributed.Process) error { p.Node().Register("other", p.ID()); return errBoom }, "boom"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *distributed.Node) {
				terminated := false
				w := spawn(t, n)
				_, err := distributed.SpawnHandler[any](n, initHandler{
					init: func(p *distributed.Process) error {
						w.does(t, func(w *distributed.Process) { w.Monitor("it") })
						return test.init(p)
					},
					end: func(*distributed.Process, error) { terminated = true },
				}, distributed.WithName("it"))
				for _, name := range []distributed.ProcessID{"it", "other"} {
					if _, taken := n.Whereis(name); taken {
						t.Errorf("the name %s is taken when the spawner is told", name)
					}
				}
				if got := errorOf(err); got != test.want {
					t.Errorf("spawn returned %s, want %s", got, test.want)
				}
				synctest.Wait()
				if d := w.notes[0].(distributed.Down); errorOf(d.Reason) != test.want {
					t.Errorf("down with %v, want %s", d.Reason, test.want)
				}
				if terminated {
					t.Error("Terminate of a process whose Init has failed")
				}
			})
		})
	}
}

func TestMessagesSentDuringInitAreHandledAfterIt(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		var got []any
		_, err := distributed.SpawnHandler[any](n, &watcher{
			init: func(p *distributed.Process) {
				n.Send("it", 1)
				n.Send("it", 2)
				time.Sleep(time.Second)
				got = append(got, "init")
			},
			on: func(p *distributed.Process, m any) error { got = append(got, m); return nil },
		}, distributed.WithName("it"))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !slices.Equal(got, []any{"init", 1, 2}) {
			t.Error(got)
		}
	})
}
