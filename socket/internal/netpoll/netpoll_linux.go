package netpoll

import (
	"errors"
	"os"
	"sync"
	"syscall"
)

// Supported says whether this system can park connections.
const Supported = true

// Waiter is what waits: it is called once, on a goroutine of the poller's that it
// must not keep.
type Waiter interface{ Readable() }

// Poller watches over parked descriptors. The zero value is ready to use. It
// holds an epoll set and a goroutine while anything is parked, and nothing
// otherwise.
type Poller struct {
	mu     sync.Mutex // guards the fields below
	set    *os.File   // the epoll descriptor; nil while nothing is parked
	fd     int        // that of set
	slots  []slot     // by descriptor
	parked int
	round  uint32 // distinguishes the uses of one descriptor number
}

// slot is what is parked on one descriptor.
type slot struct {
	w     Waiter // nil: nothing
	round uint32
}

// errParked is a mistake of the caller.
var errParked = errors.New("netpoll: the descriptor is parked already")

// Park watches over a descriptor, which must stay open until w was called or
// [Poller.Unpark] has returned true. Something that can be read already counts.
// The error is that of the system, and nothing is parked then.
func (p *Poller) Park(fd int, w Waiter) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if fd < len(p.slots) && p.slots[fd].w != nil {
		return errParked
	}
	if p.set == nil {
		if err := p.open(); err != nil {
			return err
		}
	}
	for fd >= len(p.slots) {
		p.slots = append(p.slots, slot{})
		p.slots = p.slots[:cap(p.slots)]
	}
	p.round++
	// One shot: the descriptor stays in the set, silent, until it is parked again
	// or taken out. Level triggered: bytes that came before count.
	event := syscall.EpollEvent{
		Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLONESHOT,
		Fd:     int32(fd),
		Pad:    int32(p.round),
	}
	if err := p.control(fd, &event); err != nil {
		return err
	}
	p.slots[fd] = slot{w, p.round}
	p.parked++
	return nil
}

// control adds fd to the set, where it may be from the last time.
func (p *Poller) control(fd int, event *syscall.EpollEvent) error {
	err := syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_ADD, fd, event)
	if err == syscall.EEXIST {
		err = syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_MOD, fd, event)
	}
	return os.NewSyscallError("epoll_ctl", err)
}

// Unpark ends the watch over a descriptor and reports whether it was parked: if
// so the waiter is not called. It must be called before the descriptor is closed.
func (p *Poller) Unpark(fd int, w Waiter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if fd >= len(p.slots) || p.slots[fd].w != w {
		return false
	}
	// The event may be on its way: the slot decides. Closing takes the descriptor
	// out of the set.
	p.slots[fd] = slot{}
	p.parked--
	p.rest()
	return true
}

// Parked returns the number of parked descriptors.
func (p *Poller) Parked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.parked
}

// open makes the epoll set and starts the goroutine that waits for it. It is
// called with mu held.
func (p *Poller) open() error {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return os.NewSyscallError("fcntl", err)
	}
	// A non-blocking descriptor is one that the runtime's poller waits for.
	p.set, p.fd = os.NewFile(uintptr(fd), "epoll"), fd
	raw, err := p.set.SyscallConn()
	if err != nil {
		p.set.Close()
		p.set = nil
		return err
	}
	go p.run(p.set, raw) // owned by p: ends when set is closed
	return nil
}

// rest closes the set when nothing is parked. It is called with mu held.
func (p *Poller) rest() {
	if p.parked == 0 && p.set != nil {
		p.set.Close()
		p.set = nil
		p.slots = nil
	}
}

// run calls the waiters of descriptors that have become readable.
func (p *Poller) run(set *os.File, raw syscall.RawConn) {
	events := make([]syscall.EpollEvent, 256)
	var woken []Waiter
	for {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			for {
				var err error
				n, err = syscall.EpollWait(int(fd), events, 0)
				if err != syscall.EINTR {
					return n != 0 || err != nil
				}
			}
		})
		if err != nil || n < 0 {
			return // the set was closed
		}
		woken = p.take(set, events[:n], woken[:0])
		for i, w := range woken {
			w.Readable()
			woken[i] = nil
		}
	}
}

// take ends the watch over the descriptors that events are about, and appends
// their waiters to woken.
func (p *Poller) take(set *os.File, events []syscall.EpollEvent, woken []Waiter) []Waiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.set != set {
		return woken
	}
	for i := range events {
		fd, round := int(events[i].Fd), uint32(events[i].Pad)
		if fd >= len(p.slots) || p.slots[fd].w == nil || p.slots[fd].round != round {
			continue // it was taken back meanwhile
		}
		woken = append(woken, p.slots[fd].w)
		p.slots[fd] = slot{}
		p.parked--
	}
	p.rest()
	return woken
}
