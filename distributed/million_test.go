package distributed_test

import (
	"flag"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

var million = flag.Bool("million", false, "run the test with a million processes, which takes a minute and 1 GB")

// TestAMillionProcesses spawns a million, sends each a message and stops them all.
func TestAMillionProcesses(t *testing.T) {
	processes, most := 20_000, 500.0 // with a share of what the runtime takes for itself
	if *million {
		processes, most = 1_000_000, 450
	}
	before := heapAfterGC()
	n := newNode(t, distributed.WithStopTimeout(10*time.Minute))
	var got atomic.Int64
	handle := func(p *distributed.Process, m int) error { got.Add(int64(m)); return nil }
	refs := make([]distributed.Ref[int], processes)
	start := time.Now()
	lap := func() time.Duration { d := time.Since(start).Round(time.Millisecond); start = time.Now(); return d }
	for i := range refs {
		r, err := distributed.Spawn(n, handle)
		if err != nil {
			t.Fatal(err)
		}
		refs[i] = r
	}
	spawned := lap()
	idle := heapAfterGC()
	per := float64(idle-before)/float64(processes) - 8 // refs
	start = time.Now()
	for _, r := range refs {
		if err := r.Send(1); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(5 * time.Minute); got.Load() < int64(processes) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if got.Load() != int64(processes) {
		t.Fatalf("%d of %d messages were handled", got.Load(), processes)
	}
	sent := lap()
	again := float64(heapAfterGC()-before)/float64(processes) - 8
	if per > 400 || again > most {
		t.Errorf("%.0f bytes a process, %.0f once it has handled something: want at most 400 and %.0f", per, again, most)
	}
	start = time.Now()
	n.Stop()
	stopped := lap()
	if s := n.Stats(); s.Processes != 0 || s.Ended != uint64(processes) || s.Crashed != 0 || s.Dropped != 0 {
		t.Errorf("after Stop: %+v", s)
	}
	clear(refs)
	// What the runtime keeps for goroutines to come is not the node's: the node is what is freed with it.
	with := heapAfterGC()
	runtime.KeepAlive(n)
	n = nil
	left := int64(with) - int64(heapAfterGC())
	runtime.KeepAlive(refs)
	t.Logf("%d processes: %.0f bytes each, %.0f once they have handled something; a node of %d bytes is left after Stop; "+
		"spawned in %v, one message each in %v, stopped in %v", processes, per, again, left, spawned, sent, stopped)
	if left > 1<<20 {
		t.Errorf("after Stop the node has %d bytes", left)
	}
}
