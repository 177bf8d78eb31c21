package transport

import (
	"sync"
	"sync/atomic"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
)

// PreparedMessage is a message that many connections get. It is framed, and
// compressed, once for all of them; or a few times, where they have agreed on
// windows of different sizes or share different parts of a [History]. It may be used
// by any goroutines at once and sent any number of times.
type PreparedMessage struct {
	op      wsproto.Opcode
	payload []byte
	plain   []byte // the whole frame, as a server sends it

	common   *commonText             // nil unless it is in a History; does not change once it is sent
	variants atomic.Pointer[variant] // that were made so far
	mu       sync.Mutex              // held while one is being made
}

// variant is a compressed form of a message.
type variant struct {
	key   variantKey
	next  *variant
	frame []byte // nil when compressing gains nothing
	head  int    // bytes of frame that are its header
}

func (v *variant) payload() []byte { return v.frame[v.head:] }

// variantKey says what a variant is good for.
type variantKey struct {
	bits     uint8 // of the window that it needs
	thorough bool
	skip     uint8 // bytes at the begin of the payload that are not in it
	refers   refers
}

// refers says how far a variant refers back before the message.
type refers uint8

const (
	refersToNothing refers = iota
	refersToLittle
	refersToAll
)

// commonText is the place of a message in a [History].
type commonText struct{ text deflate.Text }

// littleText is how much of the text refersToLittle needs, bytes.
const littleText = 1 << 10

// refers returns how far a message to a receiver whose window has the given bits may
// refer back.
func (t *commonText) refers(m *deflate.Member, bits int) refers {
	has := min(m.Has(&t.text), 1<<bits)
	switch all := len(t.text.Before()); {
	case has >= min(all, 1<<bits):
		return refersToAll
	case has >= littleText:
		return refersToLittle
	}
	return refersToNothing
}

// before is the text that a variant may refer to.
func (t *commonText) before(r refers) []byte {
	b := t.text.Before()
	switch r {
	case refersToNothing:
		return nil
	case refersToLittle:
		return b[max(0, len(b)-littleText):]
	}
	return b
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

// variant returns a compressed form of m, which it makes if nobody has. It is nil when
// that gains nothing.
func (m *PreparedMessage) variant(k variantKey) *variant {
	if v, ok := m.made(k); ok {
		return v
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.made(k); ok {
		return v
	}
	v := &variant{key: k, next: m.variants.Load()}
	v.frame, v.head = m.compress(k)
	m.variants.Store(v)
	if v.frame == nil {
		return nil
	}
	return v
}

func (m *PreparedMessage) made(k variantKey) (v *variant, ok bool) {
	for v := m.variants.Load(); v != nil; v = v.next {
		if v.key == k {
			if v.frame == nil {
				return nil, true
			}
			return v, true
		}
	}
	return nil, false
}

// compress returns the frame of a variant, and the size of its header.
func (m *PreparedMessage) compress(k variantKey) (frame []byte, head int) {
	var history []byte
	if m.common != nil {
		history = m.common.before(k.refers)
	}
	buf := getBuffer(len(m.payload))
	defer putBuffer(buf)
	e := borrowEncoder()
	payload, ok := e.Deflate(buf.b[:0], m.payload[k.skip:], history, deflate.Options{WindowBits: int(k.bits), Thorough: k.thorough})
	giveBackEncoder(e)
	if !ok {
		return nil, 0
	}
	h := wsproto.Header{Fin: true, RSV: rsv1, Opcode: m.op}
	frame = wsproto.AppendFrame(make([]byte, 0, 10+len(payload)), h, payload)
	return frame, len(frame) - len(payload)
}
