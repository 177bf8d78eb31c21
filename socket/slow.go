package socket

import (
	"errors"
	"fmt"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// slowError is why a client was closed that does not read what it is sent.
type slowError struct {
	reason string // as the client is told
	limit  *transport.LimitError
}

func (e *slowError) Error() string {
	return fmt.Sprintf("%s (close code %d)", e.reason, int(e.limit.Code))
}
func (e *slowError) Unwrap() []error { return []error{ErrTimeout, e.limit} }

// tooSlow closes a client whose queue is full.
func (c *conn) tooSlow() {
	bytes, _ := c.link.queued()
	c.closeSlow(&slowError{
		reason: "slow consumer: the send queue is full (WithSendQueue)",
		limit:  &transport.LimitError{Limit: "send queue in bytes", Max: int64(c.server.opts.queueBytes), Actual: int64(bytes), Option: "SendQueue"},
	}, "bytes", c.server.opts.queueBytes, "messages", c.server.opts.queueMessages)
}

// stalled closes a client that has taken nothing for the write timeout. If it has a
// session that can go on it loses its connection only, which is reported.
func (c *conn) stalled() (goesOn bool) {
	if l, ok := c.link.(*sessionLink); ok && l.drop() {
		return true
	}
	timeout := c.server.opts.writeTimeout
	ms := timeout.Milliseconds()
	c.closeSlow(&slowError{
		reason: "slow consumer: nothing was read for the write timeout (WithWriteTimeout)",
		limit:  &transport.LimitError{Limit: "write timeout in ms", Max: ms, Actual: ms, Option: "WriteTimeout"},
	}, "timeout", timeout)
	return false
}

// closeSlow closes a client that does not read what it is sent. What there is to say
// of it is said at once; the client has the close timeout to read again and to find
// the reason.
func (c *conn) closeSlow(why *slowError, attrs ...any) {
	why.limit.Code = transport.StatusTryAgainLater
	if !c.end(&ConnectionError{Op: "send", Err: why}) {
		// Whoever has ended it may not have come to say so to the client, and a writer
		// that is told of the stall must not give up before that.
		c.link.refuse(why.limit.Code, why.reason)
		return
	}
	c.server.log.Warn("socket: slow consumer closed", append([]any{"conn", c.id, "option", "With" + why.limit.Option,
		"code", int(why.limit.Code)}, attrs...)...)
	c.server.slow.closed.Add(1)
	c.link.refuse(why.limit.Code, why.reason)
	if l, ok := c.link.(*sessionLink); ok {
		lost, told := l.unknown(why.reason)
		if told {
			return // ended is on its way, and knows what there was
		}
		c.tellUnknown("send", why, lost)
	}
	c.turn.spawn(c.disconnect)
}

// tooLarge closes a client that a broadcast cannot be sent to, so that it never
// sees a gap.
func (c *conn) tooLarge(size int) {
	c.server.log.Warn("socket: message larger than the send queue", "conn", c.id, "option", "WithSendQueue",
		"size", size, "bytes", c.server.opts.queueBytes)
	if c.end(&ConnectionError{Op: "send", Err: errTooLarge}) {
		c.link.refuse(transport.StatusMessageTooBig, "a message is larger than the send queue (WithSendQueue)")
	}
}

// refuseMessage closes a client that has lost count of its session's messages, or has
// sent one that is too large.
func (c *conn) refuseMessage(err error) {
	if !c.end(&ConnectionError{Op: "read", Err: err}) {
		return
	}
	var limit *transport.LimitError
	if errors.As(err, &limit) {
		c.server.logRefusal(c, err)
		c.link.refuse(limit.Code, fmt.Sprintf("%s %d exceeds %d (%s)", limit.Limit, limit.Actual, limit.Max, limit.Option))
		return
	}
	c.server.log.Warn("socket: wrong numbers in a session", "conn", c.id, "err", err)
	c.link.refuse(transport.StatusPolicyViolation, "the session's numbers are wrong")
}
