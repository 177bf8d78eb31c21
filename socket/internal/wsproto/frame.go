package wsproto

import "encoding/binary"

// Header is the header of one frame, RFC 6455 section 5.2.
type Header struct {
	Fin    bool
	RSV    uint8 // RSV1 is 4, RSV2 is 2, RSV3 is 1
	Opcode Opcode
	Masked bool
	Key    [4]byte // the masking key; nothing unless Masked
	Length uint64  // of the payload in bytes; never above 2^63-1 on the wire
}

// MaxHeaderSize is the size of the longest header: two bytes, eight of extended
// length, four of masking key.
const MaxHeaderSize = 14

// The bits of the first two bytes of a frame.
const (
	finBit     = 0x80
	opcodeBits = 0x0F
	maskBit    = 0x80
	lengthBits = 0x7F

	rsv1 = 0x4 // as in Header.RSV
)

// The values of the 7-bit length that announce an extended one.
const (
	length16 = 126
	length64 = 127
)

// MaxControlPayload is the largest payload of a control frame, RFC 6455
// section 5.5.
const MaxControlPayload = 125

// ParseHeader reads the header at the start of b and returns it with its size.
// When b ends before the header does, n is 0 and err is nil. It judges nothing
// but the encoding of the length; which frames may come, and when, is known to
// the [Decoder].
func ParseHeader(b []byte) (h Header, n int, err error) {
	if len(b) < 2 {
		return Header{}, 0, nil
	}
	h = Header{
		Fin:    b[0]&finBit != 0,
		RSV:    b[0] >> 4 & 7,
		Opcode: Opcode(b[0] & opcodeBits),
		Masked: b[1]&maskBit != 0,
		Length: uint64(b[1] & lengthBits),
	}
	n = 2
	switch h.Length {
	case length16:
		if len(b) < 4 {
			return Header{}, 0, nil
		}
		h.Length = uint64(binary.BigEndian.Uint16(b[2:]))
		n = 4
		// RFC 6455 section 5.2: "the minimal number of bytes MUST be used to
		// encode the length".
		if h.Length < length16 {
			return Header{}, 0, violation("frame length is not minimally encoded")
		}
	case length64:
		if len(b) < 10 {
			return Header{}, 0, nil
		}
		h.Length = binary.BigEndian.Uint64(b[2:])
		n = 10
		// RFC 6455 section 5.2: "the most significant bit MUST be 0".
		if h.Length>>63 != 0 {
			return Header{}, 0, violation("frame length has its highest bit set")
		}
		if h.Length <= 0xFFFF {
			return Header{}, 0, violation("frame length is not minimally encoded")
		}
	}
	if h.Masked {
		if len(b) < n+4 {
			return Header{}, 0, nil
		}
		h.Key = [4]byte(b[n:])
		n += 4
	}
	return h, n, nil
}

// AppendHeader appends h to dst in its one valid encoding. Length must not be
// above 2^63-1, and RSV and Opcode not above what their bits hold.
func AppendHeader(dst []byte, h Header) []byte {
	b0 := h.RSV<<4 | byte(h.Opcode)
	if h.Fin {
		b0 |= finBit
	}
	var b1 byte
	if h.Masked {
		b1 = maskBit
	}
	switch {
	case h.Length < length16:
		dst = append(dst, b0, b1|byte(h.Length))
	case h.Length <= 0xFFFF:
		dst = append(dst, b0, b1|length16, byte(h.Length>>8), byte(h.Length))
	default:
		dst = append(dst, b0, b1|length64)
		dst = binary.BigEndian.AppendUint64(dst, h.Length)
	}
	if h.Masked {
		dst = append(dst, h.Key[:]...)
	}
	return dst
}

// AppendFrame appends a frame with the header h and the given payload to dst.
// It sets h.Length, and masks the appended copy when h.Masked; payload itself is
// not changed and not retained. payload must not overlap the free space of dst.
func AppendFrame(dst []byte, h Header, payload []byte) []byte {
	h.Length = uint64(len(payload))
	dst = AppendHeader(dst, h)
	start := len(dst)
	dst = append(dst, payload...)
	if h.Masked {
		Mask(h.Key, 0, dst[start:])
	}
	return dst
}
