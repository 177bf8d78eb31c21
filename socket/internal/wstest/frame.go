package wstest

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// The opcodes, RFC 6455 section 11.8.
const (
	Continuation byte = 0x0
	Text         byte = 0x1
	Binary       byte = 0x2
	Close        byte = 0x8
	Ping         byte = 0x9
	Pong         byte = 0xA
)

// Frame is one frame, right or wrong.
type Frame struct {
	More    bool // FIN is not set
	RSV     byte // RSV1 is 4, RSV2 is 2, RSV3 is 1
	Opcode  byte
	Mask    Mask
	Payload []byte

	// Fragments splits the frame into fragments of so many bytes of payload.
	Fragments int

	// How a wrong frame departs from its payload.
	Announce int64  // the length in the header, if it is not that of the payload
	Size     int    // the bits of the length field, 16 or 64; 0: as few as will do
	Raw      []byte // the whole frame, in place of all else

	// Deflated says that the payload was compressed, and is not any more.
	Deflated bool
}

// Mask says whether a frame is masked, and how.
type Mask struct {
	Rule MaskRule
	Key  [4]byte // for MaskKey
}

// MaskRule is whether a frame is masked.
type MaskRule byte

const (
	MaskByRole MaskRule = iota // a client's frames are, a server's are not
	MaskAlways
	MaskNever
	MaskKey // with a given key
)

// masked reports whether a frame is masked that a peer sends.
func (m Mask) masked(byClient bool) bool {
	return m.Rule == MaskByRole && byClient || m.Rule == MaskAlways || m.Rule == MaskKey
}

// append appends the frame as it is on the wire. A nil key means no masking.
func (f Frame) append(dst []byte, key *[4]byte) []byte {
	if f.Raw != nil {
		return append(dst, f.Raw...)
	}
	length := uint64(len(f.Payload))
	if f.Announce != 0 {
		length = uint64(f.Announce)
	}
	b0, maskBit := f.RSV<<4|f.Opcode, byte(0)
	if !f.More {
		b0 |= 0x80
	}
	if key != nil {
		maskBit = 0x80
	}
	switch {
	case f.Size == 64 || f.Size == 0 && length > 0xFFFF:
		dst = binary.BigEndian.AppendUint64(append(dst, b0, maskBit|127), length)
	case f.Size == 16 || length > 125:
		dst = binary.BigEndian.AppendUint16(append(dst, b0, maskBit|126), uint16(length))
	default:
		dst = append(dst, b0, maskBit|byte(length))
	}
	if key != nil {
		dst = append(dst, key[:]...)
	}
	return appendMasked(dst, f.Payload, key, 0)
}

// appendMasked appends p, which begins at pos of its frame's payload.
func appendMasked(dst, p []byte, key *[4]byte, pos int) []byte {
	start := len(dst)
	dst = append(dst, p...)
	if key != nil {
		mask(dst[start:], key, pos)
	}
	return dst
}

// mask masks p, which begins at pos of its frame's payload, in place.
func mask(p []byte, key *[4]byte, pos int) {
	var stream [4096]byte
	for i := range stream[:min(len(p), len(stream))] {
		stream[i] = key[(pos+i)%4]
	}
	for len(p) > 0 {
		p = p[subtle.XORBytes(p, p, stream[:]):]
	}
}

// parseFrame reads a frame that a correct endpoint may send: with the minimal
// length, and masked by a client only. It takes no bytes if b does not hold all
// of it. The payload is unmasked in b.
func parseFrame(b []byte, fromClient bool) (f Frame, n int, err error) {
	if len(b) < 2 {
		return f, 0, nil
	}
	f = Frame{More: b[0]&0x80 == 0, RSV: b[0] >> 4 & 7, Opcode: b[0] & 0xF}
	masked := b[1]&0x80 != 0
	switch {
	case masked && !fromClient:
		return f, 0, errors.New("a frame of the server is masked")
	case !masked && fromClient:
		return f, 0, errors.New("a frame of the client is not masked")
	case f.Opcode >= Close && (f.More || b[1]&0x7F > 125):
		return f, 0, errors.New("a control frame is fragmented or long")
	}
	length, n := uint64(b[1]&0x7F), 2
	switch {
	case length == 126 && len(b) >= 4:
		if length, n = uint64(binary.BigEndian.Uint16(b[2:])), 4; length < 126 {
			return f, 0, fmt.Errorf("%d as a length of 16 bits", length)
		}
	case length == 127 && len(b) >= 10:
		if length, n = binary.BigEndian.Uint64(b[2:]), 10; length <= 0xFFFF || length>>63 != 0 {
			return f, 0, fmt.Errorf("%d as a length of 64 bits", length)
		}
	case length >= 126:
		return f, 0, nil
	}
	var key *[4]byte
	if masked {
		if len(b) < n+4 {
			return f, 0, nil
		}
		key = (*[4]byte)(b[n:])
		f.Mask = Mask{MaskKey, *key}
		n += 4
	}
	if uint64(len(b)-n) < length {
		return f, 0, nil
	}
	f.Payload = b[n : n+int(length)]
	if key != nil {
		mask(f.Payload, key, 0)
	}
	return f, n + int(length), nil
}

// String describes a frame as a case file writes it.
func (f Frame) String() string {
	if f.Raw != nil {
		return fmt.Sprintf("raw %x", f.Raw)
	}
	var b strings.Builder
	switch f.Opcode {
	case Continuation:
		b.WriteString("cont")
	case Text:
		b.WriteString("text")
	case Binary:
		b.WriteString("binary")
	case Close:
		b.WriteString("close")
	case Ping:
		b.WriteString("ping")
	case Pong:
		b.WriteString("pong")
	default:
		fmt.Fprintf(&b, "op%d", f.Opcode)
	}
	if f.More {
		b.WriteString(" -fin")
	}
	for i := range 3 {
		if f.RSV&(4>>i) != 0 {
			fmt.Fprintf(&b, " rsv%d", i+1)
		}
	}
	if f.Deflated {
		b.WriteString(" deflated")
	}
	p := f.Payload
	if f.Opcode == Close && len(p) >= 2 {
		fmt.Fprintf(&b, " %d", binary.BigEndian.Uint16(p))
		p = p[2:]
	}
	switch {
	case len(p) > 40:
		fmt.Fprintf(&b, " %.20q… (%d bytes)", p[:20], len(p))
	case len(p) > 0:
		fmt.Fprintf(&b, " %q", p)
	}
	return b.String()
}

// closePayload is what a close frame carries.
func closePayload(code int, reason []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
}
