package transport

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/poll"
)

// pollAttempts is how many requests of one kind may fail in a row before the
// session is given up.
const pollAttempts = 5

// pollLoop asks the server for messages until the session ends.
func (l *pollingLink) pollLoop() {
	failed := 0
	for {
		if !l.waitForRoom() {
			return
		}
		n, err := l.poll()
		switch {
		case err == nil:
			failed = 0
			if n > 0 {
				continue // there may be more
			}
		case retryable(err):
			failed++
			if failed >= pollAttempts {
				l.end(fmt.Errorf("transport: long polling: %d polls failed: %w", failed, err))
				return
			}
		default:
			l.end(err)
			return
		}
		if !l.pause(l.interval) {
			return
		}
	}
}

// poll makes one poll and returns how many new messages it brought.
func (l *pollingLink) poll() (int, error) {
	l.mu.Lock()
	ack := l.core.Received()
	l.lastAck = ack
	l.mu.Unlock()
	first, messages, err := l.get(ack)
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.polled = time.Now()
	if len(messages) == 0 || l.err != nil {
		return 0, nil
	}
	skip, err := l.core.Receive(first, len(messages))
	if err != nil {
		return 0, fmt.Errorf("transport: %w", err)
	}
	for _, m := range messages[skip:] {
		l.inbox = append(l.inbox, m)
		l.inboxBytes += len(m.Data)
	}
	l.arrived.set()
	return len(messages) - skip, nil
}

// waitForRoom waits while Receive is behind; false when the session ends. It
// keeps the session alive meanwhile: a poll that acknowledges nothing new gets
// the unacknowledged messages again, and they are dropped.
func (l *pollingLink) waitForRoom() bool {
	for {
		l.mu.Lock()
		full := len(l.inbox) >= inboxMessages || l.inboxBytes >= inboxBytes
		ack := l.lastAck
		l.mu.Unlock()
		if !full {
			return l.ctx.Err() == nil
		}
		timer := time.NewTimer(l.wait / 2)
		select {
		case <-l.room:
			timer.Stop()
		case <-l.done:
			timer.Stop()
			return false
		case <-timer.C:
			if _, _, err := l.get(ack); err != nil && !retryable(err) {
				l.end(err)
				return false
			}
		}
	}
}

// postLoop sends what is queued and ends when there is nothing more.
func (l *pollingLink) postLoop() {
	var batch []poll.Message
	var body []byte
	failed := 0
	for {
		l.mu.Lock()
		var first uint64
		first, batch = l.core.Batch(batch[:0])
		if len(batch) == 0 || l.err != nil || l.refused != nil {
			l.posting = false
			l.space.set()
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		body = poll.AppendBody(body[:0], batch)
		began := time.Now()
		ack, err := l.post(first, body)
		var closed *CloseError
		switch {
		case err == nil:
			failed = 0
			if err := l.posted(first, ack); err != nil {
				l.end(err)
			}
		case errors.As(err, &closed):
			l.refuse(err)
		case !retryable(err):
			l.end(err)
		case l.onlySlow(err, began):
			// The server's handler is at work on them, or holds us back.
		default:
			failed++
			if failed >= pollAttempts {
				l.end(fmt.Errorf("transport: long polling: %d posts failed: %w", failed, err))
			}
			l.pause(l.interval)
		}
	}
}

// posted takes the answer of a POST whose first message had this number.
func (l *pollingLink) posted(first, ack uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ack < first {
		return errors.New("transport: long polling: the server did not take the messages of a POST")
	}
	if err := l.core.Posted(ack); err != nil {
		return fmt.Errorf("transport: %w", err)
	}
	l.space.set()
	return nil
}

// refuse ends sending: the server closes the session, and tells so in the answer
// to a poll too when everything is polled.
func (l *pollingLink) refuse(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = err
}

// onlySlow reports whether a POST took too long while the server answered polls:
// then it is not the server that is gone.
func (l *pollingLink) onlySlow(err error, began time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	timeout := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
	return timeout && l.polled.After(began)
}
