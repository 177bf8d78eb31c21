package socket_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
)

// site is a web site of which a server is a part: on /socket, beside a page that
// is kept from the outside by a proxy in front.
type site struct {
	t      *testing.T
	server *socket.Server
	http   *http.Server
	addr   string
}

// newSite starts a site behind the HTTP server that the package recommends.
func newSite(t *testing.T, opts ...socket.ServerOption) *site {
	t.Helper()
	s := &site{t: t, server: socket.NewServer(append([]socket.ServerOption{socket.WithLogger(nil), socket.WithCloseTimeout(10 * time.Millisecond)}, opts...)...)}
	socket.Handle(s.server, "echo", func(sock socket.Socket, data string) { sock.Send("echo", data) })
	mux := http.NewServeMux()
	mux.Handle("/socket", s.server)
	mux.HandleFunc("/secret", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the secret") })
	s.http = socket.NewHTTPServer("", mux)
	return s
}

func (s *site) start() *site {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = l.Addr().String()
	go s.http.Serve(l) // ends with Close
	s.t.Cleanup(func() {
		s.http.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.server.Shutdown(ctx); err != nil {
			s.t.Errorf("Shutdown: %v", err)
		}
	})
	return s
}

// dial returns a raw connection to the site.
func (s *site) dial() net.Conn {
	s.t.Helper()
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { nc.Close() })
	return nc
}

// upgradeRequest is a valid handshake of a page of the site, but for its end.
const upgradeRequest = "GET /socket HTTP/1.1\r\nHost: site.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://site.test\r\n"

// upgrade opens a WebSocket connection by hand.
func (s *site) upgrade() net.Conn {
	s.t.Helper()
	nc := s.dial()
	if _, err := io.WriteString(nc, upgradeRequest+"\r\n"); err != nil {
		s.t.Fatal(err)
	}
	r, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil || r.StatusCode != http.StatusSwitchingProtocols {
		s.t.Fatalf("handshake: %v, %v", r, err)
	}
	return nc
}

func TestThreatC1_CVE_2026_27148_OtherPagesConnectOverNoTransport(t *testing.T) {
	s := newSite(t, socket.WithAllowedOrigins("https://app.test:8443")).start()
	mine := "http://site.test"
	origins := map[string]bool{
		"":                      true, // no browser
		mine:                    true,
		"http://site.test:80":   true,
		"HTTP://SITE.TEST":      true,
		"https://app.test:8443": true,

		"null":                         false,
		"http://evil.test":             false,
		"http://site.test:81":          false,
		"http://site.test:443":         false,
		"ftp://site.test":              false,
		"http://site.test.evil.test":   false,
		"http://evil-site.test":        false,
		"http://site.tes":              false,
		"http://site.test@evil.test":   false,
		"http://evil.test/site.test":   false,
		"http://site.test/":            false,
		"http://127.0.0.1":             false,
		"http://localhost":             false,
		"https://app.test":             false,
		"http://app.test:8443":         false,
		"https://x.app.test:8443":      false,
		"file://":                      false,
		"chrome-extension://site":      false,
		"http://user@site.test":        false,
		"http://user:pw@site.test":     false,
		"http://site.test.":            false,
		"http://.site.test":            false,
		"http://site.test:":            false,
		"http://site.test:080":         false,
		"http://site.test:80:80":       false,
		"http://site.test:65616":       false, // 80 in 16 bits
		"http://site.test?":            false,
		"http://site.test#":            false,
		"http://site.test\\@evil.test": false,
		"http://evil.test#site.test":   false,
		"http://site%2Etest":           false,
		"http://s\u0131te.test":        false, // a dotless i
		"http://site\u3002test":        false, // an ideographic full stop
		"http://\uff53ite.test":        false, // a wide s
		"http://xn--ste-mza.test":      false,
		"http://[::1]":                 false,
		"http://[::ffff:127.0.0.1]":    false,
		"http:site.test":               false,
		"http:///site.test":            false,
		"//site.test":                  false,
		"site.test":                    false,
		"NULL":                         false,
		"undefined":                    false,
		"http://*":                     false,
		"http://*.test":                false,
		"ws://site.test":               false,
		"data:text/html,x":             false,
		"blob:http://site.test":        false,
		"javascript:0":                 false,
		"http://evil.test " + mine:     false,
		mine + ", http://evil.test":    false,
	}
	ask := func(request string) int {
		nc := s.dial()
		defer nc.Close()
		if _, err := io.WriteString(nc, request); err != nil {
			t.Fatal(err)
		}
		r, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode
	}
	for origin, welcome := range origins {
		field := ""
		if origin != "" {
			field = "Origin: " + origin + "\r\n"
		}
		for name, tt := range map[string]struct {
			request string
			ok      int
		}{
			"WebSocket":    {strings.Replace(upgradeRequest, "Origin: http://site.test\r\n", field, 1) + "\r\n", http.StatusSwitchingProtocols},
			"polling open": {"POST /socket?transport=polling HTTP/1.1\r\nHost: site.test\r\n" + field + "Content-Length: 0\r\n\r\n", http.StatusOK},
			"polling GET":  {"GET /socket?transport=polling&ack=0 HTTP/1.1\r\nHost: site.test\r\nSocket-Token: " + strings.Repeat("x", 32) + "\r\n" + field + "\r\n", http.StatusNotFound},
			"polling POST": {"POST /socket?transport=polling&seq=1 HTTP/1.1\r\nHost: site.test\r\nSocket-Token: " + strings.Repeat("x", 32) + "\r\n" + field + "Content-Length: 1\r\n\r\n1", http.StatusNotFound},
		} {
			want := http.StatusForbidden
			if welcome {
				want = tt.ok
			}
			if got := ask(tt.request); got != want {
				t.Errorf("%s, Origin %q: answered with %d, want %d", name, origin, got, want)
			}
		}
	}
}

func TestThreatC3_NothingIsServedBehindARefusedUpgrade(t *testing.T) {
	open := newSite(t, socket.WithCompression(true)).start()
	full := newSite(t, socket.WithMaxConcurrency(1)).start()
	full.upgrade()
	closed := newSite(t).start()
	if err := closed.server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	const upgrade, origin = "Upgrade: websocket\r\n", "Origin: http://site.test\r\n"
	tests := []struct {
		name     string
		site     *site
		old, new string // in the request
		status   int
	}{
		{"bad version", open, "Version: 13", "Version: 777", 426},
		{"no version", open, "Sec-WebSocket-Version: 13\r\n", "", 426},
		{"two versions", open, "Version: 13", "Version: 13\r\nSec-WebSocket-Version: 12", 400},
		{"bad origin", open, origin, "Origin: http://evil.test\r\n", 403},
		{"origin null", open, origin, "Origin: null\r\n", 403},
		{"missing key", open, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400},
		{"malformed key", open, "dGhlIHNhbXBsZSBub25jZQ==", "x", 400},
		{"POST", open, "GET /", "POST /", 405},
		{"POST with a body", open, "GET /socket HTTP/1.1", "POST /socket HTTP/1.1\r\nContent-Length: 3", 405},
		{"GET with a body", open, origin, "Content-Length: 3\r\n", 400},
		{"not in Connection", open, "Connection: Upgrade", "Connection: keep-alive", 400},
		{"h2c too", open, upgrade, "Upgrade: h2c, websocket\r\n", 400},
		{"malformed extension", open, origin, "Sec-WebSocket-Extensions: ;\r\n", 400},
		{"malformed subprotocol", open, origin, "Sec-WebSocket-Protocol: a b\r\n", 400},
		{"header too long", open, origin, "Sec-WebSocket-Protocol: " + strings.Repeat("x", 2000) + "\r\n", 431},
		{"query of polling", open, "GET /socket", "PATCH /socket?transport=polling", 405},
		{"server full", full, "", "", 503},
		{"server closed", closed, "", "", 503},
		// Whoever reads the header less strictly than we do has switched already.
		{"another protocol", open, upgrade, "Upgrade: h2c\r\n", 0},
		{"like websocket", open, upgrade, "Upgrade: xwebsocket\r\n", 0},
		{"websocket with a version", open, upgrade, "Upgrade: websocket/13\r\n", 0},
		{"another protocol, polling", open, "GET /socket HTTP/1.1\r\nHost: site.test\r\n" + upgrade, "POST /socket?transport=polling HTTP/1.1\r\nHost: site.test\r\nUpgrade: websocket2\r\nContent-Length: 0\r\n", 0},
		{"another protocol, poll", open, "GET /socket HTTP/1.1\r\nHost: site.test\r\n" + upgrade, "GET /socket?transport=polling&ack=0 HTTP/1.1\r\nHost: site.test\r\nUpgrade: websocket2\r\n", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			nc := tt.site.dial()
			request := strings.Replace(upgradeRequest, tt.old, tt.new, 1) + "\r\n"
			if strings.Contains(request, "Content-Length: 3") {
				request += "abc"
			}
			if _, err := io.WriteString(nc, request+"GET /secret HTTP/1.1\r\nHost: site.test\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			nc.SetReadDeadline(time.Now().Add(10 * time.Second))
			// To the end: the server has to close.
			answer, err := io.ReadAll(nc)
			if err != nil && len(answer) == 0 {
				t.Fatal(err)
			}
			head, body, _ := strings.Cut(string(answer), "\r\n\r\n")
			switch {
			case tt.status != 0 && !strings.HasPrefix(head, fmt.Sprintf("HTTP/1.1 %d ", tt.status)):
				t.Errorf("answered with %q, want %d", head, tt.status)
			case !strings.Contains(head, "\r\nConnection: close"):
				t.Errorf("the answer does not close the connection: %q", head)
			case strings.Contains(body, "HTTP/1") || strings.Contains(body, "secret"):
				t.Errorf("a request behind it was served: %q", body)
			}
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Error("the connection is left open")
			}
		})
	}
}

func TestThreatC7_GO_2026_6089_DribblingHandshakesAreCutOff(t *testing.T) {
	const deadline = time.Second
	s := newSite(t, socket.WithPingInterval(-1)) // no ping comes in place of the pong
	if h := s.http; h.ReadHeaderTimeout != 5*time.Second || h.MaxHeaderBytes != 16<<10 || h.IdleTimeout == 0 {
		t.Errorf("NewHTTPServer sets %v for a header, %d bytes, %v idle", h.ReadHeaderTimeout, h.MaxHeaderBytes, h.IdleTimeout)
	}
	s.http.ReadHeaderTimeout = deadline // so that the test is short
	s.start()
	healthy := s.upgrade()
	var dribblers []net.Conn
	begin := time.Now()
	for i := range 300 {
		nc := s.dial()
		if _, err := io.WriteString(nc, upgradeRequest[:1+i%len(upgradeRequest)]); err != nil {
			t.Fatal(err)
		}
		dribblers = append(dribblers, nc)
	}
	opened := time.Since(begin)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // dribbles until told to stop
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			for _, nc := range dribblers {
				io.WriteString(nc, "x") // fails once it is cut off
			}
		}
	}()
	for _, nc := range dribblers {
		nc.SetReadDeadline(begin.Add(opened + deadline + 10*time.Second))
		if _, err := io.Copy(io.Discard, nc); err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Fatal("a dribbling handshake is not cut off")
			}
		}
	}
	// A busy machine is not a slow server: some seconds are granted.
	if d := time.Since(begin); d > opened+deadline+3*time.Second {
		t.Errorf("the last was cut off after %v, want %v", d-opened, deadline)
	}
	close(stop)
	<-stopped
	// A connection that was open all the time is as it was.
	if _, err := io.WriteString(healthy, "\x89\x80\x00\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	pong := make([]byte, 2)
	if _, err := io.ReadFull(healthy, pong); err != nil || string(pong) != "\x8a\x00" {
		t.Errorf("a healthy connection got %x, %v", pong, err)
	}
}

func TestThreatC7_GO_2026_6089_FiveThousandDribblersHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, socket.WithMaxConcurrency(0))
		l := memnet.Listen("site.test:80")
		go s.http.Serve(l) // ends with Close
		defer func() {
			s.http.Close()
			if err := s.server.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		}()
		dial := func() net.Conn {
			nc, err := l.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return nc
		}
		begin := time.Now()
		var attack sync.WaitGroup
		for i := range 5000 {
			nc := dial()
			attack.Go(func() {
				defer nc.Close()
				// A byte a second, wherever in the handshake.
				part := upgradeRequest[:1+i%len(upgradeRequest)]
				for _, err := io.WriteString(nc, part); err == nil; _, err = io.WriteString(nc, "x") {
					time.Sleep(time.Second)
				}
				if d := time.Since(begin); d > 6*time.Second {
					t.Errorf("a dribbler is cut off after %v, want 5 s + 1 s at the most", d)
				}
			})
		}
		// Time passes only when nobody has anything to do: a client that is served
		// at once is served at the same time.
		for range 20 {
			nc, start := dial(), time.Now()
			if _, err := io.WriteString(nc, upgradeRequest+"\r\n\x89\x80\x00\x00\x00\x00"); err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReader(nc)
			if r, err := http.ReadResponse(in, nil); err != nil || r.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("handshake: %v, %v", r, err)
			}
			pong := make([]byte, 2)
			if _, err := io.ReadFull(in, pong); err != nil || string(pong) != "\x8a\x00" || time.Since(start) != 0 {
				t.Errorf("a healthy client got %x, %v, after %v", pong, err, time.Since(start))
			}
			nc.Close()
			time.Sleep(time.Second / 4)
		}
		attack.Wait()
	})
}

func TestThreatC6_CVE_2024_37890_FloodOfHeadersIsRefused(t *testing.T) {
	s := newSite(t, socket.WithPingInterval(-1)).start() // no ping comes in place of the pong
	healthy := s.upgrade()
	const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
	lines := func(n int, line string) string { return strings.Repeat(line+"\r\n", n) }
	tests := []struct {
		name, request string
		statuses      string
	}{
		{"2,000 fields", upgradeRequest + lines(2000, "X-Flood: value"), "431"},
		{"2,000 fields of the protocol", upgradeRequest + lines(2000, "Sec-WebSocket-Protocol: a"), "431"},
		{"a field of 1 MB", upgradeRequest + "X: " + strings.Repeat("x", 1<<20) + "\r\n", "431"},
		{"a field name of 1 MB", upgradeRequest + strings.Repeat("x", 1<<20) + ": x\r\n", "431"},
		{"a target of 1 MB", strings.Replace(upgradeRequest, "/socket", "/socket?"+strings.Repeat("x", 1<<20), 1), "431"},
		{"a subprotocol of 2 KB", upgradeRequest + "Sec-WebSocket-Protocol: " + strings.Repeat("x", 2<<10) + "\r\n", "431"},
		{"33 subprotocols", upgradeRequest + "Sec-WebSocket-Protocol: a" + strings.Repeat(",a", 32) + "\r\n", "400 431"},
		{"9 extensions", upgradeRequest + "Sec-WebSocket-Extensions: a" + strings.Repeat(",a", 8) + "\r\n", "400 431"},
		{"no ASCII in the key", strings.Replace(upgradeRequest, key, key+"\xe9", 1), "400"},
		{"no ASCII in the version", strings.Replace(upgradeRequest, "Version: 13", "Version: 1\xc2\xb3", 1), "400 426"},
		{"no ASCII in Host", strings.Replace(upgradeRequest, "Host: site", "Host: s\xc3\xafte", 1), "400 403"},
		{"no ASCII in Origin", strings.Replace(upgradeRequest, "Origin: http://site", "Origin: http://s\xc3\xafte", 1), "403"},
		{"no ASCII in Upgrade", strings.Replace(upgradeRequest, "Upgrade: websocket", "Upgrade: websoc\xe2\x84\xaaet", 1), "200 400 426"},
		{"no ASCII in Connection", strings.Replace(upgradeRequest, "Connection: Upgrade", "Connection: \xc3\x9cpgrade", 1), "400"},
		{"no ASCII in a subprotocol", upgradeRequest + "Sec-WebSocket-Protocol: ch\xc3\xa4t\r\n", "400"},
		{"no ASCII in an extension", upgradeRequest + "Sec-WebSocket-Extensions: \xff\r\n", "400"},
		{"no ASCII in a field name", upgradeRequest + "X-\xff: x\r\n", "400"},
	}
	for _, tt := range tests {
		nc := s.dial()
		go io.WriteString(nc, tt.request+"\r\n") // it may not be taken to its end
		nc.SetReadDeadline(time.Now().Add(10 * time.Second))
		answer := make([]byte, len("HTTP/1.1 400"))
		_, err := io.ReadFull(nc, answer)
		if status := string(answer[len("HTTP/1.1 "):]); err != nil || !strings.Contains(tt.statuses, status) {
			t.Errorf("%s: answered with %q, %v, want %s", tt.name, answer, err, tt.statuses)
		}
		nc.Close()
	}
	if n := s.server.Count(); n != 1 {
		t.Errorf("%d connections, want the one from before", n)
	}
	if _, err := io.WriteString(healthy, "\x89\x80\x00\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	pong := make([]byte, 2)
	if _, err := io.ReadFull(healthy, pong); err != nil || string(pong) != "\x8a\x00" {
		t.Errorf("a healthy connection got %x, %v", pong, err)
	}
}

func TestThreatC8_CVE_2026_33219_SilentConnectionCostsAGoroutineAndAFewKB(t *testing.T) {
	const connections = 200
	// All that makes state: compression, rates, rooms.
	s := newSite(t, socket.WithMaxConcurrency(0), socket.WithCompression(true),
		socket.WithRateLimits(socket.RateLimits{Messages: 100, Bytes: 1 << 20, Joins: 10})).start()
	measure := func() (bytes int64, goroutines int) {
		runtime.GC()
		runtime.GC() // empties the pools too
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine()
	}
	connect := func(n int) {
		for range n {
			nc := s.dial()
			if _, err := io.WriteString(nc, upgradeRequest+"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			head := make([]byte, len("HTTP/1.1 101"))
			if _, err := io.ReadFull(nc, head); err != nil || string(head) != "HTTP/1.1 101" {
				t.Fatalf("%q, %v", head, err)
			}
		}
		for s.server.Count() < n {
			runtime.Gosched()
		}
	}
	connect(10) // what is made once
	bytes, goroutines := measure()
	connect(connections)
	afterBytes, afterGoroutines := measure()
	// The goroutines of the HTTP server's connections end just now.
	for range 1000 {
		if afterGoroutines <= goroutines+connections {
			break
		}
		time.Sleep(time.Millisecond)
		afterBytes, afterGoroutines = measure()
	}
	if n := afterGoroutines - goroutines; n > connections {
		t.Errorf("%d goroutines for %d connections", n, connections)
	}
	each := (afterBytes - bytes) / connections
	t.Logf("a silent connection takes %d bytes of heap and stacks, the test's end of it included", each)
	if each > 8<<10 {
		t.Errorf("a silent connection takes %d bytes, want at most 8 KiB", each)
	}
}

func TestThreatC8_CVE_2026_33219_HandlerInFrontRefusesBeforeAnythingIsOpened(t *testing.T) {
	s := newSite(t).start()
	guarded := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.Header().Set("Connection", "close")
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		s.server.HandleHTTP(w, r)
	})
	h := httptest.NewUnstartedServer(guarded)
	h.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	h.Start()
	t.Cleanup(h.Close)
	before := runtime.NumGoroutine()
	for range 100 {
		nc, err := net.Dial("tcp", h.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(nc, upgradeRequest+"\r\n")
		answer, _ := io.ReadAll(nc) // it closes
		if !strings.HasPrefix(string(answer), "HTTP/1.1 401 ") {
			t.Fatalf("answered with %q", answer)
		}
		nc.Close()
	}
	if s.server.Count() != 0 {
		t.Errorf("%d connections were opened", s.server.Count())
	}
	for range 1000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d goroutines are left", runtime.NumGoroutine()-before)
}
