package wstest

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"
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
	if i := strings.IndexAny(t, "*:"); i >= 0 && t[i] == ':' {
		return generate(t[:i], t[i+1:])
	}
	if count, of, ok := strings.Cut(t, "*"); ok {
		n, err := strconv.Atoi(count)
		if err != nil {
			return nil, err
		}
		p, err := term(of)
		return bytes.Repeat(p, n), err
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
	case "final":
		p, err := term(of)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, 9) // the level is valid
		_, _ = w.Write(p)              // a buffer takes everything
		_ = w.Close()
		return b.Bytes(), nil
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

// Shared by all cases: what a generator makes is always the beginning of the same
// text. The cases hold 16 MiB of it several times over, and none changes it.
var (
	asciiText = pattern{of: func(random byte) byte { return ' ' + random%95 }}
	anyBytes  = pattern{of: func(random byte) byte { return random }}
)

// ASCII returns a text of n bytes, each a character. It must not be changed.
func ASCII(n int) []byte { return asciiText.get(n) }

// Bytes returns n bytes of all values. They must not be changed.
func Bytes(n int) []byte { return anyBytes.get(n) }

type pattern struct {
	of func(random byte) byte

	mu sync.Mutex // guards b
	b  []byte
}

func (p *pattern) get(n int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.b) < n {
		p.b = p.repeat(n)
	}
	return p.b[:n:n]
}

func (p *pattern) repeat(n int) []byte {
	b := make([]byte, n)
	r := uint32(2463534242)
	for i := range b[:min(n, period)] {
		r ^= r << 13
		r ^= r >> 17
		r ^= r << 5
		b[i] = p.of(byte(r))
	}
	for have := period; have < n; have *= 2 {
		copy(b[have:], b[:have])
	}
	return b
}

// UTF8 returns a text of n bytes with characters of one to four bytes.
func UTF8(n int) []byte {
	const characters = "aé€😀zß水\U0010FFFF"
	p := []byte(strings.Repeat(characters, n/len(characters)))
	return append(p, strings.Repeat("~", n-len(p))...)
}
