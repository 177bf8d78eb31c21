package socket_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/kleeedolinux/socket.go/socket"
)

// How much the tests of sessions try; behind -args. What is not given is what every run
// of the tests has the time for.
var (
	firstSeed = flag.Uint64("seed", 0, "first `seed` of random schedules")
	seedCount = flag.Int("seeds", fewSeeds, "how many schedules are tried")
	longSoak  = flag.Bool("soak", false, "run the tests over real networks, with killed processes, in their long form")
)

// auditor follows the messages of one direction between two ends, which are numbered from
// 0. It knows what was sent, what was received, and what the sender was told about, and
// nothing else of what happened between them.
type auditor struct {
	mu      sync.Mutex // guards the fields below
	sent    int
	refused map[int]bool // an error was returned for them
	unknown map[int]bool // reported as perhaps not handled
	dropped int          // reported without saying which
	got     []int
}

func newAuditor() *auditor {
	return &auditor{refused: make(map[int]bool), unknown: make(map[int]bool)}
}

// next returns the number of the next message to send.
func (a *auditor) next() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent++
	return a.sent - 1
}

// refuse notes that the sender was told at once that a message was not sent.
func (a *auditor) refuse(i int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refused[i] = true
}

func (a *auditor) receive(i int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.got = append(a.got, i)
}

func (a *auditor) received() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.got)
}

// report notes what the sender is told by an error, if that is the end of a session. It
// reports whether it is.
func (a *auditor) report(err error) bool {
	var lost *socket.SessionError
	if !errors.As(err, &lost) {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dropped += lost.Dropped
	for _, m := range lost.Unknown {
		if i, ok := numberOf(m); ok {
			a.unknown[i] = true
		}
	}
	return true
}

// account is what came out in the end.
type account struct{ sent, got, refused, reported, duplicates, reorders, losses int }

// settle counts. A loss is a message that has not come and that the sender was told
// nothing about. Order is that of one session: what the sender was told about is of one that
// has ended, and may come between the messages of the next, in its own order.
func (a *auditor) settle() (c account) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c.sent, c.got, c.refused, c.reported = a.sent, len(a.got), len(a.refused), len(a.unknown)+a.dropped
	came, last, lastTold := make([]bool, a.sent), -1, -1
	for _, i := range a.got {
		if i < 0 || i >= a.sent || came[i] {
			c.duplicates++
			continue
		}
		came[i] = true
		if a.unknown[i] {
			if i < lastTold {
				c.reorders++
			}
			lastTold = max(lastTold, i)
			continue
		}
		if i < max(last, lastTold) {
			c.reorders++
		}
		last = max(last, i)
	}
	c.reorders = max(c.reorders-a.dropped, 0) // those too may be of a session that has ended
	for i := range came {
		if !came[i] && !a.refused[i] && !a.unknown[i] {
			c.losses++
		}
	}
	c.losses = max(c.losses-a.dropped, 0)
	return c
}

// want fails the test unless everything came once and in order, or was reported.
func (a *auditor) want(t *testing.T, who string) {
	t.Helper()
	if c := a.settle(); c.duplicates+c.reorders+c.losses > 0 {
		t.Errorf("%s: %+v", who, c)
	}
}

// wantWhole fails the test if anything had to be reported.
func (a *auditor) wantWhole(t *testing.T, who string) {
	t.Helper()
	a.want(t, who)
	if c := a.settle(); c.got+c.refused != c.sent {
		t.Errorf("%s: %d of %d messages came", who, c.got, c.sent)
	}
}

// sized makes a message of number i with so many bytes more: in four ways, one of them
// binary.
func sized(i, more int) (socket.Event, interface{}) {
	switch {
	case more == 0:
		return number(i)
	case i%2 == 0:
		return socket.EventMessage, append(binary.BigEndian.AppendUint32(nil, uint32(i)), make([]byte, more)...)
	}
	return "s", strconv.Itoa(i) + ":" + strings.Repeat("x", more)
}

// numberOf is the inverse of sized, for what a session could not deliver.
func numberOf(m socket.Undelivered) (int, bool) {
	if m.Binary {
		if len(m.Data) < 4 {
			return 0, false
		}
		return int(binary.BigEndian.Uint32(m.Data)), true
	}
	var text struct {
		Event string
		Data  json.RawMessage
	}
	if json.Unmarshal(m.Data, &text) != nil {
		return 0, false
	}
	switch text.Event {
	case "n":
		i, err := strconv.Atoi(string(text.Data))
		return i, err == nil
	case "s":
		return leadingNumber(strings.Trim(string(text.Data), `"`))
	}
	return 0, false
}

func leadingNumber(s string) (int, bool) {
	digits, _, _ := strings.Cut(s, ":")
	i, err := strconv.Atoi(digits)
	return i, err == nil
}

// listen has the auditor follow what a client receives.
func (a *auditor) listen(c *socket.Client) {
	socket.On(c, "n", a.receive)
	socket.On(c, "s", func(s string) { i, _ := leadingNumber(s); a.receive(i) })
	socket.On(c, socket.EventMessage, func(p []byte) { a.receive(int(binary.BigEndian.Uint32(p))) })
}

// listenServer has f called for what a server receives.
func listenServer(server *socket.Server, f func(s socket.Socket, i int)) {
	socket.Handle(server, "n", f)
	socket.Handle(server, "s", func(s socket.Socket, text string) { i, _ := leadingNumber(text); f(s, i) })
	socket.Handle(server, socket.EventMessage, func(s socket.Socket, p []byte) { f(s, int(binary.BigEndian.Uint32(p))) })
}

// The auditor itself must notice what it is there for.
func TestAuditorNoticesWhatIsWrong(t *testing.T) {
	unknown := func(numbers ...int) error {
		e := new(socket.SessionError)
		for _, i := range numbers {
			e.Unknown = append(e.Unknown, socket.Undelivered{Data: fmt.Appendf(nil, `{"event":"n","data":%d}`, i)})
		}
		return e
	}
	for _, tt := range []struct {
		name string
		got  []int
		err  error
		want account
	}{
		{"all is well", []int{0, 1, 2}, nil, account{sent: 3, got: 3}},
		{"one is lost", []int{0, 2}, nil, account{sent: 3, got: 2, losses: 1}},
		{"one is lost and reported", []int{0, 2}, unknown(1), account{sent: 3, got: 2, reported: 1}},
		{"another is reported", []int{0, 2}, unknown(2), account{sent: 3, got: 2, reported: 1, losses: 1}},
		{"one is counted as dropped", []int{1, 2}, &socket.SessionError{Dropped: 1}, account{sent: 3, got: 2, reported: 1}},
		{"one comes twice", []int{0, 1, 1, 2}, nil, account{sent: 3, got: 4, duplicates: 1}},
		{"two change places", []int{1, 0, 2}, nil, account{sent: 3, got: 3, reorders: 1}},
		{"one of a session that has ended comes between those of the next", []int{1, 0, 2}, unknown(0), account{sent: 3, got: 3, reported: 1}},
		{"two of a session that has ended change places", []int{2, 1, 0}, unknown(0, 1),
			account{sent: 3, got: 3, reported: 2, reorders: 1}},
		{"one was never sent", []int{0, 1, 2, 3}, nil, account{sent: 3, got: 4, duplicates: 1}},
	} {
		a := newAuditor()
		for range 3 {
			a.next()
		}
		for _, i := range tt.got {
			a.receive(i)
		}
		a.report(tt.err)
		if got := a.settle(); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
