package envelope_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/envelope"
)

func TestParseFindsTheParts(t *testing.T) {
	long := strings.Repeat("e", envelope.MaxEvent)
	tests := []struct {
		name, text  string
		event, data string // data "" means none
		extra       bool
	}{
		{"usual", `{"event":"chat","data":{"a":[1,"x"]}}`, "chat", `{"a":[1,"x"]}`, false},
		{"data first", `{"data":"hi","event":"chat"}`, "chat", `"hi"`, false},
		{"white space", " {\t\"event\" :\r\n \"chat\" , \"data\" : [ 1 , 2 ] } \n", "chat", `[ 1 , 2 ]`, false},
		{"no data", `{"event":"chat"}`, "chat", "", false},
		{"null data", `{"event":"chat","data":null}`, "chat", `null`, false},
		{"number", `{"event":"chat","data":-1.5e+9}`, "chat", `-1.5e+9`, false},
		{"empty containers", `{"event":"chat","data":[{},[],{"a":{}}]}`, "chat", `[{},[],{"a":{}}]`, false},
		{"quotes in data", `{"event":"chat","data":"a\"}\\"}`, "chat", `"a\"}\\"`, false},
		{"extra", `{"id":7,"event":"chat","data":1,"seq":[1]}`, "chat", `1`, true},
		{"extra twice", `{"id":7,"id":8,"event":"chat"}`, "chat", "", true},
		{"escaped event", `{"event":"\u0063h\/\"\n\ud83d\ude00"}`, "ch/\"\n😀", "", false},
		{"every escape", `{"event":"\"\\\/\b\f\n\r\t\u00C4\u00e4"}`, "\"\\/\b\f\n\r\tÄä", "", false},
		{"half a surrogate pair", `{"event":"\ud83d!"}`, "\uFFFD!", "", false},
		{"escaped keys", `{"e\u0076ent":"chat","\u0064ata":1}`, "chat", `1`, false},
		{"unicode", `{"event":"größe","data":"ü"}`, "größe", `"ü"`, false},
		{"case counts", `{"event":"chat","Event":"other","DATA":2}`, "chat", "", true},
		{"longest event", `{"event":"` + long + `"}`, long, "", false},
		{"longest event, all escaped", `{"event":"` + strings.Repeat(`\u0065`, envelope.MaxEvent) + `"}`, long, "", false},
		{"names of JavaScript", `{"event":"__proto__","data":{"constructor":1}}`, "__proto__", `{"constructor":1}`, false},
		{"data inside data", `{"event":"a","data":{"event":"b","data":1,"data":2}}`, "a", `{"event":"b","data":1,"data":2}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := envelope.Parse([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if m.Event() != tt.event || string(m.Data) != tt.data || (m.Data == nil) != (tt.data == "") || m.Bare || m.Extra != tt.extra {
				t.Errorf("Parse(%s) = event %q, data %q, %+v", tt.text, m.Name, m.Data, m)
			}
		})
	}
}

func TestParseBareMessages(t *testing.T) {
	for text, data := range map[string]string{
		`"hello"`:                     `"hello"`,
		` [1, 2] `:                    `[1, 2]`,
		"\n0\t":                       `0`,
		`null`:                        `null`,
		`true`:                        `true`,
		`false`:                       `false`,
		`-0.0e-0`:                     `-0.0e-0`,
		`{}`:                          `{}`,
		` { } `:                       `{ }`,
		`{"data":1}`:                  `{"data":1}`,
		`{"data":1,"data":2,"x":[]} `: `{"data":1,"data":2,"x":[]}`,
		`{"Event":"chat"}`:            `{"Event":"chat"}`,
	} {
		m, err := envelope.Parse([]byte(text))
		if err != nil || !m.Bare || m.Name != nil || m.Event() != "" || string(m.Data) != data {
			t.Errorf("Parse(%s) = %+v, data %q, %v", text, m, m.Data, err)
		}
	}
}

func TestParseRefusesWhatIsNoJSON(t *testing.T) {
	for text, offset := range map[string]int{
		``:                              0,
		` `:                             1,
		`{`:                             1,
		`{"event"`:                      8,
		`{"event":`:                     9,
		`{"event":"a"`:                  12,
		`{"event":"a",`:                 13,
		`{"event":"a",}`:                13,
		`{"event":"a"}}`:                13,
		`{"event":"a"} x`:               14,
		`{"event":"a" "data":1}`:        13,
		`{"event" "a"}`:                 9,
		`{event:"a"}`:                   1,
		`{,}`:                           1,
		`{"data":[1,]}`:                 11,
		`{"data":[,1]}`:                 9,
		`{"data":[1 2]}`:                11,
		`{"data":[1}}`:                  10,
		`{"data":{"a"]}}`:               12,
		`{"data":{"a":1]}`:              14,
		`{"data":{"a":1,}}`:             15,
		`{"data":{1:1}}`:                9,
		`{"data":01}`:                   9,
		`{"data":-}`:                    9,
		`{"data":1.}`:                   10,
		`{"data":1e}`:                   10,
		`{"data":1e+}`:                  11,
		`{"data":.5}`:                   8,
		`{"data":+1}`:                   8,
		`{"data":NaN}`:                  8,
		`{"data":nul}`:                  11,
		`{"data":truE}`:                 11,
		`{"data":"a` + "\n" + `"}`:      10,
		`{"data":"a\x"}`:                10,
		`{"data":"a\u12g4"}`:            10,
		`{"data":"long enough for it`:   27,
		`{"data":"` + "\x00" + `"}`:     9,
		"{\"data\":\"12345678\x1f\"}":   17,
		`'a'`:                           0,
		`undefined`:                     0,
		"\ufeff{}":                      0,
		`1 2`:                           2,
		`[1],`:                          3,
		`{"event":"a","data":1,/**/}`:   22,
		"{\"event\":\"a\"}\x00":         13,
		"{\"event\":\"a\",\x00\"d\":1}": 13,
	} {
		_, err := envelope.Parse([]byte(text))
		var se *envelope.SyntaxError
		if !errors.As(err, &se) {
			t.Errorf("Parse(%q): %v, want a SyntaxError", text, err)
		} else if se.Offset != offset {
			t.Errorf("Parse(%q): %v, want byte %d", text, err, offset)
		} else if want := fmt.Sprintf("invalid JSON at byte %d", offset); err.Error() != want {
			t.Errorf("Error = %q, want %q", err, want)
		}
	}
}

func TestParseRefusesBadEnvelopes(t *testing.T) {
	tooLong := strings.Repeat("e", envelope.MaxEvent+1)
	for _, tt := range []struct {
		text string
		want error
	}{
		{`{"event":"a","event":"a"}`, envelope.ErrDuplicate},
		{`{"event":"a","\u0065vent":"b"}`, envelope.ErrDuplicate},
		{`{"event":"a","data":1,"data":2}`, envelope.ErrDuplicate},
		{`{"data":1,"data":2,"data":3,"event":"a"}`, envelope.ErrDuplicate},
		{`{"data":1,"event":"a","d\u0061ta":1}`, envelope.ErrDuplicate},
		{`{"event":""}`, envelope.ErrEvent},
		{`{"event":null}`, envelope.ErrEvent},
		{`{"event":7}`, envelope.ErrEvent},
		{`{"event":["a"]}`, envelope.ErrEvent},
		{`{"event":{"a":1}}`, envelope.ErrEvent},
		{`{"event":"` + tooLong + `"}`, envelope.ErrEvent},
		{`{"event":"` + strings.Repeat(`\u0065`, envelope.MaxEvent+1) + `"}`, envelope.ErrEvent},
		{`{"event":"` + strings.Repeat(`ü`, 65) + `"}`, envelope.ErrEvent},
		{"{\"event\":\"a\xff\"}", envelope.ErrEvent},
		{"{\"event\":\"\xc3\\n\"}", envelope.ErrEvent},
	} {
		if m, err := envelope.Parse([]byte(tt.text)); !errors.Is(err, tt.want) || m.Name != nil || m.Data != nil {
			t.Errorf("Parse(%.60q) = %v, %v; want nothing and %v", tt.text, m, err, tt.want)
		}
	}
}

func TestDepthIsLimited(t *testing.T) {
	nest := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	mixed := func(n int) string {
		return strings.Repeat(`[{"a":`, n/2) + "1" + strings.Repeat("}]", n/2)
	}
	for _, text := range []string{
		nest(64), mixed(64), `{"event":"a","data":` + nest(63) + `}`, `{"id":` + mixed(62) + `,"event":"a"}`,
		`[` + nest(63) + `,` + nest(63) + `]`,
	} {
		if _, err := envelope.Parse([]byte(text)); err != nil {
			t.Errorf("depth 64: %v", err)
		}
	}
	for _, text := range []string{
		nest(65), mixed(66), `{"event":"a","data":` + nest(64) + `}`, `{"id":` + mixed(64) + `,"event":"a"}`,
		strings.Repeat("[", 1<<20), strings.Repeat(`{"a":`, 1<<20), strings.Repeat(`{"event":`, 1<<20),
	} {
		if _, err := envelope.Parse([]byte(text)); err != envelope.ErrDepth {
			t.Errorf("%.20s…: %v, want ErrDepth", text, err)
		}
	}
}

func TestCheckEvent(t *testing.T) {
	for _, name := range []string{"a", "größe", "\x00", strings.Repeat("x", envelope.MaxEvent)} {
		if err := envelope.CheckEvent(name); err != nil {
			t.Errorf("CheckEvent(%q) = %v", name, err)
		}
	}
	for _, name := range []string{"", "\xff", strings.Repeat("x", envelope.MaxEvent+1)} {
		if err := envelope.CheckEvent(name); err != envelope.ErrEvent {
			t.Errorf("CheckEvent(%q) = %v, want ErrEvent", name, err)
		}
	}
}

// A peer's text must not cost more than its length. AllocsPerRun counts what the
// runtime allocates meanwhile as well, so it rounds over some runs.
func TestParseIsLinear(t *testing.T) {
	for _, unit := range []string{`[[],{}],`, `"\u0065\n",`, `1e999999999,`, strings.Repeat("9", 1000) + ",", `{"a":1},`} {
		text := []byte(`{"event":"a","data":[` + strings.Repeat(unit, 1<<20/len(unit)) + `0]}`)
		if n := testing.AllocsPerRun(8, func() {
			if _, err := envelope.Parse(text); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%.12s…: %v allocations", unit, n)
		}
	}
	many := []byte("{" + strings.Repeat(`"\u0065vent_":1,`, 1<<16) + `"event":"a"}`)
	if n := testing.AllocsPerRun(8, func() { envelope.Parse(many) }); n != 0 {
		t.Errorf("escaped keys: %v allocations", n)
	}
}
