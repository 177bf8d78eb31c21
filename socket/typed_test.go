package socket_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

// chatMessage is what an application would send.
type chatMessage struct {
	User string   `json:"user"`
	Text string   `json:"text"`
	Tags []string `json:"tags,omitempty"`
}

// upper decodes itself, and keeps nothing of what it is given.
type upper string

func (u *upper) UnmarshalJSON(b []byte) error {
	if string(b) == `"panic"` {
		panic("in UnmarshalJSON")
	}
	*u = upper(strings.ToUpper(string(b)))
	return nil
}

// typed registers a handler for a T on a server and on a client, which add what
// they get to a trace.
func typed[T any](server *socket.Server, c *socket.Client, event string, tr *trace) {
	socket.Handle(server, event, func(_ socket.Socket, v T) { tr.add("server %#v", v) })
	socket.On(c, event, func(v T) { tr.add("client %#v", v) })
}

func TestTypedHandlersGetTheirOwnTypeDecodedOnce(t *testing.T) {
	type register = func(*socket.Server, *socket.Client, string, *trace)
	text := "text"
	for _, tt := range []struct {
		name     string
		register register
		data     string // JSON on the wire; "": no data
		want     string // %#v of the value; "": an error
	}{
		{"string", typed[string], `"text"`, `"text"`},
		{"string with escapes", typed[string], `"\u00e4\n"`, `"ä\n"`},
		{"string from null", typed[string], `null`, `""`},
		{"string from nothing", typed[string], ``, `""`},
		{"string from a number", typed[string], `1`, ``},
		{"int", typed[int], `-7`, `-7`},
		{"int from a fraction", typed[int], `1.5`, ``},
		{"int8 from too much", typed[int8], `128`, ``},
		{"uint from a negative number", typed[uint], `-1`, ``},
		{"int64", typed[int64], `9007199254740993`, `9007199254740993`},
		{"float64", typed[float64], `1.5`, `1.5`},
		{"bool", typed[bool], `true`, `true`},
		{"bool from a string", typed[bool], `"true"`, ``},
		{"bytes", typed[[]byte], `"AQID"`, `[]byte{0x1, 0x2, 0x3}`},
		{"bytes from no base64", typed[[]byte], `"?"`, ``},
		{"raw JSON", typed[json.RawMessage], `{"a": [1]}`, fmt.Sprintf("%#v", json.RawMessage(`{"a": [1]}`))},
		{"raw JSON from nothing", typed[json.RawMessage], ``, fmt.Sprintf("%#v", json.RawMessage(nil))},
		{"number", typed[json.Number], `12345678901234567890`, `"12345678901234567890"`},
		{"struct", typed[chatMessage], `{"user":"ann","text":"hi","more":1}`, `socket_test.chatMessage{User:"ann", Text:"hi", Tags:[]string(nil)}`},
		{"struct from null", typed[chatMessage], `null`, `socket_test.chatMessage{User:"", Text:"", Tags:[]string(nil)}`},
		{"struct from a list", typed[chatMessage], `[]`, ``},
		{"struct with a bad field", typed[chatMessage], `{"user":1}`, ``},
		{"slice", typed[[]int], `[1,2]`, `[]int{1, 2}`},
		{"array", typed[[2]int], `[1,2]`, `[2]int{1, 2}`},
		{"map", typed[map[string]int], `{"a":1}`, `map[string]int{"a":1}`},
		{"any", typed[any], `[1,"a",null]`, `[]interface {}{1, "a", interface {}(nil)}`},
		{"any from nothing", typed[any], ``, `<nil>`},
		{"pointer from null", typed[*string], `null`, `(*string)(nil)`},
		{"pointer from a number", typed[*string], `1`, ``},
		{"own decoding", typed[upper], `"text"`, `"\"TEXT\""`},
		{"time", typed[time.Duration], `5`, `5`},
		{"no type of JSON", typed[chan int], `1`, ``},
		{"error", typed[error], `"x"`, ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				var tr trace
				server := e.serve()
				c := e.client()
				failed := func(where string) func(any) {
					return func(data any) {
						var merr *socket.MessageError
						if !errors.As(data.(error), &merr) || merr.Event != "x" || !errors.Is(merr, socket.ErrInvalidMessage) {
							t.Errorf("%s: error %v", where, data)
						}
						tr.add("%s", where)
					}
				}
				server.HandleFunc(socket.EventError, func(_ socket.Socket, data any) { failed("server")(data) })
				c.On(socket.EventError, failed("client"))
				tt.register(server, c, "x", &tr)
				e.connect(c)
				p := e.raw()
				message := `{"event":"x","data":` + tt.data + `}`
				if tt.data == "" {
					message = `{"event":"x"}`
				}
				p.say(message)
				e.settle()
				var data any
				if tt.data != "" {
					data = json.RawMessage(tt.data)
				}
				server.Broadcast("x", data)
				e.settle()
				want := []string{"server " + tt.want, "client " + tt.want}
				if tt.want == "" {
					want = []string{"server", "client"}
				}
				if tt.name == "raw JSON" { // compacted on the way
					want[1] = "client " + fmt.Sprintf("%#v", json.RawMessage(`{"a":[1]}`))
				}
				if tt.name == "raw JSON from nothing" { // nothing is sent as null
					want[1] = "client " + fmt.Sprintf("%#v", json.RawMessage(`null`))
				}
				tr.want(t, want...)
			}, websocket)
		})
	}
	// A pointer is to memory of the handler's own.
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		var kept []*string
		socket.Handle(server, "x", func(_ socket.Socket, s *string) { kept = append(kept, s) })
		socket.Handle(server, "x", func(_ socket.Socket, s *string) { *s = "changed" })
		e.raw().say(`{"event":"x","data":"text"}`, `{"event":"x","data":"more"}`)
		e.settle()
		if len(kept) != 2 || *kept[0] != text || *kept[1] != "more" {
			t.Errorf("the pointers kept are %v", kept)
		}
	}, websocket, polling)
}

// The memory that raw JSON came in is used again: what a handler keeps is not.
func TestTypedHandlersMayKeepWhatTheyGet(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		var raw []json.RawMessage
		var nested []struct{ A json.RawMessage }
		var values []any
		socket.Handle(server, "x", func(_ socket.Socket, v json.RawMessage) { raw = append(raw, v) })
		socket.Handle(server, "x", func(_ socket.Socket, v struct{ A json.RawMessage }) { nested = append(nested, v) })
		server.HandleFunc("x", func(_ socket.Socket, v any) { values = append(values, v) })
		p := e.raw()
		for i := range 100 {
			p.say(fmt.Sprintf(`{"event":"x","data":{"a":"text %02d"}}`, i))
		}
		e.settle()
		for i := range 100 {
			text := fmt.Sprintf("text %02d", i)
			if string(raw[i]) != `{"a":"`+text+`"}` || string(nested[i].A) != `"`+text+`"` || values[i].(map[string]any)["a"] != text {
				t.Fatalf("message %d became %s, %s, %v", i, raw[i], nested[i].A, values[i])
			}
		}
	}, websocket, polling)
}

func TestTypedHandlersOfBuiltInEvents(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var tr trace
		server := e.serve()
		socket.Handle(server, socket.EventConnect, func(_ socket.Socket, v any) { tr.add("connect %v", v) })
		socket.Handle(server, socket.EventConnect, func(_ socket.Socket, n int) { tr.add("connect %d", n) })
		socket.Handle(server, socket.EventDisconnect, func(_ socket.Socket, err error) { tr.add("disconnect %t", err != nil) })
		socket.Handle(server, socket.EventDisconnect, func(_ socket.Socket, err *socket.ConnectionError) { tr.add("disconnect by the peer %t", err != nil) })
		socket.Handle(server, socket.EventDisconnect, func(_ socket.Socket, s string) { tr.add("disconnect %q", s) })
		socket.Handle(server, socket.EventError, func(_ socket.Socket, err *socket.MessageError) { tr.add("error %q", err.Event) })
		socket.Handle(server, socket.EventError, func(_ socket.Socket, err *socket.ConnectionError) { tr.add("error %t", err != nil) })
		socket.Handle(server, socket.EventMessage, func(_ socket.Socket, p []byte) { tr.add("message %q", p) })
		p := e.raw()
		p.say(`{"event":"connect"}`)
		p.SendBinary([]byte("abc"))
		p.say(`"AQID"`)
		e.settle()
		p.Close()
		e.settle()
		tr.want(t, "connect <nil>", "connect 0", `error "connect"`, "error false", `message "abc"`, `message "\x01\x02\x03"`,
			"disconnect true", "disconnect by the peer true", `disconnect ""`)
	}, websocket, polling)
}

func TestTypedHandlersOfABinaryMessage(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var tr trace
		server := e.serve()
		socket.Handle(server, socket.EventMessage, func(_ socket.Socket, v any) { tr.add("any %q", v) })
		socket.Handle(server, socket.EventMessage, func(_ socket.Socket, v string) { tr.add("string %q", v) })
		socket.Handle(server, socket.EventMessage, func(_ socket.Socket, v []byte) { tr.add("bytes %q", v) })
		socket.Handle(server, socket.EventError, func(_ socket.Socket, err error) { tr.add("error") })
		e.raw().SendBinary([]byte("abc"))
		e.settle()
		tr.want(t, `any "abc"`, "error", `bytes "abc"`)
	}, websocket, polling)
}

func TestUnmarshalJSONThatPanicsClosesThatOneSocket(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var tr trace
		server := e.serve()
		socket.Handle(server, "x", func(_ socket.Socket, v upper) { tr.add("x %s", v) })
		socket.Handle(server, socket.EventDisconnect, func(_ socket.Socket, err error) {
			var perr *socket.PanicError
			tr.add("disconnect %t", errors.As(err, &perr))
		})
		p := e.raw()
		p.say(`{"event":"x","data":"panic"}`)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		tr.want(t, "disconnect true")
	}, websocket, polling)
}

// Whatever encoding/json can encode arrives as what encoding/json decodes.
func TestDataRoundTrip(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		socket.Handle(server, "echo", func(s socket.Socket, v any) { s.Send("echo", v) })
		c := e.client()
		got := make(chan any, 1)
		c.On("echo", func(v any) { got <- v })
		e.connect(c)
		for _, v := range []any{
			nil, true, 0, -1, int8(-128), uint64(1 << 53), 1.5, 1e300, 5e-324, "", "text", "ä\u2028<>&\x00\"\\", "a\xffb",
			[]int{1, 2}, []string{}, map[string]any{"a": nil}, chatMessage{User: "ann"}, &chatMessage{Text: "hi"}, []byte("bytes"),
			json.RawMessage(` {"a" : 1} `), json.Number("12"), time.Unix(0, 0).UTC(), big.NewInt(7), errors.New("an error is an empty object"),
		} {
			if err := c.Send("echo", v); err != nil {
				t.Errorf("Send(%#v) = %v", v, err)
				continue
			}
			wire, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			var want any
			json.Unmarshal(wire, &want)
			if g := <-got; fmt.Sprintf("%#v", g) != fmt.Sprintf("%#v", want) {
				t.Errorf("%#v came back as %#v, want %#v", v, g, want)
			}
		}
	}, websocket, polling)
}
