package socket

import (
	"errors"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// miss notes messages for a socket that will not be sent them, until its disconnect handlers
// are told: its session ended before they had a number, as broadcasts that came too late, or
// what waited above the queue of a connection that did not get any further. Whoever sent them
// was told of no error. Without a session nobody is promised to hear of them. It is called
// with the lock of commits held.
func (f *fanout) miss(c *conn, messages ...*transport.PreparedMessage) {
	if _, ok := c.link.(*sessionLink); !ok || c.reaped {
		return
	}
	out := f.missed[c]
	if out == nil {
		if f.missed == nil {
			f.missed = make(map[*conn]*session.Outbox)
		}
		out = new(session.Outbox)
		f.missed[c] = out
	}
	for i := range messages {
		// As much as a session keeps: a handler that takes long may hold up the end.
		f.sharedOf(messages).keepOne(out, i)
		for out.Full(&f.server.opts.kept) {
			out.Drop() // which is counted
		}
	}
}

// reap returns what was sent to a socket and has come to nothing, nil if there is nothing.
// What is sent from now on is not: the disconnect handlers are about to be called.
func (f *fanout) reap(c *conn) *session.Outbox {
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
