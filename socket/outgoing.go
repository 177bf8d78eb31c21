package socket

import (
	"sync"

	"github.com/kleeedolinux/socket.go/socket/internal/envelope"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// encoded is a message ready to be sent to one peer. Its memory is pooled.
type encoded struct {
	typ transport.MessageType
	b   []byte
}

// Shared by all servers and clients of the process.
var encodedPool = sync.Pool{New: func() any { return new(encoded) }}

// maxPooled is the largest buffer that is kept for later messages.
const maxPooled = 64 << 10

// encode makes the message for an event. A []byte under EventMessage is a bare
// binary message; everything else is a JSON object.
func encode(event Event, data any) (*encoded, error) {
	m := encodedPool.Get().(*encoded)
	if p, ok := data.([]byte); ok && event == EventMessage {
		m.typ = transport.MessageBinary
		m.b = append(m.b[:0], p...)
		return m, nil
	}
	m.typ = transport.MessageText
	b, err := envelope.Append(m.b[:0], event, data)
	m.b = b
	if err != nil {
		m.free()
		return nil, &MessageError{Event: event, Err: err}
	}
	return m, nil
}

// newText returns an empty text message.
func newText() *encoded {
	m := encodedPool.Get().(*encoded)
	m.typ, m.b = transport.MessageText, m.b[:0]
	return m
}

// free gives the memory back. m must not be used any more.
func (m *encoded) free() {
	if cap(m.b) <= maxPooled {
		encodedPool.Put(m)
	}
}

// prepare makes the message for an event that many peers get.
func prepare(event Event, data any) (*transport.PreparedMessage, error) {
	m, err := encode(event, data)
	if err != nil {
		return nil, err
	}
	defer m.free()
	return transport.NewPreparedMessage(m.typ, m.b), nil
}
