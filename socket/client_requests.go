package socket

import (
	"bytes"
	"context"

	"github.com/kleeedolinux/socket.go/socket/internal/envelope"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// Call sends a request to the server and waits for the reply, which is found within the
// session however often the connection is lost meanwhile. data is what [encoding/json]
// can encode, and is not retained. It may be called from handlers. Call[Resp] decodes
// the reply as well.
//
// It waits until ctx ends, or for 30 s if ctx has no deadline. A request that has left
// is not called back then: the server handles it, and the reply is dropped.
//
// The error is a *[ReplyError] if that is what the server replies. It is a
// *[MessageError] if data cannot be encoded, if no reply came in time, which matches
// [ErrTimeout], or before ctx was cancelled, which matches the error of ctx, and for
// [ErrTooManyRequests]. It is a *[ConnectionError] that matches [ErrConnectionClosed] if
// there is no connection, or if it ends before the reply has come, and no session goes
// on: then the request may have been handled, and may not.
//
// A request goes at once, behind what [WithBatchSend] has gathered.
func (c *Client) Call(ctx context.Context, event Event, data interface{}) (Reply, error) {
	return c.requests.call(ctx, event, data, &c.turn, func(ctx context.Context, m *encoded) error {
		msg := bytes.Clone(m.b) // a transport may keep it
		m.free()
		select {
		case <-c.sending:
		case <-ctx.Done():
			return ctx.Err()
		}
		sent := make(chan error, 1)
		go func() { // owned by c: ends when the transport has taken the message
			defer func() { c.sending <- struct{}{} }()
			sent <- c.sendNow(msg)
		}()
		select {
		case err := <-sent:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// sendNow sends a text behind what is batched. The caller holds the token.
func (c *Client) sendNow(msg []byte) error {
	if err := c.flushTaken(); err != nil {
		return err
	}
	return c.sendTaken(transport.MessageText, msg, func(t Transport) error { return t.Send(msg) })
}

// anew follows the begin of a connection that does not go on with the session of the one
// before. The caller holds the token.
func (c *Client) anew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	c.requests.fail(connectionOver(ErrConnectionClosed))
}

// era returns which of its connections or sessions the client has.
func (c *Client) era() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epoch
}

// apart takes a message that must not wait behind a handler, in the way of conn.apart,
// and reports whether it was one.
func (c *Client) apart(run *clientRun, epoch uint32, data []byte, binary bool) bool {
	if !c.requests.any() || binary {
		return false
	}
	m, err := envelope.Parse(data)
	switch {
	case err != nil: // it is reported in its place
	case m.Reply:
		c.requests.replied(m)
		return true
	case m.Request && c.turn.asking() && c.requests.hasRoom():
		q := c.request(epoch, m, clientBeside{c})
		c.requests.enter()
		go func() { // owned by c: ends when the request is answered
			defer c.requests.leave()
			c.answer(run, q)
		}()
		return true
	}
	return false
}

// request returns a server's request, which is answered on behalf of o.
func (c *Client) request(epoch uint32, m envelope.Message, o owner) *request {
	return &request{number: m.Number, data: m.Data, by: c.responders.get(m.Name), owner: o,
		send: func(_ Event, m *encoded) error {
			msg := bytes.Clone(m.b) // a transport may keep it
			m.free()
			return c.sendReply(epoch, msg)
		}}
}

func (c *Client) answer(run *clientRun, q *request) {
	if run.ctx.Err() == nil {
		q.answer(run.answers, nil)
	}
}

// sendReply sends a reply if the connection or session is the one that the request came
// over: another one has other numbers.
func (c *Client) sendReply(epoch uint32, msg []byte) error {
	<-c.sending
	defer func() { c.sending <- struct{}{} }()
	if c.era() != epoch {
		return &ConnectionError{Op: "send", Err: ErrConnectionClosed}
	}
	return c.sendNow(msg)
}

// clientBeside is the owner of what runs beside the handlers of a client.
type clientBeside struct{ c *Client }

func (b clientBeside) report(err error) { b.c.reportLater(err) }

func (b clientBeside) panicked(event Event, err *PanicError) {
	b.c.reportLater(&MessageError{Event: event, Err: err}) // in front of the disconnect handlers
	b.c.broken(event, err)
}
