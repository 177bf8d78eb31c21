package fuzz

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// The opcodes of RFC 6455 section 5.2.
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// reading is a second opinion about a stream of frames, written for clarity: it
// sees the whole input at once and goes through it frame by frame.
type reading struct {
	masked    bool // whether RFC 6455 section 5.1 asks the sender for masks
	deflate   bool // permessage-deflate without takeover was agreed
	limit     int  // bytes of a message, 0: none
	fragments int  // of a message, 0: none
	empty     int  // fragments in a row, 0: none
	controls  int  // control frames, 0: none
}

// asServer and asClient read what a live server or client receives, with the
// limits that it has.
func asServer(deflate bool) reading {
	return reading{masked: true, deflate: deflate, limit: messageLimit, fragments: 1024, empty: 16, controls: 1000}
}

func asClient(deflate bool) reading {
	r := asServer(deflate)
	r.masked, r.limit = false, 1<<20
	return r
}

// found is what a reading says.
type found struct {
	events []event
	fault  int    // the close code that a receiver fails the connection with, 0: none
	why    string // of the fault
	rest   int    // bytes of an unfinished frame
	open   bool   // a fragmented message has begun
}

// event is a message, whole and unpacked, or a control frame.
type event struct {
	op      byte
	payload string // of a close frame: the reason
	code    int    // of a close frame, 1005 when there is none
}

func (e event) String() string {
	p := e.payload
	if len(p) > 60 {
		p = p[:60] + "…"
	}
	return fmt.Sprintf("{op %d code %d %d bytes %q}", e.op, e.code, len(e.payload), p)
}

// read reads frames up to the first fault or close frame.
func (r reading) read(b []byte) (f found) {
	fail := func(code int, why string) found {
		f.fault, f.why = code, why
		return f
	}
	var (
		message    []byte
		op         byte // of the message in progress, 0: none
		compressed bool
		fragments  int
		empty      int
		controls   int
	)
	for len(b) >= 2 {
		fin, rsv, code := b[0]&0x80 != 0, b[0]>>4&7, b[0]&15
		masked, size, head := b[1]&0x80 != 0, uint64(b[1]&0x7F), 2
		switch {
		case rsv != 0 && (rsv != 4 || !r.deflate || code != opText && code != opBinary):
			return fail(1002, "reserved bits")
		case code > opBinary && code < opClose || code > opPong:
			return fail(1002, "opcode")
		case masked != r.masked:
			return fail(1002, "mask")
		case code >= opClose && (!fin || size > 125):
			return fail(1002, "control frame")
		case code == opContinuation && op == 0, code != opContinuation && code < opClose && op != 0:
			return fail(1002, "fragmentation")
		}
		switch size {
		case 126:
			if len(b) < 4 {
				f.rest, f.open = len(b), op != 0
				return f
			}
			size, head = uint64(binary.BigEndian.Uint16(b[2:])), 4
			if size < 126 {
				return fail(1002, "length")
			}
		case 127:
			if len(b) < 10 {
				f.rest, f.open = len(b), op != 0
				return f
			}
			size, head = binary.BigEndian.Uint64(b[2:]), 10
			if size < 1<<16 || size >= 1<<63 {
				return fail(1002, "length")
			}
		}
		if code < opClose && code != opContinuation {
			fragments, empty = 0, 0
			compressed = rsv == 4
		}
		if code < opClose && r.limit > 0 && size > uint64(r.limit) && !compressed {
			return fail(1009, "size")
		}
		if masked {
			head += 4
		}
		if len(b) < head {
			f.rest, f.open = len(b), op != 0
			return f
		}
		var key [4]byte
		if masked {
			copy(key[:], b[head-4:])
		}
		n := int(min(size, uint64(len(b)-head)))
		payload := append([]byte(nil), b[head:head+n]...)
		for i := range payload {
			payload[i] ^= key[i%4]
		}
		whole := uint64(n) == size
		if code >= opClose {
			if !whole {
				f.rest, f.open = len(b), op != 0
				return f
			}
			b = b[head+n:]
			controls++
			if r.controls > 0 && controls > r.controls {
				return fail(1008, "control frames")
			}
			if code != opClose {
				f.events = append(f.events, event{op: code, payload: string(payload)})
				continue
			}
			e := event{op: opClose, code: 1005}
			switch {
			case len(payload) == 1:
				return fail(1002, "close payload")
			case len(payload) > 1:
				e.code, e.payload = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
				if !sendable(e.code) {
					return fail(1002, "close code")
				}
				if !utf8.ValidString(e.payload) {
					return fail(1007, "close reason")
				}
			}
			f.events = append(f.events, e)
			f.rest = len(b)
			return f
		}
		if code != opContinuation {
			op, message = code, nil
		}
		fragments++
		if empty++; size > 0 || fin {
			empty = 0
		}
		switch {
		case r.fragments > 0 && fragments > r.fragments, r.empty > 0 && empty > r.empty:
			return fail(1008, "fragments")
		case r.limit > 0 && !compressed && uint64(len(message))+size > uint64(r.limit):
			return fail(1009, "size")
		case r.limit > 0 && compressed && uint64(len(message))+size > mostCompressed(r.limit):
			return fail(1009, "compressed size")
		}
		message = append(message, payload...)
		if op == opText && !compressed && !textSoFar(message) {
			return fail(1007, "text")
		}
		if !whole {
			f.rest, f.open = len(b), true
			return f
		}
		b = b[head+n:]
		if !fin {
			continue
		}
		if compressed {
			out, why := inflate(message, r.limit)
			if why != "" {
				return fail(1007, why)
			}
			message = out
		}
		if op == opText && !utf8.Valid(message) {
			return fail(1007, "text")
		}
		f.events = append(f.events, event{op: op, payload: string(message)})
		op = 0
	}
	f.rest, f.open = len(b), op != 0
	return f
}

// messages returns the data messages among the events.
func (f found) messages() (m []event) {
	for _, e := range f.events {
		if e.op < opClose {
			m = append(m, e)
		}
	}
	return m
}

// closed returns the close frame, if there is one.
func (f found) closed() (event, bool) {
	if n := len(f.events); n > 0 && f.events[n-1].op == opClose {
		return f.events[n-1], true
	}
	return event{}, false
}

// sendable reports whether a close code may be on the wire, RFC 6455 section 7.4
// and the registry of IANA.
func sendable(code int) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014, code >= 3000 && code <= 4999:
		return true
	}
	return false
}

// textSoFar reports whether b can be the beginning of valid UTF-8.
func textSoFar(b []byte) bool {
	for len(b) > 0 {
		c, n := utf8.DecodeRune(b)
		if c == utf8.RuneError && n == 1 {
			return !utf8.FullRune(b)
		}
		b = b[n:]
	}
	return true
}

// mostCompressed is how large the compressed form of a message may be: it is
// larger than the message if it does not compress.
func mostCompressed(limit int) uint64 { return uint64(limit + limit/64 + 64) }

// inflate unpacks a message, or says why it is none.
//
// RFC 7692 section 7.2.2: the receiver appends 00 00 ff ff and inflates. That makes
// a stored block of the last bits of a message that is whole, and anything of one
// that is cut off: data, codes, an end. To tell them apart another stored block is
// appended, of three bytes. They come out behind a message that is whole. Section
// 7.2.3.4 allows blocks with BFINAL, and the stored one may have it too; a message
// that ends with another such block has nothing to append anything to.
func inflate(payload []byte, limit int) (message []byte, why string) {
	most := 1 << 24
	if limit > 0 {
		most = min(limit, max(1<<16, 100*len(payload)))
	}
	if len(payload) == 0 {
		return nil, ""
	}
	message, left, why := unpack(payload, "", most)
	if why != "" || left == all {
		return message, why
	}
	marked, leftMarked, why := unpack(payload, "abc", most+3)
	if why != "" || leftMarked != left || string(marked) != string(message)+"abc" {
		return nil, "compressed message is cut off"
	}
	return message, ""
}

// lastBlock ends the stream, unless the block before does.
const lastBlock = "\x01\x00\x00\xff\xff"

// all says that nothing behind a payload was needed.
const all = -1

// unpack inflates a payload that is completed by a stored block of text. It says
// how many bytes behind the payload were not needed: none, those of lastBlock, or
// all of them.
func unpack(payload []byte, text string, most int) (out []byte, left int, why string) {
	n := byte(len(text))
	tail := string([]byte{n, 0, ^n, 0xFF}) + text + lastBlock
	in := bytes.NewReader(append(bytes.Clone(payload), tail...))
	for range 64 {
		more, err := io.ReadAll(io.LimitReader(flate.NewReaderDict(in, out), int64(most-len(out))+1))
		switch out = append(out, more...); {
		case len(out) > most:
			return nil, 0, "size of a compressed message"
		case err != nil:
			return nil, 0, "compressed message is damaged"
		case in.Len() == len(tail):
			return out, all, ""
		case in.Len() == 0, in.Len() == len(lastBlock):
			return out, in.Len(), ""
		case in.Len() < len(tail):
			return nil, 0, "compressed message is cut off"
		}
	}
	return nil, 0, "too many final blocks"
}

// deflated is the payload of a compressed message.
func deflated(text string) string {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(w, text) // a buffer takes everything
	_ = w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// appendFrame appends a frame that is masked with key, nil for none.
func appendFrame(dst []byte, b0 byte, key *[4]byte, payload []byte) []byte {
	mask := byte(0)
	if key != nil {
		mask = 0x80
	}
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, b0, mask|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, b0, mask|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, b0, mask|127), uint64(n))
	}
	if key == nil {
		return append(dst, payload...)
	}
	dst = append(dst, key[:]...)
	for i, c := range payload {
		dst = append(dst, c^key[i%4])
	}
	return dst
}

// frames makes frames of bytes: a first byte, a length, and a payload, again and
// again. The mask, where there is one, is zero: a fuzzer sees what it changes.
func frames(b []byte, masked bool) (out []byte) {
	var key *[4]byte
	if masked {
		key = new([4]byte)
	}
	for len(b) >= 2 {
		n := min(int(b[1]), len(b)-2)
		out = appendFrame(out, b[0], key, b[2:2+n])
		b = b[2+n:]
	}
	return out
}
