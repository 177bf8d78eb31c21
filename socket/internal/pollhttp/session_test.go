package pollhttp_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/poll"
	"github.com/kleeedolinux/socket.go/socket/internal/pollhttp"
)

// clock calls Advance every second until the test ends.
func (e *tester) clock() {
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				e.Advance(now)
			case <-e.t.Context().Done():
				return
			}
		}
	}()
}

func TestHandlerMaySendAndCloseFromWithinMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTester(t, pollhttp.Config{})
		e.message = func(h *recording, m pollhttp.Message) {
			if err := h.Send(m); err != nil {
				t.Error(err)
			}
			if string(m.Data) == "quit" {
				h.Close(1000, "as you wish")
			}
		}
		c := e.open()
		want(t, c.post(1, "hello"), 200, `{"ack":1}`)
		want(t, c.post(2, "quit\x1eignored"), 410, `"code":1000`)
		wantMessages(t, c.get(0), 1, "hello\x1equit")
		want(t, c.get(2), 410, `{"code":1000,"error":"the server closed the session","reason":"as you wish"}`)
		synctest.Wait()
		c.handler.wantClosed(t, &pollhttp.CloseError{Code: 1000, Reason: "as you wish"})
		if got := c.handler.texts(); got != "hello quit" {
			t.Errorf("the handler got %q", got)
		}
	})
}

func TestClosedComesOnceAndAfterTheLastMessage(t *testing.T) {
	ends := []struct {
		name string
		end  func(c *connection)
		want error
	}{
		{"CloseNow", func(c *connection) { c.handler.CloseNow(); c.handler.CloseNow() }, net.ErrClosed},
		{"DELETE", func(c *connection) { c.delete(); c.delete() }, &pollhttp.CloseError{Code: 1000, Remote: true}},
		{"Close", func(c *connection) {
			c.handler.Close(1001, "x")
			c.get(0)
			c.get(0)
			c.handler.CloseNow()
		}, &pollhttp.CloseError{Code: 1001, Reason: "x"}},
		{"Close without a poll", func(c *connection) {
			c.handler.Close(1001, "x")
			time.Sleep(6 * time.Second)
		}, &pollhttp.CloseError{Code: 1001, Reason: "x"}},
		{"Refuse", func(c *connection) {
			c.handler.Send(pollhttp.Message{Data: []byte("never seen")})
			c.handler.Refuse(1013, "x")
			if w := c.get(0); w.Code != 410 {
				c.e.t.Errorf("after Refuse a poll was answered %d %q", w.Code, w.Body)
			}
		}, &pollhttp.CloseError{Code: 1013, Reason: "x"}},
		{"Shutdown", func(c *connection) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			c.e.Shutdown(ctx, 1001, "")
		}, net.ErrClosed},
	}
	for _, tt := range ends {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gate := make(chan struct{})
				e := newTester(t, pollhttp.Config{})
				e.clock()
				e.message = func(h *recording, m pollhttp.Message) { <-gate }
				c := e.open()
				post := c.startPost(1, "1\x1e2")
				synctest.Wait()
				tt.end(c)
				synctest.Wait()
				if len(c.handler.ends) > 0 {
					t.Error("Closed was called during Message")
				}
				if e.Len() != 1 {
					t.Errorf("Len() = %d before Closed", e.Len())
				}
				close(gate)
				if w := post.wait(); w.Code != 410 {
					t.Errorf("the POST was answered %d %q", w.Code, w.Body)
				}
				synctest.Wait()
				c.handler.wantClosed(t, tt.want)
				if got := c.handler.texts(); got != "1" {
					t.Errorf("the handler got %q", got)
				}
				if e.Len() != 0 {
					t.Errorf("Len() = %d after Closed", e.Len())
				}
			})
		})
	}
}

func TestClosingSessionTellsWhyUntilTheCloseWaitIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTester(t, pollhttp.Config{})
		e.clock()
		c := e.open()
		c.send("1")
		c.handler.Close(4000, "done")
		if err := c.handler.Send(pollhttp.Message{}); !errors.Is(err, pollhttp.ErrClosed) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Send after Close = %v", err)
		}
		want(t, c.post(1, "late"), 410, `"code":4000`)
		wantMessages(t, c.get(0), 1, "1")
		want(t, c.get(1), 410, `"reason":"done"`)
		want(t, c.get(1), 410, `"reason":"done"`) // the answer was lost
		time.Sleep(6 * time.Second)
		want(t, c.get(1), 404, "the session is unknown")
	})
}

func TestSessionThatIsNotPolledExpires(t *testing.T) {
	tests := []struct {
		name string
		do   func(c *connection) // the last request ends when it returns
	}{
		{"never polled", func(c *connection) {}},
		{"polled once", func(c *connection) { c.get(0) }},
		{"posted once", func(c *connection) { c.post(1, "1") }},
		{"its poll was cut", func(c *connection) {
			p := c.startGet(0)
			time.Sleep(time.Second)
			p.cancel()
			p.wait()
		}},
		{"a refused request", func(c *connection) { time.Sleep(10 * time.Second); c.post(1, "") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newTester(t, pollhttp.Config{})
				e.clock()
				c := e.open()
				tt.do(c)
				time.Sleep(24 * time.Second)
				if e.Len() != 1 {
					t.Error("expired too early")
				}
				time.Sleep(2 * time.Second)
				if e.Len() != 0 {
					t.Error("did not expire")
				}
				c.handler.wantClosed(t, pollhttp.ErrExpired)
				want(t, c.get(0), 404, "the session is unknown or has expired")
			})
		})
	}
}

func TestSessionLivesWhileARequestIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		e := newTester(t, pollhttp.Config{Expiry: 5 * time.Second})
		e.clock()
		e.message = func(h *recording, m pollhttp.Message) { <-gate }
		c := e.open()
		if w := c.get(0); w.Code != 204 { // 25 s
			t.Errorf("the poll was answered %d %q", w.Code, w.Body)
		}
		post := c.startPost(1, "1")
		synctest.Wait()
		post.cancel() // the handler goes on without its POST
		time.Sleep(time.Minute)
		close(gate)
		synctest.Wait()
		c.send("alive")
		wantMessages(t, c.get(0), 1, "alive")
	})
}

func TestFullQueueSaysSoAndWaitQueueWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTester(t, pollhttp.Config{Queue: poll.QueueLimits{Messages: 2, Bytes: 10}}).open()
		if err := c.handler.WaitQueue(t.Context()); err != nil {
			t.Errorf("WaitQueue of an empty queue = %v", err)
		}
		c.send("1", "2")
		if err := c.handler.Send(pollhttp.Message{Data: []byte("3")}); !errors.Is(err, pollhttp.ErrQueueFull) {
			t.Fatalf("Send = %v, want ErrQueueFull", err)
		}
		if err := c.handler.Send(pollhttp.Message{Data: make([]byte, 11)}); !errors.Is(err, pollhttp.ErrTooLarge) {
			t.Fatalf("Send = %v, want ErrTooLarge", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.handler.WaitQueue(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("WaitQueue of a full queue = %v", err)
		}
		waited := make(chan error, 2)
		wait := func() { waited <- c.handler.WaitQueue(t.Context()) }
		go wait()
		go wait()
		synctest.Wait()
		wantMessages(t, c.get(0), 1, "1\x1e2")
		synctest.Wait()
		if len(waited) > 0 {
			t.Error("WaitQueue returned before anything was acknowledged")
		}
		c.e.request("GET", "transport=polling&ack=1&wait=0", c.token, "")
		if err1, err2 := <-waited, <-waited; err1 != nil || err2 != nil {
			t.Errorf("WaitQueue = %v, %v", err1, err2)
		}
		c.send("3")
		if err := c.handler.Send(pollhttp.Message{Data: []byte("4")}); !errors.Is(err, pollhttp.ErrQueueFull) {
			t.Fatalf("Send = %v, want ErrQueueFull", err)
		}
		go wait()
		synctest.Wait()
		c.handler.Close(1000, "")
		if err := <-waited; err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("WaitQueue at the close = %v", err)
		}
		if err := c.handler.WaitQueue(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("WaitQueue after the close = %v", err)
		}
	})
}

func TestHandOffLetsMessagesGoOnBehindALongCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var order []string
		e := newTester(t, pollhttp.Config{})
		c := e.open()
		// A handler that waits in its first call for something in the second POST.
		h := handlerFunc(func(m pollhttp.Message) {
			order = append(order, string(m.Data)) // one at a time, ordered by gate and synctest
			if string(m.Data) == "ask" {
				<-gate
				order = append(order, "asked")
			}
		})
		e2 := pollhttp.New(pollhttp.Config{Open: func(s *pollhttp.Session, r *http.Request) (pollhttp.Handler, error) {
			c.handler.Session = s
			return h, nil
		}})
		c.e = &tester{t: t, Engine: e2}
		c.token = tokenOf(c.e.request("POST", "transport=polling", "", "").Body.String())

		if c.handler.HandOff() {
			t.Error("HandOff found a call to overtake between messages")
		}
		first := c.startPost(1, "ask\x1emore")
		synctest.Wait()
		if !c.handler.HandOff() {
			t.Error("HandOff found no call to overtake")
		}
		want(t, first.wait(), 200, `{"ack":2}`)
		want(t, c.post(3, "reply"), 200, `{"ack":3}`)
		close(gate)
		synctest.Wait()
		if got := strings.Join(order, " "); got != "ask more reply asked" {
			t.Errorf("the handler was called %q", got)
		}
		want(t, c.delete(), 204, "")
		synctest.Wait()
	})
}

// handlerFunc is a handler of messages only.
type handlerFunc func(m pollhttp.Message)

func (f handlerFunc) Message(m pollhttp.Message) { f(m) }
func (f handlerFunc) Closed(error)               {}

// tokenOf takes the token out of the answer that opens a session.
func tokenOf(answer string) string {
	_, rest, _ := strings.Cut(answer, `"token":"`)
	token, _, _ := strings.Cut(rest, `"`)
	return token
}

func TestShutdownAnswersParkedPollsWithWhatIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTester(t, pollhttp.Config{})
		e.clock()
		polling, queued, away := e.open(), e.open(), e.open()
		p := polling.startGet(0)
		queued.send("last words")
		synctest.Wait()
		began := time.Now()
		done := make(chan error, 1)
		go func() { done <- e.Shutdown(t.Context(), 1001, "restart") }()
		want(t, p.wait(), 410, `"reason":"restart"`)
		wantMessages(t, queued.get(0), 1, "last words")
		want(t, queued.get(1), 410, `"code":1001`)
		w := e.request("POST", "transport=polling", "", "")
		want(t, w, 503, "the server is shutting down")
		if w.Header().Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
		if err := <-done; err != nil {
			t.Errorf("Shutdown = %v", err)
		}
		if d := time.Since(began); d > 6*time.Second {
			t.Errorf("Shutdown waited %v for the client that stayed away", d)
		}
		for _, c := range []*connection{polling, queued, away} {
			c.handler.wantClosed(t, &pollhttp.CloseError{Code: 1001, Reason: "restart"})
		}
		if err := e.Shutdown(t.Context(), 1001, ""); err != nil {
			t.Errorf("the second Shutdown = %v", err)
		}
	})
}

func TestShutdownClosesWhatIsLeftWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTester(t, pollhttp.Config{})
		c := e.open()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := e.Shutdown(ctx, 1001, ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown = %v", err)
		}
		synctest.Wait()
		c.handler.wantClosed(t, net.ErrClosed)
		want(t, c.get(0), 404, "the session is unknown")
	})
}

func TestOpenMayUseAndEndTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var end func(s *pollhttp.Session)
		e := newTester(t, pollhttp.Config{Open: func(s *pollhttp.Session, r *http.Request) (pollhttp.Handler, error) {
			if err := s.Send(pollhttp.Message{Data: []byte("welcome")}); err != nil {
				t.Error(err)
			}
			end(s)
			return nil, nil
		}})
		e.clock()
		end = func(s *pollhttp.Session) { s.Close(4001, "not today") }
		c := e.open()
		wantMessages(t, c.get(0), 1, "welcome")
		want(t, c.get(1), 410, `"code":4001`)
		synctest.Wait()
		c.handler.wantClosed(t, &pollhttp.CloseError{Code: 4001, Reason: "not today"})
		end = func(s *pollhttp.Session) { s.CloseNow() }
		c = e.open()
		synctest.Wait()
		c.handler.wantClosed(t, net.ErrClosed)
		want(t, c.get(0), 404, "the session is unknown")
		end = func(s *pollhttp.Session) { s.Close(4001, "not today") }
		c = e.open()
		time.Sleep(7 * time.Second)
		c.handler.wantClosed(t, &pollhttp.CloseError{Code: 4001, Reason: "not today"})
		if e.Len() != 0 {
			t.Errorf("%d sessions are left", e.Len())
		}
	})
}

func TestRefusedSessionLeavesNothing(t *testing.T) {
	var err error
	e := newTester(t, pollhttp.Config{Open: func(s *pollhttp.Session, r *http.Request) (pollhttp.Handler, error) {
		if err == nil {
			panic("a bug of the handler")
		}
		return nil, err
	}})
	err = &pollhttp.Refusal{Status: 503, Reason: "the server is full", Header: http.Header{"Retry-After": {"7"}}}
	w := e.request("POST", "transport=polling", "", "")
	want(t, w, 503, `{"error":"the server is full"}`)
	if got := w.Header().Get("Retry-After"); got != "7" {
		t.Errorf("Retry-After = %q", got)
	}
	err = errors.New("a secret detail")
	want(t, e.request("POST", "transport=polling", "", ""), 500, `{"error":"the session could not be opened"}`)
	err = nil
	func() {
		defer func() { recover() }()
		e.request("POST", "transport=polling", "", "")
		t.Error("the panic of Open was swallowed")
	}()
	if e.Len() != 0 {
		t.Errorf("%d sessions are left", e.Len())
	}
}
