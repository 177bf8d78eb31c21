package wstest

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// payload evaluates the terms of a payload.
func payload(terms []string) ([]byte, error) {
	if len(terms) == 1 {
		return term(terms[0])
	}
	var all []byte
	for _, t := range terms {
		p, err := term(t)
		if err != nil {
			return nil, err
		}
		all = append(all, p...)
	}
	return all, nil
}

func term(t string) ([]byte, error) {
	if strings.HasPrefix(t, `"`) {
		s, err := strconv.Unquote(t)
		return []byte(s), err
	}
	if count, of, ok := strings.Cut(t, "*"); ok {
		n, err := strconv.Atoi(count)
		if err != nil {
			return nil, err
		}
		p, err := term(of)
		return bytes.Repeat(p, n), err
	}
	if name, of, ok := strings.Cut(t, ":"); ok {
		return generate(name, of)
	}
	p, err := hex.DecodeString(t)
	if err != nil {
		return nil, fmt.Errorf("payload %q: %w", t, err)
	}
	return p, nil
}

func generate(name, of string) ([]byte, error) {
	switch name {
	case "deflate":
		p, err := term(of)
		if err != nil {
			return nil, err
		}
		return NewCompressor(1, 15, false).Message(p), nil
	case "short":
		count, rest, _ := strings.Cut(of, ":")
		n, err := strconv.Atoi(count)
		if err != nil {
			return nil, err
		}
		p, err := term(rest)
		if err != nil || n > len(p) {
			return nil, fmt.Errorf("payload short:%s: %v", of, err)
		}
		return p[:len(p)-n], nil
	}
	n, err := strconv.Atoi(of)
	if err != nil {
		return nil, fmt.Errorf("payload %s:%s: %w", name, of, err)
	}
	switch name {
	case "ascii":
		return ASCII(n), nil
	case "bytes":
		return Bytes(n), nil
	case "utf8":
		return UTF8(n), nil
	}
	return nil, fmt.Errorf("payload %s:%s is unknown", name, of)
}

// The generators repeat a block whose length has no factor in common with
// buffer sizes, so that a byte that gets lost or moved is seen.
const period = 4093

// ASCII returns a text of n bytes, each a character.
func ASCII(n int) []byte { return repeat(n, func(r byte) byte { return ' ' + r%95 }) }

// Bytes returns n bytes of all values.
func Bytes(n int) []byte { return repeat(n, func(r byte) byte { return r }) }

func repeat(n int, b func(random byte) byte) []byte {
	p := make([]byte, n)
	r := uint32(2463534242)
	for i := range p[:min(n, period)] {
		r ^= r << 13
		r ^= r >> 17
		r ^= r << 5
		p[i] = b(byte(r))
	}
	for have := period; have < n; have *= 2 {
		copy(p[have:], p[:have])
	}
	return p
}

// UTF8 returns a text of n bytes with characters of one to four bytes.
func UTF8(n int) []byte {
	const characters = "aé€😀zß水\U0010FFFF"
	p := []byte(strings.Repeat(characters, n/len(characters)))
	return append(p, strings.Repeat("~", n-len(p))...)
}
