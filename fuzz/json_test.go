package fuzz

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

var jsonSeeds = []struct {
	name  string
	text  string
	event string
}{
	{"an object", `{"name":"ann","age":7,"tags":["a","b"],"next":{"name":"bob"},"extra":{"x":[1,2.5,null]},"Raw":{"a": 1}}`, "chat"},
	{"other capitals, twice", `{"NAME":"a","name":"b","Age":300}`, "any"},
	{"numbers", `[0,-0,1e2,1.5,-1e-7,9007199254740993,1e999]`, "ints"},
	{"a number too large", `1e999`, "float"},
	{"a string with escapes", `"\u00e9\ud83d\ude00\ud83d\u0000\n<>&` + "\u2028" + `"`, "say \"hi\""},
	{"base64", `"aGVsbG8="`, "bytes"},
	{"null", `null`, "pointer"},
	{"deep", strings.Repeat("[", 40) + strings.Repeat("]", 40), "any"},
	{"too deep", strings.Repeat("[", 64) + strings.Repeat("]", 64), "any"},
	{"space", " \t\r\n{ } ", "message"},
	{"an envelope", `{"data":1,"event":"int"}`, "echo"},
	{"two events", `{"event":"int","event":"any"}`, "error"},
	{"a capital", `{"Event":"int","data":1}`, "disconnect"},
	{"not JSON", `{"event":"int","data":01}`, ""},
	{"nothing", ``, strings.Repeat("x", 129)},
}

// FuzzDifferentialJSON sends a text, alone and as the data of an event for each
// type of handler, to a live server and to a live client. What the handlers get,
// and what is sent back, is what encoding/json says.
func FuzzDifferentialJSON(f *testing.F) {
	for _, s := range jsonSeeds {
		f.Add([]byte(s.text), s.event)
	}
	f.Fuzz(func(t *testing.T, text []byte, event string) {
		if len(text)+2*len(event) > messageLimit-100 || !utf8.Valid(text) || !utf8.ValidString(event) {
			return
		}
		name, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		messages := []string{string(text), `{"event":` + string(name) + `,"data":` + string(text) + `}`, `{"data":null,"event":` + string(text) + `}`,
			`{"event":"echo","data":` + string(text) + `}`, `{"id":` + string(text) + `,"event":"message"}`}
		for _, e := range typedEvents {
			messages = append(messages, `{"event":"`+e.name+`","data":`+string(text)+`}`)
		}
		var input, toClient []byte
		for _, m := range messages {
			input = appendFrame(input, 0x80|opText, new([4]byte), []byte(m))
			toClient = appendFrame(toClient, 0x80|opText, nil, []byte(m))
		}
		var l *live
		var got []byte
		bounded(t, ordinary, len(input), func(t *testing.T) {
			l = newLive()
			defer l.stop(t)
			p := l.dial()
			defer p.hangUp()
			p.send(append([]byte(handshake(false)), input...), 0)
			time.Sleep(time.Second)
			synctest.Wait()
			got = p.received()
			p.hangUp()
			synctest.Wait()
		})
		checkServed(t, l.log(0), got, input, false, endCut)
		r := clientRun{input: toClient, mode: afterHandshake | asEvents | endClose<<endShift}
		bounded(t, ordinary, len(input), r.run)
		r.check(t)
	})
}
