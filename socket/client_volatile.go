package socket

import (
	"bytes"
	"errors"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// SendVolatile is [Client.Send] for a message that is worth nothing a moment later, such
// as the position of a pointer: it goes out if there is a connection that takes it at
// once, and is dropped otherwise. It is never kept for the next connection, also within a
// session, nor batched, and may be lost with the connection. It does not wait, if the
// transport is a [VolatileTransport], which those of this module are. Those that arrive do
// so in the order of the calls, between the messages of Send; with [WithBatchSend], ahead of
// those that are gathered.
//
// The error is a *[MessageError] when data cannot be encoded, and else a
// *[ConnectionError], which matches [ErrConnectionClosed] when there is no connection and
// [ErrDropped] when it takes nothing just now.
func (c *Client) SendVolatile(event Event, data interface{}) error {
	m, err := encode(event, data)
	if err != nil {
		return err
	}
	typ := m.typ
	msg := bytes.Clone(m.b) // a transport may keep what it is given
	m.free()
	select {
	case <-c.sending:
	default:
		return sendError(ErrDropped) // somebody else is at it, and perhaps waits
	}
	defer func() { c.sending <- struct{}{} }()
	if !c.IsConnected() {
		return sendError(ErrConnectionClosed)
	}
	if c.session.active() {
		msg = unnumbered.prepend(typ, msg)
	}
	switch err := sendNow(c.Transport(), typ, msg); {
	case err == nil:
		return nil
	case errors.Is(err, transport.ErrQueueFull):
		return sendError(ErrDropped)
	case errors.Is(err, ErrInvalidMessage):
		return &MessageError{Event: event, Err: err}
	default:
		return sendError(err)
	}
}

// sendNow sends without waiting, where the transport can.
func sendNow(t Transport, typ transport.MessageType, msg []byte) error {
	if v, ok := t.(VolatileTransport); ok {
		return v.SendNow(typ, msg)
	}
	if typ == transport.MessageText {
		return t.Send(msg)
	}
	if b, ok := t.(BinaryTransport); ok {
		return b.SendBinary(msg)
	}
	return errNoBinary
}

// Buffered returns how much the client keeps within a session until the server has
// acknowledged it: what waits for a connection, and what was sent a moment ago. Its
// bounds are those of [WithClientSessionBuffer]. Without a session nothing is kept.
func (c *Client) Buffered() (messages, bytes int) {
	s := &c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Len(), s.out.Bytes()
}
