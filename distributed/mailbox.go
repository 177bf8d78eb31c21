package distributed

// blockLen is how many messages a block has room for.
const blockLen = 32

// block is a part of a mailbox.
type block[M any] struct {
	next *block[M]
	m    [blockLen]M
}

// mailbox is a queue of messages. While it is empty it has no memory: blocks come from a
// pool that all processes of one kind share. It is guarded by Process.mu.
type mailbox[M any] struct {
	head, tail *block[M]
	from, to   uint16 // the first message in head, and the end of those in tail
	n          int32
}

// place returns where the next message goes, which is the last from now on.
func (q *mailbox[M]) place(k *kind[M]) *M {
	switch {
	case q.tail == nil:
		q.head = k.block()
		q.tail, q.from, q.to = q.head, 0, 0
	case q.to == blockLen:
		b := k.block()
		q.tail.next = b
		q.tail, q.to = b, 0
	}
	q.n++
	q.to++
	return &q.tail.m[q.to-1]
}

// take takes the first block out, which has messages from one index to another, nil if
// there is none.
func (q *mailbox[M]) take() (b *block[M], from, to int) {
	b = q.head
	if b == nil {
		return nil, 0, 0
	}
	from, to = int(q.from), blockLen
	if b == q.tail {
		to = int(q.to)
		q.head, q.tail = nil, nil
	} else {
		q.head = b.next
		b.next = nil
	}
	q.from = 0
	q.n -= int32(to - from)
	return b, from, to
}

// pop takes the oldest message out. There must be one.
func (q *mailbox[M]) pop(k *kind[M]) M {
	var zero M
	m := q.head.m[q.from]
	q.head.m[q.from] = zero
	q.from++
	q.n--
	switch {
	case q.n == 0:
		k.free(q.head)
		q.head, q.tail = nil, nil
	case q.from == blockLen:
		b := q.head
		q.head, q.from = b.next, 0
		b.next = nil
		k.free(b)
	}
	return m
}

// clear forgets all messages, and returns how many there were.
func (q *mailbox[M]) clear(k *kind[M]) int {
	n := int(q.n)
	for {
		b, from, to := q.take()
		if b == nil {
			return n
		}
		clear(b.m[from:to])
		k.free(b)
	}
}
