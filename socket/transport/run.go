package transport

import "github.com/kleeedolinux/socket.go/socket/internal/wsproto"

// PreparedBatch is a list of messages that many connections get, one behind the
// other: [Conn.StagePrepared] queues them. Each is framed and compressed once, and
// small frames are put together once, for all connections; so the list costs each of
// them what one message does.
//
// The zero value is an empty list. A PreparedBatch is for one goroutine at a time;
// what connections have queued of it stays with them whatever becomes of it.
type PreparedBatch struct {
	messages []*PreparedMessage
	used     bool // by a connection: the next one wants a run
	plain    run
	deflated run
}

// Append adds messages to the end of the list.
func (b *PreparedBatch) Append(messages ...*PreparedMessage) {
	b.messages = append(b.messages, messages...)
	b.used, b.plain, b.deflated = false, run{}, run{}
}

// Messages returns the list, which must not be changed. It is valid until the next
// Append.
func (b *PreparedBatch) Messages() []*PreparedMessage { return b.messages }

// run is the frames of a list of messages as they go on the wire.
type run struct {
	pieces        []item // one frame or several each
	bytes, frames int
}

// run returns the run of the list for c. It is nil when the frames are to be queued
// one by one: where there is only one message, for the first connection, which may
// be the only one, and for a client, whose frames are its own. A server's connections
// compress the same messages, so one run serves all that compress.
func (b *PreparedBatch) run(c *Conn) *run {
	d := c.deflater()
	shares := d != nil && d.shares
	switch {
	case c.cfg.role == wsproto.RoleClient, len(b.messages) < 2, !b.used:
		b.used = true
		if shares {
			for _, m := range b.messages {
				m.frame(c) // compresses it, before others wait for the queue's lock
			}
		}
		return nil
	case !shares:
		return b.plain.of(b.messages, c)
	}
	return b.deflated.of(b.messages, c)
}

// of makes r the run of messages that c and others like it get, unless it is that
// already.
func (r *run) of(messages []*PreparedMessage, c *Conn) *run {
	if r.frames > 0 {
		return r
	}
	frames := make([][]byte, len(messages))
	for i, m := range messages {
		_, frames[i], _ = m.frame(c)
		r.bytes += len(frames[i])
	}
	r.frames = len(frames)
	for len(frames) > 0 {
		n, size := joinable(frames)
		piece := item{b: frames[0]}
		if n > 1 {
			b := make([]byte, 0, size)
			for _, f := range frames[:n] {
				b = append(b, f...)
			}
			piece = item{b: b, buf: &buffer{b: b, class: notPooled}}
		}
		r.pieces = append(r.pieces, piece)
		frames = frames[n:]
	}
	return r
}

// joinable returns how many of the first frames lie together in one piece, at least
// one, and their bytes: as many as one write should take. A large frame is left alone,
// for a system call costs less than to copy it.
func joinable(frames [][]byte) (n, size int) {
	for n < len(frames) && len(frames[n]) <= maxBuffer/4 && size+len(frames[n]) <= maxBuffer {
		size += len(frames[n])
		n++
	}
	return max(n, 1), size
}
