package pollhttp_test

import (
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/kleeedolinux/socket.go/socket/internal/pollhttp"
)

// A handler that ends its goroutine, as a test's FailNow does, ends neither the
// POST nor the session.
func TestHandlerThatEndsItsGoroutineEndsNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []string // by one call at a time
		h := handlerFunc(func(m pollhttp.Message) {
			seen = append(seen, string(m.Data))
			if string(m.Data) == "end" {
				runtime.Goexit()
			}
		})
		open := func(*pollhttp.Session, *http.Request) (pollhttp.Handler, error) { return h, nil }
		c := &connection{e: &tester{t: t, Engine: pollhttp.New(pollhttp.Config{Open: open})}}
		c.token = tokenOf(c.e.request("POST", "transport=polling", "", "").Body.String())
		want(t, c.post(1, "a\x1eend\x1eb"), 200, `{"ack":3}`)
		want(t, c.post(4, "end"), 200, `{"ack":4}`)
		want(t, c.delete(), 204, "")
		synctest.Wait()
		if n := c.e.Len(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
		if len(seen) != 4 {
			t.Errorf("the handler saw %q", seen)
		}
	})
}
