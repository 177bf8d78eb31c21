package pollhttp_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/poll"
	"github.com/kleeedolinux/socket.go/socket/internal/pollhttp"
)

// FuzzPollRequest serves any request beside a session with messages both ways.
// Whatever it is, it is answered in the way of the protocol, and the session works
// on afterwards unless the request had the token and ended it.
func FuzzPollRequest(f *testing.F) {
	f.Add("POST", "transport=polling", "", "", "", []byte(""))
	f.Add("POST", "transport=polling&seq=2", "own", "", "", []byte("1\x1ebMQ=="))
	f.Add("POST", "transport=polling&seq=1", "own", "gzip", "", []byte("\x1f\x8b\x08"))
	f.Add("GET", "transport=polling&ack=1&wait=0", "own", "", "gzip;q=1,*;q=0", []byte(""))
	f.Add("GET", "transport=polling&ack=9007199254740991", "own", "", "*", []byte(""))
	f.Add("DELETE", "transport=polling", "own", "", "", []byte(""))
	f.Add("GET", "transport=polling&ack=0", strings.Repeat("a", 32), "", "", []byte(""))
	f.Add("PUT", "transport=%zz&&=;", "\xff", "br", ";;,,", []byte("\x1e\x1e"))
	f.Fuzz(func(t *testing.T, method, query, token, encoding, accept string, body []byte) {
		if strings.ContainsAny(method, " \r\n") || method == "" {
			return // net/http answers these
		}
		e := newTester(t, pollhttp.Config{Compression: true, Wait: 1, Limits: poll.Limits{Body: 8192}})
		c := e.open()
		want(t, c.post(1, "first"), 200, `{"ack":1}`)
		c.send("hello", strings.Repeat("x", 2000))
		if w := c.get(0); w.Code != 200 {
			t.Fatalf("a poll was answered %d", w.Code)
		}
		own := token == "own"
		if own {
			token = c.token
		}
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Method = method
		r.URL.RawQuery = query
		r.Header = http.Header{"Content-Encoding": {encoding}, "Accept-Encoding": {accept}}
		if token != "" {
			r.Header["Socket-Token"] = []string{token}
		}
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		h := w.Header()
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("the answer has the headers %v", h)
		}
		switch {
		case w.Code == 204:
			if w.Body.Len() > 0 {
				t.Errorf("204 with a body")
			}
		case h.Get("Socket-Seq") != "":
			if w.Code != 200 || !own {
				t.Errorf("messages with status %d", w.Code)
			}
		default:
			if h.Get("Content-Type") != "application/json" || !json.Valid(w.Body.Bytes()) {
				t.Errorf("answered %d %q", w.Code, w.Body)
			}
			if w.Code != 200 && (w.Code < 400 || w.Code > 499) {
				t.Errorf("answered %d %q", w.Code, w.Body)
			}
		}
		if own && method == "DELETE" {
			return
		}
		received := strings.Count(c.handler.texts(), " ") + 1
		if !own && received != 1 {
			t.Fatalf("the handler got %q of a request without the token", c.handler.texts())
		}
		if w := c.post(1, "first"); w.Code != 200 {
			t.Errorf("afterwards, a resent POST was answered %d %s", w.Code, w.Body)
		}
		c.send("again")
		if w := c.get(2); w.Code != 200 || !strings.HasSuffix(w.Body.String(), "again") {
			t.Errorf("afterwards, a poll was answered %d %s", w.Code, w.Body)
		}
	})
}
