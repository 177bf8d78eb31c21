package poll

// Outbox is the sending half of one direction: a bounded queue of numbered
// messages that are kept until the peer acknowledges them. The zero Outbox has
// the default limits and numbers its first message 1.
type Outbox struct {
	limits QueueLimits
	acked  uint64    // every message up to this number was acknowledged and dropped
	sent   uint64    // the highest number that Batch has handed out
	queue  []Message // queue[i] has the number acked+1+i
	bytes  int       // the payloads of queue
}

// NewOutbox returns an empty Outbox with these limits.
func NewOutbox(l QueueLimits) Outbox { return Outbox{limits: l} }

// Push puts m at the end of the queue. It returns [ErrFull] when m has to wait
// for an acknowledgement first, and [ErrTooLarge] when waiting would not help.
// The payload is kept as it is, not copied.
func (o *Outbox) Push(m Message) error {
	l := o.limits.WithDefaults()
	if exceeds(len(m.Data), l.Bytes) {
		return ErrTooLarge
	}
	if exceeds(len(o.queue)+1, l.Messages) || exceeds(o.bytes+len(m.Data), l.Bytes) {
		return ErrFull
	}
	o.queue = append(o.queue, m)
	o.bytes += len(m.Data)
	return nil
}

// Batch appends the unacknowledged messages from the oldest on to dst, as many
// as fit into one body with these limits but always at least one, and returns
// the number of the first. Message sizes are not checked here. It returns dst
// as it was when there is nothing to send. The messages stay in the queue: the
// same ones come again until they are acknowledged.
func (o *Outbox) Batch(dst []Message, l Limits) (first uint64, batch []Message) {
	l = l.WithDefaults()
	size, n := 0, 0
	for _, m := range o.queue {
		size += RecordLen(m)
		if n > 0 && (exceeds(n+1, l.Messages) || exceeds(size+n, l.Body)) {
			break
		}
		n++
	}
	o.sent = max(o.sent, o.acked+uint64(n))
	return o.acked + 1, append(dst, o.queue[:n]...)
}

// Ack drops every message up to the number n. It returns an [*AckError], and
// drops nothing, when n was never sent or is less than an earlier one.
func (o *Outbox) Ack(n uint64) error {
	if n < o.acked || n > o.sent {
		return &AckError{Ack: n, Acked: o.acked, Sent: o.sent}
	}
	dropped := o.queue[:n-o.acked]
	for _, m := range dropped {
		o.bytes -= len(m.Data)
	}
	clear(dropped) // the array lives on, the payloads need not
	o.queue = o.queue[len(dropped):]
	if len(o.queue) == 0 {
		o.queue = nil // an idle session holds no memory
	}
	o.acked = n
	return nil
}

// Drop forgets all messages: they will not be sent. The numbers go on.
func (o *Outbox) Drop() {
	o.acked += uint64(len(o.queue))
	o.sent = max(o.sent, o.acked)
	o.queue, o.bytes = nil, 0
}

// Len returns the number of messages that are not acknowledged.
func (o *Outbox) Len() int { return len(o.queue) }

// Bytes returns the sum of their payloads.
func (o *Outbox) Bytes() int { return o.bytes }

// Unsent returns the number of messages that no Batch has handed out yet.
func (o *Outbox) Unsent() int { return len(o.queue) - int(o.sent-o.acked) }

// Acked returns the number of the last message that was acknowledged.
func (o *Outbox) Acked() uint64 { return o.acked }
