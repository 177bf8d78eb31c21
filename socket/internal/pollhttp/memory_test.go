package pollhttp_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/pollhttp"
)

// bounded is an owner's count of memory with a bound.
type bounded struct {
	used atomic.Int64
	most int64
}

func (b *bounded) hold(n int, must bool) bool {
	if used := b.used.Add(int64(n)); n > 0 && !must && used > b.most {
		b.used.Add(int64(-n))
		return false
	}
	return true
}

// wantUsed checks the count.
func (b *bounded) wantUsed(t *testing.T, when string, least, most int64) {
	t.Helper()
	if used := b.used.Load(); used < least || used > most {
		t.Errorf("%d bytes are counted %s, want %d to %d", used, when, least, most)
	}
}

func TestBodiesAreCountedUntilTheirHandlersReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bounded{most: 1 << 20}
		e := newTester(t, pollhttp.Config{Hold: b.hold})
		gate := make(chan struct{})
		e.message = func(*recording, pollhttp.Message) { <-gate }
		c := e.open()
		w := newWire(t, e, 0, 0)
		body := strings.Repeat("1", 60<<10)
		conn := w.dial()
		io.WriteString(conn, "POST /?transport=polling&seq=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 61440\r\nSocket-Token: "+c.token+"\r\n\r\n"+body[:30<<10])
		synctest.Wait()
		b.wantUsed(t, "of 30 KiB that have come", 24<<10, 64<<10)
		io.WriteString(conn, body[30<<10:])
		synctest.Wait()
		b.wantUsed(t, "of a body of 60 KiB", 56<<10, 128<<10)
		// The client goes, and reading goes on behind the handler.
		conn.Close()
		synctest.Wait()
		if !c.handler.HandOff() {
			t.Error("HandOff = false")
		}
		synctest.Wait()
		b.wantUsed(t, "while the handler has the message", 56<<10, 128<<10)
		close(gate)
		synctest.Wait()
		b.wantUsed(t, "at the end", 0, 0)
	})
}

func TestBodyWaitsForMemoryAndIsRefusedInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bounded{most: 100 << 10}
		c := newTester(t, pollhttp.Config{Hold: b.hold}).open()
		body := strings.Repeat("1", 50<<10)
		b.hold(90<<10, true)
		began := time.Now()
		w := c.post(1, body)
		if took := time.Since(began); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || took < 10*time.Second || took > 11*time.Second {
			t.Errorf("answered %d %s after %v, want 503 after 10 s", w.Code, w.Body, took)
		}
		want(t, c.post(1, "small"), 200, `{"ack":1}`)
		go func() {
			time.Sleep(5 * time.Second)
			b.hold(-90<<10, false)
		}()
		want(t, c.post(2, body), 200, `{"ack":2}`)
		synctest.Wait()
		b.wantUsed(t, "at the end", 0, 0)
	})
}

// A client that polls again and again and reads no answer makes the server hold
// one of them, and more only while there is memory.
func TestAnswersThatAreNotReadAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bounded{most: 300 << 10}
		e := newTester(t, pollhttp.Config{Hold: b.hold, WriteTimeout: time.Minute})
		w := newWire(t, e, 0, 0)
		c := e.open()
		for range 9 {
			c.send(strings.Repeat("1", 30<<10))
		}
		for range 5 {
			io.WriteString(w.dial(), "GET /?transport=polling&ack=0 HTTP/1.1\r\nHost: x\r\nSocket-Token: "+c.token+"\r\n\r\n")
			synctest.Wait()
		}
		b.wantUsed(t, "of five answers of 270 KiB", 270<<10, 300<<10)
		if got := c.get(0); got.Code != http.StatusServiceUnavailable {
			t.Errorf("one more was answered with %d", got.Code)
		}
		time.Sleep(2 * time.Minute) // the answers are given up
		synctest.Wait()
		b.wantUsed(t, "at the end", 0, 0)
		if got := c.get(0); got.Code != http.StatusOK {
			t.Errorf("a poll was answered with %d %s, want its messages", got.Code, got.Body)
		}
	})
}

func TestGzippedBodyIsCountedWithItsDecompressor(t *testing.T) {
	b := bounded{most: 40 << 10}
	synctest.Test(t, func(t *testing.T) {
		c := newTester(t, pollhttp.Config{Hold: b.hold}).open()
		w := c.post(1, "1", func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") })
		want(t, w, http.StatusServiceUnavailable, "memory")
	})
	b.wantUsed(t, "at the end", 0, 0)
}
