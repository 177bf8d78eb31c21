package netpoll

import (
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// Supported says whether this system can watch connections.
const Supported = true

// Poller watches over descriptors. The zero value is ready to use, from any
// goroutine. It holds an epoll set and a goroutine while it watches over any, and
// nothing otherwise.
type Poller struct {
	mu    sync.Mutex // guards the fields below
	set   *epollSet  // nil while nothing is watched
	slots []slot     // by descriptor
	count int        // of slots that are taken
	round uint32     // tells the uses of one descriptor number apart

	batches sync.Pool // of *batch
}

// slot is what is watched on one descriptor.
type slot struct {
	w     Watcher // nil: nothing
	round uint32
}

// Add watches over a descriptor, which must not be closed before Remove. Bytes
// that are there already count as having arrived. After an error nothing is
// watched.
func (p *Poller) Add(fd int, w Watcher) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.set == nil {
		set, err := newEpollSet()
		if err != nil {
			return err
		}
		p.set = set
		go p.lead(set, nil) // owned by p: ends when set is closed
	}
	p.round++
	// An event may come before the slot is filled. It waits for mu.
	err := syscall.EpollCtl(p.set.fd, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{
		Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLPRI | edgeTriggered,
		Fd:     int32(fd),
		Pad:    int32(p.round),
	})
	if err != nil {
		p.rest()
		return os.NewSyscallError("epoll_ctl", err)
	}
	if more := fd + 1 - len(p.slots); more > 0 {
		p.slots = append(p.slots, make([]slot, more)...)
		p.slots = p.slots[:cap(p.slots)]
	}
	if old := p.slots[fd].w; old != nil {
		// It was closed without Remove, and its number given to another.
		p.count--
		go old.Ready(true) // ends by itself
	}
	p.slots[fd] = slot{w, p.round}
	p.count++
	return nil
}

// edgeTriggered is EPOLLET, which package syscall has as a negative number.
const edgeTriggered = 1 << 31

// Remove ends the watch over a descriptor, before it is closed. It does nothing
// when w is not what watches it.
func (p *Poller) Remove(fd int, w Watcher) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if fd >= len(p.slots) || p.slots[fd].w != w {
		return
	}
	// It fails only for a descriptor that is not in the set, which is what is
	// wanted.
	_ = syscall.EpollCtl(p.set.fd, syscall.EPOLL_CTL_DEL, fd, new(syscall.EpollEvent))
	p.slots[fd] = slot{}
	p.count--
	p.rest()
}

// rest closes the set when nothing is watched. It is called with mu held.
func (p *Poller) rest() {
	if p.count == 0 {
		p.set.file.Close() // nobody is left who could act on the error
		p.set, p.slots = nil, nil
	}
}

// Len returns the number of watched descriptors.
func (p *Poller) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// lead calls the watchers of b that nobody has called yet, or waits until there are
// some. Before it calls the first it makes its successor ready: that one goes on
// with b as soon as this one blocks, and waits when nothing is left of it. So there is
// always exactly one that can go on.
func (p *Poller) lead(set *epollSet, b *batch) {
	for b == nil || b.used() {
		if b != nil {
			b.release()
		}
		if !set.wait() {
			return
		}
		b = p.collect(set)
	}
	b.refs.Add(1)
	go b.lead() // owned by p: ends when set is closed
	b.run()
	b.release()
}

// collect returns the watchers that the events of set are about.
func (p *Poller) collect(set *epollSet) *batch {
	b, ok := p.batches.Get().(*batch)
	if !ok {
		b = &batch{poller: p}
		b.lead = func() { p.lead(b.set, b) }
	}
	b.set = set
	b.next.Store(0)
	b.refs.Store(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.set != set {
		return b
	}
	for i := range set.events[:set.n] {
		e := &set.events[i]
		fd := int(e.Fd)
		if fd < len(p.slots) && p.slots[fd].w != nil && p.slots[fd].round == uint32(e.Pad) {
			b.ready = append(b.ready, ready{p.slots[fd].w, e.Events&^syscall.EPOLLIN != 0})
		}
	}
	return b
}

// batch are connections that were found readable at once.
type batch struct {
	poller *Poller
	set    *epollSet
	lead   func() // the poller's, from this batch on; made once, so that go allocates nothing

	ready []ready
	next  atomic.Int32 // the first that nobody has taken yet
	refs  atomic.Int32 // goroutines that may still look
}

type ready struct {
	w        Watcher
	thorough bool
}

// used reports whether all watchers have been taken.
func (b *batch) used() bool { return int(b.next.Load()) >= len(b.ready) }

// run calls the watchers that nobody has taken yet.
func (b *batch) run() {
	for {
		i := int(b.next.Add(1)) - 1
		if i >= len(b.ready) {
			return
		}
		b.ready[i].w.Ready(b.ready[i].thorough)
	}
}

// release says that the caller looks no more. A batch one of whose watchers ended
// its goroutine is left to the garbage collector.
func (b *batch) release() {
	if b.refs.Add(-1) == 0 {
		clear(b.ready)
		b.set, b.ready = nil, b.ready[:0]
		b.poller.batches.Put(b)
	}
}

// epollSet is an epoll descriptor that the runtime's poller waits for. One
// goroutine at a time waits.
type epollSet struct {
	file   *os.File
	fd     int
	raw    syscall.RawConn
	look   func(fd uintptr) bool
	events [128]syscall.EpollEvent // of the last wait
	n      int
}

func newEpollSet() (*epollSet, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	// A non-blocking descriptor is one that the runtime's poller waits for.
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	s := &epollSet{file: os.NewFile(uintptr(fd), "epoll"), fd: fd}
	if s.raw, err = s.file.SyscallConn(); err != nil {
		s.file.Close()
		return nil, err
	}
	s.look = func(fd uintptr) bool {
		for {
			n, err := syscall.EpollWait(int(fd), s.events[:], 0)
			if err == syscall.EINTR {
				continue
			}
			s.n = max(n, 0)
			return n != 0 || err != nil
		}
	}
	return s, nil
}

// wait waits for events, and reports false when the set has been closed.
func (s *epollSet) wait() bool { return s.raw.Read(s.look) == nil }
