package socket

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/poll"
	"github.com/kleeedolinux/socket.go/socket/internal/session"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// physical is a link that a session uses for one connection.
type physical interface {
	link
	// stageBehind is stage for a message that begins with head and goes on with m from
	// skip on.
	stageBehind(head []byte, m *transport.PreparedMessage, skip int) error
}

func (l webSocketLink) stageBehind(head []byte, m *transport.PreparedMessage, skip int) error {
	return l.StageBehind(head, m, skip)
}

func (l pollLink) stageBehind(head []byte, m *transport.PreparedMessage, skip int) error {
	p := m.Payload()[skip:]
	data := append(append(make([]byte, 0, len(head)+len(p)), head...), p...)
	return l.push(poll.Message{Data: data, Binary: m.Type() == transport.MessageBinary})
}

// sessionLink is the link of a socket whose client goes on over another connection when
// one is lost. It numbers what is sent, keeps it until the client has it, and drops what
// comes twice.
//
// A connection has a generation. What happens on one that is not the latest is not
// heard of: its frames may come after the client has begun to use the next.
type sessionLink struct {
	c      *conn
	limits session.OutboxLimits

	mu      sync.Mutex // guards the fields below
	under   physical   // nil while there is no connection
	gen     uint32     // of the connection that has the session, or is being made
	claim   session.Claim
	in      session.Inbox
	out     session.Outbox[keptMessage]
	charged int64         // of what is kept, to the budget
	since   time.Duration // when the connection was lost, on the pulse's clock
	heard   bool          // the client is known to have its token
	over    bool          // no other connection may come
	left    bool          // the client may have begun another session
	told    bool          // the socket knows that it has ended
	entry   detachedEntry // in the server's list while there is no connection
	onRoom  func()        // called when there may be room in the queue; nil: nobody wants it
	has     uint64        // number of the last message that the client had when it came back
	next    uint64        // the first message that waits for room in the queue of the connection; 0: none does

	room     <-chan struct{} // closed when what has come has room behind the handlers; nil: it has
	replaced chan struct{}   // closed when another connection takes the place of this one; nil: nobody waits
}

// keptMessage is a message that the client has not acknowledged.
type keptMessage struct {
	typ transport.MessageType
	b   []byte // without numbers
}

// errSessionOver is what a link returns whose session has ended.
var errSessionOver error = &sentinel{"the session has ended", net.ErrClosed}

// newSessionLink returns the link of a new session, and the token of its client.
func newSessionLink(c *conn) (l *sessionLink, token string) {
	o := &c.server.opts
	token = newSessionToken()
	l = &sessionLink{c: c, limits: o.kept, claim: session.NewClaim(token), since: c.server.pulse.now()}
	l.entry.link = l
	return l, token
}

func newSessionToken() string {
	var random [24]byte
	rand.Read(random[:]) // never fails
	return session.NewToken(random)
}

// queue is that of link. A message that the connection cannot take any more, because it
// is lost, is kept for the next.
func (l *sessionLink) queue(typ transport.MessageType, p []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.send(typ, p, func(u physical, head []byte) error {
		m := encodedPool.Get().(*encoded)
		defer m.free()
		m.b = append(append(m.b[:0], head...), p[headless(typ):]...)
		return u.queue(typ, m.b)
	}, func() []byte { return append(make([]byte, 0, len(p)), p...) })
}

// stage is that of link.
func (l *sessionLink) stage(b *transport.PreparedBatch) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	messages := b.Messages()
	for i, m := range messages {
		err := l.send(m.Type(), m.Payload(), func(u physical, head []byte) error {
			return u.stageBehind(head, m, headless(m.Type()))
		}, m.Payload)
		if err != nil {
			return i, err
		}
	}
	return len(messages), nil
}

// send gives a message a number, sends it by write if there is a connection, and keeps
// what keep returns. It is called with mu held.
func (l *sessionLink) send(typ transport.MessageType, p []byte, write func(physical, []byte) error, keep func() []byte) error {
	if l.over {
		return errSessionOver
	}
	if l.next > 0 {
		return l.sendLater(typ, p, keep)
	}
	if u := l.under; u != nil {
		var buf [maxHead]byte
		n := numbers{seq: l.out.Last() + 1}
		if l.in.Owes() {
			n.ack = l.in.Owed()
		}
		switch err := write(u, n.appendHead(buf[:0], typ)); {
		case err == nil:
			if n.ack > 0 {
				l.in.Ack()
			}
		case err == transport.ErrQueueFull, err == errTooLarge:
			return err
		}
		// Any other error: the connection is lost, which l is about to be told.
	}
	l.out.Add(keptMessage{typ, keep()}, len(p))
	l.bound()
	return nil
}

// sendLater is send while earlier messages wait for room in the queue of the
// connection. What is too much is refused, as by a queue that is full.
func (l *sessionLink) sendLater(typ transport.MessageType, p []byte, keep func() []byte) error {
	l.out.Add(keptMessage{typ, keep()}, len(p))
	if l.out.Full(l.limits) || !l.charge() {
		l.out.Undo()
		l.charge() // it holds less
		return transport.ErrQueueFull
	}
	return nil
}

// keptCost is what a message costs that is kept, beside its bytes.
const keptCost = 64

// bound keeps what is kept within the limits, and counts it. While there is a
// connection, what is too much is dropped: should it be lost before the client has
// acknowledged that, the session cannot go on, and both ends are told. Without a
// connection it has come to that. It is called with mu held.
func (l *sessionLink) bound() {
	for l.out.Full(l.limits) || !l.charge() {
		if l.under == nil {
			l.finish("more waited for the client than is kept")
			return
		}
		l.out.Drop()
	}
}

// charge counts what is kept against the budget, and reports whether there is room.
func (l *sessionLink) charge() bool {
	return chargeWaiting(l.c.server.budget, &l.charged, l.out.Bytes()+l.out.Len()*keptCost)
}

func (l *sessionLink) flush() {
	if u := l.current(); u != nil {
		u.flush()
	}
}

// current returns the connection, nil if there is none.
func (l *sessionLink) current() physical {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.under
}

func (l *sessionLink) wait(ctx context.Context) error {
	u := l.current()
	if u == nil {
		return nil
	}
	err := u.wait(ctx)
	if err != nil && ctx.Err() == nil {
		return nil // it is lost: what is sent now is kept
	}
	return err
}

func (l *sessionLink) queued() (bytes, messages int) {
	if u := l.current(); u != nil {
		return u.queued()
	}
	return 0, 0
}

// close, refuse and closeNow end the session with its connection.
func (l *sessionLink) close(code transport.StatusCode, reason string) {
	if retryOf(code) == RetryNever {
		identity := l.c.Identity()
		l.mu.Lock()
		l.over = true // nobody gets a token from now on that the verdict does not know
		l.c.server.stayAway(l, identity, code, reason)
		l.mu.Unlock()
	}
	l.end(func(u physical) { u.close(code, reason) })
}

func (l *sessionLink) refuse(code transport.StatusCode, reason string) {
	l.end(func(u physical) { u.refuse(code, reason) })
}

func (l *sessionLink) closeNow() { l.end(func(u physical) { u.closeNow() }) }

func (l *sessionLink) end(f func(physical)) {
	l.mu.Lock()
	l.over = true
	u := l.under
	switch {
	case u == nil:
		l.finish("it was closed")
	case l.in.Owes():
		l.sendAck(u) // so that the client knows what was handled
	}
	l.mu.Unlock()
	if u != nil {
		f(u)
	}
}

func (l *sessionLink) beats() bool {
	u := l.current()
	return u != nil && u.beats()
}

func (l *sessionLink) ping() {
	if u := l.current(); u != nil {
		u.ping()
	}
}

func (l *sessionLink) activity() uint32 {
	if u := l.current(); u != nil {
		return u.activity()
	}
	return 0
}

func (l *sessionLink) handOff() {
	if u := l.current(); u != nil {
		u.handOff()
	}
}

// sendAck is called with mu held.
func (l *sessionLink) sendAck(u physical) {
	var buf [maxHead]byte
	if u.queue(transport.MessageText, appendAck(buf[:0], l.in.Owed())) == nil {
		l.in.Ack()
	}
}

// lost is told that a connection of a generation has ended.
func (l *sessionLink) lost(gen uint32, err error) {
	l.mu.Lock()
	if gen != l.gen {
		l.mu.Unlock()
		return
	}
	l.detach()
	// A client that never had the token cannot come back.
	if !l.over && l.heard && !l.left && !final(err) && !l.c.server.closed() {
		l.mu.Unlock()
		l.c.server.log.Debug("socket: connection lost, the session is kept", "conn", l.c.id, "err", err)
		return
	}
	l.over = true
	l.settle(err)
	l.mu.Unlock()
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
	l.c.server.detached.remove(&l.entry)
	if e := l.undelivered(err); e != nil {
		err = e
	}
	l.out = session.Outbox[keptMessage]{}
	l.charge()
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

// visit looks whether the session has been without a connection for too long, and sends
// an acknowledgement that nothing else has taken along.
func (l *sessionLink) visit(now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.told:
	case l.under == nil && now-l.since >= l.c.server.opts.window:
		l.finish("the client did not come back in time (WithSessionWindow)")
	case l.under != nil && l.in.Owes():
		l.sendAck(l.under)
	}
}

// stalled is told that the client takes nothing on a connection of a generation.
func (l *sessionLink) stalled(gen uint32) {
	l.mu.Lock()
	mine := gen == l.gen
	l.mu.Unlock()
	if mine {
		l.c.stalled()
	}
}

// drop gives up a connection whose client takes nothing, and reports whether the session
// goes on: it does as long as all is kept that the client does not have.
func (l *sessionLink) drop() bool {
	l.mu.Lock()
	if l.over || !l.heard || l.out.Dropped() != 0 {
		l.mu.Unlock()
		return false
	}
	u := l.detach()
	l.mu.Unlock()
	if u != nil {
		u.closeNow()
	}
	return true
}

// cut drops a connection that shows no sign of life, and reports whether there is one.
func (l *sessionLink) cut() bool {
	u := l.current()
	if u != nil {
		u.closeNow()
	}
	return u != nil
}

// generation tells one connection from the next.
func (l *sessionLink) generation() uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gen
}

// sessionHandler passes what happens on a WebSocket connection to its session.
type sessionHandler struct {
	l   *sessionLink
	gen uint32
}

func (h sessionHandler) OnMessage(_ *transport.Conn, typ transport.MessageType, payload []byte) {
	h.l.received(h.gen, typ, payload)
}

func (h sessionHandler) OnStall(*transport.Conn) { h.l.stalled(h.gen) }

func (h sessionHandler) OnClose(_ *transport.Conn, err error) { h.l.lost(h.gen, err) }
