//go:build linux

package transport_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// A peer that does not read shows in the queue soon: the kernel does not take
// megabytes for it first.
func TestStalledPeerShowsInTheQueueSoon(t *testing.T) {
	a, b := loopback(t)
	defer b.Close()
	const queue = 1 << 20
	c := testConn(t, a, wsproto.RoleServer, transport.Limits{MaxQueueBytes: queue, MaxQueueMessages: -1})
	defer c.CloseNow()
	serve(c, nil)
	message := make([]byte, 16<<10)
	sent := 0
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		err := c.Write(ctx, transport.MessageBinary, message)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			break // the kernel takes no more
		}
		must(t, err)
		sent += len(message)
	}
	inKernel := sent - queue
	t.Logf("the kernel took %d KiB", inKernel>>10)
	if inKernel > 1<<20 {
		t.Errorf("the kernel took %d KiB for a peer that reads nothing, want less than 1 MiB", inKernel>>10)
	}
}
