package distributed

// blockLen is how many messages a block has room for.
const blockLen = 32

// block is a part of a mailbox.
type block[M any] struct {
	next *block[M]
	m    [blockLen]M
}

// mailbox is a queue of messages. It has room for one; more go into blocks, which come from
// a pool that all processes of one kind share. A message that comes alone, as most do, so
// costs no block. It is guarded by Process.mu.
type mailbox[M any] struct {
	first      M // the oldest, if use is full
	head, tail *block[M]
	n          int32
	from, to   uint8 // the oldest message in head, and the end of those in tail
	use        use   // of first
}

// use is what mailbox.first is used for.
type use uint8

const (
	free use = iota
	full     // it waits
	lent     // it has been taken, and is handled where it is
)

// place returns where the next message goes, which is the last from now on.
func (q *mailbox[M]) place(k *kind[M]) *M {
	q.n++
	if q.n == 1 && q.use == free {
		q.use = full
		return &q.first
	}
	switch {
	case q.tail == nil:
		q.head = k.block()
		q.tail, q.from, q.to = q.head, 0, 0
	case q.to == blockLen:
		b := k.block()
		q.tail.next = b
		q.tail, q.to = b, 0
	}
	q.to++
	return &q.tail.m[q.to-1]
}

// lend takes the first message out, if it is not in a block; giveBack ends its use, once it
// has been handled.
func (q *mailbox[M]) lend() *M {
	if q.use != full {
		return nil
	}
	q.use = lent
	q.n--
	return &q.first
}

func (q *mailbox[M]) giveBack() {
	if q.use == lent {
		var zero M
		q.first, q.use = zero, free
	}
}

// take takes all blocks out, of which there may be none. Nothing may wait but what is in
// them. Messages begin at an index of the first block, and end at one of the last.
func (q *mailbox[M]) take() (b *block[M], from, to int) {
	b, from, to = q.head, int(q.from), int(q.to)
	q.head, q.tail = nil, nil
	q.from, q.n = 0, 0
	return b, from, to
}

// rest takes the first of blocks that were taken out off, and returns the others and the
// end of its messages. to is that of those in the last.
func (b *block[M]) rest(to int) (others *block[M], end int) {
	if others = b.next; others == nil {
		return nil, to
	}
	b.next = nil
	return others, blockLen
}

// pop takes the oldest message out. There must be one.
func (q *mailbox[M]) pop(k *kind[M]) M {
	var zero M
	q.n--
	if q.use == full {
		m := q.first
		q.first, q.use = zero, free
		return m
	}
	m := q.head.m[q.from]
	q.head.m[q.from] = zero
	q.from++
	switch {
	case q.head == q.tail && q.from == q.to:
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

// clear forgets all messages that wait, and returns how many there were.
func (q *mailbox[M]) clear(k *kind[M]) int {
	n := int(q.n)
	if q.lend() != nil {
		q.giveBack()
	}
	for b, from, to := q.take(); b != nil; from = 0 {
		others, end := b.rest(to)
		clear(b.m[from:end])
		k.free(b)
		b = others
	}
	return n
}
