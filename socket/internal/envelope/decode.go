package envelope

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// Decode returns the Go value of raw, which is [Message].Data in the usual case:
// what json.Unmarshal into an interface value makes of it, so string, float64,
// bool, nil, map[string]any or []any, and nil with its error. No bytes at all are
// nil too: an event that came without data. The value does not alias raw.
func Decode(raw []byte) (any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	switch raw[0] {
	case '"':
		if n := len(raw); n >= 2 && skipPlain(raw, 1) == n-1 && raw[n-1] == '"' && utf8.Valid(raw) {
			return string(raw[1 : n-1]), nil
		}
	case 't':
		if string(raw) == "true" {
			return true, nil
		}
	case 'f':
		if string(raw) == "false" {
			return false, nil
		}
	case 'n':
		if string(raw) == "null" {
			return nil, nil
		}
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		if end, f := skipNumber(raw, 0); f == valid && end == len(raw) {
			if n, err := strconv.ParseFloat(string(raw), 64); err == nil {
				return n, nil
			}
		}
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	return v, nil
}
