package wsproto

import (
	"compress/flate"
	"io"
)

// FlateInflater inflates the messages of one direction of a connection with
// compress/flate. It implements [Inflater].
type FlateInflater struct {
	c       InflaterConfig
	history []byte // the end of the plaintext so far, with context takeover only
}

// InflaterConfig configures a [FlateInflater].
type InflaterConfig struct {
	// Window is what the sender may refer back to, see [DeflateParams.Received].
	// With takeover the inflater keeps as much of the plaintext, from the first
	// message on. Bits of 0 mean 15.
	Window Window

	// Borrow returns the reader for one message and GiveBack takes it back, so
	// that a connection that waits holds none. Both are required.
	Borrow   func() *FlateReader
	GiveBack func(*FlateReader)
}

// NewInflater returns an inflater for the messages of one direction of a
// connection.
func NewInflater(c InflaterConfig) *FlateInflater {
	c.Window.Bits = bitsOr15(c.Window.Bits)
	return &FlateInflater{c: c}
}

// Inflate appends the message whose compressed payload is src, with the payloads
// of its frames joined, RFC 7692 section 7.2.2. It appends at most limit
// bytes (negative: any number) and returns a [*LimitError] for a message that has more.
// A payload that is damaged or ends early is a [*ProtocolError], and dst comes
// back as it was. After an error the inflater must not be used again.
//
// An empty payload is taken for the empty message, as the widespread decoders do,
// though a sender must write at least one byte for it.
func (f *FlateInflater) Inflate(dst, src []byte, limit int) ([]byte, error) {
	if len(src) == 0 {
		return dst, nil
	}
	r := f.c.Borrow()
	defer f.c.GiveBack(r)
	out, err := r.inflate(dst, src, limit, f.history)
	if err != nil {
		return dst, err
	}
	if f.c.Window.Takeover {
		f.history = keepLast(f.history, out[len(dst):], 1<<f.c.Window.Bits)
	}
	return out, nil
}

// keepLast appends p to history and drops all but the last size bytes. It grows
// the history only by what it holds.
func keepLast(history, p []byte, size int) []byte {
	p = p[max(0, len(p)-size):]
	if n := min(len(history)+len(p), size); n > cap(history) {
		grown := make([]byte, len(history), min(max(n, 2*cap(history)), size))
		copy(grown, history)
		history = grown
	}
	if drop := len(history) + len(p) - size; drop > 0 {
		history = history[:copy(history, history[drop:])]
	}
	return append(history, p...)
}

// maxFinalBlocks bounds how often one message may end the DEFLATE stream and
// begin another. Each costs a reset of the reader, for 2 bytes of the sender.
const maxFinalBlocks = 64

// firstGrowth is the least that is allocated for a message.
const firstGrowth = 512

// FlateReader is the large part of an inflater: 40 KB that are needed only while
// a message is inflated.
type FlateReader struct {
	zr     io.ReadCloser
	in     tailReader
	window []byte  // scratch for the history of a second stream in a message
	probe  [1]byte // in what a byte beyond the limit would come

	// exact says that compress/flate asks for the length of a stored block by one
	// Read of four bytes, which tells a message that ends where it may from one
	// that is cut off. Should a later version of it read in another way, cut off
	// messages are still refused as far as they make no valid stream with the
	// tail, and all others go on to work.
	exact bool
}

// NewFlateReader returns a reader.
func NewFlateReader() *FlateReader {
	r := new(FlateReader)
	r.zr = flate.NewReader(&r.in)
	r.exact = true
	_, err := r.inflate(nil, []byte{0}, 1, nil) // the empty message
	r.exact = err == nil
	return r
}

func (r *FlateReader) inflate(dst, src []byte, limit int, history []byte) ([]byte, error) {
	// Do not keep the caller's memory.
	defer func() { r.in = tailReader{} }()
	r.in = tailReader{src: src}
	start := len(dst)
	for range maxFinalBlocks {
		// Fails for no reader.
		r.zr.(flate.Resetter).Reset(&r.in, history)
		out, err := r.stream(dst, start, limit)
		if err != nil {
			return dst[:start], err
		}
		switch past := r.in.pos - len(src); {
		case past == 0:
			// RFC 7692 section 7.2.3.4: the sender may set BFINAL. Its message ends
			// with that block, or as any other with an empty stored block.
			return out, nil
		case past == len(fullTail) || past == len(deflateTail):
			// In the second case the empty stored block is the one with BFINAL.
			if r.in.clean || !r.exact {
				return out, nil
			}
			return dst[:start], errTruncated()
		case past > 0:
			return dst[:start], errTruncated()
		}
		// The stream has ended within the message: another one follows.
		dst = out
		r.window = keepLast(append(r.window[:0], history...), out[start:], 1<<maxWindowBits)
		history = r.window
	}
	return dst[:start], &LimitError{ClosePolicyViolation, "final blocks in a compressed message", maxFinalBlocks, maxFinalBlocks + 1}
}

// stream appends one DEFLATE stream to dst, whose bytes from start on belong to
// the message.
func (r *FlateReader) stream(dst []byte, start, limit int) ([]byte, error) {
	for {
		var n int
		var err error
		room := limit - (len(dst) - start)
		if limit >= 0 && room == 0 {
			if n, err = r.zr.Read(r.probe[:]); n > 0 {
				return dst, &LimitError{CloseMessageTooBig, "message size", int64(limit), int64(limit) + 1}
			}
		} else {
			if len(dst) == cap(dst) {
				dst = r.grow(dst, start, room)
			}
			end := cap(dst)
			if limit >= 0 && end-len(dst) > room {
				end = len(dst) + room
			}
			n, err = r.zr.Read(dst[len(dst):end])
			dst = dst[:len(dst)+n]
		}
		switch err {
		case nil:
		case io.EOF:
			return dst, nil
		case io.ErrUnexpectedEOF:
			return dst, errTruncated()
		default:
			return dst, &ProtocolError{CloseInvalidPayload, "damaged compressed message"}
		}
	}
}

// grow returns dst with room for more of the message: by what came in and what has come
// out so far, and by at most room bytes unless that is negative.
func (r *FlateReader) grow(dst []byte, start, room int) []byte {
	n := max(firstGrowth, 4*len(r.in.src), len(dst)-start)
	if room >= 0 {
		n = min(n, room)
	}
	grown := make([]byte, len(dst), len(dst)+n)
	copy(grown, dst)
	return grown
}

func errTruncated() error {
	return &ProtocolError{CloseInvalidPayload, "compressed message ends early"}
}

// fullTail is what the decoder is fed after the payload: the four bytes that
// RFC 7692 section 7.2.2 has the receiver append, and a final empty stored block
// that ends the stream.
const fullTail = deflateTail + "\x01\x00\x00\xff\xff"

// tailReader reads src and then fullTail. It implements [flate.Reader], so that
// compress/flate takes no byte before it needs it.
type tailReader struct {
	src []byte
	pos int // in src and fullTail together

	// The four bytes of a stored block's length, and the bytes that the block has
	// left.
	length [4]byte
	got    int
	stored int

	// clean says that the length of a stored block began right behind src. Then
	// the payload has ended where the sender has taken deflateTail away, and not
	// in the middle of a block to which the tail would be data or code.
	clean bool
}

// ReadByte serves the headers and the contents of compressed blocks.
func (t *tailReader) ReadByte() (byte, error) {
	if t.pos < len(t.src) {
		t.pos++
		return t.src[t.pos-1], nil
	}
	if k := t.pos - len(t.src); k < len(fullTail) {
		t.pos++
		return fullTail[k], nil
	}
	return 0, io.EOF
}

// Read serves stored blocks: four bytes of length and its complement, RFC 1951
// section 3.2.4, and then their contents.
func (t *tailReader) Read(p []byte) (int, error) {
	if t.stored > 0 {
		n := t.copy(p[:min(len(p), t.stored)])
		t.stored -= n
		return t.result(n)
	}
	if t.got == 0 && t.pos == len(t.src) {
		t.clean = true
	}
	n := t.copy(p[:min(len(p), len(t.length)-t.got)])
	copy(t.length[t.got:], p[:n])
	if t.got += n; t.got == len(t.length) {
		t.got = 0
		t.stored = int(t.length[0]) | int(t.length[1])<<8
	}
	return t.result(n)
}

func (t *tailReader) copy(p []byte) int {
	n := 0
	if t.pos < len(t.src) {
		n = copy(p, t.src[t.pos:])
	}
	if k := t.pos + n - len(t.src); k >= 0 && k < len(fullTail) {
		n += copy(p[n:], fullTail[k:])
	}
	t.pos += n
	return n
}

func (t *tailReader) result(n int) (int, error) {
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}
