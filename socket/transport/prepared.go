package transport

import (
	"sync"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// PreparedMessage is a message that many connections get. It is framed, and
// compressed, once for all of them. It may be used by any goroutines at once
// and sent any number of times.
type PreparedMessage struct {
	op      wsproto.Opcode
	payload []byte
	plain   []byte // the whole frame, as a server sends it

	deflate struct {
		once  sync.Once
		frame []byte // nil when compressing gains nothing
	}
}

// NewPreparedMessage makes a message that can be sent to many connections.
// payload is copied. It panics when typ is neither MessageText nor
// MessageBinary.
func NewPreparedMessage(typ MessageType, payload []byte) *PreparedMessage {
	op, err := opcode(typ)
	if err != nil {
		panic("transport: NewPreparedMessage: " + err.Error())
	}
	m := &PreparedMessage{op: op}
	h := wsproto.Header{Fin: true, Opcode: op}
	m.plain = wsproto.AppendFrame(make([]byte, 0, 10+len(payload)), h, payload)
	m.payload = m.plain[len(m.plain)-len(payload):]
	return m
}

// Payload returns the message's data, which must not be changed.
func (m *PreparedMessage) Payload() []byte { return m.payload }

// Type returns the message's type.
func (m *PreparedMessage) Type() MessageType { return messageType(m.op) }

// frame returns the frame that c can share with others: the compressed one, or the
// plain one where c takes no compression or has a window of its own. If there is
// none, since a client's frames are masked each with a key of its own, frame is nil,
// and h and payload make one.
func (m *PreparedMessage) frame(c *Conn) (h wsproto.Header, frame, payload []byte) {
	h = wsproto.Header{Fin: true, Opcode: m.op}
	if c.cfg.role == wsproto.RoleClient {
		return h, nil, m.payload
	}
	d := c.deflater()
	if d == nil || !d.shares || len(m.payload) < c.cfg.compressFrom {
		return h, m.plain, nil
	}
	m.deflate.once.Do(func() {
		if z, ok := d.Deflate(nil, m.payload); ok {
			h.RSV = rsv1
			m.deflate.frame = wsproto.AppendFrame(make([]byte, 0, 10+len(z)), h, z)
		}
	})
	if m.deflate.frame == nil {
		return h, m.plain, nil
	}
	return h, m.deflate.frame, nil
}
