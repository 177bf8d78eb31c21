package sockettest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

// DefaultLimit is how long something that is expected may take to come, see
// [Client.Within]. In a bubble the waiting is in virtual time.
const DefaultLimit = 5 * time.Second

// Receiver is a [Client] or a [Browser].
type Receiver interface {
	self() *receiver
}

func (r *receiver) self() *receiver { return r }

// Expect waits for the next event of a name and returns its data, decoded as a T in the
// way of [encoding/json]; no data is the zero value, and a binary message, whose event is
// [socket.EventMessage], a []byte. It fails the test when none comes in time or the data
// is no T. What has come before the event is passed over for good: messages have an
// order, and a test goes through it in that order.
func Expect[T any](from Receiver, event socket.Event) T {
	r := from.self()
	r.t.Helper()
	call := fmt.Sprintf("Expect[%T](%q)", *new(T), event)
	found := r.event(call, event)
	var v T
	if found.binary != nil {
		switch p := any(&v).(type) {
		case *[]byte:
			*p = found.binary
		case *any:
			*p = found.binary
		default:
			r.t.Fatalf("%s.%s: a binary message came, %v", r.name, call, found)
		}
		return v
	}
	if err := json.Unmarshal(found.json(), &v); err != nil {
		r.t.Fatalf("%s.%s: %v\ncame: %v", r.name, call, err, found)
	}
	return v
}

// Expect waits for the next event of a name. It fails the test when none comes in time,
// or when its data is not what is wanted. Both are compared as JSON: want may be a struct,
// a map or any other value whose JSON is that of the data. For a binary message, whose
// event is [socket.EventMessage], it is a []byte. What has come before the event is passed
// over for good. The function [Expect] returns the data instead.
func (r *receiver) Expect(event socket.Event, want any) {
	r.t.Helper()
	call := fmt.Sprintf("Expect(%q, …)", event)
	found := r.event(call, event)
	if found.binary != nil {
		if p, ok := want.([]byte); !ok || !bytes.Equal(p, found.binary) {
			r.t.Fatalf("%s.%s: the data is not as wanted:\ngot:  %v\nwant: %x", r.name, call, found, want)
		}
		return
	}
	wanted, err := json.Marshal(want)
	if err != nil {
		r.t.Fatalf("%s.%s: what is wanted has no JSON: %v", r.name, call, err)
	}
	if differences := diff(found.json(), wanted); len(differences) > 0 {
		r.t.Fatalf("%s.%s: the data is not as wanted:\n\t%s\ngot:  %s\nwant: %s", r.name, call,
			strings.Join(differences, "\n\t"), clip(found.json()), clip(wanted))
	}
}

// ExpectNothing waits for d and fails the test if anything is there that was not expected
// before: events, errors, the loss of the connection. In a bubble a d of zero is what
// happens by itself, without any time to pass.
func (r *receiver) ExpectNothing(d time.Duration) {
	r.t.Helper()
	time.Sleep(d)
	r.n.settle()
	var came []item
	for _, i := range r.in.all() {
		if i.kind != itemConnect {
			came = append(came, i)
		}
	}
	if len(came) > 0 {
		r.t.Fatalf("%s.ExpectNothing(%v): %s", r.name, d, list(came))
	}
}

// ExpectDisconnect waits until the connection has ended and returns the reason, which is
// what disconnect handlers get: transport.CloseStatus finds the close code in it.
func (r *receiver) ExpectDisconnect() error {
	r.t.Helper()
	return r.expect("ExpectDisconnect()", func(i item) bool { return i.kind == itemDisconnect }).err
}

// event waits for an event.
func (r *receiver) event(call string, event string) item {
	r.t.Helper()
	return r.expect(call, func(i item) bool { return i.kind == itemEvent && i.event == event })
}

// expect waits for an item, and fails the test if it does not come.
func (r *receiver) expect(call string, wanted func(item) bool) item {
	r.t.Helper()
	found, passed, ok := r.in.await(r.limit, wanted)
	if !ok {
		r.t.Fatalf("%s.%s: not within %v; %s", r.name, call, r.limit, list(passed))
	}
	return found
}

// list says what has come.
func list(items []item) string {
	if len(items) == 0 {
		return "nothing came"
	}
	var out strings.Builder
	out.WriteString("what came:")
	for _, i := range items {
		fmt.Fprintf(&out, "\n\t%v", i)
	}
	return out.String()
}
