package poll

// Link is the client's end of a long-polling session: what was sent and not yet
// acknowledged, and what was received. Use [NewLink].
type Link struct {
	out   Outbox
	in    Inbox
	posts Limits
}

// NewLink returns the client's end of a fresh session whose queue has the limits
// queue and whose POSTs are bounded by posts.
func NewLink(queue QueueLimits, posts Limits) Link {
	return Link{out: NewOutbox(queue), posts: posts}
}

// Push queues a message for the server. It returns [ErrFull] when the message
// has to wait until the server acknowledged others, [ErrTooLarge] when it fits
// into no queue, and a [*LimitError] when the server would not take it.
func (l *Link) Push(m Message) error {
	bounds := l.posts.WithDefaults()
	if exceeds(len(m.Data), bounds.Message) {
		return &LimitError{Limit: "message size", Max: bounds.Message, Actual: len(m.Data)}
	}
	if n := RecordLen(m); exceeds(n, bounds.Body) {
		return &LimitError{Limit: "body size", Max: bounds.Body, Actual: n}
	}
	return l.out.Push(m)
}

// Batch appends the messages of the next POST to dst: the oldest that are not
// acknowledged. It appends nothing when there is nothing to send.
func (l *Link) Batch(dst []Message) (first uint64, batch []Message) {
	return l.out.Batch(dst, l.posts)
}

// Posted takes the answer of a POST: the server has every message up to ack. An
// answer that is older than another changes nothing.
func (l *Link) Posted(ack uint64) error {
	if ack < l.out.Acked() {
		return nil
	}
	return l.out.Ack(ack)
}

// Unacked returns the number of messages that the server has not acknowledged.
func (l *Link) Unacked() int { return l.out.Len() }

// Receive returns how many of the n messages of an answer, numbered from first
// on, were received before; the others are new, and count as received now. It
// returns an [*OrderError] when messages are missing in between.
func (l *Link) Receive(first uint64, n int) (skip int, err error) {
	skip, err = l.in.Skip(first, n)
	if err != nil {
		return 0, err
	}
	for range n - skip {
		l.in.Take()
	}
	return skip, nil
}

// Received returns the acknowledgement for the next poll.
func (l *Link) Received() uint64 { return l.in.Last() }
