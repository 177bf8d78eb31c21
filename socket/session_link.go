package socket

import (
	"context"
	"crypto/rand"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/poll"
	"github.com/kleeedolinux/socket.go/socket/internal/session"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// physical is a link that a session uses for one connection.
type physical interface {
	link
	// stageBehind is stage for messages that begin with heads of their own.
	stageBehind(b *transport.PreparedBatch, heads transport.Heads) (int, error)
}

func (l webSocketLink) stageBehind(b *transport.PreparedBatch, heads transport.Heads) (int, error) {
	return l.StageBehind(b, heads)
}

func (l pollLink) stageBehind(b *transport.PreparedBatch, heads transport.Heads) (int, error) {
	messages := b.Messages()
	for i, m := range messages {
		head, skip := heads.Next(m)
		p := m.Payload()[skip:]
		data := append(append(make([]byte, 0, len(head)+len(p)), head...), p...)
		if err := l.push(poll.Message{Data: data, Binary: m.Type() == transport.MessageBinary}); err != nil {
			return i, err
		}
	}
	return len(messages), nil
}

// heads numbers messages that others get too. It is pooled.
type heads struct {
	numbers
	buf  [maxHead]byte
	text int // length of the head in buf, if it is that of the text message before; 0: it is not
}

// Shared by all sessions of the process.
var headsPool = sync.Pool{New: func() any { return new(heads) }}

// Next returns the numbers of a message, and makes those of the next. Only the first
// takes an acknowledgement along.
func (h *heads) Next(m *transport.PreparedMessage) (head []byte, skip int) {
	typ := m.Type()
	head = h.buf[:h.text]
	if typ == transport.MessageBinary || !increment(head) {
		head = h.appendHead(h.buf[:0], typ)
	}
	if h.text = 0; typ == transport.MessageText && h.ack == 0 {
		h.text = len(head)
	}
	h.seq++
	h.ack = 0
	return head, headless(typ)
}

// increment makes the head of a text message, without an acknowledgement, that of the next.
// It reports false when there is none, or the number becomes longer.
func increment(head []byte) bool {
	for i := len(head) - 2; i > 0; i-- {
		switch c := head[i]; {
		case c == '9':
			head[i] = '0'
		case '0' <= c && c < '9':
			head[i]++
			return true
		default:
			return false
		}
	}
	return false
}

// sessionLink is the link of a socket whose client goes on over another connection when
// one is lost. It numbers what is sent, keeps it until the client has it, and drops what
// comes twice.
//
// A connection has a generation. What happens on one that is not the latest is not
// heard of: its frames may come after the client has begun to use the next.
type sessionLink struct {
	c     *conn
	under atomic.Pointer[physical] // nil while there is no connection; set with mu held

	mu    sync.Mutex // guards the fields below
	gen   uint32     // of the connection that has the session, or is being made
	heard bool       // the client is known to have its token
	over  bool       // no other connection may come
	left  bool       // the client may have begun another session
	told  bool       // the socket knows that it has ended
	claim session.Claim
	in    session.Inbox
	out   session.Outbox[sentMessage]
	chunk *chunk        // where the next message is kept; nil: in another one
	more  *sessionExtra // nil until it is needed
}

// sessionExtra is what a session needs that has lost a connection, or is short of room.
// The mutex of the session guards it.
type sessionExtra struct {
	entry   detachedEntry // in the server's list while there is no connection
	charged int64         // of what is kept, to the budget
	since   time.Duration // when the connection was lost, on the pulse's clock
	onRoom  func()        // called when there may be room in the queue; nil: nobody wants it
	has     uint64        // number of the last message that the client had when it came back
	next    uint64        // the first message that waits for room in the queue of the connection; 0: none does

	room     <-chan struct{} // closed when what has come has room behind the handlers; nil: it has
	replaced chan struct{}   // closed when another connection takes the place of this one; nil: nobody waits
}

// lags reports whether messages wait for room in the queue of the connection. It is called
// with mu held.
func (l *sessionLink) lags() bool { return l.more != nil && l.more.next > 0 }

// extra returns the extra. It is called with mu held.
func (l *sessionLink) extra() *sessionExtra {
	if l.more == nil {
		l.more = new(sessionExtra)
		l.more.entry.link = l
	}
	return l.more
}

// errSessionOver is what a link returns whose session has ended.
var errSessionOver error = &sentinel{"the session has ended", net.ErrClosed}

// newSessionLink returns the link of a new session, and the token of its client.
func newSessionLink(c *conn) (l *sessionLink, token string) {
	token = newSessionToken()
	return &sessionLink{c: c, claim: session.NewClaim(token)}, token
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
	if l.over {
		return errSessionOver
	}
	n, u := numbers{seq: l.out.Last() + 1}, l.current()
	if l.lags() {
		return l.sendLater(l.number(n, typ, p), len(p))
	}
	if u != nil && l.in.Owes() {
		n.ack = l.in.Owed()
	}
	m := l.number(n, typ, p)
	if u != nil {
		switch err := u.queue(typ, m.b); {
		case err == nil:
			if n.ack > 0 {
				l.in.Ack()
			}
		case err == transport.ErrQueueFull, err == errTooLarge:
			return err
		}
		// Any other error: the connection is lost, which l is about to be told.
	}
	l.keep(m, len(p))
	l.bound()
	return nil
}

// stage is that of link.
func (l *sessionLink) stage(b *transport.PreparedBatch) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	messages := b.Messages()
	u := l.current()
	if u == nil || l.lags() || l.over {
		for i, m := range messages {
			if err := l.stageLater(m); err != nil {
				return i, err
			}
		}
		return len(messages), nil
	}
	h := headsPool.Get().(*heads)
	defer headsPool.Put(h)
	h.numbers, h.text = numbers{seq: l.out.Last() + 1}, 0
	acks := l.in.Owes()
	if acks {
		h.ack = l.in.Owed()
	}
	n, err := u.stageBehind(b, h)
	if n > 0 && acks {
		l.in.Ack()
	}
	if err != nil && err != transport.ErrQueueFull && err != errTooLarge {
		n, err = len(messages), nil // the connection is lost, which l is about to be told
	}
	for _, m := range messages[:n] {
		l.out.Add(sharedMessage(m), len(m.Payload()))
	}
	l.bound()
	return n, err
}

// stageLater is stage for a message that cannot be sent now.
func (l *sessionLink) stageLater(m *transport.PreparedMessage) error {
	switch {
	case l.over:
		return errSessionOver
	case l.lags():
		return l.sendLater(sharedMessage(m), len(m.Payload()))
	}
	l.out.Add(sharedMessage(m), len(m.Payload()))
	l.bound()
	return nil
}

func sharedMessage(m *transport.PreparedMessage) sentMessage {
	return sentMessage{b: m.Payload(), typ: uint8(m.Type())}
}

// sendLater keeps a message while earlier ones wait for room in the queue of the
// connection. What is too much is refused, as by a queue that is full.
func (l *sessionLink) sendLater(m sentMessage, size int) error {
	l.keep(m, size)
	if l.out.Full(l.c.server.opts.kept) || !l.charge() {
		l.undo(m)
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
	for l.out.Full(l.c.server.opts.kept) || !l.charge() {
		if l.current() == nil {
			l.finish("more waited for the client than is kept")
			return
		}
		if m, ok := l.out.Drop(); ok {
			l.free(m)
		}
	}
}

// charge counts what is kept against the budget, and reports whether there is room. It is
// called with mu held.
func (l *sessionLink) charge() bool {
	n := l.out.Bytes() + l.out.Len()*keptCost
	if n < chargeStep && l.more == nil {
		return true // and nothing was counted before
	}
	return chargeWaiting(l.c.server.budget, &l.extra().charged, n)
}

func (l *sessionLink) flush() {
	if u := l.current(); u != nil {
		u.flush()
	}
}

// current returns the connection, nil if there is none.
func (l *sessionLink) current() physical {
	if u := l.under.Load(); u != nil {
		return *u
	}
	return nil
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
	u := l.current()
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

// visit looks whether the session has been without a connection for too long, sends an
// acknowledgement that nothing else has taken along, and gives back what memory it can.
func (l *sessionLink) visit(now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.current()
	switch {
	case l.told:
	case u == nil && now-l.extra().since >= l.c.server.opts.window:
		l.finish("the client did not come back in time (WithSessionWindow)")
	case u != nil && l.in.Owes():
		l.sendAck(u)
	}
	l.idle()
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
