package pollhttp_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/pollhttp"
)

// sink is a ResponseWriter that counts.
type sink struct {
	header http.Header
	status int
	bytes  int
}

func (w *sink) Header() http.Header { return w.header }
func (w *sink) WriteHeader(status int) {
	w.status = status
}
func (w *sink) Write(p []byte) (int, error) {
	w.bytes += len(p)
	return len(p), nil
}

// benchRequest makes a request by hand, which costs less than httptest does.
func benchRequest(method, query, token, body string) *http.Request {
	r, err := http.NewRequest(method, "http://server/?"+query, nil)
	if err != nil {
		panic(err)
	}
	r.Header["Socket-Token"] = []string{token}
	r.Header["Accept-Encoding"] = []string{"gzip"}
	r.Body = io.NopCloser(strings.NewReader(body))
	r.ContentLength = int64(len(body))
	return r
}

func benchSession(b *testing.B, c pollhttp.Config) (e *pollhttp.Engine, s *pollhttp.Session, token string) {
	c.Open = func(opened *pollhttp.Session, r *http.Request) (pollhttp.Handler, error) {
		s = opened
		return closedFunc(func() {}), nil
	}
	e = pollhttp.New(c)
	r := benchRequest("POST", "transport=polling", "", "")
	delete(r.Header, "Socket-Token")
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return e, s, tokenOf(w.Body.String())
}

// BenchmarkPost is a POST with one message, without the network.
func BenchmarkPost(b *testing.B) {
	e, s, token := benchSession(b, pollhttp.Config{})
	defer s.CloseNow()
	const body = `{"event":"chat","data":"hello"}`
	b.ReportAllocs()
	seq := 0
	for b.Loop() {
		seq++
		w := &sink{header: http.Header{}}
		e.ServeHTTP(w, benchRequest("POST", "transport=polling&seq="+strconv.Itoa(seq), token, body))
		if w.status != 200 {
			b.Fatal(w.status)
		}
	}
}

// BenchmarkPoll is a poll that finds one message, without the network.
func BenchmarkPoll(b *testing.B) {
	e, s, token := benchSession(b, pollhttp.Config{})
	defer s.CloseNow()
	m := pollhttp.Message{Data: []byte(`{"event":"chat","data":"hello"}`)}
	b.ReportAllocs()
	ack := 0
	for b.Loop() {
		if err := s.Send(m); err != nil {
			b.Fatal(err)
		}
		w := &sink{header: http.Header{}}
		e.ServeHTTP(w, benchRequest("GET", "transport=polling&ack="+strconv.Itoa(ack), token, ""))
		if w.status != 200 {
			b.Fatal(w.status)
		}
		ack++
	}
}

// BenchmarkZip is a poll whose answer of 4 KiB is compressed.
func BenchmarkZip(b *testing.B) {
	e, s, token := benchSession(b, pollhttp.Config{Compression: true})
	defer s.CloseNow()
	m := pollhttp.Message{Data: []byte(strings.Repeat(`{"event":"chat","data":"hello"},`, 128))}
	b.ReportAllocs()
	b.SetBytes(int64(len(m.Data)))
	ack := 0
	for b.Loop() {
		if err := s.Send(m); err != nil {
			b.Fatal(err)
		}
		w := &sink{header: http.Header{}}
		e.ServeHTTP(w, benchRequest("GET", "transport=polling&ack="+strconv.Itoa(ack), token, ""))
		if w.status != 200 || w.bytes > 1000 {
			b.Fatal(w.status, w.bytes)
		}
		ack++
	}
}
