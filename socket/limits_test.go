package socket

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// logBuffer collects what a server logs.
type logBuffer struct {
	mu    sync.Mutex // guards the fields below
	b     bytes.Buffer
	wrote chan struct{} // closed with the next line; nil while nobody waits
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wrote != nil {
		close(l.wrote)
		l.wrote = nil
	}
	return l.b.Write(p)
}

// await waits until the log contains text.
func (l *logBuffer) await(t *testing.T, text string) {
	t.Helper()
	for {
		l.mu.Lock()
		if strings.Contains(l.b.String(), text) {
			l.mu.Unlock()
			return
		}
		if l.wrote == nil {
			l.wrote = make(chan struct{})
		}
		wrote := l.wrote
		l.mu.Unlock()
		select {
		case <-wrote:
		case <-time.After(10 * time.Second):
			t.Fatalf("log has no %s:\n%s", text, l)
		}
	}
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newTestLogger(log *logBuffer) *slog.Logger { return slog.New(slog.NewTextHandler(log, nil)) }

// limited starts a server whose log is returned, and connects to it.
func limited(t *testing.T, opts ...ServerOption) (s *Server, c *transport.Conn, log *logBuffer) {
	t.Helper()
	log = new(logBuffer)
	s = NewServer(append(opts, WithLogger(newTestLogger(log)))...)
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	c, err := transport.Dial(t.Context(), strings.Replace(h.URL, "http", "ws", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return s, c, log
}

// closing returns what the server closes c with.
func closing(t *testing.T, c *transport.Conn) *transport.CloseError {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		_, _, err := c.Read(ctx)
		var ce *transport.CloseError
		switch {
		case errors.As(err, &ce):
			return ce
		case err != nil:
			t.Fatal(err)
		}
	}
}

func TestEachRefusalNamesLimitActualAndOptionInLogAndCloseReason(t *testing.T) {
	tests := []struct {
		name   string
		opt    ServerOption
		send   func(c *transport.Conn)
		code   transport.StatusCode
		reason []string // in the close reason
		logged []string
	}{
		{
			name:   "message size",
			opt:    WithMaxMessageSize(100),
			send:   func(c *transport.Conn) { c.Write(context.Background(), transport.MessageText, make([]byte, 101)) },
			code:   transport.StatusMessageTooBig,
			reason: []string{"message size", "101", "100", "MaxMessageSize"},
			logged: []string{`limit="message size"`, "actual=101", "max=100", "option=WithMaxMessageSize"},
		},
		{
			name: "fragments",
			opt:  WithMaxFragments(2, 0),
			send: func(c *transport.Conn) {
				w, _ := c.Writer(context.Background(), transport.MessageText)
				for range 3 {
					w.Write([]byte("1"))
					w.(interface{ Flush() error }).Flush() // a frame
				}
			},
			code:   transport.StatusPolicyViolation,
			reason: []string{"fragments", "3", "2", "MaxFragments"},
			logged: []string{"actual=3", "max=2", "option=WithMaxFragments"},
		},
		{
			name: "message rate",
			opt:  WithRateLimits(RateLimits{Messages: 5}),
			send: func(c *transport.Conn) {
				for range 11 {
					c.Write(context.Background(), transport.MessageText, []byte("1"))
				}
			},
			code:   transport.StatusPolicyViolation,
			reason: []string{"5 messages per second", "WithRateLimits"},
			logged: []string{"max=5", "option=WithRateLimits"},
		},
		{
			name: "byte rate",
			opt:  WithRateLimits(RateLimits{Bytes: 100}),
			send: func(c *transport.Conn) {
				for range 30 {
					c.Write(context.Background(), transport.MessageText, []byte(`"12345678"`))
				}
			},
			code:   transport.StatusPolicyViolation,
			reason: []string{"100 bytes per second", "WithRateLimits"},
			logged: []string{"max=100", "option=WithRateLimits"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, c, log := limited(t, tt.opt)
			go tt.send(c)
			ce := closing(t, c)
			if ce.Code != tt.code {
				t.Errorf("closed with %d, want %d", ce.Code, tt.code)
			}
			for _, want := range tt.reason {
				if !strings.Contains(ce.Reason, want) {
					t.Errorf("close reason %q does not name %q", ce.Reason, want)
				}
			}
			for _, want := range tt.logged {
				log.await(t, want) // the line follows the close frame
			}
		})
	}
}

func TestReportOnlyRatesLetTheClientGoOn(t *testing.T) {
	s, c, log := limited(t, WithRateLimits(RateLimits{Messages: 5, ReportOnly: true}))
	got := make(chan string, 100)
	Handle(s, "n", func(_ Socket, v string) { got <- v })
	for range 50 {
		if err := c.Write(t.Context(), transport.MessageText, []byte(`{"event":"n","data":"x"}`)); err != nil {
			t.Fatal(err)
		}
	}
	for range 50 {
		<-got
	}
	if n := strings.Count(log.String(), "only reported"); n != 1 {
		t.Errorf("%d log lines, want 1:\n%s", n, log)
	}
}

func TestJoinsBeyondTheRateAreRefused(t *testing.T) {
	s, c, _ := limited(t, WithRateLimits(RateLimits{Joins: 1}))
	errs := make(chan error, 10)
	Handle(s, "join", func(sock Socket, room string) { errs <- sock.Join(room) })
	for _, room := range []string{"a", "b", "c"} {
		c.Write(t.Context(), transport.MessageText, []byte(`{"event":"join","data":"`+room+`"}`))
	}
	for _, want := range []bool{true, true, false} {
		err := <-errs
		var re *RoomError
		if (err == nil) != want || !want && !errors.As(err, &re) {
			t.Errorf("Join = %v, want success %t", err, want)
		}
	}
}

func TestShortMemoryRefusesNewConnectionsFirst(t *testing.T) {
	s, c, _ := limited(t, WithMemoryBudget(1000))
	s.budget.Add(849)
	if s.budget.Tight() {
		t.Error("849 of 1000 bytes are 85 %")
	}
	s.budget.Add(1)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/?transport=polling", nil))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "memory") {
		t.Errorf("a new connection was answered with %d %q", w.Code, w.Body)
	}
	if err := c.Ping(pinging(t, c)); err != nil {
		t.Errorf("an open connection: %v", err)
	}
}

// pinging reads c so that pongs arrive.
func pinging(t *testing.T, c *transport.Conn) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	go c.Read(ctx) // ends with the test
	return ctx
}
