package socket

import (
	"bytes"
	"context"

	"github.com/kleeedolinux/socket.go/socket/internal/envelope"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// Call is that of [Socket].
func (c *conn) Call(ctx context.Context, event Event, data interface{}) (Reply, error) {
	r, err := c.requests()
	if err != nil {
		return Reply{}, err
	}
	return r.call(ctx, event, data, &c.turn, func(ctx context.Context, m *encoded) error {
		defer m.free()
		// It may be a handler that calls, in place of the goroutine that reads.
		c.turn.handOff(c.link.handOff)
		return c.deliver(ctx, event, m)
	})
}

// requests returns what the client is asked, or why it cannot be any more.
func (c *conn) requests() (*requests, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason != nil {
		return nil, connectionOver(c.reason)
	}
	r := c.asked.Load()
	if r == nil {
		r = &requests{most: c.server.opts.maxRequests}
		c.asked.Store(r)
	}
	return r, nil
}

// readOn hands reading on before a handler runs in place while a reply is waited for,
// which may come behind the message.
func (c *conn) readOn() {
	if c.asked.Load().any() {
		c.turn.handOff(c.link.handOff)
	}
}

// apart returns what is to be done at once with a message that must not wait behind a
// handler: a reply, or a request that may have to be answered before the reply comes
// that the handler waits for. It returns nil for all others. p is valid until the caller
// returns.
func (c *conn) apart(typ transport.MessageType, p []byte) func() {
	r := c.asked.Load()
	if !r.any() || typ == transport.MessageBinary || len(p) == 0 {
		return nil
	}
	m, err := envelope.Parse(p)
	switch {
	case err != nil: // it is reported in its place
	case m.Reply:
		return func() { r.replied(m) }
	case m.Request && c.turn.asking() && r.hasRoom():
		return func() { c.answerBeside(r, m) }
	}
	return nil
}

// answerBeside answers a request beside the handlers.
func (c *conn) answerBeside(r *requests, m envelope.Message) {
	q := c.request(m, beside{c})
	q.data = bytes.Clone(q.data)
	r.enter()
	go func() { // owned by c: ends when the request is answered
		defer r.leave()
		c.answer(q)
	}()
}

// request returns a client's request, which is answered on behalf of o.
func (c *conn) request(m envelope.Message, o owner) *request {
	return &request{number: m.Number, data: m.Data, by: c.server.responders.get(m.Name), owner: o,
		send: func(event Event, m *encoded) error {
			defer m.free()
			return c.deliver(context.Background(), event, m)
		}}
}

// answer answers a request, unless this side has ended the connection.
func (c *conn) answer(q *request) {
	if !c.deaf.Load() {
		c.answerTaken(q)
	}
}

// answerTaken answers a request, if there is memory for its data.
func (c *conn) answerTaken(q *request) {
	if b, n := c.server.budget, decodedSize(q.data); b != nil && n > smallMessage {
		if !b.TryAdd(n, messageShare) {
			c.noMemory(n)
			return
		}
		defer b.Add(-n)
	}
	q.answer(c.Context(), c)
}

// broken is panicked without the report.
func (c *conn) broken(event Event, err *PanicError) {
	c.server.log.Error("socket: handler panicked", "conn", c.id, "event", event, "err", err, "stack", string(err.Stack))
	if c.end(&MessageError{Event: event, Err: err}) {
		c.link.close(transport.StatusInternalError, "")
	}
}

// beside is the owner of what runs beside the handlers of a socket: what goes wrong is
// told by its turn.
type beside struct{ c *conn }

func (b beside) report(err error) {
	b.c.turn.spawn(func() {
		if !b.c.told {
			b.c.report(err)
		}
	})
}

func (b beside) panicked(event Event, err *PanicError) {
	b.report(&MessageError{Event: event, Err: err}) // in front of the disconnect handlers
	b.c.broken(event, err)
}
