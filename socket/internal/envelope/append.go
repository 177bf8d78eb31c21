package envelope

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"
)

// Append appends the envelope of an event:
//
//	{"event":"chat","data":…}
//
// Data is encoded as encoding/json.Marshal does it, to the byte; nil becomes
// null. Two things more are refused, because a peer would refuse them: an event
// that [CheckEvent] does not allow, and data that is not UTF-8 once encoded
// ([ErrUTF8]). With an error dst is returned as it was. Data is not retained.
func Append(dst []byte, event string, data any) ([]byte, error) {
	if err := CheckEvent(event); err != nil {
		return dst, err
	}
	out, err := appendData(appendHead(dst, event), data)
	if err != nil {
		return dst, err
	}
	return append(out, '}'), nil
}

// Plain reports whether [Append] encodes data without calling a method of it, and how many
// bytes it takes; more with escapes.
func Plain(data any) (size int, ok bool) {
	switch v := data.(type) {
	case string:
		return len(`""`) + len(v), true
	case nil, bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float64:
		return len("-2.2250738585072014e-308"), true
	case json.RawMessage:
		return len(v), true
	}
	return 0, false
}

// AppendRaw is [Append] for data that is valid JSON already, such as
// [Message].Data; it is copied as it is. None at all becomes null. The caller
// has checked the event with [CheckEvent].
func AppendRaw(dst []byte, event string, data []byte) []byte {
	dst = appendHead(dst, event)
	if len(data) == 0 {
		dst = append(dst, "null"...)
	}
	dst = append(dst, data...)
	return append(dst, '}')
}

// Parts returns the parts of an envelope that [Append] has made, whatever is in it. data
// aliases text.
func Parts(text []byte) (event string, data []byte) {
	end := bytes.Index(text, []byte(`","data":`)) + 1 // a quote in an event has a backslash in front
	if err := json.Unmarshal(text[len(`{"event":`):end], &event); err != nil {
		panic("BUG: not an envelope of our own: " + err.Error())
	}
	return event, text[end+len(`,"data":`) : len(text)-1]
}

func appendHead(dst []byte, event string) []byte {
	dst = append(dst, `{"event":`...)
	dst = appendString(dst, event, 0)
	return append(dst, `,"data":`...)
}

// appendData knows the types that need no reflection.
func appendData(dst []byte, data any) ([]byte, error) {
	switch v := data.(type) {
	case nil:
		return append(dst, "null"...), nil
	case string:
		// Versions of encoding/json differ about what is not UTF-8.
		if plain := plainASCII(v); plain == len(v) || utf8.ValidString(v[plain:]) {
			return appendString(dst, v, plain), nil
		}
	case bool:
		return strconv.AppendBool(dst, v), nil
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int8:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int16:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int32:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case uint:
		return strconv.AppendUint(dst, uint64(v), 10), nil
	case uint8:
		return strconv.AppendUint(dst, uint64(v), 10), nil
	case uint16:
		return strconv.AppendUint(dst, uint64(v), 10), nil
	case uint32:
		return strconv.AppendUint(dst, uint64(v), 10), nil
	case uint64:
		return strconv.AppendUint(dst, v, 10), nil
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return appendFloat(dst, v), nil
		}
	case json.RawMessage:
		if marshalled(v) {
			return append(dst, v...), nil
		}
	}
	b, err := json.Marshal(data)
	if err != nil {
		return dst, err
	}
	if !utf8.Valid(b) {
		return dst, ErrUTF8
	}
	return append(dst, b...), nil
}

// appendFloat writes numbers as ECMAScript does, which is what encoding/json
// wants to: shortest form, exponent only where it is large.
func appendFloat(dst []byte, f float64) []byte {
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, f, format, -1, 64)
	if n := len(dst); format == 'e' && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1] // e-09 to e-9
		dst = dst[:n-1]
	}
	return dst
}

// marshalled reports whether json.Marshal would copy raw as it is: valid, no
// white space between tokens, nothing that is escaped for HTML.
func marshalled(raw []byte) bool {
	end, f := skipValue(raw, 0, 0)
	if f != valid || end != len(raw) || !utf8.Valid(raw) {
		return false
	}
	for _, c := range []byte("<>&") {
		if bytes.IndexByte(raw, c) >= 0 {
			return false
		}
	}
	if bytes.Contains(raw, []byte(lineSeparator)) || bytes.Contains(raw, []byte(paragraphSeparator)) {
		return false
	}
	for i := 0; i < len(raw); {
		switch raw[i] {
		case '"':
			i, _ = skipString(raw, i)
		case ' ', '\t', '\n', '\r':
			return false
		default:
			i++
		}
	}
	return true
}
