package socket

import "github.com/kleeedolinux/socket.go/socket/transport"

// OnDrain adds a handler that is told when the queue of a client that was more than half
// full has become less than a quarter full: each time once, in turn with the socket's
// other handlers. With [Socket.Buffered] it lets a server send less to a client as long
// as it is slow. It panics when handler is nil.
func (s *Server) OnDrain(handler func(Socket)) {
	if handler == nil {
		panic("socket: OnDrain: nil handler")
	}
	s.drained.add(drainEvent, anyHandler(func(s Socket, _ interface{}) { handler(s) }))
}

// drainEvent is the name under which the handlers of OnDrain are kept, apart from those of
// events.
const drainEvent Event = "OnDrain"

func (c *conn) Buffered() (bytes, messages int) {
	bytes, messages = c.waiting()
	if c.hold.Load() == nil {
		return bytes, messages
	}
	f := &c.server.fanout
	f.commit.Lock()
	defer f.commit.Unlock()
	if h := c.hold.Load(); h != nil {
		bytes, messages = bytes+h.bytes, messages+h.messages
	}
	return bytes, messages
}

// waiting returns what is in the queue of the connection, or is kept for the next one.
func (c *conn) waiting() (bytes, messages int) {
	if l, ok := c.link.(*sessionLink); ok {
		l.lock()
		away, bytes, messages := l.current() == nil, l.out.Bytes(), l.out.Len()
		l.unlock()
		if away {
			return bytes, messages
		}
	}
	return c.link.queued()
}

func (c *conn) SendVolatile(event Event, data interface{}) (sent bool, err error) {
	m, err := encode(event, data)
	if err != nil {
		return false, err
	}
	defer m.free()
	c.server.fanout.settle()
	if cause := c.cause(); cause != nil {
		return false, sendError(ErrConnectionClosed)
	}
	if c.behind.Load() || c.hold.Load() != nil || c.loaded() {
		c.server.slow.volatile.Add(1)
		return false, nil
	}
	switch err := c.stageVolatile(c.newVolatile(m.typ, m.b)); err {
	case nil:
		c.link.flush()
		return true, nil
	case transport.ErrQueueFull:
		c.server.slow.volatile.Add(1)
		return false, nil
	case errTooLarge:
		return false, &MessageError{Event: event, Err: err}
	default:
		return false, sendError(err)
	}
}

// noteFill notes that a queue has become more than half full, if somebody wants to know
// when it is empty again. bytes and messages are those beside what is in the queue of the
// connection.
func (c *conn) noteFill(bytes, messages int) {
	if c.server.drained.m.Load() == nil || c.brimming.Load() {
		return
	}
	b, n := c.waiting()
	if c.isShare(burstShare, b+bytes, n+messages) && c.brimming.CompareAndSwap(false, true) {
		c.watch()
	}
}

// noteDrain tells the handlers of OnDrain of a queue that was more than half full and is
// less than a quarter full.
func (c *conn) noteDrain() {
	if !c.brimming.Load() || !c.IsConnected() {
		return
	}
	if l, ok := c.link.(*sessionLink); ok && l.current() == nil {
		c.watch()
		return
	}
	if bytes, messages := c.Buffered(); c.isShare(sendShare, bytes, messages) {
		c.watch()
		return
	}
	if c.brimming.CompareAndSwap(true, false) {
		c.turn.spawn(func() {
			callEach(c, c.server.drained.get(drainEvent), c, &incoming{event: drainEvent, kind: builtIn})
		})
	}
}

// isShare reports whether bytes or messages are one share in so many of the send queue.
func (c *conn) isShare(shares, bytes, messages int) bool {
	return shares*bytes >= c.server.opts.queueBytes || shares*messages >= c.server.opts.queueMessages
}

// notifyRoom is that of link, for whatever connection there is, or will be.
func (l *sessionLink) notifyRoom(f func()) {
	l.lock()
	l.extra().onRoom = f
	u := l.current()
	l.unlock()
	if u != nil {
		u.notifyRoom(f)
	}
}
