package socket

import (
	"sync"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// sentMessage is a message that the client has not acknowledged.
type sentMessage struct {
	b     []byte // with numbers in front, or without, as others get it too
	chunk *chunk // that b lies in; nil: b is garbage when nobody needs it
	typ   uint8  // a transport.MessageType
	head  uint8  // bytes of the numbers; 0: b is without
}

// chunk is memory of the messages that one session keeps, one behind the other. All of it
// is used again when the last of them is acknowledged, so that keeping a message for a
// moment costs a copy and no allocation.
type chunk struct {
	live int32 // messages in it
	used int32 // bytes, from the begin
	b    [1<<10 - 8]byte
}

// largestInChunk is the size, bytes, of the largest message that is kept in a chunk: an
// allocation costs little beside what a larger one does.
const largestInChunk = 1 << 9

// Shared by all sessions of the process.
var chunkPool = sync.Pool{New: func() any { return new(chunk) }}

func (c *chunk) put() {
	c.live, c.used = 0, 0
	chunkPool.Put(c)
}

// keep keeps the next message of the session, which is p with the numbers n, and is given
// out where it is kept. It is called with mu held.
func (l *sessionLink) keep(n numbers, typ transport.MessageType, p []byte) *sentMessage {
	var b []byte
	var c *chunk
	most := maxHead + len(p)
	if most <= largestInChunk {
		c = l.roomFor(most)
		b = c.b[c.used:c.used]
	} else {
		b = make([]byte, 0, most)
	}
	head := 0
	if n.silent(typ) {
		b = append(b, p...)
	} else {
		b = n.appendHead(b, typ)
		head = len(b)
		b = append(b, p[headless(typ):]...)
	}
	if c != nil {
		c.used += int32(len(b))
		c.live++
	}
	m := l.out.Place(len(p))
	m.b, m.chunk, m.typ, m.head = b, c, uint8(typ), uint8(head)
	return m
}

// keepShared keeps the next message, which others get too. It is called with mu held.
func (l *sessionLink) keepShared(shared *transport.PreparedMessage) {
	p := shared.Payload()
	m := l.out.Place(len(p))
	m.b, m.typ = p, uint8(shared.Type())
}

// roomFor returns the chunk for the next message, of at most n bytes.
func (l *sessionLink) roomFor(n int) *chunk {
	if c := l.chunk; c != nil && len(c.b)-int(c.used) >= n {
		return c
	}
	// The one before goes back with the last message in it: it has one.
	l.chunk = chunkPool.Get().(*chunk)
	return l.chunk
}

// free gives back what a message took that is not kept any more. It is called with mu held.
func (l *sessionLink) free(m sentMessage) {
	c := m.chunk
	if c == nil {
		return
	}
	switch c.live--; {
	case c.live > 0:
	case c == l.chunk:
		c.used = 0 // the next message comes soon, or idle gives it back
	default:
		c.put()
	}
}

// undo takes back the message that was kept last. It is called with mu held.
func (l *sessionLink) undo() {
	m := l.out.Undo()
	if c := m.chunk; c != nil {
		c.used -= int32(len(m.b))
		l.free(m)
	}
}

// idle gives back the memory that waits for the next message. It is called with mu held.
func (l *sessionLink) idle() {
	if l.out.Len() > 0 {
		return
	}
	l.out.Shrink()
	if l.chunk != nil {
		l.chunk.put()
		l.chunk = nil
	}
}

// messageType is that of the message.
func (m sentMessage) messageType() transport.MessageType { return transport.MessageType(m.typ) }

// again appends message n as it goes out again.
func (m sentMessage) again(n uint64, buf []byte) []byte {
	from := int(m.head)
	if from == 0 {
		from = headless(m.messageType())
	}
	return append(numbers{seq: n, said: true}.appendHead(buf, m.messageType()), m.b[from:]...)
}

// undelivered returns the message without its numbers, for a session that is over: nothing
// of it is sent again, or acknowledged, so that the memory stays what it is.
func (m sentMessage) undelivered() Undelivered {
	binary, from := m.messageType() == transport.MessageBinary, int(m.head)
	if m.head > 0 && !binary {
		from--
		m.b[from] = '{' // where the comma behind the last number was
	}
	return Undelivered{Binary: binary, Data: m.b[from:len(m.b):len(m.b)]}
}
