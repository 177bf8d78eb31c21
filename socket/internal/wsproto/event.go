package wsproto

// Kind says what an [Event] is.
type Kind uint8

const (
	// KindNone: nothing happened yet, more bytes are needed.
	KindNone Kind = iota
	// KindMessage: a whole message, checked and decompressed.
	KindMessage
	// KindChunk: the next piece of a message, in streaming mode only.
	KindChunk
	// KindPing: a ping, to be answered with a pong of the same payload.
	KindPing
	// KindPong: a pong, asked for or not.
	KindPong
	// KindClose: the peer's close frame. It is the last event.
	KindClose
)

// String returns the kind's name in lower case.
func (k Kind) String() string {
	switch k {
	case KindNone:
		return "none"
	case KindMessage:
		return "message"
	case KindChunk:
		return "chunk"
	case KindPing:
		return "ping"
	case KindPong:
		return "pong"
	case KindClose:
		return "close"
	}
	return "unknown"
}

// Event is one thing that the peer's bytes brought about.
type Event struct {
	Kind   Kind
	Opcode Opcode // KindMessage and KindChunk: OpText or OpBinary
	Final  bool   // KindMessage: always; KindChunk: on the message's last chunk

	// Payload is what KindMessage, KindChunk, KindPing and KindPong carry. It
	// is valid until the next call of a method of the decoder; see
	// [Decoder.Take] for how to keep it.
	Payload []byte

	// Code and Reason are the close frame's, as [ParseClose] gives them.
	Code   CloseCode
	Reason string
}

// message makes e the event of a whole message, or of its last chunk.
func (e *Event) message(k Kind, op Opcode, payload []byte) {
	e.Kind, e.Opcode, e.Payload, e.Final = k, op, payload, true
}
