package wsproto

// DecoderConfig is what a [Decoder] has to know about its connection.
type DecoderConfig struct {
	Role   Role
	Limits Limits

	// Inflate decompresses messages when permessage-deflate was agreed on. Nil:
	// it was not, and RSV1 is a protocol error.
	Inflate Inflater

	// Streaming hands out messages in pieces as they arrive (KindChunk)
	// instead of whole. Nothing is assembled then. A compressed message is
	// still assembled and comes as one chunk. The pieces of a text are valid up
	// to their end or the middle of their last character.
	Streaming bool

	// Keep lets the decoder keep the memory of its input: when the input ends
	// within a frame, and its capacity has room for the rest, the message is
	// assembled where it lies instead of being copied. [Decoder.Kept] tells.
	Keep bool
}

// Decoder turns the bytes that a peer sends into events: whole messages, pings,
// pongs and the close frame. It checks everything that RFC 6455 demands of the
// peer and the limits of its configuration.
//
// A Decoder is a small value to embed in a connection. It must be set up with
// [Decoder.Init]. Between messages it holds no memory but what
// [Decoder.Release] hands back.
type Decoder struct {
	// Policy, decided in Init.
	deflated     *deflated // nil unless permessage-deflate was agreed on: few connections have it
	limit        uint64    // bytes of a message
	maxFragments int32
	maxEmpty     uint16 // the greatest: no limit
	maxRatio     uint16 // the greatest, which DEFLATE cannot reach: no limit
	maskBit      byte   // the second byte's highest bit as the peer must set it
	keySize      byte   // 4 if that bit is set, else 0
	messageRSV   byte   // the RSV bits that a message's first frame may have
	next         Kind   // of the next message's events: KindMessage, or KindChunk to stream

	// The message in progress. None: opcode is OpContinuation.
	fragments  int32
	empty      uint16 // fragments without payload in a row
	opcode     Opcode
	compressed bool
	kind       Kind // of its events
	keep       bool // policy again: the memory of inputs
	kept       bool // buf is such memory
	text       UTF8

	// The frame in progress.
	phase     phase
	fin       bool
	control   Opcode                  // of a control frame that is not whole yet
	stashed   byte                    // bytes in head
	got       byte                    // bytes in controls
	head      [MaxHeaderSize - 1]byte // the part of a header that has come
	key       uint32                  // as mask wants it for the next byte
	remaining uint64                  // payload bytes that have yet to come
	controls  *[MaxControlPayload]byte

	total uint64 // payload bytes that the message's frames have announced
	buf   []byte // its assembled payload, when it cannot be handed out in place

	err error // why the phase is phaseFailed
}

// phase is what the next byte belongs to.
type phase uint8

const (
	phaseIdle    phase = iota // the first frame of a message, or a control frame
	phaseHeader               // a header, after its first byte or within a message
	phasePayload              // a data frame's payload
	phaseControl              // a control frame's payload
	phaseClosed               // nothing: the close frame came
	phaseFailed               // nothing: the peer was refused
)

// Init makes d the decoder of a new connection, whatever it was before.
func (d *Decoder) Init(c DecoderConfig) {
	*d = Decoder{
		limit:        c.messageLimit(),
		maxFragments: limit32(c.Limits.Fragments, defaultFragments),
		maxEmpty:     limit16(c.Limits.EmptyFragments, defaultEmptyFragments),
		maxRatio:     limit16(c.Limits.InflateRatio, defaultInflateRatio),
		keep:         c.Keep,
	}
	d.SetStreaming(c.Streaming)
	// RFC 6455 section 5.1: "a client MUST mask all frames that it sends", "A
	// server MUST NOT mask any frames".
	if c.Role == RoleServer {
		d.maskBit = maskBit
		d.keySize = 4
	}
	if c.Inflate != nil {
		d.deflated = &deflated{inflate: c.Inflate}
		d.messageRSV = rsv1
	}
}

// deflated is what a [Decoder] needs for compressed messages.
type deflated struct {
	inflate Inflater
	out     []byte // the decompressed payload of the message in progress
}

// SetStreaming changes the configuration's Streaming. A message of which payload
// has come goes on as it is.
func (d *Decoder) SetStreaming(on bool) {
	d.next = KindMessage
	if on {
		d.next = KindChunk
	}
	if d.total == d.remaining {
		d.kind = d.next
	}
}

// Decode takes received bytes and returns at most one event, and how many bytes
// it consumed. It consumes all of b unless there is an event or an error: no
// event means n is len(b) and more bytes are needed. The caller calls again
// with the rest of b until b is empty, and need not keep any of b after that,
// except for an event's payload and what [Decoder.Kept] tells.
//
// Decode changes b: it unmasks in place. The payload of a message that is one
// frame and of which all is in b is a part of b; any other is in memory of the
// decoder, which may be that of b where the configuration says Keep. Memory of
// its own grows with the bytes that have come, never by what a header announces.
//
// However the input is cut into calls, the events and the error are the same,
// but for the size of chunks in streaming mode. The error is a *[ProtocolError]
// or a *[LimitError]; after it, every call returns it again. After the event of
// the close frame all further input is consumed and ignored (RFC 6455 section
// 5.5.1: the peer sends nothing after it that means anything).
func (d *Decoder) Decode(b []byte) (e Event, n int, err error) {
	// The common case by far, a message of at most 125 bytes in one frame, all
	// of which is here, without the general machinery; see BenchmarkDecode.
	if d.phase == phaseIdle && len(b) >= 2 {
		op, size, start := Opcode(b[0]^finBit), int(b[1]^d.maskBit), 2+int(d.keySize)
		if (op == OpText || op == OpBinary) && size < length16 &&
			len(b) >= start+size && uint64(size) <= d.limit {
			n = start + size
			p := b[start:n:n]
			if start > 2 {
				mask(keyWord(b[2:6]), p)
			}
			if op == OpText && !validUTF8(p) {
				return e, n, d.fail(errNotUTF8())
			}
			e.message(d.next, op, p)
			return e, n, nil
		}
	}
	// Only the end of the input, an event or an error ends the loop: frames
	// that make no event by themselves are passed over.
	for n < len(b) && e.Kind == KindNone {
		used, err := d.step(b[n:], &e)
		n += used
		if err != nil {
			return Event{}, n, d.fail(err)
		}
	}
	return e, n, d.err // the old error if b is empty
}

// step consumes at least one byte of b and at most one frame. What comes of it,
// if anything, it writes to e, which holds nothing yet; so do all methods that
// are given an e. An event is too large to hand it up by value.
func (d *Decoder) step(b []byte, e *Event) (int, error) {
	switch d.phase {
	case phasePayload:
		return d.payload(b, e)
	case phaseControl:
		return d.controlPayload(b, e)
	case phaseClosed:
		return len(b), nil
	case phaseFailed:
		return 0, d.err
	}
	h, n, err := d.header(b)
	if err != nil || h.Length == pending {
		return n, err
	}
	if err := d.begin(h); err != nil {
		return n, err
	}
	// At once, not with the next byte: the payload may be empty.
	var used int
	if d.phase == phaseControl {
		used, err = d.controlPayload(b[n:], e)
	} else {
		used, err = d.payload(b[n:], e)
	}
	return n + used, err
}

// pending is the length of a header that is not whole yet.
const pending = 1 << 63

// header takes a frame's header from b, with what came of it before. If it is
// still not whole then, it is stashed, and its Length is pending.
func (d *Decoder) header(b []byte) (Header, int, error) {
	src := b
	if d.stashed > 0 {
		src = append(make([]byte, 0, MaxHeaderSize), d.head[:d.stashed]...)
		src = append(src, b[:min(len(b), MaxHeaderSize-len(src))]...)
	}
	if len(src) >= 2 {
		if err := d.check(src[0], src[1]); err != nil {
			return Header{}, 0, err
		}
	}
	h, n, err := ParseHeader(src)
	if err != nil {
		return Header{}, 0, err
	}
	if n == 0 {
		d.phase = phaseHeader
		d.stashed = byte(copy(d.head[:], src))
		return Header{Length: pending}, len(b), nil
	}
	n -= int(d.stashed)
	d.stashed = 0
	return h, n, nil
}

// check refuses what the first two bytes of a frame alone show to be wrong.
func (d *Decoder) check(b0, b1 byte) error {
	op, rsv := Opcode(b0&opcodeBits), b0>>4&7
	if b1&maskBit != d.maskBit {
		if d.maskBit != 0 {
			return violation("frame from a client is not masked")
		}
		return violation("frame from a server is masked")
	}
	switch op {
	case OpContinuation:
		if d.opcode == OpContinuation {
			return violation("continuation frame outside of a message")
		}
	case OpText, OpBinary:
		if d.opcode != OpContinuation {
			return violation("new message within a fragmented message")
		}
		rsv &^= d.messageRSV
	case OpClose, OpPing, OpPong:
		// RFC 6455 section 5.5: "All control frames MUST have a payload length
		// of 125 bytes or less and MUST NOT be fragmented."
		if b0&finBit == 0 {
			return violation("control frame is fragmented")
		}
		if b1&lengthBits > MaxControlPayload {
			return violation("control frame is longer than 125 bytes")
		}
	default:
		return violation("frame has a reserved opcode")
	}
	// RFC 6455 section 5.2: a reserved bit "MUST be 0 unless an extension is
	// negotiated that defines meanings for non-zero values". RFC 7692 section
	// 6.1 defines RSV1 on the first frame of a message, and on no other.
	if rsv != 0 {
		return violation("frame has a reserved bit set")
	}
	return nil
}

// begin starts on the payload of the frame with the header h.
func (d *Decoder) begin(h Header) error {
	if h.Opcode.IsControl() {
		d.phase = phaseControl
		d.control = h.Opcode
	} else {
		if err := d.beginData(h); err != nil {
			return err
		}
		d.phase = phasePayload
		d.fin = h.Fin
	}
	d.key = keyWord(h.Key[:])
	d.remaining = h.Length
	return nil
}

// unmask unmasks the next bytes of the payload in progress.
func (d *Decoder) unmask(p []byte) {
	if d.keySize != 0 {
		d.key = mask(d.key, p)
	}
}

// fail makes err the last word.
func (d *Decoder) fail(err error) error {
	d.phase = phaseFailed
	d.err = err
	d.controls = nil
	if d.deflated != nil {
		d.deflated.out = nil
	}
	d.drop()
	return err
}

// InMessage reports whether something has begun that the peer has yet to
// finish: a message, or a single frame. A peer may be silent for long between
// messages, but not within one.
func (d *Decoder) InMessage() bool {
	return d.phase == phaseHeader || d.phase == phasePayload || d.phase == phaseControl
}
