package transport

import "sync"

// lock is a mutex that a goroutine can stop waiting for. The zero value is free.
type lock struct {
	mu   sync.Mutex // guards the fields below
	held bool
	kept bool          // by its holder, for ever
	free chan struct{} // closed when it is given back or kept; nil when nobody waits
}

// take waits for the lock, and reports false when it is kept or when stop is
// closed before it is free.
func (l *lock) take(stop <-chan struct{}) bool {
	for {
		l.mu.Lock()
		if l.kept || !l.held {
			defer l.mu.Unlock()
			l.held = true
			return !l.kept
		}
		if l.free == nil {
			l.free = make(chan struct{})
		}
		free := l.free
		l.mu.Unlock()
		select {
		case <-free:
		case <-stop:
			return false
		}
	}
}

// tryTake takes the lock if it is free.
func (l *lock) tryTake() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held {
		return false
	}
	l.held = true
	return true
}

// give gives the lock back.
func (l *lock) give() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = false
	l.wake()
}

// keep tells everybody who waits for the lock that its holder never gives it
// back.
func (l *lock) keep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = true
	l.wake()
}

// wake is called with mu held.
func (l *lock) wake() {
	if l.free != nil {
		close(l.free)
		l.free = nil
	}
}
