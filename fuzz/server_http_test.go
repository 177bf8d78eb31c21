package fuzz

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

// tokenMark stands for the token of an open session in the input of
// [FuzzServerHTTP]. It has the length of one.
const tokenMark = "TTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT"

var serverHTTPSeeds = []struct {
	name string
	raw  string
}{
	{"an upgrade", handshake(true) + "\x81\x80\x00\x00\x00\x00"},
	{"an upgrade without a key, and a request behind it", "GET /socket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n" +
		"GET /secret HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"an upgrade with a body", "POST /socket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 5\r\n\r\nhello"},
	{"an upgrade to HTTP/2", "GET /socket HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAA\r\n\r\n"},
	{"another version", strings.Replace(handshake(false), "Version: 13", "Version: 8", 1)},
	{"another origin", handshakeHead + "Origin: http://evil\r\n\r\n"},
	{"the allowed origin", handshakeHead + "Origin: https://friend.example\r\n\r\n"},
	{"HTTP/1.0", "GET /socket HTTP/1.0\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"},
	{"the page for people", "GET /socket HTTP/1.1\r\nHost: a\r\n\r\nHEAD /socket HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"a session opens", "POST /socket?transport=polling HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"},
	{"a session opens from a page", "OPTIONS /socket?transport=polling HTTP/1.1\r\nHost: a\r\nOrigin: https://friend.example\r\nAccess-Control-Request-Method: POST\r\n\r\n"},
	{"messages", "POST /socket?transport=polling&seq=1 HTTP/1.1\r\nHost: a\r\nSocket-Token: " + tokenMark +
		"\r\nContent-Length: 19\r\n\r\n{\"event\":\"any\"}\x1ebAA=="},
	{"messages in chunks", "POST /socket?transport=polling&seq=1 HTTP/1.1\r\nHost: a\r\nSocket-Token: " + tokenMark +
		"\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"},
	{"a poll", "GET /socket?transport=polling&ack=0&wait=10 HTTP/1.1\r\nHost: a\r\nSocket-Token: " + tokenMark + "\r\nAccept-Encoding: gzip\r\n\r\n"},
	{"the end of a session", "DELETE /socket?transport=polling HTTP/1.1\r\nHost: a\r\nSocket-Token: " + tokenMark + "\r\n\r\n"},
	{"a body that is asked for", "POST /socket?transport=polling&seq=1 HTTP/1.1\r\nHost: a\r\nSocket-Token: " + tokenMark +
		"\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n1"},
	{"a body too large", "POST /socket?transport=polling&seq=1 HTTP/1.1\r\nHost: a\r\nSocket-Token: " + tokenMark + "\r\nContent-Length: 99999999\r\n\r\n"},
	{"a token that is not", "GET /socket?transport=polling&ack=0 HTTP/1.1\r\nHost: a\r\nSocket-Token: " + strings.Repeat("a", 32) + "\r\n\r\n"},
	{"no query", "POST /socket?transport=%zz&&;= HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"two requests in one", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /socket HTTP/1.1\r\nHost: a\r\n\r\n"},
}

// FuzzServerHTTP throws HTTP requests at a live server beside an open session of
// long polling. Each is answered in the way of the protocol, nothing follows an
// upgrade on its connection, and who has no token moves nothing of the session.
func FuzzServerHTTP(f *testing.F) {
	for i, s := range serverHTTPSeeds {
		f.Add([]byte(s.raw), uint16(i%3*40))
	}
	f.Fuzz(func(t *testing.T, raw []byte, piece uint16) {
		if len(raw) > 1<<16 {
			return
		}
		var l *live
		var got []byte
		bounded(t, ordinary, len(raw), func(t *testing.T) {
			l = newLive(socket.WithCompression(true), socket.WithAllowedOrigins("https://friend.example"))
			defer l.stop(t)
			token := openSession(t, l.server)
			input := bytes.ReplaceAll(raw, []byte(tokenMark), []byte(token))
			p := l.dial()
			defer p.hangUp()
			p.send(input, int(piece))
			synctest.Wait()
			if !bytes.Contains(raw, []byte(tokenMark)) {
				w := pollingRequest(l.server, "POST", "&seq=1", token, "1")
				if want := []string{"connect", "message 1"}; w.Code != http.StatusOK || !slices.Equal(l.log(0), want) {
					t.Errorf("a POST was answered %d %s, and the handlers were told %q, want %q", w.Code, w.Body, l.log(0), want)
				}
			}
			// Polls are answered, and a connection that is upgraded is given up.
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if n := l.server.Count(); n != 0 {
				t.Errorf("%d connections are left", n)
			}
			got = p.received()
		})
		checkAnswers(t, l.requests, got)
	})
}

// openSession opens a session of long polling and returns its token.
func openSession(t *testing.T, server *socket.Server) string {
	t.Helper()
	var opened struct{ Token string }
	w := pollingRequest(server, "POST", "", "", "")
	if err := json.Unmarshal(w.Body.Bytes(), &opened); err != nil || len(opened.Token) != len(tokenMark) {
		t.Fatalf("a session was opened with %d %q", w.Code, w.Body)
	}
	synctest.Wait()
	return opened.Token
}

// pollingRequest serves one request of long polling.
func pollingRequest(server *socket.Server, method, query, token, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/socket?transport=polling"+query, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Socket-Token", token)
	}
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r)
	return w
}

// statuses are those of the protocol's answers.
var statuses = []int{101, 200, 204, 400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 426, 501, 503}

// checkAnswers goes through the answers to requests.
func checkAnswers(t *testing.T, requests []*request, got []byte) {
	t.Helper()
	in := bufio.NewReader(bytes.NewReader(got))
	for i, r := range requests {
		answer, body, err := readAnswer(in, r.method)
		if err != nil {
			t.Fatalf("request %d of %d, %+v: %v in %.500q", i+1, len(requests), r, err, got)
		}
		if r.path != "/socket" {
			continue
		}
		h := answer.Header
		fail := func(why string) { t.Fatalf("%+v was answered %d %v %.200q: %s", r, answer.StatusCode, h, body, why) }
		if !slices.Contains(statuses, answer.StatusCode) {
			fail("no status of the protocol")
		}
		if r.upgrade && i+1 < len(requests) {
			fail("and what came behind it was served as a request")
		}
		if answer.StatusCode == http.StatusSwitchingProtocols {
			rest, _ := io.ReadAll(in) // a bytes.Reader never fails
			deflate := h.Get("Sec-WebSocket-Extensions") != ""
			if f := (reading{deflate: deflate}).read(rest); !r.upgrade || f.fault != 0 {
				fail("and then " + f.why)
			}
			return
		}
		if r.upgrade && !answer.Close {
			fail("and the connection stays open")
		}
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" && r.method != http.MethodOptions {
			fail("it may be cached or sniffed")
		}
		if answer.StatusCode < 400 || r.method == http.MethodHead {
			continue
		}
		var refusal struct{ Error string }
		if json.Unmarshal(body, &refusal) != nil || refusal.Error == "" || h.Get("Content-Type") != "application/json" {
			fail("it gives no reason")
		}
		for status, field := range map[int]string{405: "Allow", 415: "Accept-Encoding", 426: "Sec-Websocket-Version", 503: "Retry-After"} {
			if answer.StatusCode == status && h.Get(field) == "" {
				fail("it has no " + field)
			}
		}
	}
}

// readAnswer reads the next response that is final.
func readAnswer(in *bufio.Reader, method string) (*http.Response, []byte, error) {
	for {
		answer, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return nil, nil, err
		}
		if answer.StatusCode == http.StatusSwitchingProtocols {
			return answer, nil, nil
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			return nil, nil, errors.Join(errors.New("the body is not whole"), err)
		}
		if answer.StatusCode >= 200 {
			return answer, body, nil
		}
	}
}
