package socket

import (
	"context"
	"sync"
)

// serial runs the handlers of one socket one at a time and in order, on
// whichever goroutine brings the work: the one that finds it idle runs its own
// task without a goroutine or a copy, and then what others have left meanwhile.
type serial struct {
	mu     sync.Mutex // guards the fields below
	busy   bool
	runs   uint32   // tasks begun, to tell a long one from many
	queue  []func() // left by others while busy
	weight int      // bytes that the queue holds
	room   chan struct{}
}

// The bounds of what waits behind a handler. They apply to messages, so that a
// slow handler slows down its own peer.
const (
	maxWaitingTasks = 64
	maxWaitingBytes = 256 << 10
)

// begin reports whether the caller may run a task now, and must call end after
// it.
func (s *serial) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy {
		return false
	}
	s.busy = true
	s.runs++
	return true
}

// end runs what was left meanwhile and makes s idle.
func (s *serial) end() {
	for {
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.busy = false
			s.queue = nil
			s.mu.Unlock()
			return
		}
		task := s.queue[0]
		s.queue[0] = nil
		s.queue = s.queue[1:]
		if len(s.queue) == 0 {
			s.weight = 0
		}
		s.runs++
		if s.room != nil && len(s.queue) < maxWaitingTasks/2 {
			close(s.room)
			s.room = nil
		}
		s.mu.Unlock()
		task()
	}
}

// run runs task, or leaves it to whoever is busy. It does not wait.
func (s *serial) run(task func()) {
	s.mu.Lock()
	if s.busy {
		s.queue = append(s.queue, task)
		s.mu.Unlock()
		return
	}
	s.busy = true
	s.runs++
	s.mu.Unlock()
	task()
	s.end()
}

// spawn is run on a goroutine of its own, which ends when nothing is left.
func (s *serial) spawn(task func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy {
		s.queue = append(s.queue, task)
		return
	}
	s.busy = true
	s.runs++
	go func() {
		task()
		s.end()
	}()
}

// spawnWithin is spawn for a message of n bytes. It waits while too much is left
// already, and reports false when ctx has ended before there was room.
func (s *serial) spawnWithin(ctx context.Context, n int, task func()) bool {
	for {
		room := s.reserve(n)
		if room == nil {
			s.spawn(task)
			return true
		}
		select {
		case <-room:
		case <-ctx.Done():
			return false
		}
	}
}

// reserve counts a message of n bytes that is about to be left, or returns a
// channel that is closed when there may be room for it.
func (s *serial) reserve(n int) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.busy || len(s.queue) == 0 || len(s.queue) < maxWaitingTasks && s.weight+n <= maxWaitingBytes {
		s.weight += n
		return nil
	}
	if s.room == nil {
		s.room = make(chan struct{})
	}
	return s.room
}

// leave is run for a message of n bytes whose reader found s busy. It waits
// while too much is left already.
func (s *serial) leave(n int, task func()) {
	for room := s.reserve(n); room != nil; room = s.reserve(n) {
		<-room
	}
	s.run(task)
}

// state returns whether a task is running and how many were begun.
func (s *serial) state() (busy bool, runs uint32, waits bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy, s.runs, s.room != nil
}
