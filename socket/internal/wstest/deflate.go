package wstest

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// Compressor is the sending half of a reference peer, RFC 7692 section 7.2.1. It is
// made of compress/flate, or with takeover of [Refer].
type Compressor struct {
	level  int
	window int // bytes
	w      *flate.Writer
	out    bytes.Buffer
	refers *referrer // with takeover
}

// NewCompressor returns a compressor that never refers back farther than
// 2^bits bytes, and not to an earlier message unless takeover is true. A window
// that is smaller than compress/flate's own is kept by starting afresh.
func NewCompressor(level, bits int, takeover bool) *Compressor {
	c := &Compressor{level: level, window: 1 << bits}
	if takeover {
		c.refers = &referrer{window: c.window}
	}
	return c
}

// Shared by all cases: a writer takes more than 1 MB, a reader 40 KB, and there
// are thousands of cases. A sync.Pool would drop many of them under -race.
var (
	flateWriters [12]spares[*flate.Writer] // by level + 2
	flateReaders spares[io.ReadCloser]
)

// spares are values that wait to be used again.
type spares[T any] struct {
	mu   sync.Mutex // guards list
	list []T
}

func (s *spares[T]) put(v T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, v)
}

// take returns a spare, or one that is made.
func (s *spares[T]) take(make func() T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.list) - 1
	if last < 0 {
		return make()
	}
	v := s.list[last]
	s.list = s.list[:last]
	return v
}

// Message returns the payload of a message. It must not be changed.
func (c *Compressor) Message(p []byte) []byte {
	if c.refers != nil {
		return c.refers.message(p)
	}
	return compressed.get(codecKey{c.level, c.window, string(p)}, func() []byte { return c.message(p) })
}

func (c *Compressor) message(p []byte) []byte {
	c.out.Reset()
	c.w = flateWriters[c.level+2].take(func() *flate.Writer {
		w, _ := flate.NewWriter(nil, c.level) // the cases' levels are valid
		return w
	})
	c.w.Reset(&c.out)
	for step := c.step(p); ; {
		n := min(len(p), step)
		// Neither fails: a buffer takes everything.
		c.w.Write(p[:n])
		c.w.Flush()
		if p = p[n:]; len(p) == 0 {
			break
		}
		c.w.Reset(&c.out)
	}
	flateWriters[c.level+2].put(c.w)
	c.w = nil
	return bytes.Clone(bytes.TrimSuffix(c.out.Bytes(), []byte(tail)))
}

func (c *Compressor) step(p []byte) int {
	if c.window == 1<<15 {
		return max(1, len(p)) // compress/flate keeps to this window itself
	}
	return c.window
}

// tail is what a flush ends with and a sender leaves out.
const tail = "\x00\x00\xff\xff"

// Decompressor is the receiving half of a reference peer, RFC 7692 section
// 7.2.2.
type Decompressor struct {
	Window   int  // the sender must not refer back farther, bytes
	Takeover bool // the sender may refer to earlier messages

	history []byte
}

// Message inflates the payload of a message. It fails if the payload is wrong,
// or refers back to where it must not.
func (d *Decompressor) Message(payload []byte) ([]byte, error) {
	if d.Takeover {
		p, err := d.message(payload)
		d.history = append(d.history, p...)
		d.history = d.history[max(0, len(d.history)-d.Window):]
		return p, err
	}
	var err error
	p := inflated.get(codecKey{0, d.Window, string(payload)}, func() (p []byte) {
		if p, err = d.message(payload); err != nil {
			return nil
		}
		return p
	})
	return p, err
}

func (d *Decompressor) message(payload []byte) ([]byte, error) {
	if d.Window < 1<<15 {
		p, distance, err := Inflate(payload, d.history)
		if err == nil && distance > d.Window {
			err = fmt.Errorf("wstest: a reference goes back %d bytes, %d were agreed on", distance, d.Window)
		}
		return p, err
	}
	src := io.MultiReader(bytes.NewReader(payload), bytes.NewReader([]byte(tail+"\x01\x00\x00\xff\xff")))
	r := flateReaders.take(func() io.ReadCloser { return flate.NewReader(src) })
	defer flateReaders.put(r)
	if err := r.(flate.Resetter).Reset(src, d.history); err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// Shared by all cases, which send the same messages again and again: what has
// been compressed and inflated before. Under -race that is the slowest part.
var compressed, inflated memo

type memo struct {
	mu   sync.Mutex // guards done
	done map[codecKey][]byte
}

type codecKey struct {
	level, window int
	data          string
}

// get returns what make makes of the key, or has made of it. It does not keep nil,
// which is what a make that fails returns.
func (m *memo) get(key codecKey, make func() []byte) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p, ok := m.done[key]; ok {
		return p
	}
	p := make()
	if p != nil {
		if m.done == nil {
			m.done = map[codecKey][]byte{}
		}
		m.done[key] = p
	}
	return p
}

// Agreement is what an opening handshake settled for permessage-deflate. The
// bits are always in the range 8 to 15.
type Agreement struct {
	ServerNoTakeover, ClientNoTakeover bool
	ServerBits, ClientBits             int
}

// Offer is what a client offers for permessage-deflate. Bits of 0 are absent,
// and NoValue as ClientBits is the parameter without a value.
type Offer struct {
	ServerNoTakeover, ClientNoTakeover bool
	ServerBits, ClientBits             int
}

// NoValue is client_max_window_bits without a value.
const NoValue = -1

// String returns the offer as the value of the header field.
func (o Offer) String() string {
	s := "permessage-deflate"
	if o.ServerNoTakeover {
		s += "; server_no_context_takeover"
	}
	if o.ClientNoTakeover {
		s += "; client_no_context_takeover"
	}
	if o.ServerBits > 0 {
		s += fmt.Sprintf("; server_max_window_bits=%d", o.ServerBits)
	}
	switch {
	case o.ClientBits == NoValue:
		s += "; client_max_window_bits"
	case o.ClientBits > 0:
		s += fmt.Sprintf("; client_max_window_bits=%d", o.ClientBits)
	}
	return s
}

// Check returns what the answer to the offer settles, or how it breaks RFC 7692
// section 7.1.
func (o Offer) Check(answer string) (Agreement, error) {
	a := Agreement{ServerBits: 15, ClientBits: 15}
	if o.ClientBits > 0 {
		a.ClientBits = o.ClientBits
	}
	a.ClientNoTakeover = o.ClientNoTakeover
	seen := map[string]bool{}
	for i, part := range splitTrim(answer, ";") {
		name, value, hasValue := cutTrim(part, "=")
		if i == 0 {
			if part != "permessage-deflate" {
				return a, fmt.Errorf("%q in answer to permessage-deflate", part)
			}
			continue
		}
		bits := 0
		if value = unquote(value); hasValue {
			if _, err := fmt.Sscan(value, &bits); err != nil || fmt.Sprint(bits) != value || bits < 8 || bits > 15 {
				return a, fmt.Errorf("%q is no window size", part)
			}
		}
		wantsValue := name == "server_max_window_bits" || name == "client_max_window_bits"
		if seen[name] || wantsValue != hasValue {
			return a, fmt.Errorf("%q is repeated or has the wrong form", part)
		}
		seen[name] = true
		switch name {
		case "server_no_context_takeover":
			a.ServerNoTakeover = true
		case "client_no_context_takeover":
			a.ClientNoTakeover = true
		case "server_max_window_bits":
			a.ServerBits = bits
		case "client_max_window_bits":
			a.ClientBits = bits
		default:
			return a, fmt.Errorf("%q is unknown", part)
		}
	}
	switch {
	case o.ServerNoTakeover && !a.ServerNoTakeover:
		return a, errors.New("server_no_context_takeover was asked for and is not agreed to")
	case o.ServerBits > 0 && (!seen["server_max_window_bits"] || a.ServerBits > o.ServerBits):
		return a, errors.New("server_max_window_bits is missing or larger than was asked for")
	case o.ClientBits == 0 && seen["client_max_window_bits"]:
		return a, errors.New("client_max_window_bits was not offered")
	case o.ClientBits > 0 && a.ClientBits > o.ClientBits:
		return a, errors.New("client_max_window_bits is larger than was offered")
	}
	return a, nil
}

// unquote returns the value that a quoted-string stands for.
func unquote(s string) string {
	return strings.ReplaceAll(strings.Trim(s, `"`), `\`, "")
}
