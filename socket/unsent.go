package socket

import (
	"errors"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// unsent is a message for a socket whose session ended before it had a number: a broadcast
// that came too late, or what waited above the queue of a connection that did not get any
// further. Whoever sent it was told of no error, so the disconnect handlers are.
type unsent struct{ m *transport.PreparedMessage }

func (u unsent) undelivered() Undelivered {
	return Undelivered{Binary: u.m.Type() == transport.MessageBinary, Data: u.m.Payload()}
}

// miss notes messages for a socket that will not be sent them, until its disconnect handlers
// are told. Without a session nobody is promised to hear of them. It is called with the lock
// of commits held.
func (f *fanout) miss(c *conn, messages ...*transport.PreparedMessage) {
	if _, ok := c.link.(*sessionLink); !ok || c.reaped {
		return
	}
	out := f.missed[c]
	if out == nil {
		if f.missed == nil {
			f.missed = make(map[*conn]*session.Outbox[unsent])
		}
		out = new(session.Outbox[unsent])
		f.missed[c] = out
	}
	for _, m := range messages {
		// As much as a session keeps: a handler that takes long may hold up the end.
		out.Add(unsent{m}, len(m.Payload()))
		for out.Full(f.server.opts.kept) {
			out.Drop() // which is counted
		}
	}
}

// reap returns what was sent to a socket and has come to nothing, nil if there is nothing.
// What is sent from now on is not: the disconnect handlers are about to be called.
func (f *fanout) reap(c *conn) *session.Outbox[unsent] {
	if _, ok := c.link.(*sessionLink); !ok {
		return nil
	}
	f.commit.Lock()
	defer f.commit.Unlock()
	f.queue() // what was published before
	if late := f.behind[c]; late != nil {
		f.miss(c, late.batch.Messages()...) // it is found to have ended by those who look after it
	}
	if h := c.hold.Load(); h != nil {
		h.release()
	}
	out := f.missed[c]
	delete(f.missed, c)
	c.reaped = true
	return out
}

// tellUnsent has the disconnect handlers get what was sent to the socket and has come to
// nothing, beside the reason and what the session itself has not delivered.
func (c *conn) tellUnsent() {
	out := c.server.fanout.reap(c)
	if out == nil {
		return
	}
	late := undelivered("it ended before all was sent", out)
	c.mu.Lock()
	defer c.mu.Unlock()
	// Others may have the reason already: it is not changed, but replaced.
	e := &SessionError{Reason: late.Reason, Err: c.reason}
	var lost *SessionError
	if errors.As(c.reason, &lost) {
		*e = *lost
	}
	e.Unknown = append(e.Unknown[:len(e.Unknown):len(e.Unknown)], late.Unknown...)
	e.Dropped += late.Dropped
	c.reason = &ConnectionError{Op: opOf(c.reason, "send"), Err: e}
}
