package poll_test

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/poll"
)

func text(s string) poll.Message   { return poll.Message{Data: []byte(s)} }
func binary(s string) poll.Message { return poll.Message{Binary: true, Data: []byte(s)} }

func equal(a, b []poll.Message) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Binary != b[i].Binary || !bytes.Equal(a[i].Data, b[i].Data) {
			return false
		}
	}
	return true
}

func TestRecordsAreSpelledAsDocumented(t *testing.T) {
	tests := []struct {
		name     string
		messages []poll.Message
		body     string
	}{
		{"json object", []poll.Message{text(`{"event":"chat"}`)}, `{"event":"chat"}`},
		{"json values that begin with a word", []poll.Message{text("true"), text("null")}, "true\x1enull"},
		{"text that begins with u", []poll.Message{text("up")}, "udXA="},
		{"text that begins with b", []poll.Message{text("b")}, "uYg=="},
		{"text that is empty", []poll.Message{text("")}, "u"},
		{"text with a separator", []poll.Message{text("a\x1eb")}, "uYR5i"},
		{"text with a line break", []poll.Message{text("a\r\nb")}, "a\r\nb"},
		{"text beyond ASCII", []poll.Message{text("žluť ☺")}, "žluť ☺"},
		{"binary", []poll.Message{binary("\x00\xff\x1e")}, "bAP8e"},
		{"binary that is empty", []poll.Message{binary("")}, "b"},
		{"several", []poll.Message{text("1"), binary("1"), text("")}, "1\x1ebMQ==\x1eu"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(poll.AppendBody(nil, tt.messages)); got != tt.body {
				t.Errorf("AppendBody = %q, want %q", got, tt.body)
			}
			if got := poll.BodyLen(tt.messages); got != len(tt.body) {
				t.Errorf("BodyLen = %d, want %d", got, len(tt.body))
			}
			got, err := poll.ParseRecords(nil, []byte(tt.body), poll.Limits{})
			if err != nil || !equal(got, tt.messages) {
				t.Errorf("ParseRecords(%q) = %q, %v, want %q", tt.body, got, err, tt.messages)
			}
		})
	}
}

func TestParseRecordsRefusesMalformedBodies(t *testing.T) {
	tests := []struct {
		name, body, reason string
	}{
		{"nothing", "", "a record is empty"},
		{"separator alone", "\x1e", "a record is empty"},
		{"separator at the end", "1\x1e", "a record is empty"},
		{"separator at the start", "\x1e1", "a record is empty"},
		{"two separators", "1\x1e\x1e2", "a record is empty"},
		{"invalid UTF-8", "\xff", "a text record is not valid UTF-8"},
		{"half a character", "a\xc5", "a text record is not valid UTF-8"},
		{"invalid UTF-8 in base64", "u/w==", "a text record is not valid UTF-8"},
		{"no base64", "b!!!!", "a record is not valid base64"},
		{"base64 of the URL alphabet", "b_-_-", "a record is not valid base64"},
		{"base64 without padding", "bMQ", "a record is not valid base64"},
		{"base64 with too much padding", "bMQ===", "a record is not valid base64"},
		{"base64 with padding inside", "bMQ==MQ==", "a record is not valid base64"},
		{"base64 with bits to spare", "bMR==", "a record is not valid base64"},
		{"base64 with a line break", "bMTIz\n", "a record is not valid base64"},
		{"base64 with four line breaks", "bMTIz\n\n\n\n", "a record is not valid base64"},
		{"padding alone", "b====", "a record is not valid base64"},
		{"a good record before", "1\x1eb!", "a record is not valid base64"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := []poll.Message{text("before")}
			got, err := poll.ParseRecords(before, []byte(tt.body), poll.Limits{})
			var p *poll.ProtocolError
			if !errors.As(err, &p) || p.Reason != tt.reason {
				t.Errorf("ParseRecords(%q) = %v, want %q", tt.body, err, tt.reason)
			}
			if !equal(got, before) {
				t.Errorf("ParseRecords(%q) left %q in dst", tt.body, got)
			}
		})
	}
}

func TestParseRecordsKeepsToItsLimits(t *testing.T) {
	tests := []struct {
		name   string
		body   string
		limits poll.Limits
		want   *poll.LimitError // nil: accepted
	}{
		{"64 messages", strings.Repeat("1\x1e", 63) + "1", poll.Limits{}, nil},
		{"65 messages", strings.Repeat("1\x1e", 64) + "1", poll.Limits{}, &poll.LimitError{Limit: "number of messages", Max: 64, Actual: 65}},
		{"many messages without a limit", strings.Repeat("1\x1e", 5000) + "1", poll.Limits{Messages: -1}, nil},
		{"64 KiB of text", strings.Repeat("1", 64<<10), poll.Limits{}, nil},
		{"more than 64 KiB of text", strings.Repeat("1", 64<<10+1), poll.Limits{}, &poll.LimitError{Limit: "message size", Max: 64 << 10, Actual: 64<<10 + 1}},
		{"much text without a limit", strings.Repeat("1", 512<<10), poll.Limits{Message: -1}, nil},
		{"a large message makes room for its body", "b" + strings.Repeat("AAAA", 1<<20), poll.Limits{Message: 3 << 20}, nil},
		{"the limit counts decoded bytes", "bMTIzNA==", poll.Limits{Message: 4}, nil},
		{"decoded bytes past the limit", "bMTIzNDU=", poll.Limits{Message: 4}, &poll.LimitError{Limit: "message size", Max: 4, Actual: 5}},
		{"1 MiB", strings.Repeat("1", 1<<20), poll.Limits{Message: -1, Body: 1 << 20}, nil},
		{"more than 1 MiB", strings.Repeat("1", 1<<20+1), poll.Limits{Message: -1, Body: 1 << 20}, &poll.LimitError{Limit: "body size", Max: 1 << 20, Actual: 1<<20 + 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := poll.ParseRecords(nil, []byte(tt.body), tt.limits)
			var l *poll.LimitError
			switch {
			case tt.want == nil && err != nil:
				t.Errorf("ParseRecords = %v, want it accepted", err)
			case tt.want != nil && (!errors.As(err, &l) || *l != *tt.want):
				t.Errorf("ParseRecords = %v, want %v", err, tt.want)
			}
		})
	}
}

// D3: Phoenix split a body of 8 MB of line breaks into 8.4 million elements.
func TestThreatD3_CVE_2026_32689_SeparatorsCostNothing(t *testing.T) {
	body := bytes.Repeat([]byte{poll.Separator}, 1<<20)
	full := bytes.Repeat([]byte("1\x1e"), 1<<19)
	allocated := testing.AllocsPerRun(10, func() {
		if _, err := poll.ParseRecords(nil, body, poll.Limits{}); err == nil {
			t.Error("a body of separators was accepted")
		}
		if _, err := poll.ParseRecords(nil, full, poll.Limits{}); err == nil {
			t.Error("half a million records were accepted")
		}
	})
	if allocated > 16 {
		t.Errorf("refusing the bodies took %v allocations", allocated)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := poll.ParseRecords(nil, full, poll.Limits{})
	runtime.ReadMemStats(&after)
	if spent := after.TotalAlloc - before.TotalAlloc; err == nil || len(got) > 64 || spent > 64<<10 {
		t.Errorf("half a million records: %d were parsed with %d bytes, %v", len(got), spent, err)
	}
}

func TestParseRecordsNeverWritesToTheBody(t *testing.T) {
	body := []byte("one\x1eudXA=\x1ethree")
	got, err := poll.ParseRecords(nil, body, poll.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range got {
		_ = append(m.Data, "overwritten"...)
	}
	if string(body) != "one\x1eudXA=\x1ethree" {
		t.Errorf("the body is %q now", body)
	}
}

func FuzzParseRecords(f *testing.F) {
	for _, seed := range []string{
		"", "\x1e", `{"event":"chat","data":1}`, "1\x1e2", "u", "b", "udXA=", "bAP8e", "b====", "bMQ=\n", "u/w==", "\xff", "a\x1ebMQ==\x1eu",
	} {
		f.Add([]byte(seed))
	}
	limits := poll.Limits{Messages: 8, Body: 4096, Message: 64}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		messages, err := poll.ParseRecords(nil, body, limits)
		if !bytes.Equal(before, body) {
			t.Fatalf("ParseRecords changed its input")
		}
		if err != nil {
			if messages != nil {
				t.Fatalf("ParseRecords returned %q with %v", messages, err)
			}
			return
		}
		if len(messages) == 0 || len(messages) > limits.Messages {
			t.Fatalf("%d messages", len(messages))
		}
		again := poll.AppendBody(nil, messages)
		if len(again) != poll.BodyLen(messages) {
			t.Fatalf("BodyLen = %d, AppendBody appended %d", poll.BodyLen(messages), len(again))
		}
		parsed, err := poll.ParseRecords(nil, again, poll.Limits{Messages: 8, Body: -1, Message: 64})
		if err != nil || !equal(parsed, messages) {
			t.Fatalf("ParseRecords(%q) = %q, AppendBody of that %q, which parses as %q, %v", body, messages, again, parsed, err)
		}
	})
}
