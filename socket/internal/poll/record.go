package poll

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"
)

// Separator stands between two records of a body. It is a control character
// that JSON text never holds unescaped, so a message in JSON always stands in
// the body as it is, and a client that knows only JSON reads a body with
// body.split("\x1e").map(JSON.parse).
const Separator = 0x1E

// The first byte of a record in base64. No JSON text begins with either.
const (
	prefixBinary = 'b'
	prefixText   = 'u'
)

// The spelling of base64 is the one of JavaScript's btoa: padded, and with no
// second way to write the same bytes.
var encoding = base64.StdEncoding.Strict()

// AppendRecord appends the record of m to dst, without a separator.
func AppendRecord(dst []byte, m Message) []byte {
	if verbatim(m) {
		return append(dst, m.Data...)
	}
	prefix := byte(prefixText)
	if m.Binary {
		prefix = prefixBinary
	}
	dst = append(dst, prefix)
	return encoding.AppendEncode(dst, m.Data)
}

// RecordLen returns the number of bytes that [AppendRecord] appends for m.
func RecordLen(m Message) int {
	if verbatim(m) {
		return len(m.Data)
	}
	return 1 + encoding.EncodedLen(len(m.Data))
}

// AppendBody appends the records of all messages, with separators between them.
func AppendBody(dst []byte, messages []Message) []byte {
	for i, m := range messages {
		if i > 0 {
			dst = append(dst, Separator)
		}
		dst = AppendRecord(dst, m)
	}
	return dst
}

// BodyLen returns the number of bytes that [AppendBody] appends.
func BodyLen(messages []Message) int {
	n := max(len(messages)-1, 0)
	for _, m := range messages {
		n += RecordLen(m)
	}
	return n
}

// verbatim reports whether the message can be its own record: a text that is
// not empty, holds no separator and does not look like base64.
func verbatim(m Message) bool {
	return !m.Binary && len(m.Data) > 0 &&
		m.Data[0] != prefixBinary && m.Data[0] != prefixText &&
		bytes.IndexByte(m.Data, Separator) < 0
}

// ParseRecords appends the messages of a body to dst. It goes over the body once,
// stops at the first record that breaks a rule or passes a limit, and then
// returns dst as it was with a [*ProtocolError] or a [*LimitError]: a body is
// taken whole or not at all. Payloads that stand verbatim alias body, which the
// caller therefore leaves alone; the others are decoded into memory of their own.
func ParseRecords(dst []Message, body []byte, l Limits) ([]Message, error) {
	l = l.WithDefaults()
	if exceeds(len(body), l.Body) {
		return dst, &LimitError{Limit: "body size", Max: l.Body, Actual: len(body)}
	}
	parsed := dst
	for n := 1; ; n++ {
		if exceeds(n, l.Messages) {
			return dst, &LimitError{Limit: "number of messages", Max: l.Messages, Actual: n}
		}
		end := bytes.IndexByte(body, Separator)
		last := end < 0
		if last {
			end = len(body)
		}
		m, err := parseRecord(body[:end:end], l.Message)
		if err != nil {
			return dst, err
		}
		parsed = append(parsed, m)
		if last {
			return parsed, nil
		}
		body = body[end+1:]
	}
}

// parseRecord returns the message of one record without its separator.
func parseRecord(record []byte, limit int) (Message, error) {
	if len(record) == 0 {
		return Message{}, &ProtocolError{"a record is empty"}
	}
	prefix := record[0]
	if prefix != prefixBinary && prefix != prefixText {
		if exceeds(len(record), limit) {
			return Message{}, &LimitError{Limit: "message size", Max: limit, Actual: len(record)}
		}
		if !utf8.Valid(record) {
			return Message{}, &ProtocolError{"a text record is not valid UTF-8"}
		}
		return Message{Data: record}, nil
	}
	encoded := record[1:]
	size := decodedLen(encoded)
	if exceeds(size, limit) {
		return Message{}, &LimitError{Limit: "message size", Max: limit, Actual: size}
	}
	data := make([]byte, encoding.DecodedLen(len(encoded)))
	n, err := encoding.Decode(data, encoded)
	// The decoder of the standard library skips line breaks, which would be a
	// second way to write a record; the lengths tell.
	if err != nil || n != size || len(encoded)%4 != 0 {
		return Message{}, &ProtocolError{"a record is not valid base64"}
	}
	data = data[:n:n]
	if prefix == prefixText && !utf8.Valid(data) {
		return Message{}, &ProtocolError{"a text record is not valid UTF-8"}
	}
	return Message{Binary: prefix == prefixBinary, Data: data}, nil
}

// decodedLen returns how many bytes a well-formed padded base64 text stands for.
func decodedLen(encoded []byte) int {
	n := encoding.DecodedLen(len(encoded))
	for i := len(encoded) - 1; i >= 0 && i >= len(encoded)-2 && encoded[i] == '='; i-- {
		n--
	}
	return n
}
