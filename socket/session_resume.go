package socket

import (
	"context"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// offered judges what a client says that wants to go on with the session. If it may, no
// earlier connection is heard of any more; the one that is being made is gen, and is to
// be attached. The answer has the token for the next time.
func (l *sessionLink) offered(o session.Offer) (a session.Answer, gen uint32, ok bool) {
	l.lock()
	if l.over || !l.claim.Check(o.Session.Token) || l.stays(o.Last) {
		l.unlock()
		return a, 0, false
	}
	old := l.detach()
	l.release()
	l.over = l.out.Resume(o.Last) != nil
	if l.over {
		l.finish("messages that the client needs are not kept any more")
	} else {
		l.extra().has = o.Last
		l.claim.Attach()
		l.gen++
		l.in.Begin()
		a = session.Answer{
			Session: session.Session{ID: l.c.id, Token: l.claim.Token()},
			Resumed: true, Last: l.in.Last(), Window: l.c.server.opts.windowSeconds(),
		}
	}
	gen, ok = l.gen, !l.over
	l.unlock()
	if old != nil {
		old.closeNow()
	}
	return a, gen, ok
}

// detach takes the session from its connection, if there is one, which it returns. It is
// called with mu held.
func (l *sessionLink) detach() physical {
	u := l.current()
	if u != nil {
		l.use(nil)
		l.said = false
		x := l.extra()
		x.next = 0
		x.since = l.c.server.pulse.now()
		l.c.server.detached.add(&x.entry)
	}
	return u
}

// attach gives the session to a connection of a generation, and sends what the client
// does not have. Another one may have been made meanwhile.
func (l *sessionLink) attach(gen uint32, u physical) {
	l.lock()
	if l.over || gen != l.gen {
		l.unlock()
		u.closeNow()
		return
	}
	l.use(u)
	if x := l.more; x != nil {
		l.c.server.detached.remove(&x.entry)
		if l.out.Last() > x.has {
			x.next = x.has + 1
			l.sendAgain(gen, u)
		}
		if x.onRoom != nil {
			x.onRoom() // what waits above may leave over this one
		}
	}
	l.unlock()
}

// sendAgain sends what the client does not have, as far as there is room in the queue of
// the connection, and the rest as soon as there is. It is called with mu held.
func (l *sessionLink) sendAgain(gen uint32, u physical) {
	buf := encodedPool.Get().(*encoded)
	defer buf.free()
	x, said := l.more, false
	for n, k := range l.out.From(x.next) {
		x.next = n
		buf.b = numbers{seq: n, said: true}.again(k, buf.b[:0])
		switch u.queue(typeOf(k), buf.b) {
		case nil:
			said = n == l.out.Last()
		case transport.ErrQueueFull:
			go l.goOn(gen, u) // owned by l: ends with the connection, or when all is sent
			return
		case errTooLarge: // for the queue of this transport
			l.detach()
			l.finish("a message that was kept is larger than the send queue")
			u.closeNow()
			return
		default: // it is lost again, which l is about to be told
			said = false
		}
	}
	x.next, l.said = 0, said
}

// goOn goes on with sendAgain when the connection has room.
func (l *sessionLink) goOn(gen uint32, u physical) {
	if u.wait(context.Background()) != nil {
		return // it has ended, which l is about to be told
	}
	l.lock()
	defer l.unlock()
	if gen == l.gen && l.current() != nil && !l.over {
		l.sendAgain(gen, u)
	}
}
