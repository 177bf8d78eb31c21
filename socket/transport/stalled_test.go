//go:build linux

package transport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
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

// The bound on what the kernel keeps costs a system call, which connections that
// send little do without: it is set before more could be kept than it allows.
func TestKernelIsBoundedBeforeItCouldKeepMore(t *testing.T) {
	const bound, tcpNotSentLowat = 128 << 10, 25
	overWaits(t, func(t *testing.T, pair func(t *testing.T) (server, client net.Conn)) {
		a, b := pair(t)
		f, err := a.(*net.TCPConn).File() // Start takes the other descriptor
		must(t, err)
		defer f.Close()
		raw, err := f.SyscallConn()
		must(t, err)
		c := testConn(t, a, wsproto.RoleServer, transport.Limits{})
		defer c.CloseNow()
		serve(c, nil)
		send := func(size int) (set int) {
			t.Helper()
			must(t, c.Write(t.Context(), transport.MessageBinary, make([]byte, size)))
			_, err := io.CopyN(io.Discard, b, int64(size))
			must(t, err)
			must(t, raw.Control(func(fd uintptr) {
				set, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSentLowat)
			}))
			must(t, err)
			return set
		}
		for _, size := range []int{100, 100 << 10} {
			if set := send(size); set == bound {
				t.Errorf("bounded with the first %d bytes, want no system call for them", size)
			}
		}
		if set := send(32 << 10); set != bound {
			t.Errorf("bound = %d once more than that was sent, want %d", set, bound)
		}
	})
}
