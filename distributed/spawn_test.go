package distributed_test

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/kleeedolinux/socket.go/distributed"
)

// Somebody kills the process by its name as soon as it has that.
func TestProcessThatIsKilledWhileItIsSpawnedHasStartedAndIsGone(t *testing.T) {
	n := newNode(t)
	var mu sync.Mutex
	var last distributed.EventType // they come in turn
	wrong := 0
	n.Monitor(func(e distributed.SystemEvent) {
		mu.Lock()
		defer mu.Unlock()
		if e.Type == last {
			wrong++
		}
		last = e.Type
	})
	stop := make(chan struct{})
	var killer sync.WaitGroup
	killer.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				n.Kill("it")
				runtime.Gosched()
			}
		}
	})
	var ids []distributed.ProcessID
	for range 1000 {
		r, err := distributed.Spawn(n, func(p *distributed.Process, m int) error { return nil }, distributed.WithName("it"))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.PID().ID())
		for n.Len() > 0 {
			runtime.Gosched()
		}
	}
	close(stop)
	killer.Wait()
	mu.Lock()
	defer mu.Unlock()
	for _, id := range ids {
		if _, ok := n.Whereis(id); ok {
			t.Fatalf("%s is still found", id)
		}
	}
	if wrong > 0 {
		t.Errorf("%d times a process has terminated before it started", wrong)
	}
}

func TestSpawnLinkedToAProcessThatHasEndedIsToldNoProcess(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		gone := spawn(t, n)
		gone.ends(t, func(p *distributed.Process) error { return errBoom })
		plain := spawn(t, n, distributed.WithLink(gone.Process))
		trapping := spawn(t, n, distributed.WithLink(gone.Process), distributed.WithTrapExit())
		synctest.Wait()
		if plain.reason() != distributed.ErrProcessNotFound {
			t.Errorf("ended with %v", plain.reason())
		}
		trapping.wantNotes(t, "trapping", "[exit:distributed: no such process]")
	})
}

func TestSpawnLinkIsAtomic(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		parent := spawn(t, n, distributed.WithTrapExit())
		for range 100 {
			parent.does(t, func(p *distributed.Process) {
				distributed.SpawnHandler[any](n, initHandler{init: fails}, distributed.WithLink(p))
			})
			parent.wantNotes(t, "however early it ends", "[exit:boom]")
		}
	})
}
