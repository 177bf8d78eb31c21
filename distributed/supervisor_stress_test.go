package distributed_test

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

var supervised = flag.Int("supervised", 20_000, "children of TestManyChildrenFromATemplate")

// crasher ends when it is told to.
func crasher(lives *atomic.Int64) distributed.StartFunc {
	return distributed.ChildOf(func() distributed.Handler[error] {
		lives.Add(1)
		return distributed.HandlerFunc[error](func(_ *distributed.Process, reason error) error { return reason })
	})
}

func TestManyCrashesLeaveNothingBehind(t *testing.T) {
	n := newNode(t)
	const children, crashes = 100, 100_000
	var left atomic.Int64 // crashes to come
	done := make(chan struct{}, 1)
	// Who is started crashes at once, as often as is wanted.
	start := func(n *distributed.Node, opts ...distributed.SpawnOption) (distributed.ProcessID, error) {
		r, err := distributed.Spawn(n, func(_ *distributed.Process, reason error) error { return reason }, opts...)
		if err != nil {
			return "", err
		}
		if i := left.Add(-1); i >= 0 {
			err = r.Send(errBoom)
		} else if i == -children {
			done <- struct{}{} // all of them run
		}
		return r.ID(), err
	}
	sup, err := distributed.NewSupervisor(distributed.SupervisorSpec{ID: "sup", Strategy: distributed.SimpleOneForOne,
		MaxRestarts: distributed.UnlimitedRestarts, Processes: []distributed.ProcessSpec{{Start: start}}}, n)
	if err != nil {
		t.Fatal(err)
	}
	for range children {
		if _, err := sup.StartChild(t.Context(), distributed.ProcessSpec{}); err != nil {
			t.Fatal(err)
		}
	}
	<-done
	crash := func(times int64) (goroutines int, bytes uint64) {
		left.Store(times)
		all, err := sup.WhichChildren(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			if err := n.Send(c.Process, errBoom); err != nil {
				t.Fatal(err)
			}
		}
		<-done
		return settled()
	}
	goroutines, memory := crash(1000)
	goroutines2, memory2 := crash(crashes)
	if goroutines2 > goroutines || memory2 > memory+memory/4+256<<10 {
		t.Errorf("goroutines %d, bytes %d; after %d crashes %d, %d", goroutines, memory, crashes, goroutines2, memory2)
	}
	if s := n.Stats(); s.Crashed != 1000+crashes+2*children || s.Processes != children+1 {
		t.Errorf("%+v", s)
	}
	n.Stop()
	if s := n.Stats(); s.Processes != 0 {
		t.Errorf("%+v", s)
	}
}

// settled returns how many goroutines and bytes there are once nobody has anything to do.
func settled() (goroutines int, bytes uint64) {
	for range 1000 { // the last to end tell of it before they have
		if runtime.Gosched(); runtime.NumGoroutine() < 5 {
			break
		}
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), m.HeapAlloc
}

func TestManyChildrenFromATemplate(t *testing.T) {
	n := newNode(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	sup, err := distributed.NewSupervisor(distributed.SupervisorSpec{ID: "sup", Strategy: distributed.SimpleOneForOne,
		Processes: []distributed.ProcessSpec{{Start: crasher(new(atomic.Int64))}}}, n)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for range *supervised {
		if _, err := sup.StartChild(t.Context(), distributed.ProcessSpec{}); err != nil {
			t.Fatal(err)
		}
	}
	started := time.Since(start)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if c, err := sup.CountChildren(t.Context()); err != nil || c.Running != *supervised {
		t.Errorf("%+v, %v", c, err)
	}
	most := new(atomic.Int64)
	ctx, stopped := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		for ctx.Err() == nil {
			most.Store(max(most.Load(), int64(runtime.NumGoroutine())))
			time.Sleep(time.Millisecond)
		}
	})
	start = time.Now()
	if err := sup.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	t.Logf("%d children: started in %v, %d bytes each, stopped in %v with %d goroutines at most", *supervised, started,
		(after.HeapAlloc-before.HeapAlloc)/uint64(*supervised), time.Since(start), most.Load())
	stopped()
	watching.Wait()
	n.Stop() // the supervisor is counted out once everybody has been told
	if s := n.Stats(); s.Processes != 0 {
		t.Errorf("%+v", s)
	}
	if got := most.Load(); got > 10_000 {
		t.Errorf("%d goroutines at once: children pile up", got)
	}
}

func TestSupervisorsUnderStress(t *testing.T) {
	n := newNode(t)
	var lives atomic.Int64
	names := []distributed.ProcessID{"a", "b", "c", "d"}
	var children []distributed.ProcessSpec
	for i, id := range names {
		children = append(children, distributed.ProcessSpec{ID: id, Start: crasher(&lives), Restart: distributed.Restart(i % 2)})
	}
	spec := distributed.SupervisorSpec{ID: "top", MaxRestarts: distributed.UnlimitedRestarts, Processes: []distributed.ProcessSpec{
		{Supervisor: &distributed.SupervisorSpec{ID: "static", Strategy: distributed.OneForAll, MaxRestarts: 20, Processes: children}},
		{Supervisor: &distributed.SupervisorSpec{ID: "dynamic", Strategy: distributed.SimpleOneForOne, MaxRestarts: 50,
			Processes: []distributed.ProcessSpec{{Start: crasher(&lives), Shutdown: distributed.BrutalKill}}}},
	}}
	top, err := distributed.NewSupervisor(spec, n)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var busy sync.WaitGroup
	for range 8 {
		busy.Go(func() {
			for done := 0; done < 1000 && ctx.Err() == nil; {
				if stir(ctx, n, names) {
					done++
				} else {
					runtime.Gosched()
				}
			}
		})
	}
	busy.Wait()
	if ctx.Err() != nil {
		t.Error("not done in time")
	}
	if err := top.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	n.Stop()
	if s := n.Stats(); s.Processes != 0 || s.Zombies != 0 {
		t.Errorf("%+v", s)
	}
}

// stir does something to supervisors, unless they just are not there.
func stir(ctx context.Context, n *distributed.Node, names []distributed.ProcessID) bool {
	id := names[rand.IntN(len(names))]
	static, err := distributed.LookupSupervisor(n, "static")
	if err != nil {
		return false
	}
	dynamic, err := distributed.LookupSupervisor(n, "dynamic")
	if err != nil {
		return false
	}
	switch rand.IntN(10) {
	case 0, 1, 2:
		_ = n.Send(id, errBoom)
	case 3:
		_ = n.Send(id, distributed.ErrNormal)
	case 4:
		_ = static.TerminateChild(ctx, id)
	case 5:
		_, _ = static.RestartChild(ctx, id)
	case 6:
		if rand.IntN(20) == 0 {
			_ = n.Kill([]distributed.ProcessID{"static", "dynamic", id}[rand.IntN(3)])
		}
	case 7:
		_, _ = dynamic.StartChild(ctx, distributed.ProcessSpec{})
	default:
		all, err := dynamic.WhichChildren(ctx)
		if err != nil || len(all) == 0 {
			return false
		}
		c := all[rand.IntN(len(all))]
		if rand.IntN(2) == 0 {
			_ = n.Send(c.Process, errors.New("x"))
		} else {
			_ = dynamic.TerminateChild(ctx, c.Process)
		}
	}
	return true
}
