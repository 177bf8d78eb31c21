package session

import "errors"

// Errors of [Queue.Push].
var (
	// ErrFull reports that the message does not fit now. It may fit later.
	ErrFull = errors.New("send queue full")
	// ErrTooLarge reports that the message alone is larger than the queue: it
	// will never fit.
	ErrTooLarge = errors.New("message larger than the send queue")
)

// Defaults of [QueueLimits].
const (
	DefaultQueueBytes    = 1 << 20
	DefaultQueueMessages = 1024
)

// QueueLimits bounds a [Queue]. Zero means the default, a negative value no
// bound.
type QueueLimits struct {
	Bytes    int // zero: [DefaultQueueBytes]
	Messages int // zero: [DefaultQueueMessages]
}

// Queue is what waits to be sent to one peer: first in, first out, bounded by
// bytes and by count. What a writer has taken with PopAll counts until it calls
// Done, so that the bound holds for everything that has not been written.
//
// The zero value has the default limits. A queue that was never filled, or was
// released, holds no memory beyond its own.
type Queue[T any] struct {
	items       []T
	bytes       int // of items
	flying      int // number of items popped and not done
	flyingBytes int
	limits      QueueLimits
}

// NewQueue returns an empty queue.
func NewQueue[T any](limits QueueLimits) Queue[T] { return Queue[T]{limits: limits} }

// Push appends v, which stands for size bytes. It never waits: it returns
// [ErrFull] or [ErrTooLarge] and leaves the queue as it was.
func (q *Queue[T]) Push(v T, size int) error {
	if size > bound(q.limits.Bytes, DefaultQueueBytes) {
		return ErrTooLarge
	}
	if !q.Fits(size) {
		return ErrFull
	}
	q.items = append(q.items, v)
	q.bytes += size
	return nil
}

// Fits reports whether a message of size bytes can be pushed now.
func (q *Queue[T]) Fits(size int) bool {
	return size <= bound(q.limits.Bytes, DefaultQueueBytes)-q.bytes-q.flyingBytes &&
		len(q.items)+q.flying < bound(q.limits.Messages, DefaultQueueMessages)
}

// PopAll takes all messages, oldest first, and nil if there are none. The slice
// is the caller's, who gives the slice of an earlier PopAll back as spare when it
// has no more use for it: the queue clears it and fills it next, so that two
// slices take turns. A spare that a burst has made much larger than what is
// popped now is let go.
func (q *Queue[T]) PopAll(spare []T) []T {
	popped := q.items
	if len(popped) == 0 && cap(popped) > 0 {
		return nil
	}
	q.items = recycle(spare, len(popped))
	if len(popped) == 0 {
		return nil
	}
	q.flying += len(popped)
	q.flyingBytes += q.bytes
	q.bytes = 0
	return popped
}

// Done says that everything popped has been written or given up.
func (q *Queue[T]) Done() { q.flying, q.flyingBytes = 0, 0 }

// Len returns the number of messages that wait to be popped.
func (q *Queue[T]) Len() int { return len(q.items) }

// Pending returns the bytes and the messages that count against the limits.
func (q *Queue[T]) Pending() (bytes, messages int) {
	return q.bytes + q.flyingBytes, len(q.items) + q.flying
}

// Release gives up the memory of an empty queue, for a connection that goes
// idle.
func (q *Queue[T]) Release() {
	if len(q.items) == 0 {
		q.items = nil
	}
}

// maxSpare is the capacity up to which a spare slice is always kept.
const maxSpare = 16

// recycle empties a slice for its next use, so that it holds nothing alive. It
// returns nil instead of one with much more room than used messages need.
func recycle[T any](spare []T, used int) []T {
	if cap(spare) > maxSpare && cap(spare)/4 > used {
		return nil
	}
	clear(spare[:cap(spare)])
	return spare[:0]
}
