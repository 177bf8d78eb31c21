package socket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/envelope"
)

// callTimeout is how long a call waits for its reply if its context has no deadline.
const callTimeout = 30 * time.Second

// defaultRequests is how many requests may be under way.
const defaultRequests = 64

// WithMaxRequests sets how many requests to one client may wait for their replies at a
// time, and how many of one client's may be answered beside a handler, see
// [HandleRequest]. A Call beyond returns [ErrTooManyRequests]; a request beyond waits
// like any message. Default: 64; zero means the default, a negative value no limit.
func WithMaxRequests(n int) ServerOption {
	return func(o *serverOptions) { o.maxRequests = atMost(n) }
}

// WithClientMaxRequests is [WithMaxRequests] for the client.
func WithClientMaxRequests(n int) ClientOption {
	return func(o *clientOptions) { o.maxRequests = atMost(n) }
}

// atMost returns the limit that an option means, 0 for none.
func atMost(n int) int {
	if n == 0 {
		return defaultRequests
	}
	return max(n, 0)
}

// requests are what one end has asked the other, and has no reply to yet.
type requests struct {
	most  int          // 0: no limit
	count atomic.Int32 // of waiting, which every message is asked for

	mu      sync.Mutex // guards the fields below
	last    uint64     // number of the latest
	waiting map[uint64]chan<- outcome
	beside  int   // requests of the other end that are answered beside a handler
	over    error // why there can be no more; nil: there can
}

// outcome is what a request has come to: a reply, or why there is none.
type outcome struct {
	data   []byte
	failed bool // data is that of an error
	err    error
}

// any reports whether a reply is waited for. r may be nil.
func (r *requests) any() bool { return r != nil && r.count.Load() > 0 }

// call makes a request by send, and waits for the reply.
func (r *requests) call(ctx context.Context, event Event, data any, turn *serial, send func(context.Context, *encoded) error) (Reply, error) {
	if err := ctx.Err(); err != nil {
		return Reply{}, noReply(event, err)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callTimeout)
		defer cancel()
	}
	number, done, err := r.begin(event)
	if err != nil {
		return Reply{}, err
	}
	defer r.forget(number)
	m, err := encodeRequest(number, event, data)
	if err != nil {
		return Reply{}, err
	}
	defer turn.stopAsking(turn.ask())
	if err := send(ctx, m); err != nil {
		if ctx.Err() != nil {
			err = noReply(event, ctx.Err())
		}
		return Reply{}, err
	}
	select {
	case o := <-done:
		return o.reply(event)
	case <-ctx.Done():
	}
	r.forget(number)
	select {
	case o := <-done: // it came in time after all
		return o.reply(event)
	default:
		return Reply{}, noReply(event, ctx.Err())
	}
}

// begin gives a request its number, and a place for its outcome.
func (r *requests) begin(event Event) (uint64, <-chan outcome, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.over != nil:
		return 0, nil, r.over
	case r.most > 0 && len(r.waiting) >= r.most:
		return 0, nil, &MessageError{Event: event, Err: ErrTooManyRequests}
	}
	if r.waiting == nil {
		r.waiting = make(map[uint64]chan<- outcome)
	}
	done := make(chan outcome, 1)
	r.last++
	r.waiting[r.last] = done
	r.count.Add(1)
	return r.last, done, nil
}

// forget ends the wait for a reply.
func (r *requests) forget(number uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.take(number)
}

// take ends a wait and returns who waits, nil if nobody does. It is called with mu held.
func (r *requests) take(number uint64) chan<- outcome {
	done := r.waiting[number]
	if done != nil {
		delete(r.waiting, number)
		r.count.Add(-1)
	}
	return done
}

// replied hands a reply to who waits for it. One for which nobody does is dropped.
func (r *requests) replied(m envelope.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if done := r.take(m.Number); done != nil {
		done <- outcome{data: bytes.Clone(m.Data), failed: m.Failed}
	}
}

// fail ends all waits.
func (r *requests) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failAll(err)
}

// failAll is fail with mu held.
func (r *requests) failAll(err error) {
	for number := range r.waiting {
		r.take(number) <- outcome{err: err}
	}
}

// close is fail for good.
func (r *requests) close(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = err
	r.failAll(err)
}

// hasRoom reports whether one more request of the other end may be answered beside a
// handler. enter counts one in, and leave out.
func (r *requests) hasRoom() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.most == 0 || r.beside < r.most
}

func (r *requests) enter() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.beside++
}

func (r *requests) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.beside--
}

// reply returns what Call returns.
func (o outcome) reply(event Event) (Reply, error) {
	switch {
	case o.err != nil:
		return Reply{}, o.err
	case o.failed:
		return Reply{}, decodeReplyError(event, o.data)
	}
	return Reply{Data: o.data, event: event}, nil
}

// noReply is the error of a request whose context has ended.
func noReply(event Event, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	return &MessageError{Event: event, Err: fmt.Errorf("no reply: %w", err)}
}

// connectionOver is the error of a request whose connection has ended for a reason. What
// it was is text only: a connection that has timed out is no request that has.
func connectionOver(reason error) error {
	var ce *ConnectionError
	if errors.As(reason, &ce) {
		reason = ce.Err
	}
	err := ErrConnectionClosed
	if reason != ErrConnectionClosed {
		err = fmt.Errorf("%w: %v", ErrConnectionClosed, reason)
	}
	return &ConnectionError{Op: "read", Err: err}
}
