package wsproto_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// format writes extensions in the one normal form, with every value quoted.
func format(list []wsproto.Extension) string {
	var b strings.Builder
	for i, e := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(e.Name)
		for _, p := range e.Params {
			fmt.Fprintf(&b, "; %s", p.Name)
			if p.HasValue {
				fmt.Fprintf(&b, "=%q", p.Value)
			}
		}
	}
	return b.String()
}

func TestRFC6455_9_1_ParseExtensions(t *testing.T) {
	tests := []struct {
		name   string
		values []string
		want   string // in normal form; empty: malformed
	}{
		{"one", []string{"foo"}, "foo"},
		{"examples of the RFC", []string{"deflate-stream", "mux; max-channels=4; flow-control, deflate-stream", "private-extension"},
			`deflate-stream, mux; max-channels="4"; flow-control, deflate-stream, private-extension`},
		{"quoted", []string{`foo; a="b"`}, `foo; a="b"`},
		{"quoted with escapes", []string{`foo; a="\b\c", bar`}, `foo; a="bc", bar`},
		{"no whitespace", []string{"foo;a=1;b,bar"}, `foo; a="1"; b, bar`},
		{"whitespace everywhere", []string{" \tfoo \t; a\t = 1 ;b = \"2\" , bar "}, `foo; a="1"; b="2", bar`},
		{"empty elements are skipped", []string{",, foo ,\t, bar,,"}, "foo, bar"},
		{"an empty line beside a full one", []string{"", "foo"}, "foo"},
		{"same name twice", []string{"foo; a, foo; b"}, "foo; a, foo; b"},

		{"empty", []string{""}, ""},
		{"only commas", []string{" , ,"}, ""},
		{"only a semicolon", []string{";"}, ""},
		{"trailing semicolon", []string{"foo;"}, ""},
		{"two semicolons", []string{"foo;;a"}, ""},
		{"no name", []string{"; a=1"}, ""},
		{"no parameter name", []string{"foo; =1"}, ""},
		{"no value", []string{"foo; a="}, ""},
		{"no value, then another", []string{"foo; a=; b"}, ""},
		{"empty quoted value", []string{`foo; a=""`}, ""},
		{"quoted value is no token", []string{`foo; a="b c"`}, ""},
		{"quoted comma", []string{`foo; a="b,c"`}, ""},
		{"escaped quote is no token", []string{`foo; a="\""`}, ""},
		{"escaped backslash is no token", []string{`foo; a="\\"`}, ""},
		{"quote that does not end", []string{`foo; a="b`}, ""},
		{"quote that ends in a backslash", []string{`foo; a="b\`}, ""},
		{"escaped end quote", []string{`foo; a="b\"`}, ""},
		{"text behind a quote", []string{`foo; a="b"c`}, ""},
		{"two tokens", []string{"foo bar"}, ""},
		{"two values", []string{"foo; a=b c"}, ""},
		{"two equals signs", []string{"foo; a==b"}, ""},
		{"value without a name", []string{"foo=1"}, ""},
		{"quoted name", []string{`"foo"`}, ""},
		{"slash", []string{"foo/1"}, ""},
		{"non-ASCII", []string{"fo\u00f6"}, ""},
		{"NUL", []string{"foo\x00"}, ""},
		{"vertical tab is no whitespace", []string{"foo\v; a"}, ""},
		{"a bad line after a good one", []string{"foo", "bar;"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := wsproto.ParseExtensions(tt.values)
			if tt.want == "" {
				var malformed *wsproto.HandshakeError
				if !errors.As(err, &malformed) || list != nil {
					t.Errorf("ParseExtensions(%q) = %q, %v, want a handshake error", tt.values, format(list), err)
				}
				return
			}
			if got := format(list); err != nil || got != tt.want {
				t.Errorf("ParseExtensions(%q) = %q, %v, want %q", tt.values, got, err, tt.want)
			}
		})
	}
	if list, err := wsproto.ParseExtensions(nil); list != nil || err != nil {
		t.Errorf("ParseExtensions(nil) = %v, %v", list, err)
	}
}

// TestParseExtensionsBounds counts extensions and their parameters.
func TestParseExtensionsBounds(t *testing.T) {
	tests := []struct {
		name  string
		value string
		ok    bool
	}{
		{"8 extensions", strings.Repeat("a,", 8), true},
		{"9 extensions", strings.Repeat("a,", 9), false},
		{"16 parameters", "a" + strings.Repeat(";b", 16), true},
		{"17 parameters", "a" + strings.Repeat(";b", 17), false},
	}
	for _, tt := range tests {
		_, err := wsproto.ParseExtensions([]string{tt.value})
		var tooMany *wsproto.LimitError
		if (err == nil) != tt.ok || err != nil && !errors.As(err, &tooMany) {
			t.Errorf("%s: %v, want ok %v", tt.name, err, tt.ok)
		}
	}
}

// hostileHeaders returns header values of n bytes that make parsers with
// backtracking, or with a copy per step, quadratic.
func hostileHeaders(n int) []string {
	var list []string
	for _, unit := range []string{
		",", ";", `"`, `\`, "=", " ", "\t", `;,"\`, "a", "a,", "a;", `a="`, `a;b="\`, `\"`, "\x00", "\xff", "é", ", ", `a; a="b", `,
	} {
		list = append(list,
			strings.Repeat(unit, n/len(unit)),
			`a; b="`+strings.Repeat(unit, n/len(unit)),
			"a"+strings.Repeat(unit, n/len(unit))+"\x01")
	}
	return list
}

// wantLinear fails the test unless f reads 16 KiB of each hostile header within
// 1 ms, and one that is twice as long in at most three times the time. Others use the
// machine and its caches too, so the fastest of many runs counts: what is quadratic
// takes four times as long in the fastest too. The race detector's own time says nothing;
// with it, 256 KiB must take less than 5 s, where quadratic work takes minutes.
func wantLinear(t *testing.T, f func(value string)) {
	t.Helper()
	run := func(v string, best time.Duration) time.Duration {
		start := time.Now()
		f(v)
		return min(best, time.Since(start))
	}
	const enough = 50 * time.Microsecond // to be measured
	small, half, whole := hostileHeaders(16<<10), hostileHeaders(128<<10), hostileHeaders(256<<10)
	for i := range small {
		atSmall, atHalf, atWhole := time.Hour, time.Hour, time.Hour
		linear := false
		for try := 0; try < 100 && !linear; try++ {
			atWhole = run(whole[i], atWhole)
			if raceEnabled {
				linear = atWhole < 5*time.Second
				continue
			}
			atSmall, atHalf = run(small[i], atSmall), run(half[i], atHalf)
			linear = try >= 1 && atSmall <= time.Millisecond && atWhole <= 3*max(atHalf, enough)
		}
		if !linear {
			t.Errorf("%.40q…: %v for 16 KiB, %v for 128, %v for 256", small[i], atSmall, atHalf, atWhole)
		}
	}
}

// TestThreatB2_CVE_2020_7662_HostileHeaders gives the parser headers of up to 256
// KiB made of what hurts: one pass over each, which allocates next to nothing.
func TestThreatB2_CVE_2020_7662_HostileHeaders(t *testing.T) {
	wantLinear(t, func(v string) { _, _ = wsproto.ParseExtensions([]string{v}) })
	for _, v := range hostileHeaders(256 << 10) {
		if list, err := wsproto.ParseExtensions([]string{v}); err == nil && len(list) > 8 {
			t.Errorf("%.40q…: %d extensions", v, len(list))
		}
		allocs := testing.AllocsPerRun(1, func() { wsproto.ParseExtensions([]string{v}) })
		// A long quoted value is collected by doubling.
		if allocs > 60 {
			t.Errorf("%.40q…: %v allocations", v, allocs)
		}
	}
}
