package sockettest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/sockettest"
)

func TestDiff(t *testing.T) {
	tests := []struct {
		name, got, want string
		lines           []string
	}{
		{name: "same text", got: `"a"`, want: `"\u0061"`},
		{name: "same number", got: `1`, want: `1.0`},
		{name: "same large number", got: `1e2`, want: `100`},
		{name: "zero", got: `0`, want: `-0`},
		{name: "order of members", got: `{"a":1,"b":[{}]}`, want: `{"b":[{}],"a":1}`},
		{name: "null", got: `null`, want: ` null`},
		{name: "other text", got: `"a"`, want: `"b"`, lines: []string{`the value: got "a", want "b"`}},
		{name: "other number", got: `1`, want: `2`, lines: []string{`the value: got 1, want 2`}},
		{
			name: "numbers a float does not tell apart", got: `9007199254740993`, want: `9007199254740992`,
			lines: []string{`the value: got 9007199254740993, want 9007199254740992`},
		},
		{name: "other kind", got: `{"a":"1"}`, want: `{"a":1}`, lines: []string{`.a: got "1", want 1`}},
		{name: "null and nothing", got: `{"a":null}`, want: `{}`, lines: []string{`.a: got null, want nothing`}},
		{name: "nothing and null", got: `{}`, want: `{"a":null}`, lines: []string{`.a: got nothing, want null`}},
		{name: "object and list", got: `{"a":{}}`, want: `{"a":[]}`, lines: []string{`.a: got {}, want []`}},
		{name: "list and text", got: `[1]`, want: `"[1]"`, lines: []string{`the value: got [1], want "[1]"`}},
		{
			name: "deep", got: `{"a":[1,{"b":true}],"c":0}`, want: `{"a":[1,{"b":false},3],"c":0}`,
			lines: []string{`.a[1].b: got true, want false`, `.a[2]: got nothing, want 3`},
		},
		{name: "shorter", got: `[1,2]`, want: `[1]`, lines: []string{`[1]: got 2, want nothing`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := sockettest.Diff([]byte(tt.got), []byte(tt.want)); !slices.Equal(got, tt.lines) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.lines, "\n"))
			}
		})
	}
}

func TestDiffIsBounded(t *testing.T) {
	want := "[" + strings.Repeat("1,", 99) + "1]"
	got := sockettest.Diff([]byte("[]"), []byte(want))
	if len(got) != 11 || got[10] != "and 90 more" || got[9] != "[9]: got nothing, want 1" {
		t.Errorf("%d lines, the last: %q", len(got), got[len(got)-1])
	}
}
