package transport_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

func TestThreatC2_CVE_2026_14631_MalformedOriginAndHostAreRefused(t *testing.T) {
	h := liveServer(t, nil, func(c *transport.Conn) { t.Cleanup(func() { _ = c.CloseNow() }) })
	status := func(host, origin string) int {
		nc := tcp(t, h)
		request := strings.Replace(asksToUpgrade, "Host: server.test", "Host: "+host, 1)
		_, err := io.WriteString(nc, request+"Origin: "+origin+"\r\n\r\n")
		must(t, err)
		must(t, nc.SetReadDeadline(time.Now().Add(10*time.Second)))
		r, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatalf("Host %q, Origin %q: %v, want an answer", host, origin, err)
		}
		must(t, nc.Close())
		return r.StatusCode
	}
	for _, origin := range []string{
		"http://a:b", "http://[::1", "http://[::1]:x", "http://[fe80::1%25en0]", "http://%zz", "http://", "://", "http", ":", "//server.test",
		"http://server.test:99999999999999999999", "http://server.test:-1", "http://server.test/", "http://server.test?", "http://server.test#",
		"http://user@server.test", "http://server.test@evil.test", "http://server.test, http://server.test", "null", "\t", "[", "]", "%", "\"", "\\",
		"http://" + strings.Repeat("[", 1000), "http://" + strings.Repeat("a.", 1000), "http:server.test", "http:///server.test", "http://server\u00e9.test",
	} {
		if got := status("server.test", origin); got != http.StatusForbidden {
			t.Errorf("Origin %q was answered with %d, want 403", origin, got)
		}
	}
	for _, host := range []string{
		"", "a:b", "[::1", "[::1]:x", "[fe80::1%25en0]", "server.test:99999", "server.test:0", "server.test/", "user@server.test", "server test",
		"[", "]", ":", ":80", "%zz", "server.test, other.test",
	} {
		for _, origin := range []string{"http://server.test", "http://" + host} {
			if got := status(host, origin); got != http.StatusBadRequest && got != http.StatusForbidden {
				t.Errorf("Host %q, Origin %q were answered with %d, want 400 or 403", host, origin, got)
			}
		}
	}
	if got := status("server.test", "http://server.test"); got != http.StatusSwitchingProtocols {
		t.Errorf("after all that, the server's own origin is answered with %d", got)
	}
}

func TestThreatC2_CVE_2026_14631_NoTextCrashesTheCheck(t *testing.T) {
	u := transport.NewUpgrader(&transport.AcceptOptions{AllowedOrigins: []string{"https://app.test"}})
	rng := rand.New(rand.NewPCG(1, 2))
	parts := []string{"http", "https", "ws", "null", "://", ":", "/", "[", "]", "::1", "%", "%25", "@", ".", ",", " ", "server.test", "app.test", "80", "443", "99999", "-", "\x00", "\xff", "é", "?", "#", "\\"}
	random := func() string {
		var b strings.Builder
		for range rng.IntN(8) {
			b.WriteString(parts[rng.IntN(len(parts))])
		}
		return b.String()
	}
	welcome := map[string]bool{"http://server.test": true, "http://server.test:80": true, "https://app.test": true, "https://app.test:443": true, "https://server.test": true, "https://server.test:443": true}
	for range 50_000 {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = "server.test"
		if rng.IntN(2) == 0 {
			r.Host = random()
		}
		origin := random()
		r.Header["Origin"] = []string{origin}
		if err := u.CheckOrigin(r); err == nil && r.Host == "server.test" && !welcome[origin] {
			t.Fatalf("the origin %q may connect to %q", origin, r.Host)
		}
	}
}

func TestThreatC4_FramesBehindTheHandshakeAreHandled(t *testing.T) {
	h := liveServer(t, nil, func(c *transport.Conn) {
		t.Cleanup(func() { _ = c.CloseNow() })
		serve(c, echoes)
	})
	script := &wire{t: t, role: wsproto.RoleClient}
	all := append([]byte(asksToUpgrade+"\r\n"), script.binary("early")...)
	all = append(all, script.ping("?")...)
	all = append(all, script.frame(wsproto.OpBinary, false, "in ")...)
	all = append(all, script.frame(wsproto.OpContinuation, true, "pieces")...)
	// Cut at every point, and not at all.
	for at := 1; at <= len(all); at++ {
		nc := tcp(t, h)
		_, err := nc.Write(all[:at])
		must(t, err)
		if _, err = nc.Write(all[at:]); err != nil {
			t.Fatal(err)
		}
		if head := readHead(t, nc); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
			t.Fatalf("cut at %d: answered with %q", at, head)
		}
		w := newWire(t, nc, wsproto.RoleServer)
		var answers []string
		for range 3 { // a pong may overtake messages that were not written yet
			g, err := w.next()
			must(t, err)
			answers = append(answers, g.payload)
		}
		if got := strings.Join(answers, "|"); got != "early|?|in pieces" && got != "?|early|in pieces" {
			t.Fatalf("cut at %d: got %q", at, got)
		}
		must(t, nc.Close())
	}
}

func TestThreatC4_EarlyFramesCountTowardsTheLimits(t *testing.T) {
	h := liveServer(t, &transport.AcceptOptions{Limits: transport.Limits{MaxMessageSize: 100, MaxFragments: 4}}, func(c *transport.Conn) {
		t.Cleanup(func() { _ = c.CloseNow() })
		serve(c, echoes)
	})
	script := &wire{t: t, role: wsproto.RoleClient}
	for _, tt := range []struct {
		name  string
		early []byte
		code  int
	}{
		{"message size", script.binary(strings.Repeat("x", 101)), 1009},
		{"announced size", script.announced(0x82, 1<<40), 1009},
		{"fragments", append(script.frame(wsproto.OpText, false, "1"), strings.Repeat(string(script.frame(wsproto.OpContinuation, false, "1")), 4)...), 1008},
		{"no mask", []byte{0x81, 0}, 1002},
		{"another request", []byte("GET /secret HTTP/1.1\r\nHost: server.test\r\n\r\n"), 1002},
	} {
		nc := tcp(t, h)
		_, err := nc.Write(append([]byte(asksToUpgrade+"\r\n"), tt.early...))
		must(t, err)
		readHead(t, nc)
		newWire(t, nc, wsproto.RoleServer).wantRefused(tt.name, tt.code)
	}
}

func TestThreatC5_GO_2023_1495_OnlyWebSocketOnlyGETOnlyHTTP11(t *testing.T) {
	h := liveServer(t, nil, func(c *transport.Conn) { t.Cleanup(func() { _ = c.CloseNow() }) })
	const upgrade = "Upgrade: websocket\r\n"
	tests := []struct {
		name     string
		old, new string // in the request
		status   int
	}{
		{"nothing wrong", "", "", 101},
		{"other capitals", upgrade, "Upgrade: WebSocket\r\n", 101},
		{"h2c", upgrade, "Upgrade: h2c\r\n", 400},
		{"h2c before websocket", upgrade, "Upgrade: h2c, websocket\r\n", 400},
		{"websocket before h2c", upgrade, "Upgrade: websocket, h2c\r\n", 400},
		{"two lines", upgrade, upgrade + "Upgrade: h2c\r\n", 400},
		{"twice", upgrade, "Upgrade: websocket, websocket\r\n", 400},
		{"a version of it", upgrade, "Upgrade: websocket/13\r\n", 400},
		{"something like it", upgrade, "Upgrade: websockets\r\n", 400},
		{"none", upgrade, "", 426},
		{"not in Connection", "Connection: Upgrade", "Connection: keep-alive", 400},
		{"POST", "GET /", "POST /", 405},
		{"HEAD", "GET /", "HEAD /", 405},
		{"CONNECT", "GET /", "CONNECT /", 405},
		{"PRI", "GET /", "PRI /", 405},
		{"HTTP/1.0", "HTTP/1.1", "HTTP/1.0", 400},
		{"HTTP/2.0", "HTTP/1.1", "HTTP/2.0", 505},
		{"a body", "Host:", "Content-Length: 5\r\nHost:", 400},
		{"a body in chunks", "Host:", "Transfer-Encoding: chunked\r\nHost:", 400},
		{"version 8", "Version: 13", "Version: 8", 426},
		{"two versions", "Version: 13", "Version: 13\r\nSec-WebSocket-Version: 8", 400},
		{"HTTP2-Settings", "Host:", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\nHost:", 101}, // means nothing here
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			nc := tcp(t, h)
			_, err := io.WriteString(nc, strings.Replace(asksToUpgrade, tt.old, tt.new, 1)+"\r\n")
			must(t, err)
			head := readHead(t, nc)
			if _, status, _ := strings.Cut(head, " "); !strings.HasPrefix(status, fmt.Sprint(tt.status)) {
				t.Fatalf("answered with %q, want %d", head, tt.status)
			}
			if tt.status != 101 && !strings.Contains(head, "\r\nConnection: close\r\n") {
				t.Errorf("the refusal does not close the connection: %q", head)
			}
		})
	}
}

func TestThreatC12_CVE_2022_31080_DialReadsAtMost4KiBOfAnAnswer(t *testing.T) {
	for name, head := range map[string]string{
		"body without end":         "HTTP/1.1 403 Forbidden\r\nContent-Length: 1000000000\r\n\r\n",
		"header without end":       "HTTP/1.1 403 Forbidden\r\nX: ",
		"fields without end":       "HTTP/1.1 101 Switching Protocols\r\nX: y\r\n",
		"no header":                "",
		"interim without end":      strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 1000),
		"chunks":                   "HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n",
		"a success, and no frames": "HTTP/1.1 101 Switching Protocols\r\nContent-Length: 9\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			taken := answering(t, func(w io.Writer) {
				if _, err := io.WriteString(w, head); err != nil {
					return
				}
				for {
					if _, err := io.WriteString(w, "X: without end\r\n"); err != nil {
						return
					}
				}
			}, func(url string, dial dialFunc) {
				if c, err := transport.Dial(t.Context(), url, &transport.DialOptions{DialContext: dial}); err == nil {
					_ = c.CloseNow()
					t.Error("Dial was content")
				}
			})
			if taken > 4<<10 {
				t.Errorf("%d bytes were read, want at most 4 KiB", taken)
			}
		})
	}
}
