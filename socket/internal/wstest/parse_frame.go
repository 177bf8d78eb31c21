package wstest

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// fields splits a statement at its spaces, but not within quotes.
func fields(s string) (list []string) {
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		n := 0
		for quoted := false; n < len(s) && (quoted || s[n] != ' '); n++ {
			switch {
			case s[n] == '"':
				quoted = !quoted
			case s[n] == '\\' && quoted:
				n++
			}
		}
		n = min(n, len(s))
		list = append(list, s[:n])
		s = s[n:]
	}
	return list
}

func parseExpect(text string) (Expect, error) {
	words := fields(text)
	var e Expect
	if n := len(words) - 1; n > 0 && words[n] == "..." {
		e.Any = true
		words = words[:n]
	}
	if text == "nothing" {
		return e, nil
	}
	f, err := parseFrameText(words)
	e.Frame = f
	return e, err
}

// parseFrameText reads a frame as a case file writes it.
func parseFrameText(words []string) (f Frame, err error) {
	if len(words) == 0 {
		return f, fmt.Errorf("want a frame")
	}
	if words[0] == "raw" {
		f.Raw, err = payload(words[1:])
		return f, err
	}
	if f.Opcode, err = opcode(words[0]); err != nil {
		return f, err
	}
	words = words[1:]
	for len(words) > 0 && f.flag(words[0]) {
		words = words[1:]
	}
	if f.Opcode != Close || len(words) == 0 || f.Announce != 0 {
		f.Payload, err = payload(words)
		return f, err
	}
	if words[0] == "raw" {
		f.Payload, err = payload(words[1:])
		return f, err
	}
	code, err := strconv.ParseUint(words[0], 10, 16)
	if err != nil {
		return f, fmt.Errorf("close code: %w", err)
	}
	reason, err := payload(words[1:])
	f.Payload = closePayload(int(code), reason)
	return f, err
}

func opcode(word string) (byte, error) {
	switch word {
	case "cont":
		return Continuation, nil
	case "text":
		return Text, nil
	case "binary":
		return Binary, nil
	case "close":
		return Close, nil
	case "ping":
		return Ping, nil
	case "pong":
		return Pong, nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(word, "op"), 10, 4)
	if err != nil || !strings.HasPrefix(word, "op") {
		return 0, fmt.Errorf("frame %q is unknown", word)
	}
	return byte(n), nil
}

// flag takes a word that says how a frame looks, if it is one.
func (f *Frame) flag(word string) bool {
	name, value, _ := strings.Cut(word, "=")
	switch name {
	case "-fin":
		f.More = true
	case "rsv1", "rsv2", "rsv3":
		f.RSV |= 4 >> (word[3] - '1')
	case "masked":
		f.Mask.Rule = MaskAlways
	case "unmasked":
		f.Mask.Rule = MaskNever
	case "key":
		f.Mask.Rule = MaskKey
		b, err := hex.DecodeString(value)
		return err == nil && copy(f.Mask.Key[:], b) == 4
	case "size16":
		f.Size = 16
	case "size64":
		f.Size = 64
	case "deflated":
		f.Deflated = true
	case "split":
		n, err := strconv.Atoi(value)
		f.Fragments = n
		return err == nil && n > 0
	case "len":
		n, err := strconv.ParseUint(value, 10, 64)
		f.Announce = int64(n)
		return err == nil
	default:
		return false
	}
	return true
}
