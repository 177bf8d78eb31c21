package socket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// clientSession is a client's end of a session: it numbers what is sent, keeps it until
// the server has it, and drops what comes twice. Where there is none, because the
// transport or the server does not have any, it lets everything pass.
//
// Whoever sends holds the client's token sending, so numbers leave in their order.
type clientSession struct {
	c *Client
	t SessionTransport // nil: there are no sessions

	mu      sync.Mutex // guards the fields below
	named   session.Session
	id      string          // of the session, or of the last; "" on a connection without one
	used    bool            // there has been a session
	count   int             // of sessions that have ended
	closed  bool            // by the server, after everything that it had to say
	answer  *session.Answer // of the connection that is being made; nil: there was none
	in      session.Inbox
	out     session.Outbox
	said    bool        // the message that was sent last over the connection is that before the next
	torn    bool        // something could not be sent over the connection
	dead    bool        // the session of the connection has ended: what still comes is not handled
	full    bool        // ErrBufferFull was reported since the connection was lost
	ackLate *time.Timer // sends an acknowledgement that nothing has taken along; nil before the first
	owing   bool        // ackLate is on its way
}

// outgoing is a message as it is sent.
type outgoing struct {
	typ transport.MessageType
	b   []byte
}

func (s *clientSession) init(c *Client) {
	s.c = c
	// A client that does not connect again has no use for one.
	if c.opts.session && c.opts.reconnectAttempts >= 0 {
		s.t, _ = c.transport.(SessionTransport)
	}
}

// active reports whether there is a session, with or without a connection.
func (s *clientSession) active() bool {
	if s.t == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.named.ID != ""
}

// socketID returns the id of the session, which is that of its socket, also when it is over.
func (s *clientSession) socketID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// connect makes a connection, and asks to go on with the session if there is one.
func (s *clientSession) connect(ctx context.Context) error {
	if s.t == nil {
		return s.c.transport.Connect(ctx)
	}
	if err := s.fence(ctx); err != nil {
		return err
	}
	a, err := s.ask(ctx, s.t)
	if err == nil {
		s.answered(a)
	}
	return err
}

// ask makes a connection over t, offers to go on with the session, and returns what the
// server says: nil if it does not know what that means.
func (s *clientSession) ask(ctx context.Context, t SessionTransport) (*session.Answer, error) {
	s.mu.Lock()
	o := session.Offer{Session: s.named, Last: s.in.Last()}
	s.mu.Unlock()
	line, err := t.ConnectSession(ctx, o.String())
	if err != nil {
		return nil, err
	}
	if a, err := session.ParseAnswer(line); err == nil {
		return &a, nil
	}
	return nil, nil
}

// answered keeps an answer for begin.
func (s *clientSession) answered(a *session.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = a
}

// goesOn reports whether an answer says that the session does, and resumes whether that
// for begin does.
func (s *clientSession) goesOn(a *session.Answer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return a != nil && a.Resumed && a.Session.ID == s.named.ID
}

func (s *clientSession) resumes() bool {
	s.mu.Lock()
	a := s.answer
	s.mu.Unlock()
	return s.goesOn(a)
}

// whole reports whether everything is kept that the server may need.
func (s *clientSession) whole() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Dropped() == 0
}

// fence waits until those have finished who are sending over the connection before:
// they must not go on over the one that is about to be made, where other messages come
// first. Whoever begins to send from now on finds that there is no connection.
func (s *clientSession) fence(ctx context.Context) error {
	s.mu.Lock()
	used := s.used
	s.mu.Unlock()
	if !used {
		return nil
	}
	s.abort() // it is lost: nobody must be stuck in it
	select {
	case <-s.c.sending:
		s.c.sending <- struct{}{}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin follows the answer of the server on a new connection: again are the messages to
// be sent again, not nil if the session goes on. If it does not, lost says so, with what
// the server may not have.
func (s *clientSession) begin() (again []outgoing, lost error) {
	if s.t == nil {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.answer
	s.answer, s.full, s.torn, s.said, s.dead = nil, false, false, false, false
	if a != nil && a.Resumed && a.Session.ID == s.named.ID && s.out.Resume(a.Last) == nil {
		s.named = a.Session
		again = make([]outgoing, 0, s.out.Len())
		for n, k := range s.out.From(a.Last + 1) {
			again = append(again, outgoing{typeOf(k), s.numbered(numbers{seq: n, said: true}, typeOf(k), k.B)})
		}
		return again, nil
	}
	if a != nil && a.Resumed {
		// The server would go on, and cannot be given what it needs: this connection is of
		// no use, and the next one gets a new session.
		lost = s.drop("messages that the server needs are not kept any more")
		s.dead = true
		s.abort()
		return nil, lost
	}
	lost = s.drop("the server does not have it any more")
	if s.id = ""; a != nil {
		s.named, s.id, s.used = a.Session, a.Session.ID, true
	}
	return nil, lost
}

// confirm shows the server that its answer has arrived. The caller holds the token.
func (s *clientSession) confirm() {
	s.mu.Lock()
	named, last := s.named.ID != "", s.in.Ack()
	s.mu.Unlock()
	if named {
		s.sent(s.c.transport.Send(appendAck(nil, last)))
	}
}

// lost is told how a connection has ended.
func (s *clientSession) lost(err error) {
	var ce *transport.CloseError
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = errors.As(err, &ce)
}

// numbered returns p as it is sent, with the numbers n, and takes an acknowledgement along if
// there is nothing else that waits for one, or many do. It is called with mu held.
func (s *clientSession) numbered(n numbers, typ transport.MessageType, p []byte) []byte {
	if s.in.Owes() && (s.out.Len() == 1 || s.in.Many()) {
		n.ack = s.in.Ack()
	}
	if n.silent(typ) {
		return p
	}
	return n.prepend(typ, p)
}

// drop ends the session on this side, and returns an error with what the server may not
// have, nil if there was no session. It is called with mu held.
func (s *clientSession) drop(reason string) error {
	silent := s.named.ID == "" || s.closed && s.out.Last() == s.out.Acked()
	s.closed = false
	e := undelivered(reason, &s.out)
	s.named, s.in = session.Session{}, session.Inbox{}
	freeRoom(s.out.Reset())
	s.count++
	if silent {
		return nil
	}
	return &ConnectionError{Op: "resume", Err: e}
}

// end is drop for the end of a run. The error is nil if the server has everything.
func (s *clientSession) end(reason string) error {
	if s.t == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.dead = true, true
	return s.drop(reason)
}

// sendAgain sends what the server does not have. The caller holds the token.
func (s *clientSession) sendAgain(again []outgoing) error {
	for _, k := range again {
		err := s.write(k)
		if err == nil {
			continue
		}
		if !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded) {
			lost := s.refused(err)
			s.abort() // the next connection gets a new session
			return lost
		}
		s.sent(err)
		return nil // the rest is kept for the next connection
	}
	s.goesOnWith(len(again) > 0)
	return nil
}

// refused ends the session because the transport does not take a message that was kept.
func (s *clientSession) refused(err error) error {
	lost := s.end("the transport refuses a message that was kept")
	var e *SessionError
	if !errors.As(lost, &e) {
		return sendError(err) // it has ended meanwhile, and somebody was told
	}
	e.Err = err
	return lost
}

// goesOnWith notes whether the next message goes on where the connection is, and need not
// say its number.
func (s *clientSession) goesOnWith(said bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = said
}

// takeBack takes the newest message of a session back, unless that has ended meanwhile, or
// the server says that it has the message.
func (s *clientSession) takeBack(count int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count == count && s.out.Acked() < s.out.Last() && s.out.Len() > 0 {
		s.out.Undo()
	}
}

// write sends a message as it is. The caller holds the token.
func (s *clientSession) write(m outgoing) error {
	if m.typ == transport.MessageBinary {
		return s.c.transport.(BinaryTransport).SendBinary(m.b)
	}
	return s.c.transport.Send(m.b)
}

// keep keeps a message without numbers, and returns its own. It is called with mu held.
func (s *clientSession) keep(typ transport.MessageType, p []byte) uint64 {
	b, apart := beginIn(&s.out, len(p))
	return keepIn(&s.out, append(b, p...), apart, formOf(typ, 0), len(p))
}

// send sends messages, which the transport may keep, or keeps them for the next connection.
// ok is false, and nothing was done, if there is no session. The caller holds the token.
func (s *clientSession) send(typ transport.MessageType, messages ...[]byte) (ok bool, err error) {
	if !s.active() {
		return false, nil
	}
	c := s.c
	c.mu.Lock()
	up, waits := c.phase == connected, c.phase == reconnecting && !c.run.closing
	c.mu.Unlock()
	if !up && !waits {
		return true, &ConnectionError{Op: "send", Err: ErrConnectionClosed}
	}
	first := false // message since the loss that there is no room for
	s.mu.Lock()
	var batch [][]byte
	said, count := s.said, s.count
	for i, p := range messages {
		n := s.keep(typ, p)
		if s.out.Full(&c.opts.kept) {
			if !up {
				s.out.Undo()
				err = &ConnectionError{Op: "send", Err: ErrBufferFull}
				first, s.full = !s.full, true
				if rest := len(messages) - i; len(messages) > 1 {
					err = &ConnectionError{Op: "send", Err: fmt.Errorf("%d batched messages were not kept: %w", rest, ErrBufferFull)}
				}
				break
			}
			s.out.Drop()
		}
		v := numbers{seq: n, said: !said || s.out.Asks(n, &c.opts.kept)}
		batch = append(batch, s.numbered(v, typ, p))
		said = true
	}
	s.mu.Unlock()
	if first {
		c.reportLater(err)
	}
	if !up || len(batch) == 0 {
		return true, err
	}
	var failed error
	if typ == transport.MessageBinary {
		failed = s.write(outgoing{typ, batch[0]})
	} else {
		failed = c.writeAll(batch)
	}
	switch {
	case failed == nil:
		s.goesOnWith(true)
	case len(batch) == 1 && !errors.Is(failed, net.ErrClosed):
		// The transport has refused it: nothing is wrong with the connection.
		s.takeBack(count)
		return true, sendError(failed)
	default:
		s.mu.Lock()
		s.torn, s.said = true, false
		s.mu.Unlock()
		s.sent(failed) // which of them have arrived is known when the server says so
	}
	return true, err
}

// sent gives a connection up over which something could not be sent; but not one that the
// server has closed: what it has said before that, and why, is still to be received; nor one
// that is being closed by this side, which is to know how that ends.
func (s *clientSession) sent(err error) {
	var ce *transport.CloseError
	if err != nil && !errors.As(err, &ce) && !s.c.closing() {
		s.abort()
	}
}

// wasTorn reports whether something could not be sent over the connection.
func (s *clientSession) wasTorn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.torn
}

// giveUp ends the connection, not the session.
func (s *clientSession) giveUp() {
	if s.active() {
		s.abort()
		return
	}
	_ = s.c.transport.Close() // nobody is left who could act on the error
}

// abort gives the connection up as one that was lost.
func (s *clientSession) abort() { s.t.Abort() }
