//go:build linux

package netpoll_test

import (
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/netpoll"
)

// patience bounds what has to happen at once, on a machine that is busy, too.
const patience = 30 * time.Second

// calls reports the calls of a watcher: the value is thorough.
type calls chan bool

func (w calls) Ready(thorough bool) { w <- thorough }

func (w calls) want(t *testing.T, why string) (thorough bool) {
	t.Helper()
	select {
	case thorough = <-w:
	case <-time.After(patience):
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

// local returns both ends of a connection that needs no port, and the descriptor of
// the first: the kernel gives out few ports a second when many are in use.
func local(t *testing.T) (a, b net.Conn, fd int) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socket")
		ends[i], err = net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	a, b = ends[0], ends[1]
	raw, err := a.(*net.UnixConn).SyscallConn()
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
		_, b, fd := local(t)
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
		_, b, fd := local(t)
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
	for end := time.Now().Add(patience); runtime.NumGoroutine() > before; {
		runtime.Gosched() // the poller's goroutine is on its way out
		if time.Now().After(end) {
			t.Fatalf("%d goroutines are left of %d", runtime.NumGoroutine(), before)
		}
	}
}

// counter reads what has come, and counts the bytes.
type counter struct {
	raw  syscall.RawConn
	want int64
	done chan struct{} // closed when so many have come

	mu sync.Mutex // guards the fields below; held by the one that reads
	n  int64
}

func (w *counter) Ready(bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var buf [10]byte
	for n := 1; n > 0; {
		w.raw.Control(func(fd uintptr) { n, _ = syscall.Read(int(fd), buf[:]) })
		if n <= 0 {
			return
		}
		if w.n += int64(n); w.n == w.want {
			close(w.done)
		}
	}
}

// newCounter returns a counter of what comes to nc until it is want bytes.
func newCounter(t *testing.T, nc net.Conn, want int64) *counter {
	t.Helper()
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	return &counter{raw: raw, want: want, done: make(chan struct{})}
}

func (w *counter) wait(t *testing.T) {
	t.Helper()
	select {
	case <-w.done:
	case <-time.After(patience):
		w.mu.Lock()
		defer w.mu.Unlock()
		t.Errorf("%d bytes were read, want %d", w.n, w.want)
	}
}

func TestNoByteOfManyConnectionsIsMissed(t *testing.T) {
	var p netpoll.Poller
	const conns, rounds = 20, 100
	want := int64(0)
	for i := range rounds {
		want += int64(1 + i%7)
	}
	var done sync.WaitGroup
	for range conns {
		a, b, fd := local(t)
		w := newCounter(t, a, want)
		add(t, &p, fd, w)
		done.Go(func() {
			for i := range rounds {
				b.Write(make([]byte, 1+i%7))
				if i%50 == 0 {
					runtime.Gosched()
				}
			}
			w.wait(t)
			p.Remove(fd, w)
		})
	}
	done.Wait()
}

// One look at the set finds 128 events at most: the others are found by the next.
func TestMoreConnectionsAtOnceThanOneLookFinds(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // nobody looks before this goroutine waits
	var p netpoll.Poller
	const conns, rounds = 300, 3
	var all []*counter
	var ends []net.Conn
	for range conns {
		a, b, fd := local(t)
		w := newCounter(t, a, rounds)
		add(t, &p, fd, w)
		defer p.Remove(fd, w)
		all, ends = append(all, w), append(ends, b)
	}
	for range rounds {
		for _, b := range ends {
			b.Write([]byte("x"))
		}
	}
	for _, w := range all {
		w.wait(t)
	}
}

// Remove does not wait for a call that it cannot stop, and none begins after the one
// that was on its way.
func TestWatcherCanBeRemovedWhileItIsCalled(t *testing.T) {
	var p netpoll.Poller
	_, b, fd := tcp(t)
	w := blocker{make(chan struct{}, 10), make(chan struct{})}
	add(t, &p, fd, w)
	b.Write([]byte("x"))
	<-w.entered
	p.Remove(fd, w)
	if n := p.Len(); n != 0 {
		t.Errorf("%d are watched", n)
	}
	b.Write([]byte("x"))
	// The descriptor is free for another watcher at once.
	other := make(calls, 1)
	add(t, &p, fd, other)
	other.want(t, "bytes are there")
	close(w.release)
	p.Remove(fd, other)
	if n := len(w.entered); n != 0 {
		t.Errorf("called %d times after Remove", n)
	}
}

// remover removes itself when it is called.
type remover struct {
	p      *netpoll.Poller
	fd     int
	called chan struct{}
}

func (w *remover) Ready(bool) {
	w.p.Remove(w.fd, w)
	close(w.called) // panics if it is called again
}

func TestWatcherCanRemoveItself(t *testing.T) {
	var p netpoll.Poller
	var all []*remover
	for range 50 {
		_, b, fd := local(t)
		w := &remover{&p, fd, make(chan struct{})}
		b.Write([]byte("x"))
		add(t, &p, fd, w)
		all = append(all, w)
	}
	for _, w := range all {
		select {
		case <-w.called:
		case <-time.After(patience):
			t.Fatal("not called")
		}
	}
	if n := p.Len(); n != 0 {
		t.Errorf("%d are watched", n)
	}
}

// A descriptor that was closed without Remove is not watched any more, and its number
// belongs to the next connection: its watcher is told, and can do no harm.
func TestReusedDescriptorBelongsToItsNewWatcher(t *testing.T) {
	var p netpoll.Poller
	a, b, fd := local(t)
	old := make(calls, 10)
	add(t, &p, fd, old)
	a.Close()
	b.Close()
	_, peer, another := tcp(t)
	if err := syscall.Dup3(another, fd, syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	w := make(calls, 10)
	add(t, &p, fd, w)
	if !old.want(t, "its descriptor is another's") {
		t.Error("the first watcher was not told to read to the end")
	}
	if n := p.Len(); n != 1 {
		t.Errorf("%d are watched, want 1", n)
	}
	p.Remove(fd, old)
	peer.Write([]byte("x"))
	w.want(t, "a byte came, and only the first watcher was removed")
	old.wantNone(t, "the byte was for another")
	p.Remove(fd, w)
}

// Reads stop at urgent data: a watcher must not trust one that brings little.
func TestUrgentDataIsReadToTheEnd(t *testing.T) {
	var p netpoll.Poller
	_, b, fd := tcp(t)
	raw, err := b.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	b.Write([]byte("before"))
	raw.Control(func(fd uintptr) { err = syscall.Sendto(int(fd), []byte("!"), syscall.MSG_OOB, nil) })
	if err != nil {
		t.Fatal(err)
	}
	w := make(calls, 10)
	add(t, &p, fd, w)
	for !w.want(t, "urgent data came") {
	}
	p.Remove(fd, w)
}
