package wsproto

// Opcode says what a frame holds, RFC 6455 section 5.2.
type Opcode uint8

// The opcodes of RFC 6455 section 11.8. All others are reserved.
const (
	OpContinuation Opcode = 0x0
	OpText         Opcode = 0x1
	OpBinary       Opcode = 0x2
	OpClose        Opcode = 0x8
	OpPing         Opcode = 0x9
	OpPong         Opcode = 0xA
)

// IsControl reports whether o is in the range of the control frames, whose
// payload is at most 125 bytes and which are never fragmented (RFC 6455
// section 5.5).
func (o Opcode) IsControl() bool { return o&0x8 != 0 }
