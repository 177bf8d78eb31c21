package envelope_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/envelope"
)

func TestParseFindsRequests(t *testing.T) {
	for text, want := range map[string]uint64{
		`{"req":7,"event":"sum","data":[1,2]}`:                   7,
		`{"event":"sum","data":[1,2],"req":0}`:                   0,
		`{"seq":3,"ack":2,"req":7,"event":"sum","data":[1,2]}`:   7,
		`{"event":"sum","data":[1,2],"req": 9007199254740991 }`:  envelope.MaxNumber,
		`{"event":"sum","data":[1,2],"\u0072e\u0071":12,"re":1}`: 12,
	} {
		m, err := envelope.Parse([]byte(text))
		if err != nil || !m.Request || m.Reply || m.Bare || m.Number != want || m.Event() != "sum" || string(m.Data) != "[1,2]" {
			t.Errorf("Parse(%s) = %+v, %v; want request %d", text, m, err, want)
		}
	}
}

func TestParseFindsReplies(t *testing.T) {
	for _, tt := range []struct {
		text   string
		number uint64
		data   string
		failed bool
	}{
		{`{"re":7,"data":3}`, 7, `3`, false},
		{`{"re":7}`, 7, ``, false},
		{` {"data": [1] ,"re":0}`, 0, `[1]`, false},
		{`{"seq":9,"ack":1,"re":7,"data":null}`, 7, `null`, false},
		{`{"re":7,"error":{"code":"x"}}`, 7, `{"code":"x"}`, true},
		{`{"re":7,"data":1,"error":"no"}`, 7, `"no"`, true},
		{`{"re":7,"data":1,"error":null}`, 7, `1`, false},
		{`{"req":1,"re":2,"data":3}`, 2, `3`, false},
	} {
		m, err := envelope.Parse([]byte(tt.text))
		if err != nil || !m.Reply || m.Request || m.Bare || m.Name != nil || m.Number != tt.number || string(m.Data) != tt.data || m.Failed != tt.failed {
			t.Errorf("Parse(%s) = %+v with data %q, %v", tt.text, m, m.Data, err)
		}
	}
}

// What has no number to reply to is a bare message, as it was before there were replies.
func TestParseTakesNothingElseForAReply(t *testing.T) {
	for _, text := range []string{
		`{"re":"7"}`, `{"re":-1}`, `{"re":1.5}`, `{"re":1e2}`, `{"re":null}`, `{"Re":1}`, `{"re":9007199254740992}`,
		`{"re":123456789012345678901234567890}`, `{"data":1}`, `{"error":1}`, `{"req":1}`, `[{"re":1}]`,
	} {
		m, err := envelope.Parse([]byte(text))
		if err != nil || !m.Bare || m.Reply || m.Request || string(m.Data) != text {
			t.Errorf("Parse(%s) = %+v, %v; want a bare message", text, m, err)
		}
	}
	m, err := envelope.Parse([]byte(`{"event":"a","re":7,"error":1}`))
	if err != nil || m.Reply || m.Request || m.Event() != "a" {
		t.Errorf("Parse of an event with a member re = %+v, %v", m, err)
	}
}

func TestParseRefusesRequestsAndRepliesThatAreNone(t *testing.T) {
	for text, want := range map[string]error{
		`{"req":"7","event":"a"}`:              envelope.ErrNumber,
		`{"req":null,"event":"a"}`:             envelope.ErrNumber,
		`{"req":-1,"event":"a"}`:               envelope.ErrNumber,
		`{"req":1.0,"event":"a"}`:              envelope.ErrNumber,
		`{"req":9007199254740992,"event":"a"}`: envelope.ErrNumber,
		`{"req":1,"event":"a","req":1}`:        envelope.ErrDuplicate,
		`{"re":1,"re":1}`:                      envelope.ErrDuplicate,
		`{"re":1,"data":1,"data":1}`:           envelope.ErrDuplicate,
		`{"re":1,"error":1,"error":null}`:      envelope.ErrDuplicate,
		`{"req":1,"event":""}`:                 envelope.ErrEvent,
	} {
		if m, err := envelope.Parse([]byte(text)); err != want {
			t.Errorf("Parse(%s) = %+v, %v; want %v", text, m, err, want)
		}
	}
}

func TestRequestsAndRepliesComeBackAsTheyWere(t *testing.T) {
	text, err := envelope.AppendRequest([]byte("x"), 7, "a<", []int{1, 2})
	if want := `x{"req":7,"event":"a\u003c","data":[1,2]}`; err != nil || string(text) != want {
		t.Errorf("AppendRequest = %s, %v, want %s", text, err, want)
	}
	text, err = envelope.AppendReply([]byte("x"), envelope.MaxNumber, nil)
	if want := `x{"re":9007199254740991,"data":null}`; err != nil || string(text) != want {
		t.Errorf("AppendReply = %s, %v, want %s", text, err, want)
	}
	text = envelope.AppendError(nil, 3, "not_found", "no \"such\"\xff\u2028thing")
	m, err := envelope.Parse(text)
	var failure struct{ Code, Message string }
	if err != nil || !m.Failed || m.Number != 3 || json.Unmarshal(m.Data, &failure) != nil ||
		failure.Code != "not_found" || failure.Message != "no \"such\"\ufffd\u2028thing" {
		t.Errorf("AppendError = %s: %+v, %v", text, failure, err)
	}
	for _, err := range []error{
		second(envelope.AppendRequest(nil, 1, "", 1)),
		second(envelope.AppendRequest(nil, 1, strings.Repeat("x", 129), 1)),
		second(envelope.AppendRequest(nil, 1, "a", func() {})),
		second(envelope.AppendReply(nil, 1, make(chan int))),
	} {
		if err == nil {
			t.Error("what cannot be encoded was")
		}
	}
	if dst, err := envelope.AppendReply([]byte("before"), 1, dirty{}); !errors.Is(err, envelope.ErrUTF8) || string(dst) != "before" {
		t.Errorf("AppendReply of what is not UTF-8 = %q, %v", dst, err)
	}
}

func second(_ []byte, err error) error { return err }
