package socket

import (
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// message is one that has come, without the numbers that it had.
type message struct {
	data   []byte
	binary bool
	numbers
	size int // with the numbers

	session int // that it belongs to, as clientSession counts them
}

// received judges a message of a connection, whose order of numbers the caller keeps. One
// that is not fresh has been there before, or is no message for the handlers.
func (s *clientSession) received(order *session.Order, data []byte, binary bool) (m message, fresh bool, err error) {
	if !s.active() {
		// The numbers of a session that has ended mean nothing any more, and its server is
		// not told that a message was handled: it believes that it may not have been.
		return message{data: data, binary: binary}, !s.over(), nil
	}
	typ := transport.MessageText
	if binary {
		typ = transport.MessageBinary
	}
	var n heading
	rest := data
	if !saysNothing(typ, data) {
		if n, rest, err = parseNumbers(typ, data); err != nil {
			return message{}, false, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.ack > 0 {
		if err := s.out.Ack(n.ack, freeRoom); err != nil {
			return message{}, false, err
		}
		freeRoom(s.out.Shrink()) // nobody looks after it later
	}
	if fresh = !n.alone; fresh && !n.outside() {
		if n.seq, err = order.Number(n.seq, n.said); err == nil {
			fresh, err = s.in.Take(n.seq)
		}
	}
	return message{rest, binary, n.numbers, len(data), s.count}, fresh, err
}

// over reports whether the connection is one whose session has ended.
func (s *clientSession) over() bool {
	if s.t == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead
}

// handled notes that the handlers are called for a message of the session.
func (s *clientSession) handled(m message) {
	if m.seq == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.session == s.count {
		s.in.Handled(m.seq, m.size, m.said)
		s.remind()
	}
}

// ackDelay is how long an acknowledgement waits for a message to go along with.
const ackDelay = time.Second

// remind sees to it that what has come is acknowledged. It is called with mu held.
func (s *clientSession) remind() {
	switch {
	case !s.in.Owes():
		return
	case s.in.Due():
		select {
		case <-s.c.sending:
			go s.sendAck() // owned by c: ends when the transport has taken it
			return
		default: // whoever sends takes it along, or has come too far for that
		}
	}
	switch {
	case s.owing:
	case s.ackLate == nil:
		s.owing = true
		s.ackLate = time.AfterFunc(ackDelay, s.late)
	default:
		s.owing = true
		s.ackLate.Reset(ackDelay)
	}
}

func (s *clientSession) late() {
	<-s.c.sending
	s.mu.Lock()
	s.owing = false
	owes := s.in.Owes()
	s.mu.Unlock()
	if !owes || !s.c.IsConnected() {
		s.c.sending <- struct{}{}
		return
	}
	s.sendAck()
}

// sendAck acknowledges what has come, and gives the token back.
func (s *clientSession) sendAck() {
	defer func() { s.c.sending <- struct{}{} }()
	up := s.c.IsConnected()
	s.mu.Lock()
	var p []byte
	// A connection that is being made may be that of another session: begin will tell.
	if up && s.named.ID != "" && s.in.Owes() {
		p = appendAck(nil, s.in.Ack())
	}
	s.mu.Unlock()
	if p != nil {
		s.sent(s.c.transport.Send(p))
	}
}

// confirmLast acknowledges what has come before the end of the session, unless the
// transport is busy: it may be stuck.
func (s *clientSession) confirmLast() {
	select {
	case <-s.c.sending:
		s.sendAck()
	default:
	}
}
