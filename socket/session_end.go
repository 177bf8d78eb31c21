package socket

import (
	"errors"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// lost is told that a connection of a generation has ended.
func (l *sessionLink) lost(gen uint32, err error) {
	l.lock()
	if gen != l.gen {
		l.unlock()
		return
	}
	l.detach()
	// A client that never had the token cannot come back.
	if !l.over && l.heard && !l.mayHaveLeft() && !final(err) && !l.c.server.closed() {
		l.unlock()
		l.c.server.log.Debug("socket: connection lost, the session is kept", "conn", l.c.id, "err", err)
		return
	}
	l.over = true
	l.settle(err)
	l.unlock()
}

// final reports whether err is the end of a connection whose client does not come back:
// it has said so, or has broken the rules.
func final(err error) bool {
	var ce *transport.CloseError
	var pe *transport.ProtocolError
	var le *transport.LimitError
	return errors.As(err, &ce) || errors.As(err, &pe) || errors.As(err, &le)
}

// finish ends a session that has no connection. It is called with mu held.
func (l *sessionLink) finish(reason string) {
	l.over = true
	l.settle(&SessionError{Reason: reason})
}

// settle tells the socket of the end, once, and lets go of everything. It is called with
// mu held. The socket runs its handlers, which may do anything, on a goroutine of their
// own.
func (l *sessionLink) settle(err error) {
	if l.told {
		return
	}
	l.told = true
	if l.more != nil {
		l.c.server.detached.remove(&l.more.entry)
	}
	if e := l.undelivered(err); e != nil {
		err = e
	}
	freeRoom(l.out.Reset())
	l.discharge()
	l.release()
	go l.c.ended(err) // owned by c: ends with its disconnect handlers
}

// undelivered returns an error with the messages that the client may not have, nil if
// there are none. It is called with mu held.
func (l *sessionLink) undelivered(err error) error {
	if l.out.Last() == l.out.Acked() {
		return nil
	}
	if se, ok := err.(*SessionError); ok {
		return undelivered(se.Reason, &l.out)
	}
	e := undelivered("the connection ended", &l.out)
	e.Err = err
	return e
}

// unknown returns what a session that is over has not delivered, nil if there is nothing, and
// whether the socket has been told of that.
func (l *sessionLink) unknown(reason string) (lost *SessionError, told bool) {
	l.lock()
	defer l.unlock()
	if l.told || l.out.Last() == l.out.Acked() {
		return nil, l.told
	}
	return undelivered(reason, &l.out), false
}
