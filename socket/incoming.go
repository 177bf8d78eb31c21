package socket

import (
	"bytes"
	"encoding/json"
	"sync"

	"github.com/kleeedolinux/socket.go/socket/internal/envelope"
)

// incoming is what handlers are called for: a message of the peer, or something
// that the library itself has to tell.
type incoming struct {
	event  Event
	raw    []byte // JSON of a message's data, nil when there is none
	binary []byte // a binary message
	value  any    // of a built-in event, or the decoded raw
	kind   incomingKind
}

type incomingKind uint8

const (
	fromJSON incomingKind = iota
	fromBinary
	builtIn
)

// Shared by all servers and clients of the process. See BenchmarkEcho: handlers are
// called through a variable, so each would be allocated.
var incomingPool = sync.Pool{New: func() any { return new(incoming) }}

// newIncoming returns a message whose memory is pooled.
func newIncoming(event Event, raw []byte) *incoming {
	m := incomingPool.Get().(*incoming)
	m.event, m.raw = event, raw
	return m
}

// free gives the memory back. m must not be used any more.
func (m *incoming) free() {
	*m = incoming{}
	incomingPool.Put(m)
}

// decode returns the data for handlers that take any type.
func (m *incoming) decode() (any, error) {
	switch m.kind {
	case builtIn:
		return m.value, nil
	case fromBinary:
		return m.binary, nil
	}
	if m.value == nil && m.raw != nil {
		v, err := envelope.Decode(m.raw)
		if err != nil {
			return nil, invalid("%v", err)
		}
		m.value = v
	}
	return m.value, nil
}

// decodeAs returns the data for handlers that take a T.
func decodeAs[T any](m *incoming) (T, error) {
	var zero T
	if _, ok := any(zero).(string); ok && m.kind == fromJSON {
		// The most common data by far, without anything but the string itself.
		if s, ok := plainString(m.raw); ok {
			v, _ := any(s).(T)
			return v, nil
		}
	}
	return decodeAny[T](m)
}

// plainString returns the string that raw is, if that takes no unescaping. raw is
// valid JSON, and UTF-8, which every transport has checked: a long string is not
// looked through once more.
func plainString(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' || bytes.IndexByte(raw, '\\') >= 0 {
		return "", false
	}
	return string(raw[1 : len(raw)-1]), true
}

// decodeAny is decodeAs for any type and any data.
func decodeAny[T any](m *incoming) (v T, err error) {
	switch m.kind {
	case builtIn:
		v, _ = m.value.(T) // the zero value where there is no such data
		return v, nil
	case fromBinary:
		if p, ok := any(&v).(*[]byte); ok {
			*p = m.binary
			return v, nil
		}
		if p, ok := any(&v).(*any); ok {
			*p = m.binary
			return v, nil
		}
		return v, invalid("a binary message is no %T", v)
	}
	if m.raw == nil {
		return v, nil // no data is the zero value, as null is
	}
	switch p := any(&v).(type) {
	case *any:
		*p, err = m.decode()
		return v, err
	case *string:
		if s, derr := m.decode(); derr == nil {
			if text, ok := s.(string); ok {
				*p = text
				return v, nil
			}
		}
	}
	if err := json.Unmarshal(m.raw, &v); err != nil {
		return v, invalid("%v", err)
	}
	return v, nil
}
