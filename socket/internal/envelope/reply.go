package envelope

import (
	"strconv"
	"strings"
)

// MaxNumber is the largest number of a request: the largest whole number that
// every reader of JSON has exactly.
const MaxNumber = 1<<53 - 1

// AppendRequest is [Append] for an event whose sender waits for a reply:
//
//	{"req":7,"event":"sum","data":…}
func AppendRequest(dst []byte, number uint64, event string, data any) ([]byte, error) {
	if err := CheckEvent(event); err != nil {
		return dst, err
	}
	out := strconv.AppendUint(append(dst, `{"req":`...), number, 10)
	out = appendString(append(out, `,"event":`...), event, 0)
	out, err := appendData(append(out, `,"data":`...), data)
	if err != nil {
		return dst, err
	}
	return append(out, '}'), nil
}

// AppendReply appends the reply to the request with a number:
//
//	{"re":7,"data":…}
//
// Data is encoded, and refused, as by [Append].
func AppendReply(dst []byte, number uint64, data any) ([]byte, error) {
	out := appendReplyTo(dst, number)
	out, err := appendData(append(out, `,"data":`...), data)
	if err != nil {
		return dst, err
	}
	return append(out, '}'), nil
}

// AppendError appends the reply that is an error:
//
//	{"re":7,"error":{"code":"not_found","message":"…"}}
//
// What is not UTF-8 in code and message becomes U+FFFD.
func AppendError(dst []byte, number uint64, code, message string) []byte {
	dst = append(appendReplyTo(dst, number), `,"error":{"code":`...)
	dst = appendString(dst, strings.ToValidUTF8(code, "\ufffd"), 0)
	dst = append(dst, `,"message":`...)
	dst = appendString(dst, strings.ToValidUTF8(message, "\ufffd"), 0)
	return append(dst, '}', '}')
}

func appendReplyTo(dst []byte, number uint64) []byte {
	return strconv.AppendUint(append(dst, `{"re":`...), number, 10)
}

// further are the members besides "event" and "data" that may have a meaning.
type further struct {
	req, re, failure                []byte // values; nil: not there
	reqTwice, reTwice, failureTwice bool
}

// add looks at a member.
func (f *further) add(key, value []byte) {
	// Those of a session, the most frequent, are told apart by their first letter.
	if len(key) == 0 || key[0] != 'r' && key[0] != 'e' && key[0] != '\\' {
		return
	}
	switch {
	case named(key, "req"):
		f.req, f.reqTwice = value, f.req != nil
	case named(key, "re"):
		f.re, f.reTwice = value, f.re != nil
	case named(key, "error"):
		f.failure, f.failureTwice = value, f.failure != nil
	}
}

// request sets what makes an event a request.
func (f *further) request(m *Message) error {
	switch {
	case f.req == nil:
		return nil
	case f.reqTwice:
		return ErrDuplicate
	}
	if m.Number, m.Request = parseNumber(f.req); !m.Request {
		return ErrNumber
	}
	return nil
}

// reply returns the reply that a text without an event is, if it is one.
func (f *further) reply(data []byte, dataTwice bool) (m Message, ok bool, err error) {
	number, ok := parseNumber(f.re)
	if !ok {
		return Message{}, false, nil
	}
	if f.reTwice || f.failureTwice || dataTwice {
		return Message{}, true, ErrDuplicate
	}
	m = Message{Number: number, Reply: true, Extra: true, Data: data}
	if f.failure != nil && string(f.failure) != "null" {
		m.Failed, m.Data = true, f.failure
	}
	return m, true, nil
}

// parseNumber returns the whole number that raw, a JSON value or nil, is.
func parseNumber(raw []byte) (uint64, bool) {
	const digits = 16 // of MaxNumber
	var n uint64
	for _, c := range raw {
		if !isDigit(c) {
			return 0, false
		}
		n = 10*n + uint64(c-'0')
	}
	return n, len(raw) > 0 && len(raw) <= digits && n <= MaxNumber
}
