package session

import "time"

// DefaultBatchBytes is the size at which a [Batch] is full whatever its count.
const DefaultBatchBytes = 64 << 10

// BatchOptions says when a [Batch] is complete.
type BatchOptions struct {
	// Messages is the number at which the batch is full. One and less mean that
	// every message is a batch of its own.
	Messages int

	// Bytes is the size at which the batch is full. Zero means
	// [DefaultBatchBytes], a negative value no bound.
	Bytes int

	// Delay is the longest time that a message waits for others. Zero and less
	// mean that every message is a batch of its own.
	Delay time.Duration
}

// Batch gathers messages that are to travel in one write. Its delay counts from
// the first message in it: later ones do not postpone it.
type Batch[T any] struct {
	items    []T
	bytes    int
	deadline time.Duration // meaningful while there are items
	options  BatchOptions
}

// NewBatch returns an empty batch.
func NewBatch[T any](o BatchOptions) Batch[T] { return Batch[T]{options: o} }

// Add appends v, which stands for size bytes, and reports whether the batch is
// full. Then the caller takes it before it adds more.
func (b *Batch[T]) Add(v T, size int, now time.Duration) (full bool) {
	if len(b.items) == 0 {
		b.deadline = later(now, max(b.options.Delay, 0))
	}
	b.items = append(b.items, v)
	b.bytes += size
	return len(b.items) >= b.options.Messages || b.options.Delay <= 0 ||
		b.bytes >= bound(b.options.Bytes, DefaultBatchBytes)
}

// Deadline returns when the batch must be taken even if it is not full. It is
// [Never] while the batch is empty.
func (b *Batch[T]) Deadline() time.Duration {
	if len(b.items) == 0 {
		return Never
	}
	return b.deadline
}

// Len returns the number of messages in the batch.
func (b *Batch[T]) Len() int { return len(b.items) }

// Take empties the batch and returns what was in it, oldest first, nil if there
// was nothing. The slice is the caller's, who gives that of an earlier Take back
// as spare when it has no more use for it: the batch clears it and fills it next.
func (b *Batch[T]) Take(spare []T) []T {
	taken := b.items
	clear(spare[:cap(spare)])
	b.items = spare[:0]
	b.bytes = 0
	if len(taken) == 0 {
		return nil
	}
	return taken
}
