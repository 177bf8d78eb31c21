package socket_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// Each bad message is reported under EventError on the socket that sent it, and
// its later good messages still arrive. What is odd but not bad is a message.
func TestBadMessageIsReportedAndLaterGoodOnesStillArrive(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, tt := range []struct {
		name string
		text string
		want string // what happens; an error is "error" with its event
	}{
		{"nothing", ``, `error ""`},
		{"white space", ` `, `error ""`},
		{"no JSON", `hello`, `error ""`},
		{"an object that does not end", `{"event":"good"`, `error ""`},
		{"two values", `{"event":"good"} {"event":"good"}`, `error ""`},
		{"a comma too many", `{"event":"good",}`, `error ""`},
		{"a single quote", `{'event':'good'}`, `error ""`},
		{"a control character", "{\"event\":\"go\nod\"}", `error ""`},
		{"NaN", `{"event":"good","data":NaN}`, `error ""`},
		{"a byte order mark", "\ufeff{\"event\":\"good\"}", `error ""`},
		{"depth bomb", deep(30000), `error ""`},
		{"depth bomb in the data", `{"event":"good","data":` + deep(64) + `}`, `error ""`},
		{"depth that is just allowed", `{"event":"good","data":` + deep(63) + `}`, `good []interface {}`},
		{"event that is a number", `{"event":1}`, `error ""`},
		{"event that is null", `{"event":null}`, `error ""`},
		{"event that is an object", `{"event":{}}`, `error ""`},
		{"event that is empty", `{"event":""}`, `error ""`},
		{"event that is too long", `{"event":"` + strings.Repeat("x", 129) + `"}`, `error ""`},
		{"event that is too long when unescaped", `{"event":"` + strings.Repeat(`\u00e4`, 65) + `"}`, `error ""`},
		{"event twice", `{"event":"good","event":"evil"}`, `error ""`},
		{"event twice, once escaped", `{"event":"good","\u0065vent":"evil"}`, `error ""`},
		{"data twice", `{"event":"good","data":1,"data":2}`, `error ""`},
		{"event connect", `{"event":"connect"}`, `error "connect"`},
		{"event disconnect", `{"event":"disconnect","data":"x"}`, `error "disconnect"`},
		{"event error", `{"event":"error","data":"x"}`, `error "error"`},
		{"event connect, escaped", `{"event":"\u0063onnect"}`, `error "connect"`},
		{"data of another type", `{"event":"number","data":"x"}`, `error "number"`},
		{"a number too large for a float", `{"event":"good","data":1e999}`, `error "good"`},
		{"a number too large for an int", `{"event":"number","data":99999999999999999999}`, `error "number"`},

		{"no event", `{"data":1}`, `message map[string]interface {}`},
		{"an event of another case", `{"Event":"good"}`, `message map[string]interface {}`},
		{"a bare number", `12`, `message float64`},
		{"a bare string", `"good"`, `message string`},
		{"a bare list", `[1,2]`, `message []interface {}`},
		{"a bare null", `null`, `message <nil>`},
		{"the event message", `{"event":"message","data":true}`, `message bool`},
		{"no data", `{"event":"good"}`, `good <nil>`},
		{"null data", `{"event":"good","data":null}`, `good <nil>`},
		{"more members", `{"id":1,"event":"good","data":1,"room":"x"}`, `good float64`},
		{"white space around", " \n{ \"event\" : \"good\" , \"data\" : 1 }\t", `good float64`},
		{"an escaped event", `{"event":"\u0067ood"}`, `good <nil>`},
		{"an event that nobody handles", `{"event":"nobody","data":1}`, ``},
		{"a room name as of other languages", `{"event":"good","data":"__proto__"}`, `good string`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				var tr trace
				server := e.serve()
				bystander := e.raw()
				server.HandleFunc("good", func(_ socket.Socket, data interface{}) { tr.add("good %T", data) })
				server.HandleFunc(socket.EventMessage, func(_ socket.Socket, data interface{}) { tr.add("message %T", data) })
				socket.Handle(server, "number", func(_ socket.Socket, n int) { tr.add("number %d", n) })
				server.HandleFunc(socket.EventError, func(s socket.Socket, data interface{}) {
					var merr *socket.MessageError
					if !errors.As(data.(error), &merr) || !errors.Is(merr, socket.ErrInvalidMessage) {
						t.Errorf("error %v, want a *MessageError that is ErrInvalidMessage", data)
						return
					}
					if s.ID() == bystander.SocketID() {
						t.Error("the error was reported on another socket")
					}
					if len(merr.Error()) > 400 {
						t.Errorf("the error has %d bytes: it repeats the message", len(merr.Error()))
					}
					tr.add("error %q", merr.Event)
				})
				p := e.raw()
				p.say(tt.text, `{"event":"number","data":7}`)
				e.settle()
				want := []string{tt.want, "number 7"}
				if tt.want == "" {
					want = want[1:]
				}
				tr.want(t, want...)
			}, websocket, polling)
		})
	}
}

func TestBinaryMessageIsTheEventMessage(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var tr trace
		server := e.serve()
		kept := make([][]byte, 0, 3)
		server.HandleFunc(socket.EventMessage, func(s socket.Socket, data interface{}) {
			p := data.([]byte)
			kept = append(kept, p) // it is the handler's
			tr.add("message %q", p)
			s.Send(socket.EventMessage, p)
		})
		p := e.raw()
		for _, b := range [][]byte{{}, {0, 1, 2, 0x1e, 0xff}, []byte(`{"event":"good"}`)} {
			p.SendBinary(b)
			got, binary, err := p.ReceiveMessage()
			if err != nil || !binary || string(got) != string(b) {
				t.Errorf("ReceiveMessage() = %q, binary %t, %v, want %q", got, binary, err, b)
			}
		}
		tr.want(t, `message ""`, `message "\x00\x01\x02\x1e\xff"`, `message "{\"event\":\"good\"}"`)
		if got := fmt.Sprintf("%q", kept); got != `["" "\x00\x01\x02\x1e\xff" "{\"event\":\"good\"}"]` {
			t.Errorf("later messages have changed what a handler has kept: %s", got)
		}
		// The Client's two ends of it.
		c := e.client()
		got := make(chan []byte, 1)
		socket.On(c, socket.EventMessage, func(p []byte) { got <- p })
		e.connect(c)
		if err := c.Send(socket.EventMessage, []byte{7}); err != nil {
			t.Errorf("Send() = %v", err)
		}
		if p := <-got; string(p) != "\x07" {
			t.Errorf("the client got %q", p)
		}
	}, websocket, polling)
}

func TestBadMessageFromTheServerIsReportedToTheClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := new(flaky)
		c := socket.NewClient(f)
		defer c.Close()
		var tr trace
		c.On(socket.EventError, func(data interface{}) {
			var merr *socket.MessageError
			if errors.As(toError(data), &merr) {
				tr.add("error %q", merr.Event)
			} else {
				tr.add("error sent by the server: %v", data)
			}
		})
		c.On("good", func(data interface{}) { tr.add("good %v", data) })
		if err := c.Connect(); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{
			`{`, ``, `{"event":1}`, `{"event":"connect"}`, `{"event":"disconnect"}`,
			`{"event":"error","data":"Invalid room name"}`, `{"event":"good","data":1}`,
		} {
			f.deliver(text)
		}
		time.Sleep(time.Second)
		tr.want(t, `error ""`, `error ""`, `error ""`, `error "connect"`, `error "disconnect"`,
			"error sent by the server: Invalid room name", "good 1")
	})
}

func toError(v any) error {
	err, _ := v.(error)
	return err
}

// A message that is too large ends a WebSocket connection with a code that says
// so. Long polling refuses the POST.
func TestHugeMessageIsRefusedWithTheLimit(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithMaxMessageSize(1000))
		reasons := make(chan error, 1)
		server.HandleFunc(socket.EventDisconnect, func(_ socket.Socket, data interface{}) { reasons <- data.(error) })
		server.HandleFunc("x", func(socket.Socket, interface{}) { t.Error("the message was handled") })
		p := e.raw()
		err := p.Send([]byte(`{"event":"x","data":"` + strings.Repeat("x", 1000) + `"}`))
		if e.kind == polling {
			if err == nil || !strings.Contains(err.Error(), "1000") {
				t.Errorf("Send() = %v, want an error that names the limit", err)
			}
			return
		}
		_, err = p.Receive()
		if transport.CloseStatus(err) != transport.StatusMessageTooBig || !strings.Contains(err.Error(), "1000") {
			t.Errorf("Receive() = %v, want close code 1009 and the limit", err)
		}
		var lerr *transport.LimitError
		if err := <-reasons; !errors.As(err, &lerr) || lerr.Max != 1000 {
			t.Errorf("disconnect got %v", err)
		}
	}, websocket, polling)
}

// A broadcast that a client's queue can never take closes the client: it must not
// miss it in silence. WebSocket has no such bound.
func TestBroadcastTooLargeForAClientClosesIt(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithSendQueue(1000, 0))
		m := e.crowd(1)
		large := strings.Repeat("x", 2000)
		var merr *socket.MessageError
		if err := m.sockets[0].Send("x", large); !errors.As(err, &merr) || !strings.Contains(err.Error(), "WithSendQueue") {
			t.Errorf("Send() = %v, want a *MessageError that names the option", err)
		}
		if !m.sockets[0].IsConnected() {
			t.Error("the refused Send has closed the socket")
		}
		reasons := make(chan error, 1)
		m.clients[0].On(socket.EventDisconnect, func(data interface{}) { reasons <- data.(error) })
		server.Broadcast("x", large)
		if err := <-reasons; transport.CloseStatus(err) != transport.StatusMessageTooBig {
			t.Errorf("the client is told %v, want close code 1009", err)
		}
	}, polling)
}

// Requests that no client of the protocol makes get a 4xx and one sentence.
func TestWrongRequestsAreAnswered4xxWithAReasonInJSON(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := newEnv(t, polling)
		e.serve(socket.WithMaxMessageSize(1000))
		client := &http.Client{Transport: &http.Transport{DialContext: e.dial}}
		defer client.CloseIdleConnections()
		do := func(method, query, body string, header ...string) *http.Response {
			r, err := http.NewRequestWithContext(t.Context(), method, "http://server/socket"+query, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i+1 < len(header); i += 2 {
				r.Header.Add(header[i], header[i+1])
			}
			answer, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			return answer
		}
		open := do("POST", "?transport=polling", "")
		var opened struct{ Token string }
		json.NewDecoder(open.Body).Decode(&opened)
		open.Body.Close()
		token := []string{"Socket-Token", opened.Token}
		upgrade := []string{
			"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13",
			"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==",
		}
		for _, tt := range []struct {
			name, method, query, body string
			header                    []string
			status                    int
		}{
			{"PUT", "PUT", "", "", nil, 405},
			{"POST without a transport", "POST", "", "x", nil, 405},
			{"PUT of long polling", "PUT", "?transport=polling", "", token, 405},
			{"OPTIONS from nowhere", "OPTIONS", "?transport=polling", "", nil, 405},
			{"upgrade with POST", "POST", "", "", upgrade, 405},
			{"upgrade to an old version", "GET", "", "", append([]string{"Sec-WebSocket-Version", "8"}, upgrade[:4]...), 426},
			{"upgrade without a key", "GET", "", "", upgrade[:6], 400},
			{"poll without a session", "GET", "?transport=polling&ack=0", "", nil, 401},
			{"poll of an unknown session", "GET", "?transport=polling&ack=0", "", []string{"Socket-Token", strings.Repeat("a", 32)}, 404},
			{"poll with a token of another form", "GET", "?transport=polling&ack=0", "", []string{"Socket-Token", "a"}, 404},
			{"two tokens", "GET", "?transport=polling&ack=0", "", append([]string{"Socket-Token", "a"}, token...), 400},
			{"post to no session", "POST", "?transport=polling&seq=1", "1", nil, 401},
			{"delete of no session", "DELETE", "?transport=polling", "", nil, 401},
			{"poll without ack", "GET", "?transport=polling", "", token, 400},
			{"ack that is no number", "GET", "?transport=polling&ack=x", "", token, 400},
			{"ack of what was not sent", "GET", "?transport=polling&ack=7", "", token, 409},
			{"post with a gap", "POST", "?transport=polling&seq=7", "1", token, 409},
			{"post that is empty", "POST", "?transport=polling&seq=1", "", token, 400},
			{"post with an empty record", "POST", "?transport=polling&seq=1", "1\x1e\x1e2", token, 400},
			{"post that is not UTF-8", "POST", "?transport=polling&seq=1", "\"\xff\"", token, 400},
			{"post with broken base64", "POST", "?transport=polling&seq=1", "b!!!", token, 400},
			{"post with a message that is too large", "POST", "?transport=polling&seq=1", strings.Repeat("1", 1001), token, 413},
			{"post with too many messages", "POST", "?transport=polling&seq=1", strings.Repeat("1\x1e", 64) + "1", token, 413},
			{"post that is too large", "POST", "?transport=polling&seq=1", strings.Repeat("1", 1<<20+1), token, 413},
			{"post in an unknown encoding", "POST", "?transport=polling&seq=1", "1", append([]string{"Content-Encoding", "br"}, token...), 415},
			{"post that is no gzip", "POST", "?transport=polling&seq=1", "1", append([]string{"Content-Encoding", "gzip"}, token...), 400},
			{"transport that does not exist", "POST", "?transport=carrier-pigeon", "", nil, 405},
			{"page of another origin", "POST", "?transport=polling", "", []string{"Origin", "http://evil.test"}, 403},
			{"upgrade by a page of another origin", "GET", "", "", append([]string{"Origin", "http://evil.test"}, upgrade...), 403},
			{"poll by a page of another origin", "GET", "?transport=polling&ack=0", "", append([]string{"Origin", "null"}, token...), 403},
		} {
			answer := do(tt.method, tt.query, tt.body, tt.header...)
			body, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			var reason struct{ Error string }
			if err := json.Unmarshal(body, &reason); err != nil || reason.Error == "" || strings.Contains(reason.Error, "\n") {
				t.Errorf("%s: body %q, want JSON with a sentence (%v)", tt.name, body, err)
			}
			if answer.StatusCode != tt.status {
				t.Errorf("%s: status %d, want %d: %s", tt.name, answer.StatusCode, tt.status, body)
			}
			if got := answer.Header.Get("Content-Type"); got != "application/json" {
				t.Errorf("%s: Content-Type %q", tt.name, got)
			}
			if tt.status == 405 && answer.Header.Get("Allow") == "" {
				t.Errorf("%s: no Allow", tt.name)
			}
		}
		// After all that the session is what it was.
		if answer := do("POST", "?transport=polling&seq=1", `{"event":"x"}`, token...); answer.StatusCode != 200 {
			t.Errorf("a good POST is answered %d", answer.StatusCode)
		} else {
			answer.Body.Close()
		}
		answer := do("GET", "", "")
		defer answer.Body.Close()
		page, _ := io.ReadAll(answer.Body)
		if answer.StatusCode != 200 || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") || !strings.Contains(string(page), "WebSocket") {
			t.Errorf("a plain GET is answered %d, %q: %.100s", answer.StatusCode, answer.Header.Get("Content-Type"), page)
		}
	})
}

func TestPagesOfAllowedOriginsMayConnect(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		e.serve(socket.WithAllowedOrigins("https://chat.example.com"))
		for origin, ok := range map[string]bool{
			"http://server":                 true, // its own
			"https://chat.example.com":      true,
			"http://chat.example.com":       false,
			"https://chat.example.com.evil": false,
			"null":                          false,
		} {
			header := transport.WithHeaders(map[string][]string{"Origin": {origin}})
			e.webSocket = []transport.WebSocketOption{header}
			e.longPolling = []transport.LongPollingOption{header}
			c := e.client(socket.WithReconnectAttempts(-1))
			if err := c.Connect(); (err == nil) != ok {
				t.Errorf("Connect() with the origin %s = %v", origin, err)
			} else if !ok && !strings.Contains(err.Error(), "403") {
				t.Errorf("Connect() with the origin %s = %v, want status 403", origin, err)
			}
		}
	}, websocket, polling)
}

// Refused handshakes and sessions take no place, and full servers say so.
func TestFullServerRefusesWith503AndCountsWhatItHas(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithMaxConcurrency(3))
		want := func(n int) {
			t.Helper()
			if got := server.Count(); got != n {
				t.Errorf("Count() = %d, want %d", got, n)
			}
		}
		evil := []transport.WebSocketOption{transport.WithHeaders(map[string][]string{"Origin": {"http://evil.test"}})}
		e.webSocket, e.longPolling = evil, []transport.LongPollingOption{transport.WithHeaders(map[string][]string{"Origin": {"http://evil.test"}})}
		for range 10 {
			if err := e.client().Connect(); err == nil {
				t.Error("a page of another origin was let in")
			}
		}
		e.webSocket, e.longPolling = nil, nil
		want(0)
		m := e.crowd(2)
		was := e.kind
		e.kind = map[kind]kind{websocket: polling, polling: websocket}[was]
		e.connected() // counted together
		e.kind = was
		want(3)
		for range 5 {
			if err := e.client().Connect(); err == nil || !strings.Contains(err.Error(), "503") {
				t.Errorf("Connect() to a full server = %v, want status 503", err)
			}
		}
		want(3)
		if !e.logged("WithMaxConcurrency") {
			t.Error("the log does not name the option")
		}
		m.clients[0].Close()
		e.settle()
		want(2)
		e.connected()
		want(3)
	}, websocket, polling)
}
