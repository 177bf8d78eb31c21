package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/kleeedolinux/socket.go/socket/internal/poll"
)

// pollingLink is one session of a long-polling transport. Two goroutines work for
// it: pollLoop asks for messages until the session ends, and postLoop sends while
// there is something to send.
type pollingLink struct {
	target   *url.URL
	headers  map[string][]string
	client   *http.Client
	interval time.Duration
	timeout  time.Duration
	compress bool
	largest  int // message that is received, bytes

	// Set by open:
	id    string
	token string
	offer string        // of the opening request; "" once that is over
	wait  time.Duration // how long a poll may be held

	ctx    context.Context // ends with the session
	cancel context.CancelFunc
	loops  sync.WaitGroup

	mu         sync.Mutex // guards all below
	core       poll.Link
	posting    bool
	refused    error // the server takes no more messages, but may still send
	inbox      []poll.Message
	inboxBytes int
	lastAck    uint64    // what the last poll acknowledged
	polled     time.Time // when the last poll was answered
	err        error     // why the session ended
	closed     bool      // close was called

	arrived signal        // the inbox is not empty
	room    signal        // the inbox shrank
	space   signal        // the queue shrank, or nothing is being posted
	done    chan struct{} // closed with err
}

// The bounds of what was received and not taken by Receive. When they are
// reached the server is not asked for more. One answer can pass them once.
const (
	inboxMessages = 128
	inboxBytes    = 1 << 20
)

// closeTime is how long Close waits at most for the server to take what is queued, and
// deleteTime how long for its answer to the end of the session.
const (
	closeTime  = 5 * time.Second
	deleteTime = time.Second
)

// signal lets a goroutine wait for a condition that it looks at again itself.
type signal chan struct{}

func (s signal) set() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// openPollingLink opens a session with the server at an URL, and returns the server's
// answer to offer.
func openPollingLink(ctx context.Context, rawURL string, o longPollingOptions, offer string) (*pollingLink, string, error) {
	target, err := parsePollingURL(rawURL)
	if err != nil {
		return nil, "", err
	}
	if err := checkHeaders(o.header, reservedPollingHeaders...); err != nil {
		return nil, "", err
	}
	link := newPollingLink(target, &o)
	if offer != "" {
		link.largest += sessionHead
	}
	answer, err := link.open(ctx, offer)
	if err != nil {
		link.end(err)
		link.release()
		return nil, "", err
	}
	return link, answer, nil
}

func newPollingLink(target *url.URL, o *longPollingOptions) *pollingLink {
	l := &pollingLink{
		target:   target,
		headers:  o.header,
		client:   newPollingClient(o),
		interval: o.interval,
		timeout:  o.timeout,
		compress: o.compression,
		largest:  orDefault(o.message, defaultClientMessage),
		arrived:  make(signal, 1),
		room:     make(signal, 1),
		space:    make(signal, 1),
		done:     make(chan struct{}),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// start begins to poll. The session is open.
func (l *pollingLink) start(limits poll.Limits) {
	l.core = poll.NewLink(poll.QueueLimits{}, limits)
	l.polled = time.Now()
	l.loops.Go(l.pollLoop)
}

// send queues messages, waiting for room.
func (l *pollingLink) send(messages [][]byte, typ MessageType) error {
	for _, data := range messages {
		if typ == MessageText && !utf8.Valid(data) {
			return errNotUTF8
		}
	}
	var timeout <-chan time.Time
	for {
		n, err := l.push(messages, typ)
		messages = messages[n:]
		if !errors.Is(err, poll.ErrFull) {
			return err
		}
		if timeout == nil {
			timer := time.NewTimer(l.timeout)
			defer timer.Stop()
			timeout = timer.C
		}
		select {
		case <-l.space:
		case <-l.done:
		case <-timeout:
			return fmt.Errorf("transport: long polling: the queue stayed full for %v: %w", l.timeout, os.ErrDeadlineExceeded)
		}
	}
}

// errNotUTF8 refuses a text message.
var errNotUTF8 = errors.New("transport: a text message is not valid UTF-8")

// overError is why nothing can be sent any more.
type overError struct{ cause error }

func (e *overError) Error() string   { return e.cause.Error() }
func (e *overError) Unwrap() []error { return []error{e.cause, net.ErrClosed} }

// push queues as many messages as there is room for and sees to it that they are
// posted. It returns their number, and [poll.ErrFull] if there are more.
func (l *pollingLink) push(messages [][]byte, typ MessageType) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, &overError{l.err}
	}
	if l.refused != nil {
		l.space.set() // for another goroutine that waits
		return 0, &overError{l.refused}
	}
	for _, data := range messages {
		m := poll.Message{Binary: typ == MessageBinary, Data: slices.Clone(data)}
		if err = l.core.Push(m); err != nil {
			break
		}
		n++
	}
	if n > 0 && !l.posting {
		l.posting = true
		l.loops.Go(l.postLoop)
	}
	if n == len(messages) {
		l.space.set() // perhaps for another goroutine that waits
	} else if !errors.Is(err, poll.ErrFull) {
		err = fmt.Errorf("transport: %w", err)
	}
	return n, err
}

// receive returns the next message.
func (l *pollingLink) receive() ([]byte, bool, error) {
	for {
		l.mu.Lock()
		if len(l.inbox) > 0 {
			m := l.inbox[0]
			l.inbox[0] = poll.Message{}
			l.inbox = l.inbox[1:]
			l.inboxBytes -= len(m.Data)
			if len(l.inbox) > 0 {
				l.arrived.set() // for another goroutine that waits
			} else {
				l.inbox = nil
			}
			l.room.set()
			l.mu.Unlock()
			return m.Data, m.Binary, nil
		}
		err := l.err
		l.mu.Unlock()
		if err != nil {
			return nil, false, err
		}
		select {
		case <-l.arrived:
		case <-l.done:
		}
	}
}

// end ends the session for a reason. Only the first one counts.
func (l *pollingLink) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	l.err = err
	close(l.done)
	l.cancel()
}

// close ends the session from our side.
func (l *pollingLink) close() error {
	flush, cancel := context.WithTimeout(context.Background(), min(closeTime, l.timeout))
	defer cancel()
	l.flush(flush)

	l.mu.Lock()
	before := l.err
	local, again := before == nil, l.closed
	l.closed = true
	unsent := l.core.Unacked()
	l.inbox, l.inboxBytes = nil, 0
	l.mu.Unlock()
	if local {
		l.end(fmt.Errorf("transport: long polling: the transport was closed: %w", net.ErrClosed))
		// In time of its own: a server that is slow to take messages is not slow to take this,
		// and would else keep the session until it expires.
		ctx, cancel := context.WithTimeout(context.Background(), deleteTime)
		defer cancel()
		l.delete(ctx)
	}
	l.release()
	if local && unsent > 0 {
		return fmt.Errorf("transport: long polling: closed with %d messages undelivered", unsent)
	}
	if again {
		return nil
	}
	return before // what was sent may not have arrived
}

// flush waits until everything is posted.
func (l *pollingLink) flush(ctx context.Context) {
	for {
		l.mu.Lock()
		posting := l.posting
		l.mu.Unlock()
		if !posting {
			return
		}
		select {
		case <-l.space:
		case <-l.done:
			return
		case <-ctx.Done():
			return
		}
	}
}

// release waits for the goroutines of a session that has ended and closes its
// connections.
func (l *pollingLink) release() {
	l.loops.Wait()
	l.client.CloseIdleConnections()
}

// pause waits between two attempts; false when the session ends.
func (l *pollingLink) pause(d time.Duration) bool {
	if d <= 0 {
		return l.ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.done:
		return false
	}
}
