package envelope_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/kleeedolinux/socket.go/socket/internal/envelope"
)

var parseSeeds = []string{
	`{"event":"chat","data":{"user":"ann","n":[1,-2.5e-7,true,false,null]}}`,
	`{"data":1,"event":"a","data":2}`,
	` {"\u0065vent":"\ud83d\ude00\ud83d","Data":[],"id":1} `,
	`{"req":7,"event":"sum","data":[1]}`, `{"re":7,"data":1,"x":2}`, `{"re":0,"error":{"code":"a"},"data":null}`,
	`{"re":9007199254740991,"error":null,"data":3}`, `{"req":9007199254740992,"event":"a"}`, `{"\u0072eq":1e2,"event":"a"}`,
	`{"re":1,"re":2}`, `{"re":-1,"data":2}`, `{"event":"a","re":1}`, `{"req":1,"req":1,"event":"a"}`,
	`[{"a":[[]]},"\\\"\u0000"]`,
	"{\"event\":\"\xff\"}",
	`{"event":""}`, `{"event":1}`, `{}`, `01`, `"`, `1e`, `{"a"`,
	strings.Repeat("[", 64) + strings.Repeat("]", 64),
	strings.Repeat("[", 65) + strings.Repeat("]", 65),
	`{"event":"a","data":"0123456789abcdef\u2028<>&","x":{"event":1}}`,
}

// oracle says with encoding/json alone what Parse must find.
func oracle(text []byte) (want envelope.Message, fails error) {
	if !json.Valid(text) {
		return want, &envelope.SyntaxError{}
	}
	if depth(text) > envelope.MaxDepth {
		return want, envelope.ErrDepth
	}
	trimmed := bytes.Trim(text, " \t\r\n")
	want = envelope.Message{Data: trimmed, Bare: true}
	if trimmed[0] != '{' {
		return want, nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.Token()
	seen := make(map[string]int)
	var event, data json.RawMessage
	more := make(map[string]json.RawMessage)
	for d.More() {
		key, _ := d.Token()
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return want, errors.New("oracle: " + err.Error())
		}
		seen[key.(string)]++
		switch key {
		case "event":
			event = value
		case "data":
			data = value
		default:
			want.Extra = true
			more[key.(string)] = value
		}
	}
	number := func(name string) (uint64, bool) {
		n, err := strconv.ParseUint(string(more[name]), 10, 64)
		return n, err == nil && n < 1<<53
	}
	if event == nil {
		if n, ok := number("re"); ok {
			want = envelope.Message{Number: n, Reply: true, Extra: true, Data: data}
			if failure := more["error"]; failure != nil && string(failure) != "null" {
				want.Failed, want.Data = true, failure
			}
			if seen["re"] > 1 || seen["data"] > 1 || seen["error"] > 1 {
				return want, envelope.ErrDuplicate
			}
		}
		return want, nil
	}
	if seen["event"] > 1 || seen["data"] > 1 {
		return want, envelope.ErrDuplicate
	}
	var name string
	if event[0] != '"' || json.Unmarshal(event, &name) != nil || !utf8.Valid(event) || len(name) == 0 || len(name) > 128 {
		return want, envelope.ErrEvent
	}
	want.Name, want.Data, want.Bare = []byte(name), data, false
	if seen["req"] > 1 {
		return want, envelope.ErrDuplicate
	}
	if seen["req"] == 1 {
		if want.Number, want.Request = number("req"); !want.Request {
			return want, envelope.ErrNumber
		}
	}
	return want, nil
}

// depth counts the nesting of valid JSON.
func depth(text []byte) (deepest int) {
	now, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '[' || c == '{':
			now++
			deepest = max(deepest, now)
		case c == ']' || c == '}':
			now--
		}
	}
	return deepest
}

func checkParse(t *testing.T, text []byte) {
	before := bytes.Clone(text)
	m, err := envelope.Parse(text)
	want, fails := oracle(text)
	var se *envelope.SyntaxError
	switch {
	case errors.As(fails, &se):
		// What is both too deep and broken may be called either.
		if !errors.As(err, &se) && err != envelope.ErrDepth {
			t.Fatalf("Parse(%q): %v, want a SyntaxError", text, err)
		}
		if se.Offset < 0 || se.Offset > len(text) {
			t.Fatalf("Parse(%q): offset %d", text, se.Offset)
		}
	case fails != nil:
		if err != fails {
			t.Fatalf("Parse(%q): %v, want %v", text, err, fails)
		}
	case err != nil:
		t.Fatalf("Parse(%q): %v, want %+v", text, err, want)
	case !reflect.DeepEqual(m, want):
		t.Fatalf("Parse(%q)\n got %q %q %+v\nwant %q %q %+v", text, m.Name, m.Data, m, want.Name, want.Data, want)
	}
	if !bytes.Equal(text, before) {
		t.Fatalf("Parse changed its input")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range parseSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		checkParse(t, text)
		// The same as the event and as the data of an envelope.
		checkParse(t, []byte(`{"event":`+string(text)+`}`))
		checkParse(t, []byte(`{"data":`+string(text)+`,"event":"x"}`))
	})
}

// Every text of a few tokens, so that no combination is left to luck.
func TestParseAgainstJSONExhaustively(t *testing.T) {
	tokens := []string{`{`, `}`, `[`, `]`, `:`, `,`, `"event"`, `"data"`, `"a`, `"`, `1`, `-`, `0`, `.`, `e`, ` `, `null`, `\`}
	var build func(text []byte, n int)
	build = func(text []byte, n int) {
		checkParse(t, text)
		if n == 0 {
			return
		}
		for _, token := range tokens {
			build(append(text[:len(text):len(text)], token...), n-1)
		}
	}
	n := 3
	if !testing.Short() && !raceEnabled {
		n = 4
	}
	build(nil, n)
	build([]byte(`{"event":"x"`), n)
	build([]byte(`{"data":[`), n-1)
}

// Every content of two bytes, and every byte at each place of a longer string,
// which is scanned eight bytes at a time.
func TestStringBytesAgainstJSON(t *testing.T) {
	for a := range 256 {
		for b := range 256 {
			text := []byte{'"', byte(a), byte(b), '"'}
			if _, err := envelope.Parse(text); (err == nil) != json.Valid(text) {
				t.Fatalf("Parse(%q): %v, json.Valid says %v", text, err, json.Valid(text))
			}
		}
		for i := range 20 {
			text := []byte(`"aaaaaaaaaaaaaaaaaaaaaaaa"`)
			text[1+i] = byte(a)
			if _, err := envelope.Parse(text); (err == nil) != json.Valid(text) {
				t.Fatalf("Parse(%q): %v, json.Valid says %v", text, err, json.Valid(text))
			}
		}
	}
}

// Every byte at each place of a string, which is written eight bytes at a time.
func TestAppendStringBytes(t *testing.T) {
	for a := range 256 {
		for i := range 20 {
			for _, with := range []string{string([]byte{byte(a)}), "\u2028", "\u2029", "\u202a", "\u1028", string(rune(a) << 8)} {
				s := "aaaaaaaaaaaaaaaaaaaa"[:i] + with + "aaaaaaaaaaaa"[:12-a%12]
				want, _ := reference("chat", s)
				if got, err := envelope.Append(nil, "chat", s); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("Append(%q) = %s, %v; want %s", s, got, err, want)
				}
			}
		}
	}
}

// Each byte at each place of a long string, where several words are looked at at once,
// alone and behind another byte that is special.
func TestLongStringsAgainstJSON(t *testing.T) {
	const long = 90
	for at := range long {
		for c := range 256 {
			for _, other := range []byte{'x', '"', '<', 0x1f, 0xc3} {
				inside := bytes.Repeat([]byte{'#'}, long)
				inside[(at+3)%long] = other
				inside[at] = byte(c)
				raw := append(append([]byte{'"'}, inside...), '"')
				if _, err := envelope.Parse(raw); (err == nil) != json.Valid(raw) {
					t.Errorf("Parse(%q): %v, valid is %t", raw, err, json.Valid(raw))
				}
				want, _ := reference("e", string(inside))
				if got, err := envelope.Append(nil, "e", string(inside)); err != nil || !bytes.Equal(got, want) {
					t.Errorf("Append(%q) = %s, %v; want %s", inside, got, err, want)
				}
			}
		}
	}
}

func FuzzAppend(f *testing.F) {
	f.Add("chat", "hello", []byte(`{"a": "<>"}`), int64(-1), 1e-7)
	f.Add("a<\u2028", allBytes, []byte("\"\xff\""), int64(math.MinInt64), 1e21)
	f.Add("\xff", "", []byte(nil), int64(0), math.Inf(1))
	f.Fuzz(func(t *testing.T, event, s string, raw []byte, i int64, x float64) {
		for _, data := range []any{
			nil, s, s == "", i, int(i), int8(i), int16(i), int32(i), uint64(i), uint(i), uint8(i), uint16(i), uint32(i),
			x, float32(x), json.RawMessage(raw), raw, []any{s, x}, map[string]any{s: i},
		} {
			got, err := envelope.Append([]byte("."), event, data)
			want, wantErr := reference(event, data)
			switch {
			case envelope.CheckEvent(event) != nil:
				if err != envelope.ErrEvent {
					t.Fatalf("Append(%q): %v, want ErrEvent", event, err)
				}
			case wantErr != nil:
				if err == nil {
					t.Fatalf("Append(%T %v) = %q, want %v", data, data, got, wantErr)
				}
			case !utf8.Valid(want):
				if err != envelope.ErrUTF8 {
					t.Fatalf("Append(%T %q): %v, want ErrUTF8", data, data, err)
				}
			case err != nil || string(got) != "."+string(want):
				t.Fatalf("Append(%q, %T %v)\n got %q, %v\nwant %q", event, data, data, got, err, want)
			default:
				m, err := envelope.Parse(got[1:])
				if err != nil && err != envelope.ErrDepth || err == nil && m.Event() != event {
					t.Fatalf("Parse(%q) = %q, %v", got[1:], m.Name, err)
				}
			}
			if err != nil && string(got) != "." {
				t.Fatalf("Append with an error returns %q", got)
			}
		}
	})
}

var decodeSeeds = []string{
	`"hello"`, `""`, `"`, `"a`, `"a\"`, `"a\n"`, `"a"x`, `"a""`, `"a" `, ` "a"`, "\"a\x01\"", "\"\xff\"", `"ü€😀"`, `"\ud800"`,
	`true`, `false`, `null`, `tru`, `truex`, `true `, ` null`, `nullx`, `f`, `n`,
	`0`, `-0`, `00`, `1.5`, `-1e-7`, `1e999`, `-1e999`, `1e-999`, `9007199254740993`, `.5`, `1.`, `-`, `1 `, ` 1`, `1x`,
	`123456789012345678901234567890123456789`,
	`[]`, `{}`, `[1,"a",{"b":null}]`, `{"a":1,"a":2}`, `[1e999]`, `[`, `{"a"}`, ` `, "\n", `\`, `}`,
}

func checkDecode(t *testing.T, raw []byte) {
	t.Helper()
	if len(raw) == 0 {
		return
	}
	var want any
	wantErr := json.Unmarshal(raw, &want)
	got, err := envelope.Decode(raw)
	if (err == nil) != (wantErr == nil) || err != nil && (reflect.TypeOf(err) != reflect.TypeOf(wantErr) || got != nil) {
		t.Fatalf("Decode(%q) = %v, %v; json.Unmarshal says %v", raw, got, err, wantErr)
	}
	if err == nil && !reflect.DeepEqual(got, want) {
		t.Fatalf("Decode(%q) = %#v, want %#v", raw, got, want)
	}
	if f, ok := got.(float64); ok && math.Signbit(f) != math.Signbit(want.(float64)) {
		t.Fatalf("Decode(%q) = %v, want %v", raw, got, want)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range decodeSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) { checkDecode(t, raw) })
}
