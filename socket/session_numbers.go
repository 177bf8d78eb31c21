package socket

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"strconv"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// numbers are what a message of a connection with a session says about numbers. On the
// wire that is up to two members in front of a text message,
//
//	{"seq":7,"ack":3,"event":"chat","data":"hello"}
//
// and always two varints in front of a binary one. A text that does not say its seq has
// the one after that of the message before it on the connection, so most say nothing, and
// are what everybody else gets too. A seq of 0 is that of a message which is not of the
// session: it is not numbered, and not kept.
//
// It is as small as what is passed in registers.
type numbers struct {
	seq, ack uint64 // an ack of 0 is none
	said     bool   // seq is on the wire
}

// heading is what was read of a message's numbers.
type heading struct {
	numbers
	alone bool // there is nothing behind them: it is no message
	head  int  // bytes that they took in front of the message
}

// outside reports whether the message is not of the session.
func (n numbers) outside() bool { return n.said && n.seq == 0 }

// maxHead is the longest that appendHead appends, bytes.
const maxHead = 64

// silent reports whether a message goes out as it is.
func (n numbers) silent(typ transport.MessageType) bool {
	return typ == transport.MessageText && !n.said && n.ack == 0
}

// appendHead begins a message with its numbers. A text message goes on behind the {
// that it begins with.
func (n numbers) appendHead(dst []byte, typ transport.MessageType) []byte {
	if typ == transport.MessageBinary {
		dst = binary.AppendUvarint(dst, n.seq)
		return binary.AppendUvarint(dst, n.ack)
	}
	if n.said {
		dst = append(dst, `{"seq":`...)
		dst = strconv.AppendUint(dst, n.seq, 10)
		dst = append(dst, ',')
	} else {
		dst = append(dst, '{')
	}
	if n.ack > 0 {
		dst = append(dst, `"ack":`...)
		dst = strconv.AppendUint(dst, n.ack, 10)
		dst = append(dst, ',')
	}
	return dst
}

// prepend returns a message with its numbers, in memory of its own.
func (n numbers) prepend(typ transport.MessageType, p []byte) []byte {
	head := n.appendHead(make([]byte, 0, maxHead/2+len(p)), typ)
	return append(head, p[headless(typ):]...)
}

// unnumbered are the numbers of a message that is not of the session.
var unnumbered = numbers{said: true}

// headless is how much of a message without numbers is left out behind a head.
func headless(typ transport.MessageType) int {
	if typ == transport.MessageBinary {
		return 0
	}
	return 1
}

// appendAck appends a message that is nothing but an acknowledgement.
func appendAck(dst []byte, ack uint64) []byte {
	dst = append(dst, `{"ack":`...)
	dst = strconv.AppendUint(dst, ack, 10)
	return append(dst, '}')
}

// parseNumbers takes the numbers from a message of a connection with a session, and
// returns what is left. They are cut off in place where they are spelled as appendHead
// does it, so p is changed; else a text is left as it is: other members do no harm.
func parseNumbers(typ transport.MessageType, p []byte) (n heading, rest []byte, err error) {
	if typ == transport.MessageBinary {
		return binaryNumbers(p)
	}
	n, i, ok := leadingNumbers(p)
	if !ok {
		return spelledNumbers(p)
	}
	if i == len(p) {
		n.alone = n.seq == 0
		return n, p, nil
	}
	n.head = i - 1
	p[i-1] = '{'
	return n, p[i-1:], nil
}

// saysNothing reports whether a message has no numbers, as most have none. What it is not
// sure about is for parseNumbers.
func saysNothing(typ transport.MessageType, p []byte) bool {
	return typ == transport.MessageText && len(p) > 2 && p[0] == '{' && p[1] == '"' && !mayBeNumber(p[2])
}

// mayBeNumber reports whether the name of a number may begin with a byte, as JSON.
func mayBeNumber(c byte) bool { return c == 's' || c == 'a' || c == '\\' }

func binaryNumbers(p []byte) (n heading, rest []byte, err error) {
	whole := len(p)
	for _, v := range [...]*uint64{&n.seq, &n.ack} {
		x, size := binary.Uvarint(p)
		if size <= 0 {
			return n, nil, invalid("a binary message of a session has no numbers")
		}
		*v, p = x, p[size:]
	}
	n.said = true
	n.head = whole - len(p)
	return n, p[:len(p):len(p)], nil
}

// leadingNumbers reads numbers as appendHead and appendAck write them. i is where the
// rest begins, which is another member, or the end. It is not ok when there are none, or
// perhaps others.
func leadingNumbers(p []byte) (n heading, i int, ok bool) {
	const seq, ack = `{"seq":`, `"ack":`
	if len(p) < len(seq) || p[0] != '{' {
		return n, 0, false
	}
	i = 1
	if string(p[:len(seq)]) == seq {
		n.said = true
		if n.seq, i, ok = leadingNumber(p, len(seq)); !ok || i == len(p) {
			return n, i, ok
		}
		if !mayBeNumber(p[i+1]) || p[i+1] == 's' {
			return n, i, true
		}
	}
	if len(p)-i < len(ack) || string(p[i:i+len(ack)]) != ack {
		return n, i, false
	}
	if n.ack, i, ok = leadingNumber(p, i+len(ack)); !ok || i == len(p) {
		return n, i, ok
	}
	return n, i, n.said || !mayBeNumber(p[i+1]) || p[i+1] == 'a'
}

// leadingNumber reads a number at p[i:] and what ends it. It is not ok unless that is the
// comma in front of another member with a name, or the end of p.
func leadingNumber(p []byte, i int) (x uint64, end int, ok bool) {
	x, size := digits(p[i:])
	i += size
	switch {
	case size == 0 || i == len(p):
		return 0, 0, false
	case p[i] == '}':
		return x, i + 1, i+1 == len(p)
	}
	return x, i + 1, p[i] == ',' && i+2 < len(p) && p[i+1] == '"'
}

// digits reads a number of at most 18 digits, and returns how many it has.
func digits(p []byte) (x uint64, n int) {
	for n < len(p) && n < 18 && '0' <= p[n] && p[n] <= '9' {
		x = 10*x + uint64(p[n]-'0')
		n++
	}
	return x, n
}

// spelledNumbers is parseNumbers for a text that may spell them in another way. They are
// the members that it begins with, in either order; those of the names further behind mean
// nothing. What begins otherwise, JSON or not, has none.
func spelledNumbers(p []byte) (n heading, rest []byte, err error) {
	d := json.NewDecoder(bytes.NewReader(p))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return n, p, nil
	}
	acked := false
	for d.More() {
		name, err := d.Token()
		v, again := &n.seq, n.said
		switch {
		case err != nil && n.head > 0:
			return n, nil, invalid("the numbers of a message of a session are not JSON")
		case err == nil && name == "ack":
			v, again, acked = &n.ack, acked, true
		case err == nil && name == "seq":
			n.said = true
		default:
			return n, p, nil
		}
		if again {
			return n, p, nil
		}
		var raw json.RawMessage
		err = d.Decode(&raw)
		x, size := digits(raw)
		if err != nil || size == 0 || size != len(raw) {
			return n, nil, invalid("%q is not a number", name)
		}
		*v = x
		n.head += len(`"seq":,`) + len(raw)
	}
	if n.head == 0 {
		return n, p, nil // an empty object, or a broken one
	}
	if _, err := d.Token(); err != nil {
		return n, nil, invalid("the numbers of a message of a session are not JSON")
	}
	if _, err := d.Token(); err != io.EOF {
		return n, nil, invalid("the numbers of a message of a session are not JSON")
	}
	n.alone = n.seq == 0
	return n, p, nil
}
