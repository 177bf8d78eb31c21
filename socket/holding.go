package socket

import "github.com/kleeedolinux/socket.go/socket/transport"

// holding is what waits for a client that does not keep up, while something was sent to it
// under a policy: a list above the queue of its connection. What is in that queue may have
// begun to leave, or have been compressed with what is in front of it, and cannot be taken
// back; from this list messages can be dropped or replaced wherever they stand. It feeds
// the queue, a quarter of which it fills. Whatever else is sent to the socket meanwhile
// waits here too, so that the order is kept. The fanout's lock of commits guards it.
type holding struct {
	c           *conn
	first, last *held
	messages    int
	bytes       int
	sure        int // messages that may not be dropped
	sureBytes   int
	latest      map[latestKey]*held // those under KeepLatest; nil before the first
	missed      Gap                 // behind the last
	charged     int64               // to the budget
	watched     bool                // the feeder will look at it
	room        chan struct{}       // closed when it holds less; nil: nobody waits
}

// held is a message that waits.
type held struct {
	prev, next *held
	m          *transport.PreparedMessage
	rule       *rule
	room       string // that it is for, "" for none or several
	missed     Gap    // in front of it
}

// latestKey is what one message under KeepLatest is replaced by another for.
type latestKey struct{ room, key string }

func (e *held) key() latestKey { return latestKey{e.room, e.rule.key} }

// heldCost is what a message costs that waits, beside its bytes.
const heldCost = 160

// fits reports whether there is room for a message of n bytes. One that is larger than
// all there is has room when nothing else waits.
func (h *holding) fits(n int) bool {
	o := &h.c.server.opts
	if h.messages > 0 && (h.messages >= rest(o.queueMessages) || h.bytes+n > rest(o.queueBytes)) {
		return false
	}
	return h.charge(h.messages+1, h.bytes+n)
}

// rest is the part of a queue's bound that is for what waits, but for the marker of a gap.
func rest(bound int) int { return max(bound-bound/sendShare-1, 1) }

// charge counts so many messages and bytes against the budget, and reports whether there
// is room for them.
func (h *holding) charge(messages, bytes int) bool {
	return chargeWaiting(h.c.server.budget, &h.charged, bytes+messages*heldCost)
}

// append makes e the last that waits. There must be room for it.
func (h *holding) append(e *held) {
	e.missed, h.missed = h.missed, Gap{}
	if e.prev = h.last; e.prev != nil {
		e.prev.next = e
	} else {
		h.first = e
	}
	h.last = e
	h.count(e, 1)
	e.rule.issued(h.c)
	if e.rule != nil && e.rule.kind == keepLatest {
		if h.latest == nil {
			h.latest = make(map[latestKey]*held)
		}
		h.latest[e.key()] = e
	}
}

// count counts a message in, or with -1 out.
func (h *holding) count(e *held, n int) {
	size := n * len(e.m.Payload())
	h.messages += n
	h.bytes += size
	if !e.rule.droppable() {
		h.sure += n
		h.sureBytes += size
	}
}

// replace puts m in the place of what e has held.
func (h *holding) replace(e *held, m *transport.PreparedMessage) {
	h.count(e, -1)
	e.m = m
	h.count(e, 1)
	e.missed.add(1, e.room)
	h.charge(h.messages, h.bytes) // if there is no room the message has it all the same: it is one for one
}

// oldest returns the message that has waited for longest of those that may be dropped for
// a later one, nil if there is none.
func (h *holding) oldest() *held {
	for e := h.first; e != nil; e = e.next {
		if e.rule.yields() {
			return e
		}
	}
	return nil
}

// drop takes a message out that the client is not sent.
func (h *holding) drop(e *held) {
	behind := &h.missed
	if e.next != nil {
		behind = &e.next.missed
	}
	behind.add(1, e.room)
	behind.add(e.missed.Missed, e.missed.Room)
	h.remove(e)
}

// remove takes a message out.
func (h *holding) remove(e *held) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		h.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		h.last = e.prev
	}
	if e.rule != nil && e.rule.kind == keepLatest {
		delete(h.latest, e.key())
	}
	h.count(e, -1)
	h.charge(h.messages, h.bytes) // less than before
	e.rule.served(h.c)
	h.wake()
}

// wake lets those look again who wait for room.
func (h *holding) wake() {
	if h.room != nil {
		close(h.room)
		h.room = nil
	}
}

// release drops all that is held: nothing is, or the connection has ended.
func (h *holding) release() {
	for h.first != nil {
		h.c.server.fanout.miss(h.c, h.first.m)
		h.remove(h.first)
	}
	h.c.hold.Store(nil)
	h.wake()
}

// ticket is a message under WaitSlow on its way. The fanout's lock of commits guards it.
type ticket struct {
	waiting map[*conn]struct{} // sockets that it waits for
	done    chan struct{}      // closed when there are none; nil: nobody waits
}

// issued counts a socket in that a message is held for.
func (r *rule) issued(c *conn) {
	if r == nil || r.ticket == nil {
		return
	}
	t := r.ticket
	if t.waiting == nil {
		t.waiting = make(map[*conn]struct{})
	}
	t.waiting[c] = struct{}{}
}

// served counts it out.
func (r *rule) served(c *conn) {
	if r == nil || r.ticket == nil {
		return
	}
	t := r.ticket
	delete(t.waiting, c)
	if len(t.waiting) == 0 && t.done != nil {
		close(t.done)
		t.done = nil
	}
}
