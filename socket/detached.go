package socket

import "sync"

// detachedList are the sessions of a server that have no connection, those that lost it
// first in front. They take places that others may need.
type detachedList struct {
	mu   sync.Mutex // guards root and all entries in the list
	root detachedEntry
}

// detachedEntry is a session's place in the list.
type detachedEntry struct {
	link       *sessionLink
	prev, next *detachedEntry // nil while it is not in the list
}

func (d *detachedList) add(e *detachedEntry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.root.next == nil {
		d.root.next, d.root.prev = &d.root, &d.root
	}
	if e.next != nil {
		return
	}
	e.prev, e.next = d.root.prev, &d.root
	e.prev.next, e.next.prev = e, e
}

func (d *detachedList) remove(e *detachedEntry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e.next == nil {
		return
	}
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
}

// evict ends the session that has been without a connection for longest, and reports
// whether there was one.
func (d *detachedList) evict() bool {
	for {
		d.mu.Lock()
		e := d.root.next
		d.mu.Unlock()
		if e == nil || e == &d.root {
			return false
		}
		l := e.link
		l.lock()
		// If not, it has left the list meanwhile: it has a connection, or has ended.
		mine := l.current() == nil && !l.told
		if mine {
			l.finish("its place was needed for others")
		}
		l.unlock()
		if mine {
			return true
		}
	}
}
