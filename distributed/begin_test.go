package distributed_test

import (
	"runtime"
	"sync"
	"testing"

	"github.com/kleeedolinux/socket.go/distributed"
)

// TestAProcessThatIsEndedWhileItBeginsLeavesNothing kills processes by their name as soon
// as that can be found.
func TestAProcessThatIsEndedWhileItBeginsLeavesNothing(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(16)) // so that whoever begins is interrupted
	n := newNode(t)
	var mu sync.Mutex
	var order []distributed.EventType
	n.Monitor(func(e distributed.SystemEvent) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, e.Type)
	})
	done := make(chan struct{})
	var killers sync.WaitGroup
	killers.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				n.Kill("victim")
			}
		}
	})
	for range 5000 {
		_, err := distributed.Spawn(n, func(*distributed.Process, any) error { return nil }, distributed.WithName("victim"))
		if err != nil && err != distributed.ErrNameTaken {
			t.Fatal(err)
		}
	}
	n.Stop()
	close(done)
	killers.Wait()
	for id := range n.Processes() {
		t.Errorf("%s has ended and is listed", id)
		break
	}
	distributed.AwaitEvents(n)
	mu.Lock()
	defer mu.Unlock()
	there := 0
	for i, e := range order {
		if e == distributed.ProcessStarted {
			there++
		} else if there--; there < 0 && n.Stats().Lost == 0 {
			t.Fatalf("event %d is the end of a process that has not begun", i)
		}
	}
}
