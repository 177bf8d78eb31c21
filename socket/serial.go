package socket

import (
	"context"
	"sync"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// serial runs the handlers of one socket one at a time and in order, on
// whichever goroutine brings the work: the one that finds it idle runs its own
// task without a goroutine or a copy, and then what others have left meanwhile.
// A task that ends its goroutine (runtime.Goexit) ends nothing else: a fresh one
// goes on with the rest.
type serial struct {
	budget *transport.Budget // counts what the queue holds; nil: nobody counts

	mu      sync.Mutex // guards the fields below
	busy    bool
	reads   bool          // the goroutine that runs tasks is the one that reads
	runs    uint32        // tasks begun, to tell a long one from many
	asks    int32         // requests that wait for replies: reading must go on
	within  int32         // of them, those that were made while the present task ran
	handing chan struct{} // closed when that one has handed reading on; nil: it is not about to
	left    *backlog      // by others while busy; nil when s is idle, as it mostly is
}

// backlog is what waits behind a handler. The serial's mu guards it.
type backlog struct {
	queue   []task
	weight  int           // bytes that the queue holds
	charged int64         // of them, to the budget
	room    chan struct{} // closed when there may be room in the queue; nil: nobody waits
}

// task is a piece of work, for a message of weight bytes.
type task struct {
	run    func()
	keep   func() // called once it is certain that run will be; may be nil
	weight int
}

// The bounds of what waits behind a handler. They apply to messages, so that a
// slow handler slows down its own peer.
const (
	maxWaitingTasks = 64
	maxWaitingBytes = 256 << 10

	// While a reply is waited for, which may come behind them.
	maxPassedTasks = 1024
	maxPassedBytes = 1 << 20
)

// What the budget counts: a task beside its message, and in which steps, so that
// a few small messages cost it nothing.
const (
	taskCost   = 128
	chargeStep = 4 << 10
)

// begin reports whether the caller, who reads the connection, may run a task now;
// it must call end after it.
func (s *serial) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.beginLocked()
}

// beginLocked is begin for a caller that holds mu.
func (s *serial) beginLocked() bool {
	if s.busy {
		return false
	}
	s.start(true)
	return true
}

// start marks s as busy. It is called with mu held.
func (s *serial) start(reads bool) {
	s.busy, s.reads = true, reads
	s.runs++
	s.within = 0
}

// end runs what was left meanwhile and makes s idle.
func (s *serial) end() {
	returned := false
	defer func() {
		if !returned {
			s.stopReading()
			go s.end() // owned by s: ends when nothing is left
		}
	}()
	for {
		t, ok := s.next()
		if !ok {
			returned = true
			return
		}
		t.run()
	}
}

// next takes the next task, or makes s idle if there is none.
func (s *serial) next() (task, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.left == nil || len(s.left.queue) == 0 {
		if s.handing == nil {
			if s.left != nil {
				s.left.wake()
			}
			s.busy, s.reads, s.left = false, false, nil
			return task{}, false
		}
		s.awaitHandOff()
	}
	l := s.left
	t := l.queue[0]
	l.queue[0] = task{}
	l.queue = l.queue[1:]
	l.weight -= t.weight
	s.runs++
	s.within = 0
	l.charge(s.budget, len(l.queue), l.weight)
	if len(l.queue) < maxWaitingTasks/2 {
		l.wake()
	}
	return t, true
}

// wake lets those who wait for room look again.
func (l *backlog) wake() {
	if l.room != nil {
		close(l.room)
		l.room = nil
	}
}

// charge counts what a queue of so many tasks and bytes holds, and reports
// whether the budget has room for it.
func (l *backlog) charge(b *transport.Budget, tasks, weight int) bool {
	return chargeWaiting(b, &l.charged, weight+tasks*taskCost)
}

// fits reports whether a message of n bytes may wait: when it may not, its reader
// does, which holds its sender back. It reads on where the handler may wait for a reply
// that comes behind the message.
func (s *serial) fits(n int) bool {
	l, tasks, bytes := s.left, maxWaitingTasks, maxWaitingBytes
	if s.asks > 0 {
		tasks, bytes = maxPassedTasks, maxPassedBytes
	}
	if len(l.queue) > 0 && (len(l.queue) >= tasks || l.weight+n > bytes) {
		return false
	}
	return l.charge(s.budget, len(l.queue)+1, l.weight+n)
}

// stopReading says that the goroutine that reads is about to end.
func (s *serial) stopReading() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.handing != nil {
		s.awaitHandOff()
	}
	s.reads = false
}

// awaitHandOff is called with mu held and gives it up meanwhile.
func (s *serial) awaitHandOff() {
	handing := s.handing
	s.mu.Unlock()
	<-handing
	s.mu.Lock()
}

// handOff calls f if the goroutine that reads is at work on a task: f is to let
// another goroutine read. That one never runs a task before this one is through,
// so nothing is handed on twice.
func (s *serial) handOff(f func()) {
	s.mu.Lock()
	if !s.reads || s.handing != nil {
		s.mu.Unlock()
		return
	}
	handing := make(chan struct{})
	s.handing = handing
	s.mu.Unlock()
	f() // the reader does not leave its task before this has returned
	s.mu.Lock()
	s.reads, s.handing = false, nil
	s.mu.Unlock()
	close(handing)
}

// run runs f, or leaves it to whoever is busy. It does not wait.
func (s *serial) run(f func()) {
	if mine, _ := s.take(task{run: f}, false, false); mine {
		defer s.end()
		f()
	}
}

// spawn is run on a goroutine of its own, which ends when nothing is left.
func (s *serial) spawn(f func()) {
	if mine, _ := s.take(task{run: f}, false, false); mine {
		go s.perform(f)
	}
}

// spawnWithin is spawn for a message of n bytes. It waits while too much is left
// already, and reports false when ctx has ended before there was room.
func (s *serial) spawnWithin(ctx context.Context, n int, f func()) bool {
	for {
		mine, room := s.take(task{run: f, weight: n}, true, false)
		if mine {
			go s.perform(f)
		}
		if room == nil {
			return true
		}
		select {
		case <-room:
		case <-ctx.Done():
			return false
		}
	}
}

// leave is run for a message whose reader found s busy. It waits while too much
// is left already, or the budget has no room; t.keep is called when it has waited.
func (s *serial) leave(t task) {
	for {
		mine, room := s.take(t, true, true)
		if mine {
			s.perform(t.run)
		}
		if room == nil {
			return
		}
		<-room
	}
}

func (s *serial) perform(f func()) {
	defer s.end()
	f()
}

// take lets the caller run t now, and call end after it, or leaves t to whoever
// is busy. If it is bounded and there is no room it does neither and returns a
// channel that is closed when there may be. reads says that the caller is the one
// who reads.
func (s *serial) take(t task, bounded, reads bool) (mine bool, room <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy && s.left == nil {
		s.left = new(backlog)
	}
	l := s.left
	if s.busy && bounded && !s.fits(t.weight) {
		if l.room == nil {
			l.room = make(chan struct{})
		}
		return false, l.room
	}
	if t.keep != nil {
		t.keep()
	}
	if !s.busy {
		s.start(reads)
		return true, nil
	}
	l.queue = append(l.queue, t)
	l.weight += t.weight
	return false, nil
}

// place leaves t like leave behind the task that runs, but without waiting: if room is not
// nil, more is left than there is room for, and the caller, who reads, must wait for it
// before it reads on. It is called with mu held, while s is busy.
func (s *serial) place(t task) (room <-chan struct{}) {
	if s.left == nil {
		s.left = new(backlog)
	}
	l := s.left
	fits := s.fits(t.weight)
	l.queue = append(l.queue, t)
	l.weight += t.weight
	if fits {
		return nil
	}
	if l.room == nil {
		l.room = make(chan struct{})
	}
	return l.room
}

// ask is called before a request to the peer. Whatever waits behind a handler, reading
// goes on then, up to a bound of its own, for the reply may come behind it. stopAsking
// takes what ask has returned.
func (s *serial) ask() (task uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asks++
	if s.busy {
		s.within++
	}
	if s.left != nil {
		s.left.wake()
	}
	return s.runs
}

func (s *serial) stopAsking(task uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asks--
	if s.runs == task && s.within > 0 {
		s.within--
	}
}

// asking reports whether the task that runs may wait for a reply: a request was made
// since it began, and has none. Who makes it cannot be told.
func (s *serial) asking() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy && s.within > 0
}

// state returns whether a task is running, how many were begun, and whether
// somebody waits for room.
func (s *serial) state() (busy bool, runs uint32, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy, s.runs, s.left != nil && s.left.room != nil
}
