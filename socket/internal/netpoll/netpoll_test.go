//go:build linux

package netpoll_test

import (
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/netpoll"
)

// calls reports the calls of a watcher: the value is thorough.
type calls chan bool

func (w calls) Ready(thorough bool) { w <- thorough }

func (w calls) want(t *testing.T, why string) (thorough bool) {
	t.Helper()
	select {
	case thorough = <-w:
	case <-time.After(10 * time.Second):
		t.Fatalf("not called: %s", why)
	}
	return thorough
}

func (w calls) wantNone(t *testing.T, why string) {
	t.Helper()
	select {
	case <-w:
		t.Fatalf("called: %s", why)
	default:
	}
}

// tcp returns both ends of a connection and the descriptor of the first.
func tcp(t *testing.T) (a, b net.Conn, fd int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if b, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if a, err = l.Accept(); err != nil {
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

func add(t *testing.T, p *netpoll.Poller, fd int, w netpoll.Watcher) {
	t.Helper()
	if err := p.Add(fd, w); err != nil {
		t.Fatal(err)
	}
}

func TestEveryArrivalIsTold(t *testing.T) {
	var p netpoll.Poller
	a, b, fd := tcp(t)
	w := make(calls, 10)
	add(t, &p, fd, w)
	defer p.Remove(fd, w)
	for range 100 {
		b.Write([]byte("x"))
		if w.want(t, "a byte came") {
			t.Fatal("thorough, and the peer is there")
		}
		io.ReadFull(a, make([]byte, 1))
	}
	w.wantNone(t, "nothing came")
}

func TestWhatCameBeforeCounts(t *testing.T) {
	var p netpoll.Poller
	_, b, fd := tcp(t)
	b.Write([]byte("x"))
	w := make(calls, 1)
	add(t, &p, fd, w)
	w.want(t, "a byte was there")
	p.Remove(fd, w)
}

// The end can come with the last bytes, in one event: it must not be lost.
func TestPeerThatClosesIsReadToTheEnd(t *testing.T) {
	var p netpoll.Poller
	_, b, fd := tcp(t)
	b.Write([]byte("last words"))
	b.Close()
	w := make(calls, 2)
	add(t, &p, fd, w)
	if !w.want(t, "the peer wrote and closed") && !w.want(t, "the peer closed") {
		t.Error("its end was not told")
	}
	p.Remove(fd, w)
}

func TestRemovedConnectionIsNotCalled(t *testing.T) {
	var p netpoll.Poller
	_, b, fd := tcp(t)
	_, b2, fd2 := tcp(t)
	w, w2 := make(calls, 1), make(calls, 1)
	add(t, &p, fd, w)
	add(t, &p, fd2, w2)
	p.Remove(fd, w)
	p.Remove(fd, w)    // again
	p.Remove(fd2, w)   // another's
	p.Remove(1<<20, w) // never added
	b.Write([]byte("x"))
	b2.Write([]byte("x"))
	w2.want(t, "it is watched")
	w.wantNone(t, "it was removed")
	p.Remove(fd2, w2)
}

func TestDescriptorIsWatchedOnce(t *testing.T) {
	var p netpoll.Poller
	_, _, fd := tcp(t)
	w := make(calls, 1)
	add(t, &p, fd, w)
	if p.Add(fd, make(calls, 1)) == nil {
		t.Error("watched twice")
	}
	p.Remove(fd, w)
	if p.Add(1<<20, w) == nil || p.Len() != 0 {
		t.Error("a descriptor that is not open is watched")
	}
}

// blocker does not return until it is let go.
type blocker struct {
	entered chan struct{}
	release chan struct{}
}

func (w blocker) Ready(bool) {
	w.entered <- struct{}{}
	<-w.release
}

// However many watchers block, one more is called: on one processor too.
func TestWatcherThatBlocksHoldsUpNobody(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var p netpoll.Poller
	const blocked = 20
	w := blocker{make(chan struct{}, blocked), make(chan struct{})}
	var fds []int
	for range blocked {
		_, b, fd := tcp(t)
		fds = append(fds, fd)
		add(t, &p, fd, w)
		b.Write([]byte("x"))
	}
	for range blocked {
		<-w.entered
	}
	_, b, fd := tcp(t)
	other := make(calls, 1)
	add(t, &p, fd, other)
	b.Write([]byte("x"))
	other.want(t, "the others block")
	close(w.release)
	p.Remove(fd, other)
	for _, fd := range fds {
		p.Remove(fd, w)
	}
}

// quitter ends its goroutine.
type quitter chan struct{}

func (w quitter) Ready(bool) {
	w <- struct{}{}
	runtime.Goexit()
}

func TestWatcherThatEndsItsGoroutineEndsNothingElse(t *testing.T) {
	var p netpoll.Poller
	const quitters = 20
	w := make(quitter, quitters)
	var fds []int
	for range quitters {
		_, b, fd := tcp(t)
		fds = append(fds, fd)
		b.Write([]byte("x"))
		add(t, &p, fd, w)
	}
	for range quitters {
		<-w
	}
	for _, fd := range fds {
		p.Remove(fd, w)
	}
}

func TestNothingIsLeftWhenNothingIsWatched(t *testing.T) {
	before := runtime.NumGoroutine()
	var p netpoll.Poller
	_, b, fd := tcp(t)
	for range 100 {
		w := make(calls, 2)
		add(t, &p, fd, w)
		b.Write([]byte("x"))
		w.want(t, "a byte came")
		p.Remove(fd, w)
	}
	if n := p.Len(); n != 0 {
		t.Errorf("%d are watched", n)
	}
	for runtime.NumGoroutine() > before {
		runtime.Gosched() // the poller's goroutine is on its way out
	}
}

// counter reads what has come, and counts the bytes.
type counter struct {
	nc net.Conn
	n  atomic.Int64
	mu sync.Mutex // held by the one that reads
}

func (w *counter) Ready(bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	buf := make([]byte, 100)
	for {
		w.nc.SetReadDeadline(time.Now().Add(time.Millisecond))
		n, err := w.nc.Read(buf)
		w.n.Add(int64(n))
		if err != nil {
			return
		}
	}
}

func TestNoByteOfManyConnectionsIsMissed(t *testing.T) {
	var p netpoll.Poller
	const conns, rounds = 20, 100
	var done sync.WaitGroup
	for range conns {
		a, b, fd := tcp(t)
		done.Go(func() {
			w := &counter{nc: a}
			if err := p.Add(fd, w); err != nil {
				t.Error(err)
				return
			}
			for i := range rounds {
				b.Write(make([]byte, 1+i%7))
				if i%50 == 0 {
					runtime.Gosched()
				}
			}
			want := int64(0)
			for i := range rounds {
				want += int64(1 + i%7)
			}
			for range 10_000 {
				if w.n.Load() == want {
					break
				}
				time.Sleep(time.Millisecond)
			}
			if got := w.n.Load(); got != want {
				t.Errorf("%d bytes were read, want %d", got, want)
			}
			p.Remove(fd, w)
		})
	}
	done.Wait()
}
