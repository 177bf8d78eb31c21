package fuzz

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/kleeedolinux/socket.go/socket"
)

// typedEvent is an event whose handler takes data of one type.
type typedEvent struct {
	name   string
	handle func(l *live)
	listen func(c *socket.Client, note func(entry string))
	decode func(raw []byte) (any, error) // with encoding/json alone
}

// profile is data with a little of everything.
type profile struct {
	Name  string         `json:"name"`
	Age   int8           `json:"age,omitempty"`
	Tags  []string       `json:"tags"`
	Next  *profile       `json:"next"`
	Extra map[string]any `json:"extra"`
	Raw   json.RawMessage
}

var typedEvents = []typedEvent{
	typed[any]("any"),
	typed[string]("string"),
	typed[int]("int"),
	typed[uint8]("uint8"),
	typed[float64]("float"),
	typed[bool]("bool"),
	typed[[]byte]("bytes"),
	typed[[]int]("ints"),
	typed[map[string]string]("map"),
	typed[*string]("pointer"),
	typed[profile]("profile"),
	typed[json.RawMessage]("raw"),
	typed[json.Number]("number"),
}

func typed[T any](name string) typedEvent {
	return typedEvent{
		name: name,
		handle: func(l *live) {
			socket.Handle(l.server, name, func(s socket.Socket, v T) { l.note(s, entry(name, v)) })
		},
		listen: func(c *socket.Client, note func(string)) {
			socket.On(c, name, func(v T) { note(entry(name, v)) })
		},
		decode: func(raw []byte) (any, error) {
			var v T
			if raw == nil {
				return v, nil
			}
			err := json.Unmarshal(raw, &v)
			return v, err
		},
	}
}

// entry is how a call of a handler is logged.
func entry(event string, v any) string {
	switch v := v.(type) {
	case json.RawMessage:
		return event + " raw " + string(v)
	case json.Number:
		return event + " number " + string(v)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return event + " " + err.Error()
	}
	return event + " " + string(text)
}

// maxDepth and maxEvent are the limits of the wire format.
const (
	maxDepth = 64
	maxEvent = 128
)

// What a server and a client never take from their peer, and the handlers that the
// live ones have besides the typed ones.
var (
	serverReserved = []string{socket.EventConnect, socket.EventDisconnect, socket.EventError}
	clientReserved = []string{socket.EventConnect, socket.EventDisconnect}
	serverNames    = []string{socket.EventMessage, "echo", "close", "panic"}
	clientNames    = []string{socket.EventMessage, "echo", "close", socket.EventError}
)

// verdict is what a message must lead to.
type verdict struct {
	log  []string
	ends bool // the connection, by what the handler does
	echo string
}

// judge says with encoding/json alone what a live server or client, whose handlers
// have these names, makes of a message.
func judge(m event, reserved, names []string) verdict {
	if m.op == opBinary {
		return verdict{log: []string{entry(socket.EventMessage, []byte(m.payload))}}
	}
	name, raw, err := openEnvelope([]byte(m.payload))
	if err != nil {
		return verdict{log: []string{"invalid "}}
	}
	switch request, reply, err := asksOrReplies([]byte(m.payload)); {
	case err != nil:
		return verdict{log: []string{"invalid "}}
	case reply:
		return verdict{} // to nothing
	case request != "":
		return verdict{echo: `{"re":` + request + `,"error":{"code":"unknown_event","message":"nothing answers requests of this event"}}`}
	}
	if slices.Contains(reserved, name) {
		return verdict{log: []string{"invalid " + name}}
	}
	for _, e := range typedEvents {
		if e.name != name {
			continue
		}
		v, err := e.decode(raw)
		if err != nil {
			return verdict{log: []string{"invalid " + name}}
		}
		return verdict{log: []string{entry(name, v)}}
	}
	if !slices.Contains(names, name) {
		return verdict{}
	}
	var v any
	if raw != nil {
		err = json.Unmarshal(raw, &v)
	}
	if err != nil {
		return verdict{log: []string{"invalid " + name}}
	}
	if name == socket.EventError {
		return verdict{} // the handler is there for the client's own
	}
	verdict := verdict{log: []string{entry(name, v)}, ends: name == "close" || name == "panic"}
	switch name {
	case "echo":
		verdict.echo = envelopeOf("echo", v)
	case "panic":
		verdict.log = append(verdict.log, "panic in panic")
	}
	return verdict
}

// envelopeOf is the message that the server sends for an event.
func envelopeOf(name string, data any) string {
	text, err := json.Marshal(struct {
		Event string `json:"event"`
		Data  any    `json:"data"`
	}{name, data})
	if err != nil {
		return err.Error()
	}
	return string(text)
}

var errEnvelope = errors.New("not an envelope")

// openEnvelope takes a text message apart: the event that it names and the JSON
// of its data. Whatever names no event is data under the event for that.
func openEnvelope(text []byte) (name string, data []byte, err error) {
	if !json.Valid(text) || depth(text) > maxDepth {
		return "", nil, errEnvelope
	}
	whole := bytes.Trim(text, " \t\r\n")
	if whole[0] != '{' {
		return socket.EventMessage, whole, nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		return "", nil, err
	}
	seen := make(map[string]int)
	var event json.RawMessage
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return "", nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return "", nil, err
		}
		switch seen[key.(string)]++; key {
		case "event":
			event = value
		case "data":
			data = value
		}
	}
	if event == nil {
		return socket.EventMessage, whole, nil
	}
	if seen["event"] > 1 || seen["data"] > 1 || event[0] != '"' || json.Unmarshal(event, &name) != nil ||
		name == "" || len(name) > maxEvent || !utf8.ValidString(name) {
		return "", nil, errEnvelope
	}
	return name, data, nil
}

// asksOrReplies returns the number of the request that a message of an event is, "" if it is
// none, and whether it is a reply, which names no event.
func asksOrReplies(text []byte) (request string, reply bool, err error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil {
		return "", false, nil
	}
	isNumber := func(raw json.RawMessage) bool {
		n, err := strconv.ParseUint(string(raw), 10, 64)
		return err == nil && n < 1<<53
	}
	twice := repeated(text)
	if members["event"] != nil {
		switch {
		case members["req"] == nil:
		case twice["req"] || !isNumber(members["req"]):
			err = errEnvelope
		default:
			request = string(members["req"])
		}
		return request, false, err
	}
	if !isNumber(members["re"]) {
		return "", false, nil
	}
	if twice["re"] || twice["data"] || twice["error"] {
		err = errEnvelope
	}
	return "", true, err
}

// repeated returns the names of an object that are there more than once.
func repeated(object []byte) map[string]bool {
	seen, twice := make(map[string]bool), make(map[string]bool)
	d := json.NewDecoder(bytes.NewReader(object))
	d.Token() // it is an object
	for d.More() {
		key, err := d.Token()
		if err != nil {
			break
		}
		name := key.(string)
		twice[name] = twice[name] || seen[name]
		seen[name] = true
		var value json.RawMessage
		if d.Decode(&value) != nil {
			break
		}
	}
	return twice
}

// depth counts how deep valid JSON is nested.
func depth(text []byte) (deepest int) {
	now, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case strings.IndexByte("[{", c) >= 0:
			now++
			deepest = max(deepest, now)
		case strings.IndexByte("]}", c) >= 0:
			now--
		}
	}
	return deepest
}
