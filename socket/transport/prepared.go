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
// by any goroutines at once and sent any number of times. While it is kept, so is what
// it may refer back to.
type PreparedMessage struct {
	op      wsproto.Opcode
	payload []byte
	plain   []byte // the whole frame, as a server sends it

	common   atomic.Pointer[commonText] // nil unless it is in a History, which it then stays in
	variants atomic.Pointer[variant]    // that were made so far
	mu       sync.Mutex                 // held while one is being made
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
	bits   uint8 // of the window that it needs
	effort effort
	skip   uint8 // bytes at the begin of the payload that are not in it
	refers refers
}

// effort says how closely a short form is looked for.
type effort uint8

const (
	usual    effort = iota
	thorough        // see deflate.Options
	shortest
)

func (z *compression) effort() effort {
	if z.Thorough {
		return thorough
	}
	return usual
}

// refers says how far a variant refers back before the message.
type refers uint8

const (
	refersToNothing refers = iota
	refersToLittle
	refersToAll
)

// littleBits is the window that refersToLittle needs.
const littleBits = 10

// sharedBits returns the window of what a peer with a window of the given bits is
// sent in a form that others get too, where the largest has the given bits. Peers
// could demand so many different ones that to compress for each would cost more than
// they are worth.
func sharedBits(bits, largest int) int {
	switch {
	case bits >= largest:
		return largest
	case bits >= littleBits:
		return littleBits
	}
	return 8
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
// that gains nothing, for a message that is not in a history: those who get others of
// its history shall have it in their windows.
func (m *PreparedMessage) variant(k variantKey) *variant {
	if v, ok := m.made(k); ok {
		return v
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.made(k); ok {
		return v
	}
	t := m.common.Load()
	return m.add(m.compress(k, t, t != nil))
}

func (m *PreparedMessage) made(k variantKey) (v *variant, ok bool) {
	for v := m.variants.Load(); v != nil; v = v.next {
		if v.key == k {
			return v.orNil(), true
		}
	}
	return nil, false
}

func (v *variant) orNil() *variant {
	if v.frame == nil {
		return nil
	}
	return v
}

// add makes a variant known. It is called with mu held.
func (m *PreparedMessage) add(v *variant) *variant {
	v.next = m.variants.Load()
	m.variants.Store(v)
	return v.orNil()
}

// compress makes a variant of m, whose place in a history is t, or will be. If that
// gains nothing and it is wanted all the same, it holds the message as it is.
func (m *PreparedMessage) compress(k variantKey, t *commonText, wanted bool) *variant {
	var history []byte
	if t != nil {
		history = t.before(k.refers)
	}
	buf := getBuffer(len(m.payload))
	defer putBuffer(buf)
	e := borrowEncoder()
	payload, ok := e.Deflate(buf.b[:0], m.payload[k.skip:], history, deflate.Options{WindowBits: int(k.bits), Thorough: k.effort == thorough, Shortest: k.effort == shortest})
	giveBackEncoder(e)
	switch {
	case ok:
	case wanted:
		payload = deflate.Store(nil, m.payload[k.skip:])
	default:
		return &variant{key: k}
	}
	h := wsproto.Header{Fin: true, RSV: rsv1, Opcode: m.op}
	frame := wsproto.AppendFrame(make([]byte, 0, 10+len(payload)), h, payload)
	return &variant{key: k, frame: frame, head: len(frame) - len(payload)}
}
