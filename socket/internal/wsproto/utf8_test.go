package wsproto_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// viable is what UTF8 has to say about b, from unicode/utf8: whether b is valid
// but for a character that its end cuts off, and whether there is one.
func viable(b []byte) (ok, complete bool) {
	if utf8.Valid(b) {
		return true, true
	}
	for cut := 1; cut < utf8.UTFMax && cut <= len(b); cut++ {
		head, tail := b[:len(b)-cut], b[len(b)-cut:]
		if !utf8.FullRune(tail) && utf8.Valid(head) {
			return true, false
		}
	}
	return false, false
}

func checkUTF8(t *testing.T, pieces ...[]byte) {
	t.Helper()
	var u UTF8
	var all []byte
	for _, p := range pieces {
		all = append(all, p...)
		wantOK, wantComplete := viable(all)
		if got := u.Write(p); got != wantOK {
			t.Fatalf("Write gave %t after %q, want %t", got, pieces, wantOK)
		}
		if !wantOK {
			return
		}
		if got := u.Complete(); got != wantComplete {
			t.Fatalf("Complete gave %t after %q, want %t", got, pieces, wantComplete)
		}
	}
}

var utf8Texts = []struct{ name, text string }{
	{"empty", ""},
	{"ascii", strings.Repeat("plain text ", 8)},
	{"greek", "κόσμε"},
	{"every length", "aé€𐍈aé€𐍈"},
	{"first and last of each length", "\x00\x7f\u0080\u07ff\u0800\uffff\U00010000\U0010ffff"},
	{"around the surrogates", "\ud7ff\ue000"},
	{"non-characters are valid", "\ufffe\uffff\U0001fffe"},
	{"after much ascii", strings.Repeat("x", 61) + "é" + strings.Repeat("x", 40)},
	{"bad after ascii", strings.Repeat("x", 37) + "\xff" + strings.Repeat("x", 40)},
	{"stray continuation", "a\x80"},
	{"overlong slash, two bytes", "\xc0\xaf"},
	{"overlong slash, three bytes", "\xe0\x80\xaf"},
	{"overlong slash, four bytes", "\xf0\x80\x80\xaf"},
	{"longest overlong", "\xc1\xbf \xe0\x9f\xbf \xf0\x8f\xbf\xbf"},
	{"surrogate", "abcd\xed\xa0\x80abcd"},
	{"last surrogate", "\xed\xbf\xbfabcd"},
	{"beyond the last", "\xf4\x90\x80\x80"},
	{"five bytes", "\xf8\x88\x80\x80\x80"},
	{"cut at the end", "aaaa\xf0\x9f\x98"},
	{"cut in the middle", "\xe2\x82aaaa"},
}

func TestUTF8AtEverySplit(t *testing.T) {
	for _, tt := range utf8Texts {
		t.Run(tt.name, func(t *testing.T) {
			b := []byte(tt.text)
			checkUTF8(t, b)
			checkUTF8(t, slices.Collect(slices.Chunk(b, 1))...)
			for i := range b {
				for j := i; j < len(b); j++ {
					checkUTF8(t, b[:i], b[i:j], b[j:])
				}
			}
		})
	}
}

func TestUTF8EveryCharacter(t *testing.T) {
	var b []byte
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		b = utf8.AppendRune(b[:0], r)
		for len(b) < 8 {
			b = append(b, 'x')
		}
		var whole, cut UTF8
		if !whole.Write(b) || !whole.Complete() || !cut.Write(b[:1]) || !cut.Write(b[1:]) || !cut.Complete() {
			t.Fatalf("%U is refused", r)
		}
	}
}

// Every sequence of four bytes that lie at the edges of the ranges of RFC 3629,
// alone and with text behind it, which takes other paths through the code.
func TestUTF8Edges(t *testing.T) {
	edges := []byte("\x00\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xff")
	text := []byte("____tail")
	for _, text[0] = range edges {
		for _, text[1] = range edges {
			for _, text[2] = range edges {
				for _, text[3] = range edges {
					for _, b := range [][]byte{text[:4], text} {
						var u UTF8
						ok := u.Write(b)
						wantOK, wantComplete := viable(b)
						if ok != wantOK || ok && u.Complete() != wantComplete {
							t.Fatalf("Write(%q) = %t, Complete = %t, want %t, %t", b, ok, u.Complete(), wantOK, wantComplete)
						}
					}
				}
			}
		}
	}
}

func FuzzUTF8(f *testing.F) {
	for _, tt := range utf8Texts {
		f.Add([]byte(tt.text), uint(3), uint(5))
	}
	f.Fuzz(func(t *testing.T, b []byte, i, j uint) {
		checkUTF8(t, b)
		size := uint(len(b)) + 1
		i, j = i%size, j%size
		i, j = min(i, j), max(i, j)
		checkUTF8(t, b[:i], b[i:j], b[j:])
		if len(b) <= 256 {
			checkUTF8(t, slices.Collect(slices.Chunk(b, 1))...)
		}
	})
}
