package distributed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// supervisedBy starts a supervisor of children from a template.
func supervisedBy(b *testing.B, n *Node, template ProcessSpec) *Supervisor {
	b.Helper()
	sup, err := NewSupervisor(SupervisorSpec{ID: "sup", Strategy: SimpleOneForOne, MaxRestarts: UnlimitedRestarts,
		Processes: []ProcessSpec{template}}, n)
	if err != nil {
		b.Fatal(err)
	}
	return sup
}

func BenchmarkSupervisedSpawn(b *testing.B) {
	for _, callers := range []int{1, 32} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			n := NewNode("n", WithLogger(nil))
			f := func(p *Process, m int) error { return nil }
			sup := supervisedBy(b, n, ProcessSpec{Start: func(n *Node, opts ...SpawnOption) (ProcessID, error) {
				r, err := Spawn(n, f, opts...)
				return r.ID(), err
			}})
			b.ReportAllocs()
			b.ResetTimer()
			var left atomic.Int64
			left.Store(int64(b.N))
			var all sync.WaitGroup
			for range callers {
				all.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := sup.StartChild(context.Background(), ProcessSpec{}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
		})
	}
}

// Each child crashes as soon as it runs, and is started again.
func BenchmarkSupervisedCrash(b *testing.B) {
	n := NewNode("n", WithLogger(nil))
	boom := errors.New("boom")
	f := func(p *Process, reason error) error { return reason }
	var left atomic.Int64
	done := make(chan struct{})
	sup := supervisedBy(b, n, ProcessSpec{Start: func(n *Node, opts ...SpawnOption) (ProcessID, error) {
		r, err := Spawn(n, f, opts...)
		if err != nil {
			return "", err
		}
		if i := left.Add(-1); i > 0 {
			err = r.Send(boom)
		} else if i == 0 {
			close(done)
		}
		return r.ID(), err
	}})
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	for range min(b.N, 64) {
		if _, err := sup.StartChild(context.Background(), ProcessSpec{}); err != nil {
			b.Fatal(err)
		}
	}
	<-done
	b.StopTimer()
	n.Stop()
}
