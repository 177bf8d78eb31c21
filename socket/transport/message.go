package transport

import (
	"fmt"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// MessageType says what a message holds.
type MessageType int

const (
	// MessageText is a message of valid UTF-8.
	MessageText MessageType = 1
	// MessageBinary is a message of any bytes.
	MessageBinary MessageType = 2
)

// String returns "text" or "binary".
func (t MessageType) String() string {
	switch t {
	case MessageText:
		return "text"
	case MessageBinary:
		return "binary"
	}
	return fmt.Sprintf("MessageType(%d)", int(t))
}

// opcode returns the opcode of a message's first frame.
func opcode(typ MessageType) (wsproto.Opcode, error) {
	switch typ {
	case MessageText:
		return wsproto.OpText, nil
	case MessageBinary:
		return wsproto.OpBinary, nil
	}
	return 0, fmt.Errorf("transport: message type %d is neither text nor binary", typ)
}

// messageType returns the type of a message whose first frame has the opcode op.
func messageType(op wsproto.Opcode) MessageType {
	if op == wsproto.OpBinary {
		return MessageBinary
	}
	return MessageText
}
