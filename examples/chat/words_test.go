package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestCleanName(t *testing.T) {
	tests := []struct {
		name, in, want string
		bad            string // part of the error
	}{
		{name: "plain", in: "ann", want: "ann"},
		{name: "space", in: "  ann \t maria\n", want: "ann maria"},
		{name: "other scripts", in: "Мария 王 😀", want: "Мария 王 😀"},
		{name: "joined emoji", in: "👩‍💻", want: "👩‍💻"},
		{name: "longest", in: strings.Repeat("é", maxName), want: strings.Repeat("é", maxName)},
		{name: "too long", in: strings.Repeat("é", maxName+1), bad: "longer than 32"},
		{name: "empty", in: " \n ", bad: "empty"},
		{name: "escape", in: "a\x1b[31m", bad: "cannot be shown"},
		{name: "turned around", in: "ann\u202egnp.exe", bad: "cannot be shown"},
		{name: "invisible", in: "\u200b\u200b", bad: "cannot be seen"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := cleanName("name", tt.in, maxName)
			if (err != nil) != (tt.bad != "") || err != nil && !strings.Contains(err.Error(), tt.bad) || got != tt.want {
				t.Errorf("cleanName(%q) = %q, %v; want %q, error with %q", tt.in, got, err, tt.want, tt.bad)
			}
		})
	}
}

func TestCleanText(t *testing.T) {
	tests := []struct {
		name, in, want string
		bad            bool
	}{
		{name: "plain", in: "hi", want: "hi"},
		{name: "lines and markup stay", in: "\n a\n\t<b>&\n", want: "a\n\t<b>&"},
		{name: "controls go", in: "a\x00b\x1b[1mc\r\nd", want: "ab[1mc\nd"},
		{name: "empty", in: " \r\n\u200b", bad: true},
		{name: "longest", in: strings.Repeat("x", maxText), want: strings.Repeat("x", maxText)},
		{name: "too long", in: strings.Repeat("x", maxText+1), bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := cleanText(tt.in)
			if (err != nil) != tt.bad || got != tt.want {
				t.Errorf("cleanText(%q) = %q, %v; want %q, error: %v", tt.in, got, err, tt.want, tt.bad)
			}
		})
	}
}

func TestJoinRequestIsAnObjectOrAName(t *testing.T) {
	for in, want := range map[string]joinRequest{
		`"lobby"`:                       {Room: "lobby"},
		`{"room":"lobby"}`:              {Room: "lobby"},
		`{"room":"lobby","name":"ann"}`: {Room: "lobby", Name: "ann"},
	} {
		var got joinRequest
		if err := json.Unmarshal([]byte(in), &got); err != nil || got != want {
			t.Errorf("%s = %+v, %v; want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{`7`, `["lobby"]`, `{"room":7}`} {
		if err := json.Unmarshal([]byte(in), new(joinRequest)); err == nil {
			t.Errorf("%s: no error", in)
		}
	}
}
