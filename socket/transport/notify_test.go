package transport_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// NotifyQueue calls once, when a write has made room, or at once if nothing is queued; the
// last call counts.
func TestNotifyQueueCallsOnceWhenThereIsRoom(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := blocked(t, role, transport.Limits{})
		var first, second, third atomic.Int32
		c.NotifyQueue(func() { first.Add(1) })
		c.NotifyQueue(func() { second.Add(1) })
		synctest.Wait()
		if first.Load()+second.Load() != 0 {
			t.Error("it was called before there was room")
		}
		w.want("the peer reads", gotText(blocker))
		must(t, c.Queue(transport.MessageText, []byte("more")))
		w.want("and goes on", gotText("more"))
		synctest.Wait()
		if first.Load() != 0 || second.Load() != 1 {
			t.Errorf("called %d times, and the later one %d times, want 0 and 1", first.Load(), second.Load())
		}
		c.NotifyQueue(func() { third.Add(1) })
		if third.Load() != 1 {
			t.Errorf("called %d times with an empty queue, want once at once", third.Load())
		}
	})
}

// It does not call when the connection can send no more.
func TestNotifyQueueIsSilentAfterTheEnd(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, _ := blocked(t, role, transport.Limits{})
		var calls atomic.Int32
		c.NotifyQueue(func() { calls.Add(1) })
		c.CloseNow()
		synctest.Wait()
		c.NotifyQueue(func() { calls.Add(1) })
		synctest.Wait()
		if n := calls.Load(); n != 0 {
			t.Errorf("called %d times", n)
		}
	})
}
