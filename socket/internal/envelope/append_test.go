package envelope_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/envelope"
)

// reference is what Append must equal.
func reference(event string, data any) ([]byte, error) {
	return json.Marshal(struct {
		Event string `json:"event"`
		Data  any    `json:"data"`
	}{event, data})
}

type (
	kind  string
	point struct {
		X, Y int
		Name string `json:"name,omitempty"`
	}
	broken struct{}
	dirty  struct{}
)

func (broken) MarshalJSON() ([]byte, error) { return nil, errors.New("no") }
func (dirty) MarshalJSON() ([]byte, error)  { return []byte("\"\xff\""), nil }

// allBytes holds each byte, good UTF-8 and bad, and what HTML and JavaScript
// make trouble with.
var allBytes = func() string {
	var b strings.Builder
	for i := range 256 {
		b.WriteByte(byte(i))
	}
	return b.String() + "ü€😀\u2027\u2028\u2029\u202a\ufffd\xed\xa0\x80</script>"
}()

func TestAppendEqualsMarshal(t *testing.T) {
	for _, data := range []any{
		nil, "", "hello", "tab\tquote\"back\\slash", allBytes, true, false,
		0, -1, math.MaxInt, math.MinInt, int64(math.MaxInt64), int64(math.MinInt64), int8(-128), int16(-3), int32(1 << 30), int64(-7),
		uint(3), uint8(255), uint16(9), uint32(math.MaxUint32), uint64(math.MaxUint64),
		0.0, math.Copysign(0, -1), 1.0, -2.5, 1e20, 1e21, 123456789e15, 1e-6, 1e-7, 1.5e-9, 1e-10, 1e100, -1e-300,
		math.MaxFloat64, math.SmallestNonzeroFloat64, math.Pi, float32(0.1), float32(1e-9),
		json.RawMessage(nil), json.RawMessage(`null`), json.RawMessage(`{"a":[1,"b c",true]}`),
		json.RawMessage(` { "a" : 1 } `), json.RawMessage(`"<&>"`), json.RawMessage(`{"<":1}`),
		json.RawMessage("\"\u2028\""), json.RawMessage("\"\u2029\u2027\""), json.RawMessage("[1,\n2]"),
		json.RawMessage(`"\u003c\/"`), json.RawMessage(`1e999`), json.RawMessage(strings.Repeat("[", 100) + strings.Repeat("]", 100)),
		json.Number("12"), kind("k<"), time.Second, point{1, 2, ""}, &point{3, 4, "n"}, []byte("bytes"), []byte(nil),
		[]string{"a", "<"}, map[string]any{"b": 1, "a": []any{nil, "x"}}, map[string]any(nil), []any{}, [2]bool{true},
		time.Unix(0, 0).UTC(), (*point)(nil), struct{}{},
	} {
		for _, event := range []string{"chat", "a\"<\n\u2028ü"} {
			want, err := reference(event, data)
			if err != nil {
				t.Fatal(err)
			}
			got, err := envelope.Append([]byte("before "), event, data)
			if err != nil || string(got) != "before "+string(want) {
				t.Errorf("Append(%q, %T %v)\n got %s, %v\nwant %s", event, data, data, got, err, want)
			}
		}
	}
}

func TestAppendErrorLeavesDst(t *testing.T) {
	cycle := map[string]any{}
	cycle["self"] = cycle
	for _, tt := range []struct {
		name  string
		event string
		data  any
		want  error
	}{
		{"channel", "chat", make(chan int), nil},
		{"function", "chat", func() {}, nil},
		{"NaN", "chat", math.NaN(), nil},
		{"infinity", "chat", math.Inf(-1), nil},
		{"broken raw message", "chat", json.RawMessage(`{"a":`), nil},
		{"empty raw message", "chat", json.RawMessage{}, nil},
		{"two values in a raw message", "chat", json.RawMessage(`1 2`), nil},
		{"broken marshaler", "chat", broken{}, nil},
		{"cycle", "chat", cycle, nil},
		{"not UTF-8", "chat", json.RawMessage("\"\xff\""), envelope.ErrUTF8},
		{"marshaler that is not UTF-8", "chat", []any{dirty{}}, envelope.ErrUTF8},
		{"no event", "", 1, envelope.ErrEvent},
		{"long event", strings.Repeat("x", 129), 1, envelope.ErrEvent},
		{"event not UTF-8", "\xff", 1, envelope.ErrEvent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dst := append(make([]byte, 0, 1000), "before"...)
			got, err := envelope.Append(dst, tt.event, tt.data)
			if err == nil || string(got) != "before" || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("Append = %q, %v; want dst and %v", got, err, tt.want)
			}
		})
	}
}

func TestAppendRaw(t *testing.T) {
	for data, want := range map[string]string{
		"":         `{"event":"a<","data":null}`,
		`[1, "<"]`: `{"event":"a<","data":[1, "<"]}`,
	} {
		want = strings.Replace(want, "a<", `a\u003c`, 1)
		if got := envelope.AppendRaw([]byte("x"), "a<", []byte(data)); string(got) != "x"+want {
			t.Errorf("AppendRaw(%s) = %s, want %s", data, got, want)
		}
	}
}

func TestPartsAreThoseThatWereAppended(t *testing.T) {
	deep := strings.Repeat("[", 3*envelope.MaxDepth) + strings.Repeat("]", 3*envelope.MaxDepth) // Parse refuses it
	for _, event := range []string{"chat", `","data":`, `a\`, `a"`, "\u2028<b>", `{"event":"x","data":1}`} {
		for _, data := range []any{nil, 1, "text", `","data":`, map[string]any{"event": "x", "data": "y"}, json.RawMessage(deep)} {
			text, err := envelope.Append(nil, event, data)
			if err != nil {
				t.Fatal(err)
			}
			want, _ := json.Marshal(data)
			if e, d := envelope.Parts(text); e != event || !bytes.Equal(d, want) {
				t.Errorf("Parts(%s) = %q, %s", text, e, d)
			}
		}
	}
}

func TestDecodeEqualsUnmarshal(t *testing.T) {
	for _, text := range decodeSeeds {
		checkDecode(t, []byte(text))
	}
	if v, err := envelope.Decode(nil); v != nil || err != nil {
		t.Errorf("Decode(nil) = %v, %v; want nil, nil", v, err)
	}
}

func TestDecodedStringDoesNotAliasInput(t *testing.T) {
	raw := []byte(`"hello"`)
	v, _ := envelope.Decode(raw)
	clear(raw)
	if v != "hello" {
		t.Errorf("the decoded string became %q", v)
	}
}

func TestAllocationBudgets(t *testing.T) {
	text := []byte(`{"event":"chat","data":{"user":"ann","text":"hello, world"},"id":7}`)
	handlers := map[string]int{"chat": 1}
	buf := make([]byte, 0, 1024)
	raw := json.RawMessage(`{"user":"ann","text":"hello, world"}`)
	var s, n any = "hello", 1 << 30
	str, num, null := []byte(`"hello"`), []byte(`12.5`), []byte(`null`)
	var r any = raw
	for _, tt := range []struct {
		name string
		most float64
		f    func()
	}{
		{"Parse and look up", 0, func() {
			m, err := envelope.Parse(text)
			if err != nil || handlers[string(m.Name)] != 1 {
				t.Error("not found")
			}
		}},
		{"Parse bare", 0, func() { envelope.Parse(raw) }},
		{"Append nil", 0, func() { envelope.Append(buf, "chat", nil) }},
		{"Append string", 0, func() { envelope.Append(buf, "chat", s) }},
		{"Append int", 0, func() { envelope.Append(buf, "chat", n) }},
		{"Append raw message", 0, func() { envelope.Append(buf, "chat", r) }},
		{"AppendRaw", 0, func() { envelope.AppendRaw(buf, "chat", raw) }},
		{"Decode string", 2, func() { envelope.Decode(str) }},
		{"Decode number", 1, func() { envelope.Decode(num) }},
		{"Decode null", 0, func() { envelope.Decode(null) }},
	} {
		if got := testing.AllocsPerRun(100, tt.f); got > tt.most {
			t.Errorf("%s: %v allocations, want at most %v", tt.name, got, tt.most)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for _, data := range []any{nil, "x\u2028<", true, 7.0, map[string]any{"a": []any{1.0, "b"}}} {
		text, err := envelope.Append(nil, "größe<", data)
		if err != nil {
			t.Fatal(err)
		}
		m, err := envelope.Parse(text)
		if err != nil || m.Event() != "größe<" || m.Bare || m.Extra {
			t.Fatalf("Parse(%s) = %+v, %v", text, m, err)
		}
		if again := envelope.AppendRaw(nil, m.Event(), m.Data); !bytes.Equal(again, text) {
			t.Errorf("AppendRaw = %s, want %s", again, text)
		}
	}
}
