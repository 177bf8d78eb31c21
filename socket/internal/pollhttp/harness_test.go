package pollhttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/pollhttp"
)

// recording is a handler that keeps what it is told.
type recording struct {
	*pollhttp.Session
	message func(h *recording, m pollhttp.Message) // called for each message, if not nil

	mu     sync.Mutex // guards all below
	got    []string
	inside bool    // a call of Message is running
	ends   []error // what Closed was called with
}

func (h *recording) Message(m pollhttp.Message) {
	h.mu.Lock()
	if h.inside || len(h.ends) > 0 {
		panic("Message was called during another call, or after Closed")
	}
	h.inside = true
	h.got = append(h.got, string(m.Data))
	h.mu.Unlock()
	if h.message != nil {
		h.message(h, m)
	}
	h.mu.Lock()
	h.inside = false
	h.mu.Unlock()
}

func (h *recording) Closed(cause error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.inside {
		panic("Closed was called during Message")
	}
	h.ends = append(h.ends, cause)
}

func (h *recording) texts() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.got, " ")
}

// wantClosed checks that Closed was called once, with a cause that matches.
func (h *recording) wantClosed(t *testing.T, want error) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.ends) != 1 {
		t.Errorf("Closed was called with %v, want one call with %v", h.ends, want)
		return
	}
	got := h.ends[0]
	var g, w *pollhttp.CloseError
	if errors.As(want, &w) {
		if !errors.As(got, &g) || *g != *w {
			t.Errorf("Closed(%v), want %v", got, want)
		}
	} else if !errors.Is(got, want) {
		t.Errorf("Closed(%v), want %v", got, want)
	}
}

// tester is an engine with the sessions that it opened.
type tester struct {
	t *testing.T
	*pollhttp.Engine
	message func(h *recording, m pollhttp.Message)

	mu       sync.Mutex // guards handlers
	handlers []*recording
}

// newTester returns an engine. It is shut down when the test ends.
func newTester(t *testing.T, c pollhttp.Config) *tester {
	e := &tester{t: t}
	admit := c.Open
	c.Open = func(s *pollhttp.Session, r *http.Request) (pollhttp.Handler, error) {
		if admit != nil {
			if _, err := admit(s, r); err != nil {
				return nil, err
			}
		}
		h := &recording{Session: s, message: e.message}
		e.mu.Lock()
		defer e.mu.Unlock()
		e.handlers = append(e.handlers, h)
		return h, nil
	}
	e.Engine = pollhttp.New(c)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		e.Shutdown(ctx, 1001, "")
	})
	return e
}

// request serves a request and returns its answer.
func (e *tester) request(method, query, token, body string, edit ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/socket?"+query, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Socket-Token", token)
	}
	for _, f := range edit {
		f(r)
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		e.t.Errorf("%s %s: Cache-Control = %q", method, query, got)
	}
	if got := w.Header().Get("X-Content-Type-Options"); got != "nosniff" {
		e.t.Errorf("%s %s: X-Content-Type-Options = %q", method, query, got)
	}
	return w
}

// connection is a session from the client's side.
type connection struct {
	e       *tester
	id      string
	token   string
	handler *recording
}

func (e *tester) open() *connection {
	e.t.Helper()
	w := e.request("POST", "transport=polling", "", "")
	var answer struct{ ID, Token string }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 {
		e.t.Fatalf("opening was answered %d %s", w.Code, w.Body)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, h := range e.handlers {
		if h.ID() == answer.ID {
			return &connection{e, answer.ID, answer.Token, h}
		}
	}
	e.t.Fatalf("no session has the id %q", answer.ID)
	return nil
}

func (c *connection) get(ack int, edit ...func(*http.Request)) *httptest.ResponseRecorder {
	return c.e.request("GET", "transport=polling&ack="+strconv.Itoa(ack), c.token, "", edit...)
}

func (c *connection) post(seq int, body string, edit ...func(*http.Request)) *httptest.ResponseRecorder {
	return c.e.request("POST", "transport=polling&seq="+strconv.Itoa(seq), c.token, body, edit...)
}

func (c *connection) delete() *httptest.ResponseRecorder {
	return c.e.request("DELETE", "transport=polling", c.token, "")
}

func (c *connection) send(texts ...string) {
	c.e.t.Helper()
	for _, s := range texts {
		if err := c.handler.Send(pollhttp.Message{Data: []byte(s)}); err != nil {
			c.e.t.Fatalf("Send(%q) = %v", s, err)
		}
	}
}

// pending is a request in flight.
type pending struct {
	done   chan *httptest.ResponseRecorder
	cancel context.CancelFunc
}

// start makes a request on a goroutine of its own. It is cancelled when the test
// ends, if it has not ended before.
func (c *connection) start(request func(edit ...func(*http.Request)) *httptest.ResponseRecorder) *pending {
	ctx, cancel := context.WithCancel(c.e.t.Context())
	p := &pending{make(chan *httptest.ResponseRecorder, 1), cancel}
	go func() {
		defer cancel()
		p.done <- request(func(r *http.Request) { *r = *r.WithContext(ctx) })
	}()
	return p
}

func (c *connection) startGet(ack int) *pending {
	return c.start(func(edit ...func(*http.Request)) *httptest.ResponseRecorder { return c.get(ack, edit...) })
}

func (c *connection) startPost(seq int, body string) *pending {
	return c.start(func(edit ...func(*http.Request)) *httptest.ResponseRecorder { return c.post(seq, body, edit...) })
}

// wait returns the answer when it is there.
func (p *pending) wait() *httptest.ResponseRecorder { return <-p.done }

// answered reports whether the answer is there.
func (p *pending) answered() bool { return len(p.done) > 0 }

// want checks an answer: its status, and its body or a part of it.
func want(t *testing.T, w *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	if w.Code != status || !strings.Contains(w.Body.String(), body) || body == "" && w.Body.Len() > 0 {
		t.Errorf("answered %d %q, want %d %q", w.Code, w.Body, status, body)
	}
}

// wantMessages checks the answer of a poll.
func wantMessages(t *testing.T, w *httptest.ResponseRecorder, first int, body string) {
	t.Helper()
	if w.Code != 200 || w.Body.String() != body || w.Header().Get("Socket-Seq") != strconv.Itoa(first) {
		t.Errorf("answered %d %q from %q, want 200 %q from %d", w.Code, w.Body, w.Header().Get("Socket-Seq"), body, first)
	}
	if got := w.Header().Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("Content-Type = %q", got)
	}
}
