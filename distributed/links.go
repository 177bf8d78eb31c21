package distributed

import "slices"

// kin are the supervisor of a process and its links, which many processes do not have. One
// that has is most often linked to its supervisor and nobody else: that link is in the kin
// themselves, on both sides.
type kin struct {
	parent     *Process // the supervisor: its exit ends this one, trapped or not
	above      bool     // there is a link to parent, which has it as one of those below
	prev, next *Process // those below the same parent; guarded by its mu
	links      *links   // the other links; nil until there is one
	more       *extras  // nil until it is needed
}

// needKin returns the kin, which are made if there are none. It is called with mu held.
func (p *Process) needKin() *kin {
	if p.kin == nil {
		p.kin = new(kin)
	}
	return p.kin
}

// parent returns the supervisor, nil if there is none. It is called with mu held.
func (p *Process) parent() *Process {
	if p.kin == nil {
		return nil
	}
	return p.kin.parent
}

// linked appends all that the process is linked to. It is called with mu held.
//
//go:noinline
func (p *Process) linked(dst []*Process) []*Process {
	k := p.kin
	if k == nil {
		return dst
	}
	if k.above {
		dst = append(dst, k.parent)
	}
	if l := k.links; l != nil {
		for c := l.below; c != nil; c = c.kin.next {
			dst = append(dst, c)
		}
		dst = l.appendOthers(dst)
	}
	return dst
}

// isLinked reports whether p knows of a link to q. It is called with both locked.
func (p *Process) isLinked(q *Process) bool {
	k := p.kin
	switch {
	case k == nil:
		return false
	case k.above && k.parent == q:
		return true
	case k.links == nil:
		return false
	}
	return q.parent() == p && k.links.isBelow(q, q.kin) || k.links.has(q)
}

// add adds a link to q. It is called with both locked.
func (p *Process) addLink(q *Process) {
	if p.isLinked(q) {
		return
	}
	k := p.needKin()
	if k.parent == q {
		k.above = true
		return
	}
	if k.links == nil {
		k.links = new(links)
	}
	if q.parent() == p {
		k.links.addBelow(q, q.kin)
		return
	}
	k.links.add(q)
}

// remove ends the link to p, whose kin are of, and reports whether there was one. mine says
// that it is the process's own child. It is called with the process's mu held.
func (k *kin) remove(p *Process, of *kin, mine bool) bool {
	switch {
	case k.above && k.parent == p:
		k.above = false
		return true
	case k.links == nil:
		return false
	}
	return mine && k.links.removeBelow(p, of) || k.links.remove(p)
}

// removeSerial ends the link to the process of a serial number, if there is one. It is
// called with the process's mu held.
func (k *kin) removeSerial(serial uint64) {
	if k.above && k.parent.serial == serial {
		k.above = false
		return
	}
	l := k.links
	if l == nil {
		return
	}
	for c := l.below; c != nil; c = c.kin.next {
		if c.serial == serial {
			l.removeBelow(c, c.kin)
			return
		}
	}
	if q := l.bySerial(serial); q != nil {
		l.remove(q)
	}
}

// forgetLinks ends all links. It is called with the process's mu held.
//
//go:noinline
func (k *kin) forgetLinks() {
	k.above = false
	if k.links == nil {
		return
	}
	for c := k.links.below; c != nil; {
		next := c.kin.next
		c.kin.prev, c.kin.next = nil, nil
		c = next
	}
	k.links = nil
}

// links are the processes that one is linked to, beside its supervisor.
type links struct {
	below *Process // the first of its own children, the rest of which are in their kin
	few   []*Process
	many  map[*Process]struct{} // used instead of few once those are too many
}

// isBelow reports whether q, whose kin are of, is among its own children.
func (l *links) isBelow(q *Process, of *kin) bool { return of.prev != nil || l.below == q }

func (l *links) addBelow(q *Process, of *kin) {
	if of.next = l.below; of.next != nil {
		of.next.kin.prev = q
	}
	l.below = q
}

// removeBelow reports whether there was a link.
func (l *links) removeBelow(q *Process, of *kin) bool {
	if !l.isBelow(q, of) {
		return false
	}
	if of.prev != nil {
		of.prev.kin.next = of.next
	} else {
		l.below = of.next
	}
	if of.next != nil {
		of.next.kin.prev = of.prev
	}
	of.prev, of.next = nil, nil
	return true
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

// add adds one that is not there.
func (l *links) add(p *Process) {
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

// bySerial returns the one, of those that are not its own children, of a serial number, nil if there is none.
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

// appendOthers appends those to dst that are not its own children.
func (l *links) appendOthers(dst []*Process) []*Process {
	dst = append(dst, l.few...)
	for p := range l.many {
		dst = append(dst, p)
	}
	return dst
}

// lockBoth locks two different processes, in the order in which they were spawned.
func lockBoth(p, q *Process) {
	if p.serial > q.serial {
		p, q = q, p
	}
	p.mu.Lock()
	q.mu.Lock()
}

func unlockBoth(p, q *Process) {
	p.mu.Unlock()
	q.mu.Unlock()
}

// link links two processes, and reports whether q is there to be linked to, or is about to
// tell p of its end because they were linked before.
func link(p, q *Process) bool {
	lockBoth(p, q)
	defer unlockBoth(p, q)
	if q.state == dead {
		return p.isLinked(q)
	}
	if p.state != dead {
		p.addLink(q)
		q.addLink(p)
	}
	return true
}

// unlink ends the link of two processes. One of them may be about to tell of its end, and
// has forgotten the other then: whoever is told must not know of the link any more.
func unlink(p, q *Process) {
	lockBoth(p, q)
	defer unlockBoth(p, q)
	if p.kin != nil && q.kin != nil {
		p.kin.remove(q, q.kin, q.kin.parent == p)
		q.kin.remove(p, p.kin, p.kin.parent == q)
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
		if p.kin != nil {
			p.kin.removeSerial(serial)
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
		if from := p.node.pidOf(to); !p.awaits(from.serial) {
			p.told(nil, from, err, byLink)
		}
	case p != q && !link(p, q):
		p.told(nil, q.PID(), ErrProcessNotFound, byLink)
	}
}

// awaits reports whether the process is linked to that of a serial number, also if that has
// ended and is about to tell of it.
func (p *Process) awaits(serial uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.linked(nil), func(q *Process) bool { return q.serial == serial })
}

// Unlink ends the link to another process, see [Node.UnlinkProcesses]. An [Exit] that has
// come before is still handled.
func (p *Process) Unlink(to ProcessID) { p.unlinkID(to) }
