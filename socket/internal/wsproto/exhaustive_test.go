package wsproto_test

import (
	"encoding/binary"
	"math"
	"testing"

	. "github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// kindOfFrame is the table of RFC 6455 section 5.2 and 11.8.
var kindOfFrame = [16]byte{
	0x0: 'c', // continuation
	0x1: 'm', // text
	0x2: 'm', // binary
	0x8: 'x', // close
	0x9: 'x', // ping
	0xA: 'x', // pong
	// all others: reserved, 0
}

// judge is the oracle: what the header of one frame is worth, from the RFC's
// rules and nothing of the code. size is the payload's length as the header
// gives it, minimal whether it did so in the fewest bytes. The answer is a close
// code, or 0 for a good frame.
func judge(role Role, midMessage, deflate bool, b0, b1 byte, size uint64, minimal bool) CloseCode {
	var (
		fin    = b0 >= 0x80
		rsv    = b0 & 0x70
		op     = b0 % 16
		masked = b1 >= 0x80
		kind   = kindOfFrame[op]
	)
	mustNot := []bool{
		kind == 0,                      // 5.2: "If an unknown opcode is received, ... _Fail the WebSocket Connection_"
		masked != (role == RoleServer), // 5.1: both MUSTs on masking
		rsv&0x30 != 0,                  // 5.2: "MUST be 0 unless an extension is negotiated"
		rsv&0x40 != 0 && !deflate,      // the same
		rsv&0x40 != 0 && kind != 'm',   // RFC 7692 section 6.1: on the first frame of a message only
		kind == 'x' && !fin,            // 5.5: "MUST NOT be fragmented"
		kind == 'x' && b1%128 > 125,    // 5.5: "payload length of 125 bytes or less"
		kind == 'c' && !midMessage,     // 5.4: a continuation has something to continue
		kind == 'm' && midMessage,      // 5.4: "fragments of one message MUST NOT be interleaved"
		!minimal,                       // 5.2: "the minimal number of bytes MUST be used"
		size >= 1<<63,                  // 5.2: "the most significant bit MUST be 0"
	}
	for _, broken := range mustNot {
		if broken {
			return CloseProtocolError
		}
	}
	return 0
}

// Every first and second byte, with eight extended lengths where there is one,
// in four states.
func TestRFC6455_5_2_EveryHeader(t *testing.T) {
	extended := []uint64{0, 125, 126, 1 << 16, 1 << 48, math.MaxInt64, 1 << 63, math.MaxUint64}
	const limit = 64 << 10 // the default
	for _, role := range []Role{RoleServer, RoleClient} {
		for _, midMessage := range []bool{false, true} {
			base := newDecoder(DecoderConfig{Role: role})
			if midMessage {
				feed(t, base, peer{role}.frame(0x01, ""))
			}
			var input [MaxHeaderSize + MaxControlPayload]byte
			for first := range 1 << 16 {
				b0, b1 := byte(first>>8), byte(first)
				for i, ext := range extended {
					size, minimal := uint64(b1%128), true
					b := append(input[:0], b0, b1)
					switch size {
					case 126:
						size = uint64(uint16(ext))
						minimal = size > 125
						b = binary.BigEndian.AppendUint16(b, uint16(ext))
					case 127:
						size = ext
						minimal = size > math.MaxUint16
						b = binary.BigEndian.AppendUint64(b, ext)
					default:
						if i > 0 {
							continue // there is no extended length to vary
						}
					}
					if b1 >= 0x80 {
						b = append(b, 0, 0, 0, 0) // a key that changes nothing
					}
					head := len(b)
					for range min(size, MaxControlPayload) {
						b = append(b, 3)
					}
					if b0%16 == 8 && len(b) >= head+2 {
						b[head+1] = 0xE8 // 3 and E8 are 1000
					}
					want := judge(role, midMessage, false, b0, b1, size, minimal)
					switch isControl := b0&8 != 0; {
					case want == 0 && !isControl && size > limit:
						want = CloseMessageTooBig
					case want == 0 && b0%16 == 8 && size == 1: // 5.5.1: a close body starts with two bytes
						want = CloseProtocolError
					}

					d := *base
					e, n, err := d.Decode(b)
					if code := closeCode(err); code != want {
						t.Fatalf("%v, mid message %t: Decode(%x) = %v, want code %d", role, midMessage, b, err, want)
					}
					if want != 0 {
						if d.InMessage() {
							t.Fatalf("%v: in a message after %v", role, err)
						}
						if _, _, again := d.Decode(b); again != err {
							t.Fatalf("%v: after %v came %v", role, err, again)
						}
						continue
					}
					wantKind, stillIn := KindNone, true
					if whole := uint64(len(b)-head) == size; whole {
						stillIn = midMessage
						switch op := b0 % 16; {
						case op == 8:
							wantKind, stillIn = KindClose, false
						case op == 9:
							wantKind = KindPing
						case op == 10:
							wantKind = KindPong
						case b0 >= 0x80:
							wantKind, stillIn = KindMessage, false
						default:
							stillIn = true
						}
					}
					if e.Kind != wantKind || n != len(b) || d.InMessage() != stillIn {
						t.Fatalf("%v, mid message %t: Decode(%x) = %v, %d, in message %t, want %v, %d, %t",
							role, midMessage, b, e.Kind, n, d.InMessage(), wantKind, len(b), stillIn)
					}
					if wantKind != KindNone && wantKind != KindClose && uint64(len(e.Payload)) != size {
						t.Fatalf("%v: Decode(%x) has a payload of %d bytes, want %d", role, b, len(e.Payload), size)
					}
				}
			}
		}
	}
}
