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
	return p.body.pushAny(nil, m)
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
	if a.waiting() >= a.policy.size {
		return a.overflow(m)
	}
	loop := a.add(m, nil)
	a.mu.Unlock()
	if loop != nil {
		go loop() // owned by a: ends when there is nothing left to do
	}
	return nil
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
	if x := a.more; x != nil && len(x.signals) > 0 {
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
	if old := a.rare.latest[key]; old != nil {
		*old = m
		a.node.dropped.Add(1)
		return nil
	}
	if a.waiting() >= a.policy.size {
		return ErrMailboxFull
	}
	if loop := a.add(m, key); loop != nil {
		go loop() // owned by a: ends when there is nothing left to do
	}
	return nil
}

// pushContext is push that waits for room.
func (a *actor[M]) pushContext(ctx context.Context, m M) error {
	for {
		err := a.push(m)
		if err != ErrMailboxFull || a.policy.overflow == EndReceiver {
			return err
		}
		if Self(ctx) == &a.Process {
			return ErrCallingSelf
		}
		if err := a.awaitRoom(ctx); err != nil {
			return err
		}
	}
}

// awaitRoom waits until there may be room, the process has ended, or ctx has.
func (p *Process) awaitRoom(ctx context.Context) error {
	p.mu.Lock()
	if p.state >= ending || p.body.free() > 0 {
		p.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	x := p.extra()
	x.senders = append(x.senders, turn)
	p.flags.Or(flagSenders)
	p.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(x.senders, turn); i >= 0 {
		x.senders = slices.Delete(x.senders, i, i+1)
	} else {
		p.admit() // it was its turn, which is another's now
	}
	return ctx.Err()
}

// free is that of body.
func (a *actor[M]) free() int { return a.policy.size - a.waiting() }
