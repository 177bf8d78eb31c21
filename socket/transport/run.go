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
	codec    *codec // of those that deflated is for
}

// Append adds messages to the end of the list.
func (b *PreparedBatch) Append(messages ...*PreparedMessage) {
	b.messages = append(b.messages, messages...)
	b.used, b.plain, b.deflated, b.codec = false, run{}, run{}, nil
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
// be the only one, for a client, whose frames are its own, and with context takeover,
// where what was sent before decides. All others that have agreed on the same
// compression have the same codec, and share a run; of those that have not, the first
// kind does.
func (b *PreparedBatch) run(c *Conn) *run {
	z := c.codec()
	switch {
	case c.cfg.role == wsproto.RoleClient, len(b.messages) < 2, !b.used, z != nil && (z.takeover != NoTakeover || z.Verify):
		b.used = true
		for _, m := range b.messages {
			c.prepare(m)
		}
		return nil
	case z == nil:
		return b.plain.of(b.messages, nil)
	case b.codec == nil:
		b.codec = z
	case b.codec != z:
		return nil
	}
	return b.deflated.of(b.messages, z)
}

// of makes r the run of messages that connections with a codec get, unless it is that
// already.
func (r *run) of(messages []*PreparedMessage, z *codec) *run {
	if r.frames > 0 {
		return r
	}
	frames := make([][]byte, len(messages))
	for i, m := range messages {
		frames[i] = m.plain
		if z != nil {
			if v := z.frame(m, nil); v != nil {
				frames[i] = v.frame
			}
		}
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
