package pollhttp_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/poll"
	"github.com/kleeedolinux/socket.go/socket/internal/pollhttp"
)

func TestOpenAnswersIDTokenWaitAndLimits(t *testing.T) {
	e := newTester(t, pollhttp.Config{Wait: 20 * time.Second, Limits: poll.Limits{Messages: 16}, NewID: func() string { return "me" }})
	w := e.request("POST", "transport=polling", "", "")
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	token, _ := got["token"].(string)
	delete(got, "token")
	rest, _ := json.Marshal(got)
	const wantRest = `{"id":"me","limit":{"bytes":1048576,"message":65536,"messages":16},"v":1,"wait":20000}`
	if string(rest) != wantRest || len(token) != 32 {
		t.Errorf("answered %s and a token of %d characters, want %s and 32", rest, len(token), wantRest)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type = %q", got)
	}
}

func TestRefusalsSayWhy(t *testing.T) {
	e := newTester(t, pollhttp.Config{})
	c := e.open()
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Add(name, value) }
	}
	tests := []struct {
		name   string
		answer *httptest.ResponseRecorder
		status int
		reason string
	}{
		{"no transport", e.request("POST", "", "", ""), 400, "the query must say transport=polling"},
		{"another transport", e.request("GET", "transport=websocket", "", ""), 400, "the query must say transport=polling"},
		{"two transports", e.request("GET", "transport=polling&transport=polling", "", ""), 400, "the query must say transport=polling"},
		{"malformed query", e.request("GET", "transport=polling&ack=%zz", "", ""), 400, "the query of the URL is malformed"},
		{"PUT", e.request("PUT", "transport=polling", c.token, ""), 405, "long polling uses the methods GET, POST and DELETE"},
		{"HEAD", e.request("HEAD", "transport=polling&ack=0", c.token, ""), 405, "long polling uses"},
		{"OPTIONS", e.request("OPTIONS", "transport=polling", "", ""), 405, "long polling uses"},
		{"poll without a token", e.request("GET", "transport=polling&ack=0", "", ""), 401, "the header Socket-Token with the session's token is missing"},
		{"messages without a token", e.request("POST", "transport=polling&seq=1", "", "1"), 401, "the header Socket-Token"},
		{"end without a token", e.request("DELETE", "transport=polling", "", ""), 401, "the header Socket-Token"},
		{"unknown token", e.request("GET", "transport=polling&ack=0", strings.Repeat("a", 32), ""), 404, "the session is unknown or has expired"},
		{"token of another length", e.request("GET", "transport=polling&ack=0", "a", ""), 404, "the session is unknown or has expired"},
		{"two tokens", c.get(0, header("Socket-Token", c.token)), 400, "the header Socket-Token is given more than once"},
		{"poll without ack", e.request("GET", "transport=polling", c.token, ""), 400, "the parameter ack is missing"},
		{"ack below zero", e.request("GET", "transport=polling&ack=-1", c.token, ""), 400, "the parameter ack is not a number in range"},
		{"ack beyond JavaScript's numbers", e.request("GET", "transport=polling&ack=9007199254740992", c.token, ""), 400, "the parameter ack is not a number in range"},
		{"two acks", e.request("GET", "transport=polling&ack=0&ack=0", c.token, ""), 400, "the parameter ack is given more than once"},
		{"ack of what was not sent", c.get(1), 409, "message 1 is acknowledged, but 0 is the last that was sent"},
		{"poll with a body", e.request("GET", "transport=polling&ack=0", c.token, "1"), 400, "a poll has no body"},
		{"wait that is no number", e.request("GET", "transport=polling&ack=0&wait=long", c.token, ""), 400, "the parameter wait is not a number in range"},
		{"messages without seq", e.request("POST", "transport=polling", c.token, "1"), 400, "the parameter seq is missing"},
		{"seq zero", c.post(0, "1"), 400, "the number of the first message is out of range"},
		{"gap", c.post(3, "1"), 409, `message 3 came where message 1 was due`},
		{"no records", c.post(1, ""), 400, "a record is empty"},
		{"empty record", c.post(1, "1\x1e"), 400, "a record is empty"},
		{"invalid UTF-8", c.post(1, "\xff"), 400, "a text record is not valid UTF-8"},
		{"invalid base64", c.post(1, "b!"), 400, "a record is not valid base64"},
		{"too many messages", c.post(1, strings.Repeat("1\x1e", 64)+"1"), 413, "number of messages 65 exceeds the limit of 64"},
		{"too large a message", c.post(1, strings.Repeat("1", 64<<10+1)), 413, "message size 65537 exceeds the limit of 65536"},
		{"too large a body", c.post(1, strings.Repeat("1", 1<<20+1)), 413, "the body exceeds the limit of 1048576 bytes"},
		{"too large a body of unknown length", c.post(1, strings.Repeat("1", 1<<20+1), func(r *http.Request) { r.ContentLength = -1 }), 413, "the body exceeds the limit of 1048576 bytes"},
		{"another encoding", c.post(1, "1", header("Content-Encoding", "br")), 415, "the only content encoding is gzip"},
		{"gzip that is none", c.post(1, "1", header("Content-Encoding", "gzip")), 400, "the body could not be read or is not valid gzip"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var answer struct{ Error string }
			if err := json.Unmarshal(tt.answer.Body.Bytes(), &answer); err != nil {
				t.Fatalf("answered %q: %v", tt.answer.Body, err)
			}
			if tt.answer.Code != tt.status || !strings.HasPrefix(answer.Error, tt.reason) {
				t.Errorf("answered %d %q, want %d %q", tt.answer.Code, answer.Error, tt.status, tt.reason)
			}
			if got := tt.answer.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type = %q", got)
			}
			if got := tt.answer.Header().Get("Allow"); (got != "") != (tt.status == 405) {
				t.Errorf("Allow = %q", got)
			}
		})
	}
	if got := c.handler.texts(); got != "" {
		t.Errorf("the handler got %q of refused requests", got)
	}
	want(t, c.post(1, "good"), 200, `{"ack":1}`)
	if got := c.handler.texts(); got != "good" {
		t.Errorf("after the refused requests the handler got %q", got)
	}
}

func TestGapTellsHowFarTheServerGot(t *testing.T) {
	c := newTester(t, pollhttp.Config{}).open()
	want(t, c.post(1, "1\x1e2"), 200, `{"ack":2}`)
	want(t, c.post(5, "5"), 409, `"ack":2`)
}

func TestPollBringsEverythingThatIsNotAcknowledged(t *testing.T) {
	c := newTester(t, pollhttp.Config{}).open()
	c.send(`{"event":"a"}`, "b", "")
	wantMessages(t, c.get(0), 1, "{\"event\":\"a\"}\x1euYg==\x1eu")
	c.send("4")
	wantMessages(t, c.get(0), 1, "{\"event\":\"a\"}\x1euYg==\x1eu\x1e4")
	wantMessages(t, c.get(2), 3, "u\x1e4")
	if n, size := c.handler.Queued(); n != 2 || size != 1 {
		t.Errorf("%d messages, %d bytes are queued", n, size)
	}
}

func TestAnswerKeepsToTheLimits(t *testing.T) {
	c := newTester(t, pollhttp.Config{Limits: poll.Limits{Messages: 2, Body: 8}}).open()
	c.send("1", "2", "3", "4567", "8901", "a message that is larger than a body")
	wantMessages(t, c.get(0), 1, "1\x1e2")
	wantMessages(t, c.get(2), 3, "3\x1e4567")
	wantMessages(t, c.get(4), 5, "8901")
	wantMessages(t, c.get(5), 6, "a message that is larger than a body")
}

func TestPollIsHeldUntilThereIsAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTester(t, pollhttp.Config{}).open()
		p := c.startGet(0)
		time.Sleep(20 * time.Second)
		if p.answered() {
			t.Fatal("answered without a message")
		}
		began := time.Now()
		c.send("now")
		wantMessages(t, p.wait(), 1, "now")
		if d := time.Since(began); d != 0 {
			t.Errorf("answered after %v", d)
		}
	})
}

func TestPollIsAnswered204AfterTheWait(t *testing.T) {
	tests := []struct {
		name, query string
		held        time.Duration
	}{
		{"the server's", "", 25 * time.Second},
		{"the client's", "&wait=3000", 3 * time.Second},
		{"none", "&wait=0", 0},
		{"longer than the server's", "&wait=60000", 25 * time.Second},
		{"the largest number", "&wait=9007199254740991", 25 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newTester(t, pollhttp.Config{}).open()
				began := time.Now()
				want(t, c.e.request("GET", "transport=polling&ack=0"+tt.query, c.token, ""), 204, "")
				if d := time.Since(began); d != tt.held {
					t.Errorf("held for %v, want %v", d, tt.held)
				}
			})
		})
	}
}

func TestNewPollSupersedesTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTester(t, pollhttp.Config{}).open()
		first := c.startGet(0)
		synctest.Wait()
		second := c.startGet(0)
		want(t, first.wait(), 204, "")
		c.send("1")
		wantMessages(t, second.wait(), 1, "1")
	})
}

func TestPollWhoseClientIsGoneLeavesTheMessagesQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTester(t, pollhttp.Config{}).open()
		p := c.startGet(0)
		synctest.Wait()
		p.cancel()
		want(t, p.wait(), 204, "")
		c.send("1")
		wantMessages(t, c.get(0), 1, "1")
	})
}

func TestPostIsAnsweredAfterTheHandlerRanWhilePollsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		e := newTester(t, pollhttp.Config{})
		e.message = func(h *recording, m pollhttp.Message) { <-gate }
		c := e.open()
		post := c.startPost(1, "1\x1e2")
		poll := c.startGet(0)
		synctest.Wait()
		if post.answered() {
			t.Error("the POST was answered before the handler returned")
		}
		c.send("meanwhile")
		wantMessages(t, poll.wait(), 1, "meanwhile")
		gate <- struct{}{}
		synctest.Wait()
		if post.answered() {
			t.Error("the POST was answered between its messages")
		}
		gate <- struct{}{}
		want(t, post.wait(), 200, `{"ack":2}`)
	})
}

func TestResentPostThatOverlapsWaitsAndIsRecognised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		e := newTester(t, pollhttp.Config{})
		e.message = func(h *recording, m pollhttp.Message) { <-gate }
		c := e.open()
		first := c.startPost(1, "1\x1e2")
		synctest.Wait()
		first.cancel()
		want(t, first.wait(), 503, "the request was cancelled")
		second := c.startPost(1, "1\x1e2\x1e3")
		synctest.Wait()
		if second.answered() {
			t.Error("the resent POST did not wait")
		}
		close(gate)
		want(t, second.wait(), 200, `{"ack":3}`)
		if got := c.handler.texts(); got != "1 2 3" {
			t.Errorf("the handler got %q", got)
		}
	})
}

func TestDeleteEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTester(t, pollhttp.Config{}).open()
		p := c.startGet(0)
		synctest.Wait()
		want(t, c.delete(), 204, "")
		want(t, p.wait(), 410, "the server closed the session")
		synctest.Wait()
		c.handler.wantClosed(t, &pollhttp.CloseError{Code: 1000, Remote: true})
		want(t, c.get(0), 404, "the session is unknown or has expired")
		want(t, c.delete(), 404, "the session is unknown or has expired")
		if n := c.e.Len(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
}

func TestParametersOfOthersAreLeftAlone(t *testing.T) {
	c := newTester(t, pollhttp.Config{}).open()
	c.send("1")
	wantMessages(t, c.e.request("GET", "t=123&transport=polling&x=&ack=0", c.token, ""), 1, "1")
}
