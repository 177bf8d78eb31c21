package wsproto

import (
	"errors"
	"math"
)

// firstStep is the most memory that is allocated for a message of which only a
// few bytes have come.
const firstStep = 4 << 10

// beginData starts on a data frame, after checking what it announces.
func (d *Decoder) beginData(h Header) error {
	if d.opcode == OpContinuation {
		d.opcode = h.Opcode
		d.kind = d.next
		d.compressed = h.RSV != 0
		d.text = UTF8{}
		d.total, d.fragments, d.empty = 0, 0, 0
		d.drop()
	}
	d.fragments++
	if d.fragments > d.maxFragments && d.maxFragments != math.MaxInt32 {
		return &LimitError{
			Code:   ClosePolicyViolation,
			Limit:  "number of fragments",
			Max:    int64(d.maxFragments),
			Actual: int64(d.fragments),
		}
	}
	// The last frame of a message may be empty: a sender that streams learns
	// that there is no more when it has sent everything.
	if h.Length > 0 || h.Fin {
		d.empty = 0
	} else if d.empty++; d.empty > d.maxEmpty && d.maxEmpty != math.MaxUint16 {
		return &LimitError{
			Code:   ClosePolicyViolation,
			Limit:  "number of empty fragments in a row",
			Max:    int64(d.maxEmpty),
			Actual: int64(d.empty),
		}
	}
	name, limit := "message size", d.limit
	if d.compressed {
		name, limit = "compressed message size", wireLimit(d.limit)
	}
	// Still as unsigned 64-bit numbers: the length is whatever a peer writes.
	if h.Length > limit-d.total {
		return &LimitError{
			Code:   CloseMessageTooBig,
			Limit:  name,
			Max:    int64(limit),
			Actual: int64(min(d.total+h.Length, math.MaxInt64)),
		}
	}
	d.total += h.Length
	return nil
}

// payload takes the next bytes of the data frame in progress from b.
func (d *Decoder) payload(b []byte, e *Event) (int, error) {
	n := int(min(uint64(len(b)), d.remaining))
	p := b[:n:n]
	if err := d.receive(p); err != nil {
		return n, err
	}
	switch {
	case d.kind == KindChunk && !d.compressed:
		d.chunk(p, e)
		return n, nil
	case len(d.buf) == 0 && d.last():
		return n, d.finish(p, e)
	case len(d.buf) == 0 && d.keeps(b, n):
		d.buf, d.kept = b, true
		return n, nil
	}
	d.grow(n, uint64(n)+d.remaining)
	d.buf = append(d.buf, p...)
	return n, d.assembled(e)
}

// keepShare bounds the memory that is kept for a message: to four times what has
// come of it.
const keepShare = 4

// keeps reports whether to keep the memory of b, which n bytes of payload fill:
// when the frame goes on behind its end, and what is free there is not too much.
func (d *Decoder) keeps(b []byte, n int) bool {
	return d.keep && n == len(b) && d.remaining > 0 &&
		uint64(cap(b)-n) >= d.remaining && cap(b) <= keepShare*n
}

// drop forgets what buf holds. The memory stays for the next message if it is the
// decoder's own.
func (d *Decoder) drop() {
	d.buf = d.buf[:0]
	if d.kept || d.phase == phaseFailed {
		d.buf, d.kept = nil, false
	}
}

// Kept returns the memory of an input that ended within a message, as long as the
// decoder uses it: until [Decoder.Release] between messages, at the latest. It is
// nil if there is none, and ends where the input's memory ends.
func (d *Decoder) Kept() []byte {
	if !d.kept {
		return nil
	}
	return d.buf[:cap(d.buf)]
}

// receive unmasks and checks the next bytes of the data frame in progress, in
// place.
func (d *Decoder) receive(p []byte) error {
	d.unmask(p)
	d.remaining -= uint64(len(p))
	if d.remaining == 0 {
		d.phase = phaseHeader
	}
	if d.opcode != OpText || d.compressed {
		return nil
	}
	// RFC 6455 section 8.1: a text must be valid as a whole; a character may
	// be cut by a fragment's end but not by the message's.
	if !d.text.Write(p) || d.last() && !d.text.Complete() {
		return errNotUTF8()
	}
	return nil
}

// last reports whether the message's last byte has come.
func (d *Decoder) last() bool { return d.fin && d.remaining == 0 }

// chunk makes the event of a piece of the message, if it is worth one.
func (d *Decoder) chunk(p []byte, e *Event) {
	last := d.last()
	if len(p) == 0 && !last {
		return
	}
	e.Kind, e.Opcode, e.Payload, e.Final = KindChunk, d.opcode, p, last
	if last {
		d.end()
	}
}

// assembled follows the arrival of bytes in buf.
func (d *Decoder) assembled(e *Event) error {
	if !d.last() {
		return nil
	}
	return d.finish(d.buf[:len(d.buf):len(d.buf)], e)
}

// finish makes the event of a message whose payload, as it was sent, is p.
func (d *Decoder) finish(p []byte, e *Event) error {
	if d.compressed {
		limit := min(d.limit, math.MaxInt)
		byRatio := max(uint64(d.maxRatio)*uint64(len(p)), ratioFrom)
		z := d.deflated
		out, err := z.inflate.Inflate(z.out[:0], p, int(min(limit, byRatio)))
		z.out = out
		if err != nil {
			if byRatio < limit {
				return ratioError(err, d.maxRatio)
			}
			return inflateError(err)
		}
		if d.opcode == OpText && !validUTF8(out) {
			return errNotUTF8()
		}
		if p = out[:len(out):len(out)]; p == nil {
			p = []byte{} // as an empty message that is not compressed
		}
	}
	e.message(d.kind, d.opcode, p)
	d.end()
	return nil
}

// end leaves the message in progress.
func (d *Decoder) end() {
	d.opcode = OpContinuation
	d.phase = phaseIdle
}

// grow makes room in buf for n bytes that have come or are about to, of left
// bytes that the frame in progress has yet to bring. The buffer at least doubles,
// so it is never more than twice what has come, or the first step, and stops at
// the message's end if that is in sight.
func (d *Decoder) grow(n int, left uint64) {
	have := len(d.buf)
	if have+n <= cap(d.buf) {
		return
	}
	size := max(2*cap(d.buf), firstStep)
	if d.fin {
		size = int(min(uint64(size), uint64(have)+left))
	}
	buf := make([]byte, have, max(size, have+n))
	copy(buf, d.buf)
	d.buf, d.kept = buf, false
}

// Held returns how much memory the decoder holds beside itself, in bytes.
func (d *Decoder) Held() int {
	held := cap(d.buf)
	if d.deflated != nil {
		held += cap(d.deflated.out)
	}
	if d.controls != nil {
		held += len(d.controls)
	}
	return held
}

// Want returns free memory for the next payload bytes of the data frame in
// progress, or nil. A caller that fills it by reading from the connection, and
// says so with [Decoder.Filled], saves large messages a copy. It is nil between
// frames, in streaming mode, and until the message's first payload bytes have
// come through [Decoder.Decode]: like all memory here it follows what has come.
func (d *Decoder) Want() []byte {
	if d.phase != phasePayload || len(d.buf) == 0 {
		return nil
	}
	d.grow(1, d.remaining)
	free := d.buf[len(d.buf):cap(d.buf)]
	n := int(min(uint64(len(free)), d.remaining))
	return free[:n:n]
}

// Filled says that the first n bytes of what [Decoder.Want] returned last have
// come. It does with them what Decode does; no other method may be called in
// between. The event, if any, is a message.
func (d *Decoder) Filled(n int) (e Event, err error) {
	start := len(d.buf)
	d.buf = d.buf[:start+n]
	err = d.receive(d.buf[start:])
	if err == nil {
		err = d.assembled(&e)
	}
	if err != nil {
		return Event{}, d.fail(err)
	}
	return e, nil
}

// Take returns the payload of e, the event that was returned last, as memory
// that belongs to the caller: the decoder's buffer if the payload fills most of
// one, and a copy otherwise.
func (d *Decoder) Take(e Event) []byte {
	switch z := d.deflated; {
	case fills(e.Payload, d.buf) && !d.kept:
		d.buf = nil
	case z != nil && fills(e.Payload, z.out):
		z.out = nil
	default:
		return append(make([]byte, 0, len(e.Payload)), e.Payload...)
	}
	return e.Payload
}

// fills reports whether p is the start of the memory of b, and most of it.
func fills(p, b []byte) bool {
	return len(p) > 0 && cap(b) > 0 && &p[0] == &b[:1][0] && cap(b) <= 2*len(p)
}

// Release forgets all memory of a decoder that is between two messages, so that an idle
// connection holds none, and hands back what the last message was inflated into. It may be
// nil. Within a message it does nothing. The payload of the last event stays what it is
// until the caller gives its memory another use.
func (d *Decoder) Release() (inflated []byte) {
	if d.opcode != OpContinuation {
		return nil
	}
	if z := d.deflated; z != nil {
		inflated, z.out = z.out, nil
	}
	d.buf, d.kept = nil, false
	if d.got == 0 {
		d.controls = nil
	}
	return inflated
}

// ratioError is inflateError for a message that was cut off for its ratio.
func ratioError(err error, most uint16) error {
	err = inflateError(err)
	var limit *LimitError
	if errors.As(err, &limit) && limit.Limit == "message size" {
		return &LimitError{Code: CloseMessageTooBig, Limit: "inflate ratio", Max: int64(most), Actual: int64(most) + 1}
	}
	return err
}

// inflateError is err, which an Inflater returned, as the decoder's own.
func inflateError(err error) error {
	var limit *LimitError
	var broken *ProtocolError
	if errors.As(err, &limit) || errors.As(err, &broken) {
		return err
	}
	// RFC 6455 section 7.4.1, code 1007: "data within a message that was not
	// consistent with the type of the message".
	return &ProtocolError{Code: CloseInvalidPayload, Reason: "compressed message is not valid"}
}

func errNotUTF8() error {
	return &ProtocolError{Code: CloseInvalidPayload, Reason: "text message is not valid UTF-8"}
}
