package deflate

import (
	"encoding/binary"
	"errors"
)

// What is wrong with a payload that [Decoder.Inflate] refuses.
var (
	// ErrCorrupt reports a payload that breaks a rule of RFC 1951.
	ErrCorrupt = errors.New("deflate: damaged payload")

	// ErrTruncated reports a payload that ends before its message does.
	ErrTruncated = errors.New("deflate: payload ends early")

	// ErrTooLong reports a message that has more bytes than the limit.
	ErrTooLong = errors.New("deflate: message is longer than the limit")

	// ErrFinalBlocks reports a payload that ends its stream of blocks and begins
	// another more than [MaxFinalBlocks] times.
	ErrFinalBlocks = errors.New("deflate: too many final blocks")
)

// MaxFinalBlocks is how many blocks of a payload may say that they are the final
// one. One is what a compressor without a flush makes; more have no use.
const MaxFinalBlocks = 64

// firstGrowth is the least that is allocated for a message, bytes.
const firstGrowth = 512

// Decoder inflates messages, one at a time. The zero value is ready. It holds 11 KB of
// tables and nothing of a message that is done, so that a few decoders serve any
// number of connections.
type Decoder struct {
	// The input. near is what bits are loaded from: the payload, or tail when the
	// payload has fewer than margin bytes left. base is where near begins in it.
	payload []byte
	near    []byte
	base    int
	bits    bitReader
	inTail  bool // near is tail
	tail    [tailSize]byte

	// The history: the held bytes before end in a ring.
	ring []byte
	held int
	end  int

	// The output. out is the part of dst behind start that the message may fill
	// without allocating, at most limit bytes, and n how much of it is filled.
	dst   []byte
	start int
	limit int // negative: none
	out   []byte
	n     int

	// The codes of the last dynamic block.
	codes    blockCodes
	builders [2]codeBuilder // of the literals, and of the distances
}

// Inflate appends to dst the message whose payload is src, and returns the longer
// slice.
//
// References may reach back to the beginning of history: the end of the plaintext that
// the same sender has compressed before, the newest byte last, as a [Window] keeps
// it. It has no more bytes than the window that was agreed on, and that is where the
// window is enforced: within the message a reference may reach as far as the format
// lets it, as all of the message is there.
//
// At most limit bytes are appended (negative: any number). When dst lacks the capacity,
// room is allocated in steps that follow from the length of src and from what has come
// out. Bytes between the length and the capacity of dst may be overwritten beyond the
// end of the message, but none that limit would not allow.
//
// The message ends where the sender has taken the length of an empty stored block
// away, or right behind a final block; what follows a final block otherwise is
// decoded from the next byte on, RFC 7692 section 7.2.3.4. An empty src is the
// empty message, as the widespread decoders take it, though a sender must write at
// least one byte for it.
//
// With an error ([ErrCorrupt], [ErrTruncated], [ErrTooLong], [ErrFinalBlocks]) dst
// comes back as long as it was, and the decoder is ready for the next message. None
// of the slices is retained; src and history are not changed, and must not overlap
// the capacity of dst.
func (d *Decoder) Inflate(dst, src, history []byte, limit int) ([]byte, error) {
	d.ring, d.held, d.end = history, len(history), len(history)
	return d.inflate(dst, src, limit)
}

// InflateContext does what [Decoder.Inflate] does, and c has the history: of the same
// window as the sender's, neither smaller nor larger. The message belongs to c then,
// unless there is an error.
func (d *Decoder) InflateContext(dst, src []byte, c *Context, limit int) ([]byte, error) {
	d.ring, d.held, d.end = c.ring, c.held, c.at()
	out, err := d.inflate(dst, src, limit)
	if err == nil {
		c.Append(out[len(dst):])
	}
	return out, err
}

// inflate does the work of both.
func (d *Decoder) inflate(dst, src []byte, limit int) ([]byte, error) {
	if len(src) == 0 {
		return dst, nil
	}
	d.payload, d.limit = src, limit
	d.use(dst, len(dst))
	d.n = 0
	d.seek(0)
	err := d.message()
	if err != nil && d.overrun() {
		err = ErrTruncated // what it was made of is not in the payload
	}
	if err == nil {
		dst = d.dst[:d.start+d.n]
	}
	// Do not keep the caller's memory.
	d.payload, d.near, d.ring, d.dst, d.out = nil, nil, nil, nil, nil
	return dst, err
}

// message inflates blocks until the message ends.
func (d *Decoder) message() error {
	for finals := 0; ; {
		if err := d.load(); err != nil {
			return err
		}
		final, kind := d.bits.take(1), d.bits.take(2)
		var err error
		switch kind {
		case 0:
			if d.at() == len(d.payload) {
				return nil // the length of this block is what the sender takes away
			}
			err = d.stored()
		case 1:
			err = d.block(&fixedCodes)
		case 2:
			if err = d.header(); err == nil {
				err = d.block(&d.codes)
			}
		default:
			err = ErrCorrupt
		}
		switch {
		case err != nil:
			return err
		case d.overrun():
			return ErrTruncated
		case final == 0:
			continue
		case d.at() == len(d.payload):
			return nil
		}
		if finals++; finals == MaxFinalBlocks {
			return ErrFinalBlocks
		}
		d.bits.align()
	}
}

// stored copies a block as it is, RFC 1951 section 3.2.4: its length and the
// complement of that at the next byte, and then its bytes.
func (d *Decoder) stored() error {
	at := d.at()
	if at+4 > len(d.payload) {
		return ErrTruncated
	}
	length := binary.LittleEndian.Uint16(d.payload[at:])
	if binary.LittleEndian.Uint16(d.payload[at+2:]) != ^length {
		return ErrCorrupt
	}
	at += 4
	if int(length) > len(d.payload)-at {
		return ErrTruncated
	}
	from := d.payload[at : at+int(length)]
	if len(from) > len(d.out)-d.n {
		if err := d.grow(len(from)); err != nil {
			return err
		}
	}
	d.n += copy(d.out[d.n:], from)
	d.seek(at + len(from))
	return nil
}

// use makes dst what the message is appended to, behind start.
func (d *Decoder) use(dst []byte, start int) {
	d.dst, d.start = dst, start
	room := cap(dst) - start
	if d.limit >= 0 {
		room = min(room, d.limit)
	}
	d.out = dst[start : start+room]
}

// grow makes room for need more bytes of the message, of which all are known to be
// there, or reports that they pass the limit.
func (d *Decoder) grow(need int) error {
	n := max(firstGrowth, 4*len(d.payload), d.n, need)
	if d.limit >= 0 {
		if need > d.limit-d.n {
			return ErrTooLong
		}
		n = min(n, d.limit-d.n)
	}
	filled := d.start + d.n
	grown := make([]byte, filled, filled+n)
	copy(grown, d.dst[:filled])
	d.use(grown, d.start)
	return nil
}

// The bits of the last bytes of a payload are loaded from a copy with zeros behind
// it, so that loading needs no check of its own but the one whether margin bytes
// are left: twice eight, as a symbol and its distance may need a load each.
// A decoder that is past the zeros has read more bits than the payload has, even
// if all that it has loaded is still to be used.
const (
	margin   = 16
	tailSize = margin + (margin - 1) + 8 + 1
)

// seek goes on at a byte of the payload.
func (d *Decoder) seek(at int) {
	d.near, d.base, d.inTail = d.payload, 0, false
	d.bits = bitReader{pos: at}
}

// at is the first byte of the payload of which no bit has been used.
func (d *Decoder) at() int { return d.base + d.bits.pos - int(d.bits.n>>3) }

// overrun reports whether bits have been used that the payload does not have.
func (d *Decoder) overrun() bool { return d.at() > len(d.payload) }

// load fills the bit buffer.
func (d *Decoder) load() error {
	if d.bits.pos > len(d.near)-margin {
		if err := d.useTail(); err != nil {
			return err
		}
	}
	d.bits = d.bits.load(d.near)
	return nil
}

// useTail goes on in the copy of the payload's last bytes.
func (d *Decoder) useTail() error {
	if d.inTail {
		return ErrTruncated
	}
	rest := copy(d.tail[:], d.payload[d.bits.pos:])
	clear(d.tail[rest:])
	d.base, d.bits.pos = d.bits.pos, 0
	d.near, d.inTail = d.tail[:], true
	return nil
}

// bitReader is a place in a slice of bytes from which bits are taken, the least
// significant first. It is small enough to be kept in registers: methods return the
// changed value.
type bitReader struct {
	hold uint64 // the next bits, the first of them lowest
	n    uint   // how many of hold count
	pos  int    // of the next byte that is not in hold
}

// load fills hold with at least 56 bits, from b, of which eight bytes from pos on
// must be there. What lies above n in hold is what will be loaded there again.
func (r bitReader) load(b []byte) bitReader {
	r.hold |= binary.LittleEndian.Uint64(b[r.pos:r.pos+8]) << (r.n & 63)
	r.pos += int((63 - r.n) >> 3)
	r.n |= 56
	return r
}

// extra is the value of the extra bits of a symbol whose entry is e.
func (r bitReader) extra(e uint32) uint {
	return uint(r.hold & (1<<(e&entryBitsMask) - 1) >> (e >> entryCodeShift & entryCodeMask))
}

// skip drops as many bits as the low bits of an entry say.
func (r bitReader) skip(e uint32) bitReader {
	r.hold >>= e & entryBitsMask
	r.n -= uint(e & entryBitsMask)
	return r
}

// take removes and returns count bits, which must have been loaded.
func (r *bitReader) take(count uint32) uint {
	v := uint(r.hold) & (1<<count - 1)
	*r = r.skip(count)
	return v
}

// align drops what is left of a byte.
func (r *bitReader) align() { *r = r.skip(uint32(r.n & 7)) }
