package socket

import (
	"context"
	"crypto/rand"
	"net"
	"net/http"
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
	// stageBehind is stage for messages of which some begin with heads of their own.
	stageBehind(b *transport.PreparedBatch, heads transport.Heads) (int, error)
}

func (l webSocketLink) stageBehind(b *transport.PreparedBatch, heads transport.Heads) (int, error) {
	return l.StageBehind(b, heads)
}

func (l pollLink) stageBehind(b *transport.PreparedBatch, heads transport.Heads) (int, error) {
	messages := b.Messages()
	for i, m := range messages {
		head, skip := heads.Next(m)
		data := m.Payload()
		if head != nil {
			data = append(append(make([]byte, 0, len(head)+len(data)), head...), data[skip:]...)
		}
		if err := l.push(poll.Message{Data: data, Binary: m.Type() == transport.MessageBinary}); err != nil {
			return i, err
		}
	}
	return len(messages), nil
}

// heads numbers messages that others get too. It is pooled.
type heads struct {
	numbers      // of the next message
	asks    bool // those that can ask for an acknowledgement do
	buf     [maxHead]byte
}

// Shared by all sessions of the process.
var headsPool = sync.Pool{New: func() any { return new(heads) }}

// Next returns the numbers of a message, and makes those of the next, which does not say
// them unless it asks for an acknowledgement.
func (h *heads) Next(m *transport.PreparedMessage) (head []byte, skip int) {
	typ := m.Type()
	if !h.silent(typ) {
		head, skip = h.appendHead(h.buf[:0], typ), headless(typ)
	}
	h.numbers = numbers{seq: h.seq + 1, said: h.asks && (h.seq+1)%session.AskEvery == 0}
	return head, skip
}

// sessionLink is the link of a socket whose client goes on over another connection when
// one is lost. It numbers what is sent, keeps it until the client has it, and drops what
// comes twice.
//
// A connection has a generation. What happens on one that is not the latest is not
// heard of: its frames may come after the client has begun to use the next.
type sessionLink struct {
	c conn // the socket; one piece of memory for both is less than two

	// The connection, in one of them; nil while there is none. Set with mu held.
	ws    atomic.Pointer[transport.Conn]
	other atomic.Pointer[physical]

	// Guarded by the mutex of the socket's turn, mu below, so that a message which comes has its number
	// counted and begins its turn with one lock:
	gen   uint32 // of the connection that has the session, or is being made
	heard bool   // the client is known to have its token
	over  bool   // no other connection may come
	said  bool   // the message that was sent last over the connection is that before the next
	told  bool   // the socket knows that it has ended
	in    session.Inbox
	out   session.Outbox
	more  *sessionExtra // nil until it is needed
	claim session.Claim
}

func (l *sessionLink) lock()   { l.c.turn.mu.Lock() }
func (l *sessionLink) unlock() { l.c.turn.mu.Unlock() }

// sessionExtra is what a session needs that has lost a connection, or is short of room.
// The mutex of the session guards it.
type sessionExtra struct {
	entry   detachedEntry // in the server's list while there is no connection
	charged int64         // of what is kept, to the budget
	since   time.Duration // when the connection was lost, on the pulse's clock
	onRoom  func()        // called when there may be room in the queue; nil: nobody wants it
	has     uint64        // number of the last message that the client had when it came back
	left    bool          // the client may have begun another session
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

// newSession returns the link of a new session, which has its socket, and the token of its
// client.
func (s *Server) newSession(r *http.Request, a *admission) (l *sessionLink, token string) {
	var key [session.KeyLength]byte
	rand.Read(key[:]) // never fails
	l = &sessionLink{claim: session.NewClaim(key)}
	s.initConn(&l.c, newID(), r, a)
	return l, l.claim.Token()
}

// queue is that of link. A message that the connection cannot take any more, because it
// is lost, is kept for the next.
func (l *sessionLink) queue(typ transport.MessageType, p []byte) error {
	l.lock()
	defer l.unlock()
	if l.over {
		return errSessionOver
	}
	u := l.current()
	if u == nil || l.lags() {
		l.keep(numbers{}, typ, p)
		return l.keptForLater()
	}
	n := l.next(u)
	b := l.keep(n, typ, p)
	switch err := u.queue(typ, b); {
	case err == nil:
		l.passed(n)
	case err == transport.ErrQueueFull, err == errTooLarge:
		l.out.Undo()
		return err
	default: // the connection is lost, which l is about to be told
		l.said = false
	}
	l.bound()
	return nil
}

// next returns the numbers of the next message over the connection u. It says its own if
// none before it has, or if so much is kept that the client is to acknowledge it. An
// acknowledgement goes along with what is sent alone, and with some of the messages of a
// burst. It is called with mu held.
func (l *sessionLink) next(u physical) numbers {
	n := numbers{seq: l.out.Last() + 1}
	n.said = !l.said || l.out.Asks(n.seq, &l.c.server.opts.kept)
	switch {
	case !l.in.Owes():
	case l.in.Many(), l.out.Len() == 0, l.in.OwesOne() && idle(u):
		n.ack = l.in.Owed()
	}
	return n
}

// passed notes that the connection has taken a message with the numbers n. It is called with
// mu held.
func (l *sessionLink) passed(n numbers) {
	if l.said = true; n.ack > 0 {
		l.in.Ack()
	}
}

// idle reports whether nothing waits to be sent.
func idle(u physical) bool {
	_, messages := u.queued()
	return messages == 0
}

// stage is that of link. Messages that need no head are queued as they are, in the frames
// that others get too.
func (l *sessionLink) stage(b *transport.PreparedBatch) (int, error) {
	l.lock()
	defer l.unlock()
	messages := b.Messages()
	u := l.current()
	if u == nil || l.lags() || l.over {
		for i := range messages {
			if l.over {
				return i, errSessionOver
			}
			l.c.server.fanout.sharedOf(messages).keepOne(&l.out, i)
			if err := l.keptForLater(); err != nil {
				return i, err
			}
		}
		return len(messages), nil
	}
	first := l.next(u)
	n, err := first.stage(u, b, l.out.Asking(&l.c.server.opts.kept))
	if n > 0 {
		l.passed(first)
	}
	if err != nil && err != transport.ErrQueueFull && err != errTooLarge {
		n, err = len(messages), nil // the connection is lost, which l is about to be told
		l.said = false
	}
	if n > 0 {
		l.c.server.fanout.sharedOf(messages).keep(&l.out, n)
	}
	l.bound()
	return n, err
}

// stage queues messages over u, the first of which has the numbers n. asks is whether the
// other end is to acknowledge them soon.
func (n numbers) stage(u physical, b *transport.PreparedBatch, asks bool) (int, error) {
	messages := b.Messages()
	silent := !asks || n.seq/session.AskEvery == (n.seq+uint64(len(messages)-1))/session.AskEvery
	for _, m := range messages {
		silent = silent && n.silent(m.Type())
	}
	if silent {
		return u.stage(b)
	}
	h := headsPool.Get().(*heads)
	defer headsPool.Put(h)
	h.numbers, h.asks = n, asks
	return u.stageBehind(b, h)
}

// keptForLater judges the message that was kept last, because it cannot be sent now. While
// earlier ones wait for room in the queue of the connection, what is too much is refused, as
// by a queue that is full.
func (l *sessionLink) keptForLater() error {
	if !l.lags() {
		l.bound()
		return nil
	}
	if l.out.Full(&l.c.server.opts.kept) || !l.charge() {
		l.out.Undo()
		l.charge() // it holds less
		return transport.ErrQueueFull
	}
	return nil
}

// bound keeps what is kept within the limits, and counts it. While there is a
// connection, what is too much is dropped: should it be lost before the client has
// acknowledged that, the session cannot go on, and both ends are told. Without a
// connection it has come to that. It is called with mu held.
func (l *sessionLink) bound() {
	counted := chargeStep - 1
	if l.more != nil {
		counted = int(l.more.charged)
	}
	if l.out.Within(&l.c.server.opts.kept, counted) {
		return
	}
	for l.out.Full(&l.c.server.opts.kept) || !l.charge() {
		if l.current() == nil {
			l.finish("more waited for the client than is kept")
			return
		}
		l.out.Drop()
	}
}

// chargeSlack is how much of what is not kept any more may still be counted, in bytes.
const chargeSlack = 16 << 10

// charge counts what is kept against the budget, and reports whether there is room. What
// comes and goes is not counted anew each time, which all processors would have to agree
// on: the memory that it took is still there. It is called with mu held.
func (l *sessionLink) charge() bool {
	n := l.out.Held()
	if l.more == nil && n < chargeStep {
		return true // and nothing was counted before
	}
	charged := &l.extra().charged
	if over := int(*charged) - n; 0 <= over && over < chargeSlack {
		return true
	}
	return chargeWaiting(l.c.server.budget, charged, n)
}

// discharge is charge where memory was given back. It is called with mu held.
func (l *sessionLink) discharge() {
	if l.more != nil {
		chargeWaiting(l.c.server.budget, &l.more.charged, l.out.Held()) // which is not more
	}
}

func (l *sessionLink) flush() {
	if u := l.current(); u != nil {
		u.flush()
	}
}

// use makes u the connection; nil: there is none. It is called with mu held.
func (l *sessionLink) use(u physical) {
	ws, _ := u.(webSocketLink)
	l.ws.Store(ws.Conn)
	if u == nil || ws.Conn != nil {
		l.other.Store(nil)
		return
	}
	l.other.Store(&u)
}

// current returns the connection, nil if there is none.
func (l *sessionLink) current() physical {
	if ws := l.ws.Load(); ws != nil {
		return webSocketLink{ws}
	}
	if u := l.other.Load(); u != nil {
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
	if err == nil || ctx.Err() != nil {
		return err
	}
	l.lock()
	defer l.unlock()
	if l.over {
		return err // the connection may stay for a while, and its queue full
	}
	return nil // it is lost: what is sent now is kept
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
		l.lock()
		l.over = true // nobody gets a token from now on that the verdict does not know
		l.c.server.stayAway(l, identity, code, reason)
		l.unlock()
	}
	l.end(func(u physical) { u.close(code, reason) })
}

func (l *sessionLink) refuse(code transport.StatusCode, reason string) {
	l.end(func(u physical) { u.refuse(code, reason) })
}

func (l *sessionLink) closeNow() { l.end(func(u physical) { u.closeNow() }) }

func (l *sessionLink) end(f func(physical)) {
	l.lock()
	l.over = true
	u := l.current()
	switch {
	case u == nil:
		l.finish("it was closed")
	case l.in.Owes():
		l.sendAck(u) // so that the client knows what was handled
	}
	l.unlock()
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
	l.lock()
	defer l.unlock()
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
	l.lock()
	mine := gen == l.gen
	l.unlock()
	if mine {
		l.c.stalled()
	}
}

// drop gives up a connection whose client takes nothing, and reports whether the session
// goes on: it does as long as all is kept that the client does not have.
func (l *sessionLink) drop() bool {
	l.lock()
	if l.over || !l.heard || l.out.Dropped() != 0 {
		l.unlock()
		return false
	}
	u := l.detach()
	l.unlock()
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
	l.lock()
	defer l.unlock()
	return l.gen
}
