package socket

import (
	"sync"
	"time"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// stageUnder queues messages for one socket where a policy has a say: for these messages,
// or for some that wait. It is called with the lock of commits held.
func (f *fanout) stageUnder(c *conn, p *post) {
	messages := p.batch.Messages()
	queued := false
	if c.hold.Load() == nil && f.behind[c] == nil && p.to.rule.kind != volatileOnly && c.takes(messages) {
		n, v := c.stage(&p.batch)
		queued = n > 0
		if messages = messages[n:]; v == sent {
			f.miss(c, messages...) // none but when it has ended
			messages = nil
		}
	}
	for i, m := range messages {
		if c.shut && (p.to.rule == nil || p.to.rule.kind != volatileOnly) {
			f.miss(c, m)
		}
		if !c.shut && f.put(c, &held{m: m, rule: p.to.rule, room: p.to.room}, p, i) {
			queued = true
		}
	}
	if h := c.hold.Load(); h != nil {
		c.noteFill(h.bytes, h.messages)
	}
	if queued {
		f.mark(c)
	}
}

// mark sees to it that what is queued for a socket is written.
func (f *fanout) mark(c *conn) {
	if !c.dirty {
		c.dirty = true
		f.dirty = append(f.dirty, c)
	}
}

// put queues a message, or lets it wait, or drops it, and reports whether something was
// queued. It is message i of p if it is volatile.
func (f *fanout) put(c *conn, e *held, p *post, i int) (queued bool) {
	h := c.hold.Load()
	if h == nil {
		if e.rule != nil && e.rule.kind == volatileOnly && f.behind[c] == nil && !c.loaded() {
			if c.stageVolatile(p.volatile(c, i)) == nil {
				return true
			}
		}
		h = &holding{c: c}
		c.hold.Store(h)
	}
	if !f.hold(h, e) {
		f.evictNow(h, 0)
		f.miss(c, e.m)
		return false
	}
	return f.feed(h)
}

// hold makes e the last that waits, unless its rule is that it is dropped or replaces
// another. It reports false when there is no room and e may not be dropped.
func (f *fanout) hold(h *holding, e *held) bool {
	slow := &f.server.slow
	kind := closeSlow
	if e.rule != nil {
		kind = e.rule.kind
	}
	var ok bool
	switch size := len(e.m.Payload()); kind {
	case volatileOnly:
		slow.volatile.Add(1)
		h.missed.add(1, e.room)
		return true
	case dropNewest:
		ok = h.fits(size)
	case keepLatest:
		if old := h.latest[e.key()]; old != nil {
			slow.replaced.Add(1)
			h.replace(old, e.m)
			return true
		}
		ok = f.makeRoom(h, size)
	default:
		ok = f.makeRoom(h, size)
	}
	switch {
	case ok:
		h.append(e)
	case e.rule.droppable():
		slow.newest.Add(1)
		h.missed.add(1, e.room)
	default:
		return false
	}
	return true
}

// makeRoom drops what may be dropped until there is room for a message of n bytes, and
// reports whether there is.
func (f *fanout) makeRoom(h *holding, n int) bool {
	for !h.fits(n) {
		old := h.oldest()
		if old == nil {
			return false
		}
		f.server.slow.oldest.Add(1)
		h.drop(old)
	}
	return true
}

// feed queues what the client has room for, and sees to it that the rest is looked at when
// it has more. It reports whether there is something to flush. It is called with the lock
// of commits held.
func (f *fanout) feed(h *holding) (queued bool) {
	c := h.c
	if h.watched || f.behind[c] != nil {
		return false // what is kept behind comes first; resume comes back here
	}
	for h.first != nil || h.missed.Missed > 0 {
		if c.loaded() {
			h.watch()
			return queued
		}
		e, missed := h.first, &h.missed
		if e != nil {
			missed = &e.missed
		}
		marker := missed.Missed > 0
		var m *transport.PreparedMessage
		if marker {
			m = missed.message()
		} else {
			m = e.m
		}
		switch n, v := c.stageOne(m); {
		case n == 0 && v == sent: // the connection has ended
			h.release()
			return false
		case n > 0:
			queued = true
			if marker {
				*missed = Gap{}
			} else {
				h.remove(e)
			}
		case v != unsendable:
			h.watch()
			return queued
		case marker:
			*missed = Gap{} // the queue is too small to tell
		case e.rule.droppable():
			f.server.slow.newest.Add(1)
			h.drop(e)
		default:
			f.evictNow(h, len(m.Payload()))
			return queued
		}
	}
	h.release()
	return queued
}

// message returns the marker of a gap.
func (g Gap) message() *transport.PreparedMessage {
	m, err := prepare(EventGap, g)
	if err != nil {
		panic("BUG: socket: a gap is not JSON: " + err.Error())
	}
	return m
}

// stageOne is stage for one message.
func (c *conn) stageOne(m *transport.PreparedMessage) (int, verdict) {
	var b transport.PreparedBatch
	b.Append(m)
	return c.stage(&b)
}

// evictNow closes a socket for which a message has no room that it must not miss: one of
// size bytes that is larger than the queue, or 0. What Send sends waits for the end. It is
// called with the lock of commits held.
func (f *fanout) evictNow(h *holding, size int) {
	h.c.behind.Store(true) // before nothing is held any more, which Send looks at next
	h.release()
	h.c.shut = true
	go closeAll([]eviction{{h.c, size}}) // owned by f: ends when it is refused
}

// release lets go of what is held for a socket that has ended, unless something is kept
// behind, which comes first: those who look after that, or reap, do it then.
func (f *fanout) release(c *conn) {
	if c.hold.Load() == nil {
		return
	}
	f.commit.Lock()
	defer f.commit.Unlock()
	if h := c.hold.Load(); h != nil && f.behind[c] == nil {
		h.release()
	}
}

// feedLast queues all that is held for a socket that is being closed from this side, as
// far as the queue of its connection takes it.
func (f *fanout) feedLast(c *conn) {
	if c.hold.Load() == nil {
		return
	}
	f.commit.Lock()
	defer f.commit.Unlock()
	h := c.hold.Load()
	if h == nil {
		return
	}
	// One marker for all gaps, in the place of the first: there is room for one.
	missed := h.missed
	for e := h.first; e != nil; e = e.next {
		missed.add(e.missed.Missed, e.missed.Room)
	}
	for h.first != nil {
		e := h.first
		if missed.Missed > 0 && e.missed.Missed > 0 {
			c.stageOne(missed.message())
			missed = Gap{}
		}
		if n, _ := c.stageOne(e.m); n == 0 {
			break
		}
		h.remove(e)
	}
	if missed.Missed > 0 {
		c.stageOne(missed.message())
	}
	h.release()
}

// sendHeld leaves a message of Send behind what is held for the client, if anything is. It
// waits, as Send does, while too much is.
func (c *conn) sendHeld(m *encoded) (done bool, err error) {
	f, o := &c.server.fanout, &c.server.opts
	f.commit.Lock()
	h := c.hold.Load()
	if h == nil || c.cause() != nil {
		f.commit.Unlock()
		if h != nil {
			err = sendError(ErrConnectionClosed)
		}
		return h != nil, err
	}
	room := h.sure == 0 || sendShare*h.sure < o.queueMessages && sendShare*h.sureBytes < o.queueBytes
	if room && f.makeRoom(h, len(m.b)) {
		h.append(&held{m: transport.NewPreparedMessage(m.typ, m.b)})
		f.commit.Unlock()
		return true, nil
	}
	if h.room == nil {
		h.room = make(chan struct{})
	}
	wait := h.room
	f.commit.Unlock()
	timer := time.NewTimer(o.writeTimeout)
	defer timer.Stop()
	select {
	case <-wait:
		return false, nil
	case <-timer.C:
		c.stalled()
		return true, &ConnectionError{Op: "send", Err: ErrTimeout}
	}
}

// loaded reports whether so much waits for the client that it does not keep up.
func (c *conn) loaded() bool {
	if l, ok := c.link.(*sessionLink); ok {
		if away, full := l.keeps(); away {
			return full
		}
	}
	return c.taken(sendShare)
}

// takes reports whether the client keeps up with messages, up to the last of them.
func (c *conn) takes(messages []*transport.PreparedMessage) bool {
	if c.loaded() {
		return false
	}
	o := &c.server.opts
	bytes, n := c.waiting()
	for i, m := range messages {
		if i > 0 && (sendShare*bytes >= o.queueBytes || sendShare*(n+i) >= o.queueMessages) {
			return false
		}
		bytes += len(m.Payload())
	}
	return true
}

// keeps reports whether a session has no connection, and whether a quarter of what may be
// kept for the next one is taken.
func (l *sessionLink) keeps() (away, full bool) {
	l.lock()
	defer l.unlock()
	return l.current() == nil, l.out.QuarterFull(&l.c.server.opts.kept)
}

// volatile returns message i as c is sent it that does not keep it for the next connection.
// All those with a session get one.
func (p *post) volatile(c *conn, i int) *transport.PreparedMessage {
	messages := p.batch.Messages()
	if _, ok := c.link.(*sessionLink); !ok {
		return messages[i]
	}
	if p.volatiles == nil {
		p.volatiles = make([]*transport.PreparedMessage, len(messages))
	}
	if p.volatiles[i] == nil {
		p.volatiles[i] = c.newVolatile(messages[i].Type(), messages[i].Payload())
	}
	return p.volatiles[i]
}

// newVolatile makes a message for stageVolatile: within a session it says that it is not of
// that.
func (c *conn) newVolatile(typ transport.MessageType, p []byte) *transport.PreparedMessage {
	if _, ok := c.link.(*sessionLink); ok {
		p = unnumbered.prepend(typ, p)
	}
	return transport.NewPreparedMessage(typ, p)
}

// stageVolatile queues a message that is not sent again when it is lost. For a session
// without a connection it is ErrQueueFull.
func (c *conn) stageVolatile(m *transport.PreparedMessage) error {
	var b transport.PreparedBatch
	b.Append(m)
	l, ok := c.link.(*sessionLink)
	if !ok {
		_, err := c.link.stage(&b)
		return err
	}
	u := l.current()
	if u == nil {
		return transport.ErrQueueFull
	}
	_, err := u.stage(&b)
	if err != nil && err != errTooLarge {
		return transport.ErrQueueFull // or it is lost, which l is about to be told
	}
	return err
}

// await waits until a message is queued for all, and closes those for which that takes
// longer than d.
func (f *fanout) await(t *ticket, d time.Duration) {
	f.settle()
	f.commit.Lock()
	if len(t.waiting) == 0 {
		f.commit.Unlock()
		return
	}
	done := make(chan struct{})
	t.done = done
	f.commit.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return
	case <-timer.C:
	}
	f.commit.Lock()
	defer f.commit.Unlock()
	for c := range t.waiting {
		if h := c.hold.Load(); h != nil {
			f.evictNow(h, 0)
		}
	}
}

// feeder looks after sockets whose clients have made room: one goroutine for all of them,
// which is there only while there is something to do.
type feeder struct {
	mu      sync.Mutex // guards the fields below; no other lock is taken under it
	ready   []*conn
	running bool
}

// drained is told that there may be room in the queue of c's connection. It may be called
// with the lock of that queue held.
func (f *fanout) drained(c *conn) {
	d := &f.feeder
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ready = append(d.ready, c)
	if !d.running {
		d.running = true
		go f.feedAll() // owned by f: ends when nobody is ready
	}
}

// feedAll feeds sockets until nobody is ready.
func (f *fanout) feedAll() {
	d := &f.feeder
	for {
		d.mu.Lock()
		ready := d.ready
		d.ready = nil
		d.running = len(ready) > 0
		d.mu.Unlock()
		if len(ready) == 0 {
			return
		}
		f.commit.Lock()
		for _, c := range ready {
			if h := c.hold.Load(); h != nil {
				h.watched = false
				f.feed(h)
			}
		}
		f.commit.Unlock()
		for _, c := range ready {
			c.link.flush()
			c.noteDrain()
		}
	}
}

// watch has the feeder look at h again.
func (h *holding) watch() {
	h.watched = true
	h.c.watch()
}

// watch has the feeder look at the socket when there may be room in its queue.
func (c *conn) watch() { c.link.notifyRoom(func() { c.server.fanout.drained(c) }) }
