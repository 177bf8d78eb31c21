package socket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// write sends a text message.
func write(t *testing.T, c *transport.Conn, message string) {
	t.Helper()
	if err := c.Write(t.Context(), transport.MessageText, []byte(message)); err != nil {
		t.Fatal(err)
	}
}

// read returns the next message.
func read(t *testing.T, c *transport.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, p, err := c.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}

// dialServer opens one more connection to a server.
func dialServer(t *testing.T, s *Server) *transport.Conn {
	t.Helper()
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	c, err := transport.Dial(t.Context(), strings.Replace(h.URL, "http", "ws", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

func TestThreatA9_CVE_2022_41940_PanicClosesItsOwnSocketOnly(t *testing.T) {
	s, c, log := limited(t)
	failed := make(chan error, 10)
	s.HandleFunc("boom", func(Socket, interface{}) { panic("boom") })
	s.HandleFunc("echo", func(sock Socket, data interface{}) { sock.Send("echo", data) })
	s.HandleFunc(EventError, func(_ Socket, data interface{}) { failed <- data.(error) })
	other := dialServer(t, s)
	write(t, c, `{"event":"boom"}`)
	if ce := closing(t, c); ce.Code != transport.StatusInternalError || strings.Contains(ce.Reason, "boom") {
		t.Errorf("closed with %v, want 1011 and nothing of the panic", ce)
	}
	var pe *PanicError
	if err := <-failed; !errors.As(err, &pe) || pe.Value != "boom" || len(pe.Stack) == 0 {
		t.Errorf("EventError got %v, want a PanicError with its stack", err)
	}
	log.await(t, "handler panicked")
	write(t, other, `{"event":"echo","data":1}`)
	if got := read(t, other); got != `{"event":"echo","data":1}` {
		t.Errorf("the other socket got %s", got)
	}
}

func TestThreatC14_GO_2026_5039_NoLineOfALogIsThePeers(t *testing.T) {
	s, c, log := limited(t, WithMaxRooms(1, 10))
	s.HandleFunc("join", func(sock Socket, data interface{}) {
		if err := sock.Join(data.(string)); err != nil {
			s.log.Warn("join", "err", err)
		}
		panic(data)
	})
	s.HandleFunc(EventError, func(_ Socket, data interface{}) { s.log.Warn("refused", "err", data) })
	evil := "a\nlevel=ERROR msg=forged\x1b[31m\u202e" + strings.Repeat("x", 1000)
	message, err := json.Marshal(map[string]string{"event": "join", "data": evil})
	if err != nil {
		t.Fatal(err)
	}
	// As the name of an event, and a close reason; in a handshake, a line break ends
	// the field, and the rest can be anywhere.
	name, err := json.Marshal(map[string]string{"event": evil[:100]})
	if err != nil {
		t.Fatal(err)
	}
	other := dialServer(t, s)
	write(t, other, string(name))
	write(t, other, `{"event":"`+evil[:100]+`"}`) // not JSON
	write(t, other, evil)
	log.await(t, "refused")
	_ = other.Close(4000, evil[:100]) // what comes of it is in the log, or not
	for field, value := range map[string]string{
		"Origin": "http://evil.test\x1b[31m\u202e", "User-Agent": "a\x1b[31m\u202e", "Sec-Websocket-Protocol": "a\x1b[31m", "X-Forwarded-For": "\u202e1.2.3.4\x1b",
	} {
		r := httptest.NewRequest(http.MethodGet, "/?token=the-secret", nil)
		r.Header = http.Header{
			"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
			"Origin": {"http://other.test"}, "Authorization": {"Bearer the-secret"}, "Cookie": {"session=the-secret"},
		}
		r.Header.Set(field, value)
		s.ServeHTTP(httptest.NewRecorder(), r)
	}
	write(t, c, string(message))
	closing(t, c)
	log.await(t, "handler panicked")
	if strings.Contains(log.String(), "the-secret") {
		t.Errorf("the log has what identifies a client:\n%s", log)
	}
	for line := range strings.Lines(log.String()) {
		if !strings.HasPrefix(line, "time=") || strings.ContainsAny(line, "\x1b\u202e") {
			t.Errorf("the log has the line %q", line)
		}
	}
}

func TestThreatD5_CVE_2023_31125_UnknownTransportIsNoState(t *testing.T) {
	s, _, _ := limited(t)
	before := s.Count()
	for _, query := range []string{"transport=webtransport", "transport=", "transport=__proto__", "transport=polling%00", "EIO=4&transport=websocket"} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodPut} {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequest(method, "/?"+query, nil))
			if w.Code >= 500 || method != http.MethodGet && w.Code < 400 {
				t.Errorf("%s ?%s was answered with %d", method, query, w.Code)
			}
		}
	}
	if n := s.Count(); n != before {
		t.Errorf("%d connections, want %d", n, before)
	}
}

func TestThreatE1_CVE_2023_32695_EveryPacketIsChecked(t *testing.T) {
	s, c, _ := limited(t)
	failed := make(chan error, 1)
	s.HandleFunc(EventError, func(_ Socket, data interface{}) { failed <- data.(error) })
	s.HandleFunc("ok", func(sock Socket, data interface{}) { sock.Send("ok", data) })
	write(t, c, `{"event":"ok","data":0}`)
	read(t, c) // the connection's own connect event is over
	var attack atomic.Bool
	attack.Store(true)
	for _, hook := range []Event{EventConnect, EventDisconnect} {
		s.HandleFunc(hook, func(Socket, interface{}) {
			if attack.Load() {
				t.Errorf("a peer made the event %q", hook)
			}
		})
	}
	for _, message := range []string{
		`{"event":"connect"}`, `{"event":"disconnect","data":"x"}`, `{"event":"error","data":"x"}`,
		`{"event":""}`, `{"event":null}`, `{"event":1}`, `{"event":["ok"]}`, `{"event":{"a":1}}`, `{"event":"` + strings.Repeat("x", 129) + `"}`,
		`{"event":"ok","event":"ok"}`, `{"event":"ok","data":1,"data":2}`, `{"event":"ok"`, `{"event":"ok"} x`, ``, `{`, `nul`, "\x00",
		`{"event":"ok","data":1e}`, `{"event":"ok","data":"\x"}`, `{"event":"ok","data":` + strings.Repeat("[", 65) + strings.Repeat("]", 65) + `}`,
	} {
		write(t, c, message)
		var me *MessageError
		if err := <-failed; !errors.As(err, &me) || !errors.Is(err, ErrInvalidMessage) {
			t.Errorf("%.40q: EventError got %v, want a *MessageError for an invalid message", message, err)
		}
	}
	write(t, c, `{"event":"ok","data":"still here"}`)
	if got := read(t, c); got != `{"event":"ok","data":"still here"}` {
		t.Errorf("after all that, got %s", got)
	}
	attack.Store(false)
}

func TestThreatE2_CVE_2026_33151_NothingIsHeldForAttachments(t *testing.T) {
	s, c, _ := limited(t)
	got := make(chan any, 1)
	s.HandleFunc("file", func(_ Socket, data interface{}) { got <- data })
	// A placeholder as other protocols have it is data like any other.
	for range 1000 {
		write(t, c, `{"event":"file","data":{"_placeholder":true,"num":0},"attachments":99999999}`)
		if _, ok := (<-got).(map[string]interface{}); !ok {
			t.Fatal("the message was not handed on at once")
		}
	}
}

func TestThreatE3_DepthIsRefusedBeforeAnythingIsDecoded(t *testing.T) {
	s, c, _ := limited(t, WithMaxMessageSize(2<<20))
	failed := make(chan error, 1)
	s.HandleFunc(EventError, func(_ Socket, data interface{}) { failed <- data.(error) })
	s.HandleFunc("n", func(Socket, interface{}) { t.Error("a handler was called") })
	for name, message := range map[string]string{
		"a megabyte of brackets": strings.Repeat("[", 1<<20),
		"in the data":            `{"event":"n","data":` + strings.Repeat("[", 1<<20),
		"closed properly":        `{"event":"n","data":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}",
		"objects":                `{"event":"n","data":` + strings.Repeat(`{"a":`, 100_000),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		write(t, c, message)
		if err := <-failed; !errors.Is(err, ErrInvalidMessage) {
			t.Errorf("%s: %v", name, err)
		}
		runtime.ReadMemStats(&after)
		// The message itself, on both sides, with room to grow; but no tree of it.
		if spent := after.TotalAlloc - before.TotalAlloc; spent > uint64(12*len(message)+1<<20) {
			t.Errorf("%s: %d bytes allocated for %d", name, spent, len(message))
		}
	}
	// A number of a megabyte costs no more than its length, and is a number.
	digits := strings.Repeat("7", 1<<20)
	numbers := make(chan json.Number, 1)
	Handle(s, "digits", func(_ Socket, n json.Number) { numbers <- n })
	write(t, c, `{"event":"digits","data":`+digits+`}`)
	if n := <-numbers; string(n) != digits {
		t.Errorf("a number of %d digits came as %d", len(digits), len(n))
	}
	Handle(s, "int", func(Socket, int64) { t.Error("a megabyte of digits is no int64") })
	write(t, c, `{"event":"int","data":`+digits+`}`)
	if err := <-failed; !errors.Is(err, ErrInvalidMessage) {
		t.Errorf("a megabyte of digits: %v", err)
	}
	for _, twice := range []string{
		`{"event":"n","event":"n"}`, `{"event":"n","data":1,"data":1}`, `{"event":"n","\u0065vent":"m"}`, `{"data":1,"event":"n","\u0064ata":2}`,
	} {
		write(t, c, twice)
		if err := <-failed; !errors.Is(err, ErrInvalidMessage) {
			t.Errorf("%s: %v", twice, err)
		}
	}
	// Numbers that no float64 holds are the handler's type's to refuse.
	Handle(s, "number", func(Socket, float64) { t.Error("1e999999999 is no float64") })
	write(t, c, `{"event":"number","data":1e999999999}`)
	if err := <-failed; !errors.Is(err, ErrInvalidMessage) {
		t.Errorf("1e999999999: %v", err)
	}
}

func TestThreatE4_RoomNamesTakeLinearTime(t *testing.T) {
	s := NewServer(WithMaxRooms(1<<20, 0), WithLogger(nil))
	c := &conn{id: "x", server: s}
	m := func(i int) string { return fmt.Sprintf("room-%07d", i) }
	const n = 100_000
	for i := range n {
		s.rooms.add(&membership{room: m(i), c: c})
	}
	largest := 0
	for i := range s.rooms.shards {
		largest = max(largest, len(s.rooms.shards[i].rooms))
	}
	if largest > 2*n/roomShards {
		t.Errorf("one of %d shards has %d of %d rooms", roomShards, largest, n)
	}
	// Another server spreads them in another way: nobody can prepare names.
	if other := newRooms(); other.seed == s.rooms.seed {
		t.Error("two servers hash with one seed")
	}
}

func TestThreatE5_CVE_2026_53522_RoomsOfASocketAreBounded(t *testing.T) {
	s, c, _ := limited(t)
	errs := make(chan error, 1)
	Handle(s, "join", func(sock Socket, room string) { errs <- sock.Join(room) })
	join := func(room string) error {
		write(t, c, `{"event":"join","data":"`+room+`"}`)
		return <-errs
	}
	for i := range 128 {
		if err := join(fmt.Sprint("room ", i)); err != nil {
			t.Fatal(err)
		}
	}
	var re *RoomError
	for name, room := range map[string]string{"a room too many": "129", "an empty name": "", "a long name": strings.Repeat("x", 256)} {
		if err := join(room); !errors.As(err, &re) {
			t.Errorf("%s: Join = %v, want a *RoomError", name, err)
		}
	}
	if err := join("room 0"); err != nil {
		t.Errorf("joining again: %v", err)
	}
	// What is refused is not kept.
	held := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := held()
	for i := range 5000 {
		if err := join(fmt.Sprint("another room ", i)); !errors.As(err, &re) {
			t.Fatalf("Join = %v, want a *RoomError", err)
		}
	}
	if grown := held() - before; grown > 64<<10 {
		t.Errorf("5,000 joins that were refused hold %d bytes", grown)
	}
	rooms := 0
	for i := range s.rooms.shards {
		s.rooms.shards[i].mu.Lock()
		rooms += len(s.rooms.shards[i].rooms)
		s.rooms.shards[i].mu.Unlock()
	}
	if rooms != 128 {
		t.Errorf("the server has %d rooms, want 128", rooms)
	}
}

func TestThreatE6_SlowReaderHoldsUpNobody(t *testing.T) {
	s, slow, log := limited(t, WithSendQueue(64<<10, 100))
	fast := dialServer(t, s)
	for s.Count() < 2 {
		runtime.Gosched()
	}
	// The slow one reads nothing; the fast one everything.
	text := strings.Repeat("x", 16<<10)
	var longest time.Duration
	for i := range 2000 {
		start := time.Now()
		if err := s.Broadcast("n", fmt.Sprint(i, text)); err != nil {
			t.Fatal(err)
		}
		longest = max(longest, time.Since(start))
		if got := read(t, fast); !strings.HasPrefix(got, fmt.Sprintf(`{"event":"n","data":"%d`, i)) {
			t.Fatalf("message %d is %.40s", i, got)
		}
	}
	log.await(t, "slow consumer")
	for start := time.Now(); s.Count() != 1; runtime.Gosched() {
		if time.Since(start) > 10*time.Second {
			t.Fatalf("%d connections, want the fast one only", s.Count())
		}
	}
	t.Logf("the slowest of 2,000 broadcasts took %v", longest)
	_ = slow
}

func TestThreatE7_CVE_2024_23672_PeerThatIgnoresTheClose(t *testing.T) {
	s, c, _ := limited(t, WithCloseTimeout(100*time.Millisecond))
	gone := make(chan struct{})
	s.HandleFunc(EventDisconnect, func(Socket, interface{}) { close(gone) })
	s.HandleFunc("bye", func(sock Socket, _ interface{}) { sock.Close() })
	write(t, c, `{"event":"bye"}`)
	// c is not read, so the close frame is not answered.
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Fatal("the socket is still there after 100 times the close timeout")
	}
}

func TestThreatE8_ReservedNamesOfOtherLanguagesAreEvents(t *testing.T) {
	s, c, _ := limited(t)
	for _, event := range []string{"__proto__", "constructor", "toString", "hasOwnProperty", "prototype", "valueOf"} {
		s.HandleFunc(event, func(sock Socket, data interface{}) { sock.Send(event, data) })
		message := `{"event":"` + event + `","data":{"__proto__":{"polluted":true}}}`
		write(t, c, message)
		if got := read(t, c); got != message {
			t.Errorf("sent %s, got %s", message, got)
		}
	}
}

func TestThreatE11_GO_2026_4703_InsecureOptionsAreLoud(t *testing.T) {
	log := new(logBuffer)
	NewServer(WithInsecureAnyOrigin(), WithLogger(newTestLogger(log)))
	if text := log.String(); !strings.Contains(text, "WARN") || !strings.Contains(text, "WithInsecureAnyOrigin") {
		t.Errorf("the log says %q", text)
	}
	// No option takes away a check under another name.
	api, err := os.ReadFile("../testdata/api.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range regexp.MustCompile(`(?im)^.*(skip|disable|trustall|anyorigin|noverify|unsafe).*$`).FindAllString(string(api), -1) {
		if !strings.Contains(line, "Insecure") {
			t.Errorf("the API has %s", line)
		}
	}
}
