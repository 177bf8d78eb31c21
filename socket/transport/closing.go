package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// closing is how a connection ends. Both halves of the connection share it, and
// nothing else.
type closing struct {
	mu      sync.Mutex // guards the fields below
	table   wsproto.Closing
	written bool     // our close frame has left
	lingers bool     // the connection was failed: discard what still comes
	over    bool     // the network connection is being closed, or is
	closed  bool     // it is
	err     error    // what the connection ended with; nil while it is open
	awaited *awaited // nil until somebody waits for the end, or bounds the wait
}

// awaited is an end that is waited for. The mutex of the closing guards it.
type awaited struct {
	timer *time.Timer   // cuts the connection off; nil: none does
	done  chan struct{} // closed with closed; nil until somebody waits
}

// await returns awaited. It is called with mu held.
func (s *closing) await() *awaited {
	if s.awaited == nil {
		s.awaited = new(awaited)
	}
	return s.awaited
}

// errClosed is what calls return on a connection that this side has closed.
var errClosed = fmt.Errorf("websocket: connection closed: %w", net.ErrClosed)

// lostConnError is the end of a connection without a closing handshake.
type lostConnError struct{ cause error }

func (e *lostConnError) Error() string   { return "websocket: connection lost: " + e.cause.Error() }
func (e *lostConnError) Unwrap() []error { return []error{e.cause, net.ErrClosed} }

// errCloseTimeout is the end of a connection whose other end did not answer our
// close frame.
var errCloseTimeout = &lostConnError{fmt.Errorf("the other end did not answer the close frame: %w", os.ErrDeadlineExceeded)}

// ProtocolError reports that the peer broke a rule of RFC 6455 or RFC 7692 and
// that the connection was failed with Code. It matches [net.ErrClosed].
type ProtocolError struct {
	Code   StatusCode
	Reason string // a fixed text, nothing of the peer's
}

// Error returns the reason and the close code.
func (e *ProtocolError) Error() string {
	return fmt.Sprintf("websocket: protocol error: %s (close code %d)", e.Reason, e.Code)
}

// Unwrap returns net.ErrClosed.
func (e *ProtocolError) Unwrap() error { return net.ErrClosed }

// LimitError reports that the peer passed a limit of this side and that the
// connection was failed with Code. It matches [net.ErrClosed].
type LimitError struct {
	Code   StatusCode
	Limit  string // what is limited: "message size"
	Max    int64  // the limit in force
	Actual int64  // the smallest value that is known to have been asked for
	Option string // the option that sets the limit, "" if none does
}

// Error names the limit, the value that passed it and the option that sets it.
func (e *LimitError) Error() string { return "websocket: " + e.reason() }

// Unwrap returns net.ErrClosed.
func (e *LimitError) Unwrap() error { return net.ErrClosed }

func (e *LimitError) reason() string {
	s := fmt.Sprintf("%s %d exceeds %d", e.Limit, e.Actual, e.Max)
	if e.Option != "" {
		s += " (" + e.Option + ")"
	}
	return s
}

// The limits of this package, as errors name them; the others are the protocol
// core's.
const (
	limitCompletion = "message completion time in ms"
	limitBudget     = "memory budget in bytes"
	limitControl    = "number of control frames in 10 s"
)

// optionOf names the option behind each limit of the protocol core.
func optionOf(limit string) string {
	switch limit {
	case limitCompletion:
		return "MessageTimeout"
	case "message size", "compressed message size":
		return "MaxMessageSize"
	case "number of fragments":
		return "MaxFragments"
	case "number of empty fragments in a row":
		return "MaxEmptyFragments"
	case "inflate ratio":
		return "MaxInflateRatio"
	case limitBudget:
		return "MemoryBudget"
	case limitControl:
		return "MaxControlFrames"
	}
	return ""
}

// Close ends the connection with a closing handshake, RFC 6455 section 7: what
// is queued is sent, then a close frame with code and reason. Once the peer has
// answered, a server closes the network connection and a client waits for that;
// after CloseTimeout it is closed in any case.
//
// It waits for that, unless [Conn.Start] was called: then it returns
// at once, and OnClose tells of the end. Messages that arrive after the call
// are discarded. StatusNoStatusReceived as code sends a close frame without a
// code. An error means that code or reason cannot be sent (an invalid code, or
// over 123 bytes), that the connection had ended before, or how it ended
// instead.
func (c *Conn) Close(code StatusCode, reason string) error {
	if err := c.QueueClose(code, reason); err != nil {
		return err
	}
	return c.awaitClose()
}

// QueueClose is Close without waiting. The answer of the peer is met by whoever
// reads the connection, now or later; it is closed after CloseTimeout if nobody
// does.
func (c *Conn) QueueClose(code StatusCode, reason string) error {
	payload, err := closePayload(code, reason)
	if err != nil {
		return err
	}
	if err := c.queueClose(payload, keepQueued); err != nil {
		return err
	}
	c.cutAfter(c.cfg.closeTimeout)
	return nil
}

// awaitClose waits until the closing handshake is over, and reads as long as
// nobody else does.
func (c *Conn) awaitClose() error {
	in := &c.in
	for c.ended() == nil && in.reading.take(c.Done()) {
		in.leaveReader()
		var ev wsproto.Event
		err := c.next(context.Background(), &ev) // never a message
		in.release()
		c.endRead()
		if err != errCancelled {
			break
		}
	}
	if in.served.Load() {
		return nil
	}
	<-c.Done()
	err := c.ended()
	var ce *CloseError
	if errors.As(err, &ce) {
		return nil
	}
	return err
}

// Refuse ends the connection in place of what is queued: the next frame, behind
// the rest of one that has begun to leave, is a close frame with code and reason,
// and the network connection is closed when the peer has answered it, or after
// CloseTimeout. So a peer that reads nothing has that time to read again. It does not block, and does
// nothing on a connection that is closing already. A reason that cannot be sent
// is left out.
func (c *Conn) Refuse(code StatusCode, reason string) {
	_ = c.failWith(wsproto.CloseCode(code), reason, dropQueued, errClosed) // returns what it is given
	if c.in.reading.tryTake() {
		go func() { // ends with linger
			c.linger()
			c.endRead()
		}()
	}
}

// CloseNow closes the network connection at once, without a closing handshake.
// What is queued is lost. It does not block, and calls after the first do
// nothing.
func (c *Conn) CloseNow() error {
	c.in.muted.Store(true)
	_ = c.end(errClosed) // a reason that came first is not news
	return nil
}

// Done returns a channel that is closed when the network connection is.
func (c *Conn) Done() <-chan struct{} {
	s := &c.closing
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.await()
	if a.done == nil {
		a.done = make(chan struct{})
		if s.closed {
			close(a.done)
		}
	}
	return a.done
}

func closePayload(code StatusCode, reason string) ([]byte, error) {
	if code == StatusNoStatusReceived && reason == "" {
		return nil, nil
	}
	return wsproto.AppendClosePayload(nil, wsproto.CloseCode(code), reason)
}

// queued says what happens to messages that are queued before a close frame.
type queued uint8

const (
	keepQueued queued = iota
	dropQueued
)

// queueClose sends a close frame as the last frame of the connection.
func (c *Conn) queueClose(payload []byte, q queued) error {
	s := &c.closing
	s.mu.Lock()
	first := s.table.Send()
	s.mu.Unlock()
	o := &c.out
	o.mu.Lock()
	if !first || o.err != nil {
		o.mu.Unlock()
		return errClosed
	}
	o.discard(q)
	if q == dropQueued && o.writing {
		c.cutWrite()
	}
	c.appendFrame(o.list(), wsproto.Header{Fin: true, Opcode: wsproto.OpClose}, payload)
	o.final.Store(true)
	o.wake() // those who wait for room wait for nothing
	c.in.muted.Store(true)
	c.uncorkLocked()
	return nil
}

// peerClosed answers the peer's close frame and ends the connection.
func (c *Conn) peerClosed(ev wsproto.Event) error {
	s := &c.closing
	s.mu.Lock()
	answer := s.table.Receive(ev.Code)
	if s.err == nil {
		s.err = &CloseError{Code: StatusCode(ev.Code), Reason: ev.Reason}
	}
	err := s.err
	written := s.written
	s.mu.Unlock()
	if written {
		c.closeNet()
	}
	if !answer {
		return err // ours is on its way; the connection is closed when it has left
	}
	// RFC 6455 section 5.5.1: "it typically echos the status code it received."
	payload, perr := closePayload(StatusCode(ev.Code), "")
	if perr != nil {
		payload = nil
	}
	c.cutAfter(c.cfg.closeTimeout)
	_ = c.queueClose(payload, keepQueued) // an error means: nothing can be sent any more
	return err
}

// closeSent is told when the close frame has left.
func (c *Conn) closeSent() {
	s := &c.closing
	s.mu.Lock()
	s.written = true
	done, lingers, nc := s.table.Done(), s.lingers, c.nc
	s.mu.Unlock()
	switch {
	case done:
		c.closeNet()
	case lingers:
		if w, ok := nc.(interface{ CloseWrite() error }); ok {
			_ = w.CloseWrite() // the cut that follows does not depend on it
		}
	}
}

// refuse fails the connection for what the decoder found, RFC 6455 section
// 7.1.7. What was fine before gets its answers: they are in the queue.
func (c *Conn) refuse(err error) error {
	var code wsproto.CloseCode
	var reason string
	switch e := err.(type) {
	case *wsproto.ProtocolError:
		code, reason = e.Code, e.Reason
		err = &ProtocolError{Code: StatusCode(e.Code), Reason: e.Reason}
	case *wsproto.LimitError:
		le := &LimitError{Code: StatusCode(e.Code), Limit: e.Limit, Max: e.Max, Actual: e.Actual, Option: optionOf(e.Limit)}
		code, reason = e.Code, le.reason()
		err = le
	default:
		code = wsproto.CloseInternalError
	}
	err = c.failWith(code, reason, keepQueued, err)
	go c.linger() // owned by c: ended by cutAfter at the latest
	return err
}

// failWith sends a close frame, behind what is queued or in its place, and ends
// the connection with err, unless it has ended with something else already.
func (c *Conn) failWith(code wsproto.CloseCode, reason string, q queued, err error) error {
	s := &c.closing
	s.mu.Lock()
	if s.err != nil {
		defer s.mu.Unlock()
		return s.err
	}
	s.err = err
	s.lingers = true
	s.mu.Unlock()
	payload, perr := wsproto.AppendClosePayload(nil, code, reason)
	if perr != nil {
		payload = nil
	}
	c.cutAfter(c.cfg.closeTimeout)
	_ = c.queueClose(payload, q) // an error means: ours is on its way already
	return err
}

// closeNet ends the network connection after the closing handshake. RFC 6455
// section 7.1.1: it "SHOULD be closed first by the server", so a client waits
// for that; cutAfter has set how long.
func (c *Conn) closeNet() {
	if c.cfg.role == wsproto.RoleServer {
		c.shut()
		return
	}
	go c.linger() // owned by c: ended by cutAfter at the latest
}

// linger drops what the peer of a failed or closed connection still sends, until
// it closes or is cut off. To close at once would answer it with a reset, which
// can destroy the close frame before the peer has read it.
func (c *Conn) linger() {
	buf := getBuffer(minBuffer)
	defer putBuffer(buf)
	for {
		_ = c.nc.SetReadDeadline(time.Time{}) // fails only on a closed connection
		_, err := c.nc.Read(buf.b)
		// A deadline comes from a Read whose context ended at the same time.
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			c.shut()
			return
		}
	}
}

// cutAfter closes the network connection after d, whatever the peer does.
func (c *Conn) cutAfter(d time.Duration) {
	s := &c.closing
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	if a := s.await(); a.timer == nil {
		a.timer = time.AfterFunc(d, func() {
			_ = c.end(errCloseTimeout) // a reason that came first is not news
		})
	}
}

// end closes the network connection, and returns what the connection ended
// with: err, unless there was an earlier reason.
func (c *Conn) end(err error) error {
	s := &c.closing
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	err = s.err
	s.mu.Unlock()
	c.shut()
	return err
}

// shut closes the network connection and everything that waits on it.
func (c *Conn) shut() {
	s := &c.closing
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return
	}
	s.over = true
	if s.err == nil {
		s.err = errClosed
	}
	if a := s.awaited; a != nil && a.timer != nil {
		a.timer.Stop()
	}
	polite, err, nc := s.written, s.err, c.nc
	s.mu.Unlock()

	c.stopWatch()
	if tc, ok := nc.(*tls.Conn); ok && !polite {
		nc = tc.NetConn() // a TLS close may wait for a peer that does not read
	}
	_ = nc.Close() // nobody is left who could act on the error

	c.out.mu.Lock()
	c.out.fail(err)
	c.chargeOutput()
	c.out.mu.Unlock()
	if p := c.pings.Load(); p != nil {
		p.fail()
	}
	c.settleInput()

	s.mu.Lock()
	s.closed = true
	if a := s.awaited; a != nil && a.done != nil {
		close(a.done)
	}
	s.mu.Unlock()
	c.wakeReader()
}
