package pollhttp_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/internal/pollhttp"
)

// wire is an engine behind an http.Server on a network in memory.
type wire struct {
	*tester
	net *memnet.Listener
}

// newWire starts a server with these timeouts.
func newWire(t *testing.T, e *tester, read, write time.Duration) *wire {
	w := &wire{e, memnet.Listen("server:80")}
	s := &http.Server{Handler: e, ReadTimeout: read, WriteTimeout: write, Protocols: new(http.Protocols)}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	var loop sync.WaitGroup
	loop.Go(func() { s.Serve(w.net) })
	t.Cleanup(func() {
		s.Close()
		loop.Wait()
	})
	return w
}

// dial returns a connection to the server.
func (w *wire) dial() net.Conn {
	w.t.Helper()
	c, err := w.net.Dial(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

// exchange sends a request on a connection of its own and returns the answer.
func (w *wire) exchange(request string) (*http.Response, string) {
	w.t.Helper()
	c := w.dial()
	if _, err := io.WriteString(c, request); err != nil {
		w.t.Fatal(err)
	}
	return w.answer(c)
}

func (w *wire) answer(c net.Conn) (*http.Response, string) {
	w.t.Helper()
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return r, string(body)
}

func TestTimeoutsOfTheHTTPServerDoNotCutAParkedPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, newTester(t, pollhttp.Config{}), 2*time.Second, 3*time.Second)
		c := w.open()
		go func() {
			time.Sleep(20 * time.Second)
			c.send("late")
		}()
		r, body := w.exchange("GET /?transport=polling&ack=0 HTTP/1.1\r\nHost: x\r\nSocket-Token: " + c.token + "\r\n\r\n")
		if r.StatusCode != 200 || body != "late" {
			t.Errorf("answered %d %q", r.StatusCode, body)
		}
	})
}

func TestTimeoutsOfTheHTTPServerDoNotCutAParkedPollOverHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, newTester(t, pollhttp.Config{}), 2*time.Second, 3*time.Second)
		c := w.open()
		h2 := &http.Transport{DialContext: w.net.DialContext, Protocols: new(http.Protocols)}
		h2.Protocols.SetUnencryptedHTTP2(true)
		defer h2.CloseIdleConnections()
		post := func() {
			time.Sleep(5 * time.Second)
			r, err := http.NewRequest("POST", "http://server/?transport=polling&seq=1", strings.NewReader("1"))
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("Socket-Token", c.token)
			answer, err := h2.RoundTrip(r)
			if err != nil || answer.StatusCode != 200 || answer.ProtoMajor != 2 {
				t.Errorf("POST = %v, %v", answer, err)
				return
			}
			answer.Body.Close()
			time.Sleep(15 * time.Second)
			c.send("late")
		}
		go post()
		r, err := http.NewRequest("GET", "http://server/?transport=polling&ack=0", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Socket-Token", c.token)
		answer, err := h2.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if answer.StatusCode != 200 || string(body) != "late" || err != nil {
			t.Errorf("answered %d %q, %v", answer.StatusCode, body, err)
		}
	})
}

func TestTimeoutsOfTheHTTPServerDoNotCutASlowHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTester(t, pollhttp.Config{})
		e.message = func(h *recording, m pollhttp.Message) { time.Sleep(time.Minute) }
		w := newWire(t, e, 2*time.Second, 3*time.Second)
		c := w.open()
		r, body := w.exchange("POST /?transport=polling&seq=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nSocket-Token: " + c.token + "\r\n\r\n1")
		if r.StatusCode != 200 || body != `{"ack":1}` {
			t.Errorf("answered %d %q", r.StatusCode, body)
		}
	})
}

func TestBodyThatDoesNotComeDelaysAnyAnswerByTheReadTimeoutOnly(t *testing.T) {
	tests := []struct {
		name    string
		request string // up to the header that announces a body
		want    int
	}{
		{"a session opens", "POST /?transport=polling HTTP/1.1\r\n", 200},
		{"no token", "POST /?transport=polling&seq=1 HTTP/1.1\r\n", 401},
		{"a token that is not", "GET /?transport=polling&ack=0 HTTP/1.1\r\nSocket-Token: a\r\n", 404},
		{"another method", "PUT /?transport=polling HTTP/1.1\r\n", 405},
		{"no query", "POST / HTTP/1.1\r\n", 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t, newTester(t, pollhttp.Config{ReadTimeout: 20 * time.Second}), 0, 0)
				began := time.Now()
				r, _ := w.exchange(tt.request + "Host: x\r\nContent-Length: 10\r\n\r\n12345")
				if took := time.Since(began); r.StatusCode != tt.want || took > 20*time.Second {
					t.Errorf("answered %d after %v, want %d after 20s at the latest", r.StatusCode, took, tt.want)
				}
			})
		})
	}
}

func TestSlowBodyIsGivenUpAndHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, newTester(t, pollhttp.Config{}), 0, 0)
		c := w.open()
		began := time.Now()
		var stalled []net.Conn
		for range 3 {
			conn := w.dial()
			io.WriteString(conn, "POST /?transport=polling&seq=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nSocket-Token: "+c.token+"\r\n\r\n12345")
			stalled = append(stalled, conn)
		}
		synctest.Wait()
		if got := c.post(1, "12345"); got.Code != 200 || time.Since(began) != 0 {
			t.Errorf("a POST beside them was answered %d %s after %v", got.Code, got.Body, time.Since(began))
		}
		for _, conn := range stalled {
			r, body := w.answer(conn)
			if r.StatusCode != 408 || body != `{"error":"the body did not come in time"}` {
				t.Errorf("answered %d %q", r.StatusCode, body)
			}
		}
		if d := time.Since(began); d != 30*time.Second {
			t.Errorf("given up after %v", d)
		}
		if got := c.handler.texts(); got != "12345" {
			t.Errorf("the handler got %q", got)
		}
	})
}

func TestConnectionThatIsCutInTheMiddleOfABodyHandsNothingOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, newTester(t, pollhttp.Config{}), 0, 0)
		c := w.open()
		conn := w.dial()
		io.WriteString(conn, "POST /?transport=polling&seq=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\nSocket-Token: "+c.token+"\r\n\r\n1\x1e2\x1e3")
		synctest.Wait()
		conn.Close()
		synctest.Wait()
		if got := c.handler.texts(); got != "" {
			t.Errorf("the handler got %q", got)
		}
		want(t, c.post(1, "1\x1e2\x1e3\x1e4"), 200, `{"ack":4}`)
	})
}

func TestCutOfAParkedPollEndsItAndKeepsTheMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTester(t, pollhttp.Config{})
		e.clock()
		w := newWire(t, e, 0, 0)
		c := w.open()
		conn := w.dial()
		io.WriteString(conn, "GET /?transport=polling&ack=0 HTTP/1.1\r\nHost: x\r\nSocket-Token: "+c.token+"\r\n\r\n")
		synctest.Wait()
		conn.(*memnet.Conn).Cut()
		synctest.Wait()
		c.send("kept")
		wantMessages(t, c.get(0), 1, "kept")
	})
}

func TestAnswersAreCompressedWhereThatIsWanted(t *testing.T) {
	long := strings.Repeat("all work and no play ", 100)
	accept := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Accept-Encoding", value) }
	}
	tests := []struct {
		name       string
		compress   bool
		accept     string
		message    string
		compressed bool
	}{
		{"accepted", true, "gzip", long, true},
		{"among others", true, "deflate, gzip;q=0.5, br", long, true},
		{"any", true, "*", long, true},
		{"in capitals", true, "GZIP", long, true},
		{"with spaces", true, " br , gzip ; q = 1 ", long, true},
		{"refused", true, "gzip;q=0", long, false},
		{"refused though any other is not", true, "gzip;q=0.0, *", long, false},
		{"weight that is none", true, "gzip;q=x", long, false},
		{"another", true, "br", long, false},
		{"not asked for", true, "", long, false},
		{"short", true, "gzip", "short", false},
		{"off", false, "gzip", long, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newTester(t, pollhttp.Config{Compression: tt.compress}).open()
			for ack := range 2 { // the second time with the same compressor
				c.send(tt.message)
				w := c.get(ack, accept(tt.accept))
				body := w.Body.Bytes()
				if got := w.Header().Get("Content-Encoding") == "gzip"; got != tt.compressed {
					t.Fatalf("compressed = %v, want %v", got, tt.compressed)
				}
				if got := w.Header().Get("Vary") == "Accept-Encoding"; got != tt.compress {
					t.Errorf("Vary = %q", w.Header().Get("Vary"))
				}
				if got, want := w.Header().Get("Content-Length"), fmt.Sprint(len(body)); got != want {
					t.Errorf("Content-Length = %s, the body has %s bytes", got, want)
				}
				if tt.compressed {
					z, err := gzip.NewReader(bytes.NewReader(body))
					if err != nil {
						t.Fatal(err)
					}
					if body, err = io.ReadAll(z); err != nil {
						t.Fatal(err)
					}
				}
				if string(body) != tt.message {
					t.Errorf("the body is %q", body)
				}
			}
		})
	}
}

func TestCompressedPostIsUnderstood(t *testing.T) {
	c := newTester(t, pollhttp.Config{}).open()
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	io.WriteString(z, "1\x1e2")
	z.Close()
	gzipped := func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }
	want(t, c.post(1, body.String(), gzipped), 200, `{"ack":2}`)
	want(t, c.post(3, body.String()[:body.Len()-4], gzipped), 400, "the body could not be read or is not valid gzip")
	if got := c.handler.texts(); got != "1 2" {
		t.Errorf("the handler got %q", got)
	}
}
