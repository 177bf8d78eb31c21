//go:build linux

package netpoll_test

import (
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/netpoll"
)

// waiter reports its calls.
type waiter chan struct{}

func (w waiter) Readable() { w <- struct{}{} }

// tcp returns both ends of a connection and the descriptor of the first.
func tcp(t *testing.T) (a, b net.Conn, fd int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := a.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(d uintptr) { fd = int(d) })
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b, fd
}

func called(t *testing.T, w waiter, why string) {
	t.Helper()
	select {
	case <-w:
	case <-time.After(10 * time.Second):
		t.Fatalf("not called: %s", why)
	}
}

func notCalled(t *testing.T, w waiter, why string) {
	t.Helper()
	select {
	case <-w:
		t.Fatalf("called: %s", why)
	default:
	}
}

func TestParkedConnectionIsWokenOnce(t *testing.T) {
	var p netpoll.Poller
	_, b, fd := tcp(t)
	w := make(waiter, 10)
	for range 3 {
		if err := p.Park(fd, w); err != nil {
			t.Fatal(err)
		}
		b.Write([]byte("x"))
		called(t, w, "a byte came")
		b.Write([]byte("x"))
		if n := p.Parked(); n != 0 {
			t.Errorf("%d parked", n)
		}
	}
	notCalled(t, w, "it was not parked again")
}

func TestWhatCameBeforeParkingCounts(t *testing.T) {
	var p netpoll.Poller
	_, b, fd := tcp(t)
	b.Write([]byte("x"))
	w := make(waiter, 1)
	if err := p.Park(fd, w); err != nil {
		t.Fatal(err)
	}
	called(t, w, "a byte was there")
}

func TestPeerThatClosesWakes(t *testing.T) {
	var p netpoll.Poller
	_, b, fd := tcp(t)
	w := make(waiter, 1)
	if err := p.Park(fd, w); err != nil {
		t.Fatal(err)
	}
	b.Close()
	called(t, w, "the peer closed")
}

func TestUnparkedConnectionIsNotWoken(t *testing.T) {
	var p netpoll.Poller
	_, b, fd := tcp(t)
	other, peer, fd2 := tcp(t)
	defer other.Close()
	w, w2 := make(waiter, 1), make(waiter, 1)
	p.Park(fd, w)
	p.Park(fd2, w2)
	if !p.Unpark(fd, w) || p.Unpark(fd, w) || p.Unpark(fd2, w) || p.Unpark(1<<20, w) {
		t.Error("Unpark is true for what is parked, once")
	}
	b.Write([]byte("x"))
	peer.Write([]byte("x"))
	called(t, w2, "it is parked")
	notCalled(t, w, "it was taken back")
}

func TestDescriptorIsParkedOnce(t *testing.T) {
	var p netpoll.Poller
	_, _, fd := tcp(t)
	w := make(waiter, 1)
	if err := p.Park(fd, w); err != nil {
		t.Fatal(err)
	}
	if p.Park(fd, make(waiter, 1)) == nil {
		t.Error("parked twice")
	}
	p.Unpark(fd, w)
}

func TestNothingIsLeftWhenNothingIsParked(t *testing.T) {
	before := runtime.NumGoroutine()
	var p netpoll.Poller
	_, b, fd := tcp(t)
	for i := range 200 {
		w := make(waiter, 1)
		if err := p.Park(fd, w); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			p.Unpark(fd, w)
			continue
		}
		b.Write([]byte("x"))
		called(t, w, "a byte came")
	}
	for runtime.NumGoroutine() > before {
		runtime.Gosched() // the poller's goroutine is on its way out
	}
}

func TestManyConnectionsAtOnce(t *testing.T) {
	var p netpoll.Poller
	const conns, rounds = 50, 100
	var done sync.WaitGroup
	for range conns {
		a, b, fd := tcp(t)
		done.Go(func() {
			w := make(waiter, 1)
			buf := make([]byte, 1)
			for range rounds {
				if err := p.Park(fd, w); err != nil {
					t.Error(err)
					return
				}
				b.Write([]byte("x"))
				<-w
				a.Read(buf)
			}
		})
	}
	done.Wait()
	if n := p.Parked(); n != 0 {
		t.Errorf("%d parked", n)
	}
}
