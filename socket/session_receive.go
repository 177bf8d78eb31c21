package socket

import (
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// received takes a message that came over a connection of a generation. The caller is
// the one who reads it.
func (l *sessionLink) received(gen uint32, typ transport.MessageType, p []byte) {
	silent := saysNothing(typ, p)
	if !silent || !l.follows(gen, p) {
		l.judge(gen, typ, p, silent)
		return
	}
	c := &l.c
	defer c.turn.end()
	c.readOn()
	c.handleTaken(typ, p)
}

// follows takes a message without numbers if there is nothing more to it, as with most: it
// came behind another over the latest connection, and no handler runs. The caller is to call
// the handlers, and then to end the turn.
func (l *sessionLink) follows(gen uint32, p []byte) bool {
	c := &l.c
	if c.rates != nil || c.asked.Load().any() {
		return false
	}
	l.lock()
	defer l.unlock()
	if gen != l.gen || l.over || l.more != nil && l.more.room != nil || c.turn.busy || c.deaf.Load() || l.tooLarge(len(p)) {
		return false
	}
	if !l.in.Follow(len(p)) {
		return false
	}
	l.noteHeard()
	if l.in.Due() {
		l.ackNow()
	}
	return c.turn.beginLocked()
}

// judge is received for any message. silent is whether it has no numbers.
func (l *sessionLink) judge(gen uint32, typ transport.MessageType, p []byte, silent bool) {
	c := &l.c
	size := len(p)
	var n heading
	var err error
	if !silent {
		n, p, err = parseNumbers(typ, p)
	}
	var apart func()
	if !n.alone {
		apart = c.apart(typ, p)
	}
	if c.rates != nil && !l.admit(gen, n, size) {
		return
	}
	l.lock()
	if !l.listens(gen) {
		l.unlock()
		return
	}
	l.noteHeard()
	fresh := !n.alone
	if err == nil && l.tooLarge(size-n.head) {
		err = &transport.LimitError{Code: transport.StatusMessageTooBig, Limit: "message size", Max: int64(c.server.opts.maxMessage),
			Actual: int64(size - n.head), Option: "MaxMessageSize"}
	}
	if err == nil && n.ack > 0 {
		err = l.out.Ack(n.ack, freeRoom)
		l.charge() // it holds less
	}
	if err == nil && fresh {
		n.numbers, fresh, err = l.take(n.numbers)
	}
	if err != nil {
		l.unlock()
		c.refuseMessage(err)
		return
	}
	var mine, taken bool
	if fresh {
		// With mu held, so that messages of two connections come in their order.
		if mine = c.turn.beginLocked(); mine {
			taken = l.handled(n.numbers, size)
		} else {
			l.awaits(c.turn.place(l.later(n.numbers, size, typ, p, apart != nil)))
		}
	}
	if l.more != nil && l.more.room != nil {
		l.await()
	}
	l.unlock()
	if fresh && apart != nil {
		if mine {
			c.turn.end() // it was only to be counted in its place
		}
		apart()
		return
	}
	if !mine {
		return
	}
	defer c.turn.end()
	c.readOn()
	if !taken {
		return
	}
	if typ == transport.MessageBinary {
		p = append(make([]byte, 0, len(p)), p...)
	}
	c.handleTaken(typ, p)
}

// later is the task for a message that has to wait behind the handler that runs. One that is
// handled apart from them is only counted then.
func (l *sessionLink) later(n numbers, size int, typ transport.MessageType, p []byte, apart bool) task {
	if apart {
		return task{run: func() { l.note(n, size) }}
	}
	kept := append(make([]byte, 0, len(p)), p...)
	return task{run: func() { l.handle(n, size, typ, kept) }, weight: len(kept)}
}

// noteHeard notes that something has come over the latest connection. It is called with mu
// held.
func (l *sessionLink) noteHeard() {
	l.heard = true
	if l.more != nil { // or it has one token, and is new
		l.claim.Heard()
		l.more.left = false
	}
}

// tooLarge reports whether a message of so many bytes is more than may come.
func (l *sessionLink) tooLarge(size int) bool {
	most := l.c.server.opts.maxMessage
	return most > 0 && size > most
}

// take judges a message that has come over the latest connection, and returns its numbers
// with a seq also where it did not say it; 0 is that of one which is not of the session. It
// is called with mu held.
func (l *sessionLink) take(n numbers) (_ numbers, fresh bool, err error) {
	if n.outside() {
		return n, true, nil
	}
	n.seq, fresh, err = l.in.Next(n.seq, n.said)
	return n, fresh, err
}

// handled decides that the handlers are called for a message, unless the socket has been
// closed, and acknowledges when it is time. What it reports is final: the close may come
// right behind it, and acknowledge what has been handled. It is called with mu held.
func (l *sessionLink) handled(n numbers, size int) (taken bool) {
	switch {
	case l.c.deaf.Load():
		return false
	case n.seq == 0:
		return true
	}
	l.in.Handled(n.seq, size, n.said)
	if l.in.Due() {
		l.ackNow()
	}
	return true
}

// ackNow acknowledges what was handled, if there is a connection. It is called with mu held.
func (l *sessionLink) ackNow() {
	if u := l.current(); u != nil {
		l.sendAck(u)
	}
}

// handle runs the handlers for a message that has waited behind others.
func (l *sessionLink) handle(n numbers, size int, typ transport.MessageType, p []byte) {
	if l.note(n, size) {
		l.c.handleTaken(typ, p)
	}
}

// note is handled for those who do not hold mu.
func (l *sessionLink) note(n numbers, size int) (taken bool) {
	l.lock()
	defer l.unlock()
	return l.handled(n, size)
}

// admit reports whether a message of size bytes is within the client's rates. An
// acknowledgement of something new costs nothing: how many of them there are is up to
// those who send to the client.
func (l *sessionLink) admit(gen uint32, n heading, size int) bool {
	l.lock()
	counts := gen == l.gen && (!n.alone || n.ack <= l.out.Acked())
	l.unlock()
	return !counts || l.c.admitMessage(size)
}

// listens reports whether a message of a connection of a generation may be taken. It
// waits first until what came over earlier ones has room behind the handlers: else a
// client that connects over and over would leave one message more each time. It is
// called with mu held, and gives it up meanwhile.
func (l *sessionLink) listens(gen uint32) bool {
	for l.more != nil && l.more.room != nil && gen == l.gen && !l.over {
		l.await()
	}
	return gen == l.gen && !l.over
}

// awaits notes that what has come has to wait for room, unless that is nil. It is called
// with mu held.
func (l *sessionLink) awaits(room <-chan struct{}) {
	if l.more != nil || room != nil {
		l.extra().room = room
	}
}

// await waits until what has come has room behind the handlers, or another connection
// takes the place of that which the caller reads. It is called with mu held, and gives it
// up meanwhile.
func (l *sessionLink) await() {
	x := l.extra()
	if x.replaced == nil {
		x.replaced = make(chan struct{})
	}
	room, replaced := x.room, x.replaced
	l.unlock()
	left := true
	select {
	case <-room:
		left = false
	case <-replaced:
	}
	l.lock()
	if !left && x.room == room {
		x.room = nil
	}
}

// release ends the waits of those who read earlier connections. It is called with mu
// held.
func (l *sessionLink) release() {
	if x := l.more; x != nil && x.replaced != nil {
		close(x.replaced)
		x.replaced = nil
	}
}
