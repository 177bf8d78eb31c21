package fuzz

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// The parts of the mode of [FuzzPollingClient].
const (
	pollOpened = 1 << iota // the session opens in the good way first
	pollAsked              // answers are described by a status, a number and a body
	pollEvents             // a Client uses the transport
	pollHangs              // what is not answered is left hanging, and not hung up on
)

// answersApart separates the answers in the input of [FuzzPollingClient].
const answersApart = "\x00\x00"

const goodOpening = `{"v":1,"id":"i","token":"` + tokenMark + `","wait":25000,"limit":{"messages":64,"bytes":1048576,"message":65536}}`

var pollingClientSeeds = []struct {
	name    string
	answers []string
	mode    byte
}{
	{"messages", []string{"\x00\x01{\"event\":\"echo\",\"data\":1}\x1ebAA==\x1euImhpIg==", "\x01", "\x00\x04last", "\x02"}, pollOpened | pollAsked},
	{"events", []string{"\x00\x01{\"event\":\"echo\",\"data\":1}\x1ebAA==", "\x01", "\x05{\"error\":\"e\",\"code\":1001,\"reason\":\"r\"}"}, pollOpened | pollAsked | pollEvents},
	{"known messages again", []string{"\x00\x01a\x1eb", "\x00\x01\"a\"\x1e\"b\"", "\x00\x01\"a\"\x1e\"b\"\x1e\"c\"", "\x00\x09gap"}, pollOpened | pollAsked},
	{"acknowledgements", []string{"\x00\x00{\"ack\":1}", "\x00\x00{\"ack\":9}", "\x00\x00{\"ack\":2}"}, pollOpened | pollAsked},
	{"trouble", []string{"\x06", "\x07", "\x03{}", "\x08", "\x04{\"error\":\"unknown\"}"}, pollOpened | pollAsked | pollHangs},
	{"no session", []string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"}, 0},
	{"another version", []string{"HTTP/1.1 200 OK\r\nContent-Length: 33\r\n\r\n{\"v\":2,\"id\":\"i\",\"token\":\"aaaaaaa\"}"}, 0},
	{"a redirect", []string{"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://evil/\r\n\r\n"}, pollEvents},
	{"gzip", []string{"HTTP/1.1 200 OK\r\nSocket-Seq: 1\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n\x1f\x8b\x08\x01\x01"}, pollOpened},
	{"chunks", []string{"HTTP/1.1 200 OK\r\nSocket-Seq: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\"a\"\r\n0\r\n\r\n"}, pollOpened},
	{"a body without an end", []string{"HTTP/1.1 200 OK\r\nSocket-Seq: 1\r\nContent-Length: 99999999\r\n\r\n1"}, pollOpened | pollHangs},
	{"interim responses", []string{strings.Repeat("HTTP/1.1 103 \r\n\r\n", 20)}, pollOpened},
	{"no HTTP", []string{"\x16\x03\x01"}, 0},
}

// FuzzPollingClient answers the requests of a live long-polling client with
// anything. Its own requests stay well-formed and in order, what it takes for
// messages fits what came, and everything ends.
func FuzzPollingClient(f *testing.F) {
	for _, s := range pollingClientSeeds {
		f.Add([]byte(strings.Join(s.answers, answersApart)), s.mode)
	}
	f.Fuzz(func(t *testing.T, data []byte, mode byte) {
		if len(data) > 1<<16 {
			return
		}
		s := &answering{mode: mode, answers: bytes.Split(data, []byte(answersApart))}
		most := bytes.Count(data, []byte{0x1E}) + len(s.answers)
		if mode&pollOpened != 0 {
			s.opening = []byte(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(goodOpening), goodOpening))
		}
		bounded(t, bounds{memory: 64 << 20, perByte: 1 << 10, time: ordinary.time}, len(data), func(t *testing.T) {
			s.t = t
			s.run()
		})
		if s.received > most && !bytes.Contains(bytes.ToLower(data), []byte("gzip")) {
			t.Errorf("%d messages came out of answers that hold %d at most", s.received, most)
		}
	})
}

// answering is a server that answers in the order of its input.
type answering struct {
	t        *testing.T
	mode     byte
	listener *listener
	opening  []byte
	conns    sync.WaitGroup
	received int // messages that the client has got

	mu       sync.Mutex // guards the fields below
	answers  [][]byte
	requests int
	ack, seq uint64 // the greatest of the requests so far
	open     []*end
}

func (s *answering) run() {
	s.listener = newListener()
	go s.accept()
	lp := transport.NewLongPollingTransport("http://fuzz/socket", transport.WithDialContext(s.dial))
	if s.mode&pollEvents != 0 {
		s.runClient(lp)
	} else {
		s.runTransport(lp)
	}
	_ = s.listener.Close() // never fails
	s.mu.Lock()
	for _, e := range s.open {
		e.Cut()
	}
	s.mu.Unlock()
	s.conns.Wait()
	synctest.Wait()
}

func (s *answering) runTransport(lp *transport.LongPollingTransport) {
	if err := lp.Connect(context.Background()); err != nil {
		_ = lp.Close() // there is nothing to close
		return
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var first error
		for n := 0; n < 3; {
			_, err := lp.Receive()
			if err == nil && first == nil {
				s.received++
				continue
			}
			if n++; n > 1 && (err == nil || err.Error() != first.Error()) {
				s.t.Errorf("Receive ended with %v and then with %v", first, err)
			}
			first = err
		}
	}()
	for _, message := range []string{"1", "2", "3"} {
		_ = lp.Send([]byte(message)) // the session may have ended
	}
	time.Sleep(2 * time.Minute)
	_ = lp.Close() // perhaps with messages undelivered
	<-ended
}

func (s *answering) runClient(lp *transport.LongPollingTransport) {
	c := socket.NewClient(lp, socket.WithReconnectAttempts(2))
	var told []string
	c.On(socket.EventConnect, func(any) { told = append(told, "connect") })
	c.On(socket.EventDisconnect, func(any) { told = append(told, "disconnect") })
	for _, name := range []string{"echo", socket.EventMessage} {
		c.On(name, func(any) { s.received++ })
	}
	if c.Connect() == nil {
		for i := range 3 {
			_ = c.Send("n", i) // the session may have ended
		}
		time.Sleep(2 * time.Minute)
	}
	_ = c.Close() // perhaps with messages undelivered
	synctest.Wait()
	for i, what := range told {
		if want := [2]string{"connect", "disconnect"}[i%2]; what != want || len(told)%2 != 0 {
			s.t.Fatalf("the handlers were told %q, want connect and disconnect in turn", told)
		}
	}
}

func (s *answering) dial(context.Context, string, string) (net.Conn, error) {
	return s.listener.dial(), nil
}

func (s *answering) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		e := c.(*end)
		s.mu.Lock()
		s.open = append(s.open, e)
		s.mu.Unlock()
		s.conns.Go(func() { s.serve(e) })
	}
}

// serve answers the requests of one connection.
func (s *answering) serve(e *end) {
	defer e.Close()
	in := bufio.NewReader(e)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !isReset(err) {
				s.t.Errorf("a request is malformed: %v", err)
			}
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return // the client has given up
		}
		answer := s.answer(r)
		if answer == nil {
			if s.mode&pollHangs != 0 {
				_, _ = in.Peek(1 << 20) // until the client gives up
			}
			return
		}
		if _, err := e.Write(answer); err != nil {
			return
		}
	}
}

func isReset(err error) bool {
	return strings.Contains(err.Error(), "connection reset") || strings.Contains(err.Error(), "unexpected EOF")
}

// answer checks a request and returns the next answer, nil for none.
func (s *answering) answer(r *http.Request) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if s.requests > 10_000 {
		s.t.Error("the client makes requests without end")
		return nil
	}
	q := r.URL.Query()
	token := r.Header.Get("Socket-Token")
	if q.Get("transport") != "polling" || r.URL.Path != "/socket" || r.Host != "fuzz" || token != "" && strings.Contains(r.RequestURI, token) {
		s.t.Errorf("the request %s %s to %s", r.Method, r.RequestURI, r.Host)
	}
	opens := r.Method == http.MethodPost && q.Get("seq") == ""
	if opens != (token == "") {
		s.t.Errorf("%s %s has the token %q", r.Method, r.RequestURI, token)
	}
	for name, last := range map[string]*uint64{"ack": &s.ack, "seq": &s.seq} {
		switch n, err := strconv.ParseUint(q.Get(name), 10, 64); {
		case opens:
			*last = 0
		case !q.Has(name):
		case err != nil || n < *last:
			s.t.Errorf("%s %s after %s=%d", r.Method, r.RequestURI, name, *last)
		default:
			*last = n
		}
	}
	if opens && s.opening != nil {
		return s.opening
	}
	if len(s.answers) == 0 {
		return nil
	}
	answer := s.answers[0]
	s.answers = s.answers[1:]
	if s.mode&pollAsked == 0 {
		return answer
	}
	status, number := 0, 0
	if len(answer) > 0 {
		status, answer = int(answer[0]), answer[1:]
	}
	if len(answer) > 0 {
		number, answer = int(answer[0]), answer[1:]
	}
	status = []int{200, 204, 200, 400, 404, 410, 500, 503, 307, 409}[status%10]
	head := fmt.Sprintf("HTTP/1.1 %d \r\nSocket-Seq: %d\r\n", status, number)
	if status == http.StatusNoContent {
		return []byte(head + "\r\n")
	}
	return append([]byte(fmt.Sprintf("%sContent-Length: %d\r\n\r\n", head, len(answer))), answer...)
}
