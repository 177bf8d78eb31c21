package socket

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// FirstOf returns a transport for [NewClient] that is the first of several that works, in
// the order of preference:
//
//	socket.NewClient(socket.FirstOf(
//		transport.NewWebSocketTransport("wss://example.com/socket"),
//		transport.NewLongPollingTransport("https://example.com/socket"),
//	))
//
// Each attempt to connect tries them in order, each for its share of the time that is
// left. One is passed over from then on when it does not work where the client is: it has
// failed while a later one worked at the same moment, or three of its connections in a
// row have died before they had proven to be good, which takes 5 s and something from the
// server: a message, or an answer to a ping of a [PingTransport]. A server that is down
// or restarting is no reason: a connection that is refused, a name that is not found, and
// the HTTP statuses 429, 502, 503 and 504.
//
// A client on a transport that is not the first tries those before it from time to time,
// see [WithProbeDelay]. Within a session (see [WithSession]) it goes back to one that works
// without losing, repeating or reordering a message, and without a disconnect event, and
// returns if that one dies at once. Without a session, which both the transports and the
// server must have, it goes back only when its connection is lost.
//
// The transports may have the four methods of [Transport] alone. They belong to the client
// from then on; [Client.Transport] tells which is in use. FirstOf panics when there is none,
// or one is nil.
func FirstOf(transports ...Transport) Transport {
	f := &firstOf{opened: -1}
	for _, t := range transports {
		switch t := t.(type) {
		case nil:
			panic("socket: FirstOf: nil transport")
		case *firstOf:
			f.all = append(f.all, t.all...)
		default:
			f.all = append(f.all, t)
		}
	}
	if len(f.all) == 0 {
		panic("socket: FirstOf: no transport")
	}
	f.choice = session.NewChoice(len(f.all), 0, 0)
	return f
}

// firstOf is one transport at a time. It changes by itself only while there is no
// connection; see watch for the rest.
type firstOf struct {
	all []Transport

	mu     sync.Mutex // guards the fields below
	choice session.Choice
	use    int // what the client sends over and receives from
	opened int // what is open, or was and is not released; -1: nothing
}

// Connect opens the first that works.
func (f *firstOf) Connect(ctx context.Context) error {
	_, err := f.ConnectSession(ctx, "")
	return err
}

// ConnectSession opens the first that works. One that knows no sessions has none.
func (f *firstOf) ConnectSession(ctx context.Context, offer string) (string, error) {
	f.mu.Lock()
	order := f.choice.Order(time.Now(), rand.Float64())
	f.mu.Unlock()
	var refused []int
	var errs attempts
	for k, i := range order {
		f.release(i)
		answer, err := open(ctx, f.all[i], offer, len(order)-k)
		if err == nil {
			f.mu.Lock()
			f.choice.Opened(i, refused, time.Now(), rand.Float64())
			f.use, f.opened = i, i
			f.mu.Unlock()
			return answer, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
		if !serverDown(err) {
			refused = append(refused, i)
		}
	}
	if len(errs) == 1 {
		return "", errs[0]
	}
	return "", errs
}

// open opens a transport within the first of n equal parts of the time that is left.
func open(ctx context.Context, t Transport, offer string, n int) (answer string, err error) {
	if end, ok := ctx.Deadline(); ok && n > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(n))
		defer cancel()
	}
	if s, ok := t.(SessionTransport); ok && offer != "" {
		return s.ConnectSession(ctx, offer)
	}
	return "", t.Connect(ctx)
}

// release lets go of what is left of the latest connection, unless transport i is about
// to do that itself.
func (f *firstOf) release(i int) {
	f.mu.Lock()
	old := f.opened
	if old != i {
		f.opened = -1
	}
	f.mu.Unlock()
	if old >= 0 && old != i {
		abort(f.all[old])
	}
}

// abort ends a connection as one that was lost, where the transport can do that.
func abort(t Transport) {
	if s, ok := t.(SessionTransport); ok {
		s.Abort()
		return
	}
	_ = t.Close() // nobody is left who could act on the error
}

// serverDown reports whether err, of an attempt to connect, is what a server that is
// down, restarting or busy looks like, over any transport.
func serverDown(err error) bool {
	var noName *net.DNSError
	var op *net.OpError
	var answer *transport.HandshakeError
	switch {
	case errors.As(err, &noName), errors.Is(err, syscall.ECONNREFUSED):
		return true
	case errors.As(err, &answer):
		switch answer.Status {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	return errors.As(err, &op) && op.Op == "dial" && !op.Timeout()
}

// attempts are the errors of several transports.
type attempts []error

// Error returns all of them.
func (a attempts) Error() string {
	texts := make([]string, len(a))
	for i, err := range a {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns all of them.
func (a attempts) Unwrap() []error { return a }

// current returns the transport in use.
func (f *firstOf) current() Transport {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all[f.use]
}

// tested reports whether the transport in use has yet to show that it works here, and
// another has done so.
func (f *firstOf) tested() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.choice.Tested(f.use)
}

func (f *firstOf) Send(data []byte) error   { return f.current().Send(data) }
func (f *firstOf) Receive() ([]byte, error) { return f.current().Receive() }
func (f *firstOf) Close() error             { return f.current().Close() }
func (f *firstOf) Abort()                   { abort(f.current()) }

func (f *firstOf) SendBatch(batch [][]byte) error {
	t := f.current()
	if b, ok := t.(BatchTransport); ok {
		return b.SendBatch(batch)
	}
	for _, data := range batch {
		if err := t.Send(data); err != nil {
			return err
		}
	}
	return nil
}

func (f *firstOf) SendBinary(data []byte) error {
	if b, ok := f.current().(BinaryTransport); ok {
		return b.SendBinary(data)
	}
	return errNoBinary
}

// errNoBinary is the refusal of a binary message by a transport that has none.
var errNoBinary = invalid("the transport has no binary messages")

func (f *firstOf) ReceiveMessage() (data []byte, binary bool, err error) {
	return receiver(f.current())()
}

// receiver returns the function that receives from t.
func receiver(t Transport) func() (data []byte, binary bool, err error) {
	if b, ok := t.(BinaryTransport); ok {
		return b.ReceiveMessage
	}
	return func() (data []byte, binary bool, err error) {
		data, err = t.Receive()
		return data, false, err
	}
}

func (f *firstOf) EnableCompression() {
	for _, t := range f.all {
		if z, ok := t.(CompressionTransport); ok {
			z.EnableCompression()
		}
	}
}

func (f *firstOf) SocketID() string {
	if t, ok := f.current().(IdentifiedTransport); ok {
		return t.SocketID()
	}
	return ""
}
