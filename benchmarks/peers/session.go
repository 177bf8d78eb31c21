package main

import (
	"bytes"
	"fmt"
	"strconv"
)

// withSessions is the server that the load speaks to as a client of this module does
// that has a session on each connection: it counts what it sends and what comes, and
// acknowledges.
const withSessions = "socket.go sessions"

// Headers of the opening handshake.
const (
	sessionOffer  = "Socket-Session: new\r\n"
	sessionAnswer = "\r\nSocket-Session: id="
)

// ackEvery is how many messages a client handles before it acknowledges them by
// themselves, and ackAlong how many before whatever it sends takes that along.
const (
	ackEvery = 256
	ackAlong = 32
)

// session is a load's end of the sessions of all its connections. Messages cannot be
// made beforehand, for some have numbers.
type session struct {
	texts [2][]byte // without a number and the { in front: one that is answered, and one that is not
	text  []byte    // of one message
	out   []byte    // frames
}

func newSession(size int) *session {
	return &session{texts: [2][]byte{payload("m", size)[1:], payload("n", size)[1:]}}
}

// numbers are those of one connection.
type numbers struct {
	sent  uint64
	acked uint64 // of those
	came  uint64
	owes  uint64 // how many of those that came are not acknowledged
}

// frames are the next n messages of a connection. Only the last is answered, if they go
// one way.
func (s *session) frames(c *client, n int, oneWay bool) []byte {
	s.out = s.out[:0]
	for i := range n {
		c.sent++
		s.text = append(s.text[:0], '{')
		if c.sent == 1 {
			s.text = append(s.text, `"seq":1,`...) // those behind it need not say theirs
		}
		if c.owes >= ackAlong || c.owes > 0 && c.acked == c.sent-1 {
			s.text = append(strconv.AppendUint(append(s.text, `"ack":`...), c.came, 10), ',')
			c.owes = 0
		}
		text := s.texts[0]
		if oneWay && i < n-1 {
			text = s.texts[1]
		}
		s.text = append(s.text, text...)
		s.out = appendClientFrame(s.out, s.text)
	}
	return s.out
}

// ack is the frame that acknowledges what has come on a connection.
func (s *session) ack(c *client) []byte {
	c.owes = 0
	s.text = append(strconv.AppendUint(append(s.text[:0], `{"ack":`...), c.came, 10), '}')
	s.out = appendClientFrame(s.out[:0], s.text)
	return s.out
}

// take counts the whole messages in what has come on a connection, and judges their
// numbers as a client does.
func (s *session) take(c *client, b []byte) (whole int, err error) {
	if len(c.rest) > 0 {
		c.rest = append(c.rest, b...)
		b = c.rest
	}
	for {
		header, size := parseServerHeader(b)
		if header == 0 || len(b) < header+size {
			break
		}
		text := b[header : header+size]
		seq, rest := member(text[1:], `"seq":`)
		ack, rest := member(rest, `"ack":`)
		switch {
		case b[0] != 0x81, ack > c.sent:
			return whole, fmt.Errorf("the server sent %.80q after %d messages", b[:header+size], c.sent)
		case seq == 0 && ack > 0 && len(rest) == 0:
		case seq == 0 && c.came == 0, seq != 0 && seq != c.came+1, !bytes.Equal(rest, s.texts[0]):
			return whole, fmt.Errorf("the server sent %.80q, want number %d of %.40q", text, c.came+1, s.texts[0])
		default:
			c.came++
			c.owes++
			whole++
		}
		c.acked = max(c.acked, ack)
		b = b[header+size:]
	}
	c.rest = append(c.rest[:0], b...)
	return whole, nil
}

// member reads a number that a text begins with, 0 if it does not.
func member(text []byte, name string) (n uint64, rest []byte) {
	digits, ok := bytes.CutPrefix(text, []byte(name))
	if !ok {
		return 0, text
	}
	i := bytes.IndexAny(digits, ",}")
	if i < 0 {
		return 0, text
	}
	n, err := strconv.ParseUint(string(digits[:i]), 10, 64)
	if err != nil {
		return 0, text
	}
	return n, digits[i+1:]
}

// appendClientFrame is clientFrameOf behind dst.
func appendClientFrame(dst, payload []byte) []byte {
	dst = append(dst, frameHeader(len(payload), 0x80)...)
	dst = append(dst, maskKey[:]...)
	from := len(dst)
	dst = append(dst, payload...)
	unmask(maskKey[:], dst[from:])
	return dst
}
