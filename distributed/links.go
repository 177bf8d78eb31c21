package distributed

// links are the processes that one is linked to. Most are linked to few.
type links struct {
	few  []*Process
	many map[*Process]struct{} // used instead of few once those are too many
}

// fewLinks is how many links are searched one by one.
const fewLinks = 8

func (l *links) has(p *Process) bool {
	if l.many != nil {
		_, ok := l.many[p]
		return ok
	}
	for _, q := range l.few {
		if q == p {
			return true
		}
	}
	return false
}

func (l *links) add(p *Process) {
	if l.has(p) {
		return
	}
	if l.many == nil && len(l.few) == fewLinks {
		l.many = make(map[*Process]struct{}, 2*fewLinks)
		for _, q := range l.few {
			l.many[q] = struct{}{}
		}
		l.few = nil
	}
	if l.many != nil {
		l.many[p] = struct{}{}
		return
	}
	l.few = append(l.few, p)
}

// remove reports whether there was a link.
func (l *links) remove(p *Process) bool {
	if l.many != nil {
		_, ok := l.many[p]
		delete(l.many, p)
		return ok
	}
	for i, q := range l.few {
		if q == p {
			last := len(l.few) - 1
			l.few[i], l.few[last] = l.few[last], nil
			l.few = l.few[:last]
			return true
		}
	}
	return false
}

// bySerial returns the one of a serial number, nil if there is none.
func (l *links) bySerial(serial uint64) *Process {
	for _, q := range l.few {
		if q.serial == serial {
			return q
		}
	}
	for q := range l.many {
		if q.serial == serial {
			return q
		}
	}
	return nil
}

// appendAll appends all of them to dst.
func (l *links) appendAll(dst []*Process) []*Process {
	dst = append(dst, l.few...)
	for p := range l.many {
		dst = append(dst, p)
	}
	return dst
}

// lockBoth locks two different processes, in the order in which they were spawned.
func lockBoth(p, q *Process) (unlock func()) {
	if p.serial > q.serial {
		p, q = q, p
	}
	p.mu.Lock()
	q.mu.Lock()
	return func() {
		q.mu.Unlock()
		p.mu.Unlock()
	}
}

// link links two processes, and reports whether q is there to be linked to.
func link(p, q *Process) bool {
	defer lockBoth(p, q)()
	if q.state == dead {
		return false
	}
	if p.state != dead {
		p.extra().links.add(q)
		q.extra().links.add(p)
	}
	return true
}

// unlink ends the link of two processes. One of them may be about to tell of its end, and
// has forgotten the other then: whoever is told must not know of the link any more.
func unlink(p, q *Process) {
	defer lockBoth(p, q)()
	if p.more != nil {
		p.more.links.remove(q)
	}
	if q.more != nil {
		q.more.links.remove(p)
	}
}

// unlinkID ends the link of a process to the one at an address, also if that has ended and
// is about to tell of it.
func (p *Process) unlinkID(id ProcessID) {
	if q, err := p.node.find(id); err == nil {
		if p != q {
			unlink(p, q)
		}
		return
	}
	if serial := p.node.pidOf(id).serial; serial != 0 {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.more != nil {
			if q := p.more.links.bySerial(serial); q != nil {
				p.more.links.remove(q)
			}
		}
	}
}

// LinkProcesses links two processes: when one ends, with any reason but [ErrNormal], the
// other is told to exit with the same reason. There is one link between two processes,
// however often they are linked, and none of a process to itself. The error is
// [ErrProcessNotFound] or [ErrNoConnection], of either.
func (n *Node) LinkProcesses(a, b ProcessID) error {
	p, err := n.find(a)
	if err != nil {
		return err
	}
	q, err := n.find(b)
	if err != nil {
		return err
	}
	if p != q && !link(p, q) {
		return ErrProcessNotFound
	}
	return nil
}

// UnlinkProcesses ends the link of two processes. Once it has returned, neither is told of
// an end of the other any more. It does nothing if there is no link.
func (n *Node) UnlinkProcesses(a, b ProcessID) {
	if p, err := n.find(a); err == nil {
		p.unlinkID(b)
	} else if q, err := n.find(b); err == nil {
		q.unlinkID(a)
	}
}

// Link links the process to another, see [Node.LinkProcesses]. If there is none, it is as
// if it had just ended: the process is told to exit with [ErrProcessNotFound], or
// [ErrNoConnection].
func (p *Process) Link(to ProcessID) {
	q, err := p.node.find(to)
	switch {
	case err != nil:
		p.told(nil, p.node.pidOf(to), err, byLink)
	case p != q && !link(p, q):
		p.told(nil, q.PID(), ErrProcessNotFound, byLink)
	}
}

// Unlink ends the link to another process, see [Node.UnlinkProcesses]. An [Exit] that has
// come before is still handled.
func (p *Process) Unlink(to ProcessID) { p.unlinkID(to) }
