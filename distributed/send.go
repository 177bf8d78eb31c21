package distributed

import (
	"context"
	"slices"
)

// Overflow says what becomes of a message for a process whose mailbox is full.
type Overflow uint8

const (
	// RejectNew: the sender gets [ErrMailboxFull]. The default.
	RejectNew Overflow = iota

	// DropNewest: the message is dropped, and counted.
	DropNewest

	// DropOldest: the message that has waited for longest is dropped, and counted.
	DropOldest

	// EndReceiver: the process ends with the reason [ErrMailboxFull], which cannot be
	// trapped. The sender gets that error too.
	EndReceiver
)

// policy is what a mailbox does with what there is no room for.
type policy struct {
	size     int
	overflow Overflow
	key      func(m any) any // of KeepLatest; nil: the newest does not replace another
	single   bool            // messages leave the queue one by one, as any of them may be dropped
}

// Send sends a message to the process at an address. It does not wait; whoever wants to,
// until there is room, uses [Node.SendContext]. Messages of one sender to one process are
// handled in their order. m is kept until it has been handled: do not change what it
// points to. The error is [ErrProcessNotFound], [ErrMailboxFull], [ErrMessageType], or
// [ErrNoConnection].
func (n *Node) Send(to ProcessID, m interface{}) error {
	p, err := n.find(to)
	if err != nil {
		return err
	}
	var dontWait context.Context
	return p.body.pushAny(dontWait, m)
}

// SendContext is [Node.Send] that waits for room in the mailbox, until ctx ends, whose
// error it then returns. A process that waits for room of its own, with itself as ctx,
// gets [ErrCallingSelf].
func (n *Node) SendContext(ctx context.Context, to ProcessID, m interface{}) error {
	p, err := n.find(to)
	if err != nil {
		return err
	}
	return p.body.pushAny(ctx, m)
}

// pushAny is that of body.
func (a *actor[M]) pushAny(ctx context.Context, v any) error {
	m, ok := v.(M)
	if !ok && !(a.kind.any && v == nil) {
		return ErrMessageType
	}
	if ctx == nil {
		return a.push(m)
	}
	return a.pushContext(ctx, m)
}

// push makes m the last message that waits.
func (a *actor[M]) push(m M) error {
	if a.policy.key != nil {
		return a.pushLatest(m)
	}
	a.mu.Lock()
	if a.state >= ending {
		a.mu.Unlock()
		return ErrProcessNotFound
	}
	if (a.mayWait() >= a.policy.size || a.flags.Load()&flagSenders != 0) && !a.room() {
		return a.overflow(m)
	}
	loop := a.add(m, nil)
	a.mu.Unlock()
	if loop != nil {
		go loop() // owned by a: ends when there is nothing left to do
	}
	return nil
}

// room reports whether there is room for one message more, now that those have been taken
// whose senders have waited for it. It is called with mu held.
func (a *actor[M]) room() bool {
	if a.flags.Load()&flagSenders != 0 {
		if a.admit(); a.flags.Load()&flagSenders != 0 {
			return false
		}
	}
	return a.free() > 0
}

// add puts m into the queue. key is what the policy says of it, nil if that has none. It is
// called with mu held; the caller starts what it returns, if that is not nil, once mu is
// free.
func (a *actor[M]) add(m M, key any) (loop func()) {
	place := a.queue.place(a.kind)
	*place = m
	a.pushed++
	if a.policy.key != nil {
		a.rare.latest[key] = place
		a.rare.keys = append(a.rare.keys, key)
	}
	return a.wake()
}

// overflow is push for a mailbox that is full. It is called with mu held, and gives it up.
func (a *actor[M]) overflow(m M) error {
	defer a.mu.Unlock()
	switch a.policy.overflow {
	case DropNewest:
		a.node.dropped.Add(1)
		return nil
	case DropOldest:
		if a.queue.n == 0 {
			break // all is put aside
		}
		a.forget()
		a.add(m, nil) // somebody is at it already: there was a message
		return nil
	case EndReceiver:
		if loop := a.condemn(ErrMailboxFull); loop != nil {
			go loop() // owned by a: ends with it
		}
	}
	return ErrMailboxFull
}

// forget drops the oldest message of the queue, and takes it out of the count of those that
// came before signals: before such as came later. It is called with mu held.
func (a *actor[M]) forget() {
	oldest := a.pushed - uint64(a.queue.n) + 1
	a.queue.pop(a.kind)
	a.node.dropped.Add(1)
	a.pushed--
	if x := a.more(); x != nil && len(x.signals) > 0 {
		for i := range x.signals {
			if x.signals[i].before >= oldest {
				x.signals[i].before--
			}
		}
		a.due.Store(x.signals[0].before)
	}
}

// pushLatest is push for a mailbox in which the newest message of a key takes the place of
// one that waits.
func (a *actor[M]) pushLatest(m M) error {
	key := a.policy.key(m)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state >= ending {
		return ErrProcessNotFound
	}
	if a.replace(key, m) {
		return nil
	}
	if !a.room() {
		return ErrMailboxFull
	}
	if loop := a.add(m, key); loop != nil {
		go loop() // owned by a: ends when there is nothing left to do
	}
	return nil
}

// replace puts m in the place of a message that waits and has the same key, and reports
// whether there was one. It is called with mu held.
func (a *actor[M]) replace(key any, m M) bool {
	old := a.rare.latest[key]
	if old == nil {
		return false
	}
	*old = m
	a.node.dropped.Add(1)
	return true
}

// sender is one who waits for room. It is guarded by Process.mu until done is closed.
type sender struct {
	m, key any
	done   chan struct{} // closed when m has been taken, or the process takes nothing any more
	taken  bool
}

// pushContext is push that waits for room. Who waits leaves its message with the process,
// which takes it as soon as it can: so all have their turn, in their order.
func (a *actor[M]) pushContext(ctx context.Context, m M) error {
	err := a.push(m)
	if err != ErrMailboxFull || a.policy.overflow == EndReceiver {
		return err
	}
	if Self(ctx) == &a.Process {
		return ErrCallingSelf
	}
	s := &sender{m: m, done: make(chan struct{})}
	if a.policy.key != nil {
		s.key = a.policy.key(m)
	}
	a.mu.Lock()
	if a.state >= ending {
		a.mu.Unlock()
		return ErrProcessNotFound
	}
	x := a.extra()
	x.senders = append(x.senders, s)
	a.flags.Or(flagSenders)
	loop := a.wake()
	a.admit() // there may be room by now
	a.mu.Unlock()
	if loop != nil {
		go loop() // owned by a: ends when there is nothing left to do
	}
	select {
	case <-s.done:
	case <-ctx.Done():
		a.mu.Lock()
		defer a.mu.Unlock()
		if i := slices.Index(x.senders, s); i >= 0 {
			x.senders = slices.Delete(x.senders, i, i+1)
			return ctx.Err()
		}
	}
	if !s.taken {
		return ErrProcessNotFound
	}
	return nil
}

// whenFull is that of body.
func (a *actor[M]) whenFull() Overflow { return a.policy.overflow }

// admit is that of body. Whoever calls it sees to it that the process is awake.
func (a *actor[M]) admit() {
	if a.flags.Load()&flagSenders == 0 {
		return
	}
	x := a.more()
	for len(x.senders) > 0 {
		s := x.senders[0]
		m, _ := s.m.(M) // which it is, or nil
		if a.policy.key != nil && a.replace(s.key, m) {
			// That takes no room.
		} else if a.free() > 0 {
			a.add(m, s.key) // wakes nobody: it is awake
		} else {
			return
		}
		s.taken = true
		close(s.done)
		x.senders[0] = nil
		x.senders = x.senders[1:]
	}
	x.senders = nil
	a.flags.And(^uint32(flagSenders))
}

// free is how many more may wait. It is called with mu held.
func (a *actor[M]) free() int { return a.policy.size - a.waiting() }
