package wsproto_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// RFC 6455 sections 7.4.1 and 7.4.2, and the codes that IANA registered since.
func TestRFC6455_7_4_EveryCode(t *testing.T) {
	valid := map[CloseCode]bool{
		1000: true, 1001: true, 1002: true, 1003: true, 1007: true, 1008: true, 1009: true,
		1010: true, 1011: true, 1012: true, 1013: true, 1014: true,
	}
	for c := range 1 << 16 {
		code := CloseCode(c)
		want := valid[code] || code >= 3000 && code <= 4999
		if got := code.Sendable(); got != want {
			t.Errorf("CloseCode(%d).Sendable() = %t, want %t", code, got, want)
		}
		got, _, err := ParseClose([]byte{byte(c >> 8), byte(c)})
		if want && (got != code || err != nil) || !want && closeCode(err) != CloseProtocolError {
			t.Errorf("ParseClose(%d) = %d, %v", code, got, err)
		}
		b, err := AppendClosePayload(nil, code, "why")
		if want != (err == nil) || want && !bytes.Equal(b, []byte{byte(c >> 8), byte(c), 'w', 'h', 'y'}) {
			t.Errorf("AppendClosePayload(%d) = %x, %v", code, b, err)
		}
	}
}

func TestRFC6455_5_5_1_ParseClose(t *testing.T) {
	longest := strings.Repeat("r", 123)
	tests := []struct {
		name    string
		payload string
		code    CloseCode
		reason  string
		errCode CloseCode
	}{
		{name: "empty", payload: "", code: CloseNoStatus},
		{name: "one byte", payload: "\x03", errCode: 1002},
		{name: "code alone", payload: "\x03\xe8", code: 1000},
		{name: "reason", payload: "\x0f\xa0größer", code: 4000, reason: "größer"},
		{name: "longest reason", payload: "\x03\xe9" + longest, code: 1001, reason: longest},
		{name: "too long", payload: "\x03\xe9r" + longest, errCode: 1002},
		{name: "bad code and bad reason", payload: "\x00\x00\xff", errCode: 1002},
		{name: "reason not UTF-8", payload: "\x03\xe8\xed\xa0\x80", errCode: 1007},
		{name: "reason cut inside a character", payload: "\x03\xe8\xe2\x82", errCode: 1007},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, reason, err := ParseClose([]byte(tt.payload))
			if code != tt.code || reason != tt.reason || closeCode(err) != tt.errCode {
				t.Errorf("ParseClose(%q) = %d, %q, %v, want %d, %q, error code %d",
					tt.payload, code, reason, err, tt.code, tt.reason, tt.errCode)
			}
		})
	}
}

func TestAppendClosePayloadRefuses(t *testing.T) {
	tests := []struct {
		name   string
		code   CloseCode
		reason string
		want   error
	}{
		{"no status is an empty frame", CloseNoStatus, "", nil},
		{"no status has no reason", CloseNoStatus, "why", ErrCloseCode},
		{"never on the wire", CloseAbnormal, "", ErrCloseCode},
		{"zero", 0, "", ErrCloseCode},
		{"longest reason", CloseNormal, strings.Repeat("é", 61) + "e", nil},
		{"reason too long", CloseNormal, strings.Repeat("é", 62), ErrCloseReason},
		{"reason not UTF-8", CloseNormal, "a\xff", ErrCloseReason},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := AppendClosePayload([]byte("kept"), tt.code, tt.reason)
			if !errors.Is(err, tt.want) {
				t.Fatalf("AppendClosePayload(%d, %q) = %v, want %v", tt.code, tt.reason, err, tt.want)
			}
			if err != nil && string(b) != "kept" {
				t.Errorf("dst became %q, want it as it was", b)
			}
			if err == nil {
				code, reason, err := ParseClose(b[4:])
				if code != tt.code || reason != tt.reason || err != nil {
					t.Errorf("read back as %d, %q, %v", code, reason, err)
				}
			}
		})
	}
}

// The closing handshake from both sides, RFC 6455 section 7.
func TestRFC6455_7_Closing(t *testing.T) {
	type state struct {
		open, sent, received, done bool
		code                       CloseCode
	}
	tests := []struct {
		name    string
		actions string // s: we send, S: and must be refused; r: receive and answer, R: receive, no answer
		want    state
	}{
		{"open", "", state{open: true, code: CloseAbnormal}},
		{"we close", "s", state{sent: true, code: CloseAbnormal}},
		{"we close once", "sSS", state{sent: true, code: CloseAbnormal}},
		{"we close, peer answers", "sRS", state{sent: true, received: true, done: true, code: CloseGoingAway}},
		{"peer closes", "r", state{received: true, code: CloseGoingAway}},
		{"peer closes, we answer once", "rsS", state{sent: true, received: true, done: true, code: CloseGoingAway}},
		{"a second frame changes nothing", "rR", state{received: true, code: CloseGoingAway}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c Closing
			code := CloseGoingAway
			for i, a := range tt.actions {
				switch a {
				case 's', 'S':
					if got := c.Send(); got != (a == 's') {
						t.Fatalf("action %d: Send() = %t", i, got)
					}
				case 'r', 'R':
					if got := c.Receive(code); got != (a == 'r') {
						t.Fatalf("action %d: Receive() = %t", i, got)
					}
					code = CloseNormal
				}
			}
			if got := (state{c.Open(), c.Sent(), c.Received(), c.Done(), c.Code()}); got != tt.want {
				t.Errorf("state %+v, want %+v", got, tt.want)
			}
		})
	}
}

func FuzzParseClose(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0x03})
	f.Add([]byte("\x03\xe8bye"))
	f.Add([]byte("\x03\xedbye"))
	f.Add([]byte("\x0f\xa0\xe2\x82"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		code, reason, err := ParseClose(payload)
		if err != nil {
			if c := closeCode(err); c != CloseProtocolError && c != CloseInvalidPayload {
				t.Fatalf("ParseClose(%x) = %v", payload, err)
			}
			return
		}
		if !utf8.ValidString(reason) {
			t.Fatalf("ParseClose(%x) gave the reason %q", payload, reason)
		}
		back, err := AppendClosePayload(nil, code, reason)
		if err != nil || !bytes.Equal(back, payload) {
			t.Fatalf("ParseClose(%x) = %d, %q, which becomes %x, %v", payload, code, reason, back, err)
		}
	})
}
