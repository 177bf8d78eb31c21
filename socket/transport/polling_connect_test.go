package transport_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/internal/pollhttp"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

func TestLongPollingConnectNamesWhatIsWrongWithTheURL(t *testing.T) {
	tests := []struct {
		url, want string
	}{
		{"ws://host/socket", `the scheme of the URL is "ws", expected http or https (ws is for NewWebSocketTransport)`},
		{"wss://host/socket", `the scheme of the URL is "wss", expected http or https (wss is for NewWebSocketTransport)`},
		{"ftp://host/socket", `the scheme of the URL is "ftp", expected http or https`},
		{"host:8080/socket", `the scheme of the URL is "host", expected http or https`},
		{"/socket", `the scheme of the URL is "", expected http or https`},
		{"", `the scheme of the URL is "", expected http or https`},
		{"http://", "the URL names no host"},
		{"http:///socket", "the URL names no host"},
		{"http://host/%zz", `the URL is malformed: invalid URL escape "%zz"`},
		{"http://host/\r\nX: y", "the URL is malformed: net/url: invalid control character in URL"},
		{"http://host/?a=%zz", `the query of the URL is malformed: invalid URL escape "%zz"`},
		{"http://me:secret@ho st/", "the URL is malformed: "},
	}
	for _, tt := range tests {
		t.Run(tt.url, func(t *testing.T) {
			err := transport.NewLongPollingTransport(tt.url).Connect(t.Context())
			if err == nil || !strings.HasPrefix(err.Error(), "transport: long polling: "+tt.want) {
				t.Errorf("Connect() = %v, want %s", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("Connect() = %v, with the password", err)
			}
		})
	}
}

// C9: gobwas/ws and x/net put what a caller gave on the wire, line breaks and all.
func TestC9_LongPollingHeadersAreRefusedNotRepaired(t *testing.T) {
	tests := []struct {
		name, value, want string
	}{
		{"X-Token", "a\r\nX-Injected: b", "transport: the value of the header field X-Token has a control character"},
		{"X-Token", "a\nb", "transport: the value of the header field X-Token has a control character"},
		{"X-Token", "a\x00b", "transport: the value of the header field X-Token has a control character"},
		{"X-Token: a\r\nX", "b", `transport: "X-Token: a\r\nX" is not the name of a header field`},
		{"X Token", "b", `transport: "X Token" is not the name of a header field`},
		{"", "b", `transport: "" is not the name of a header field`},
		{"socket-token", "b", "transport: the header field Socket-Token is set by the protocol itself"},
		{"Content-Length", "5", "transport: the header field Content-Length is set by the protocol itself"},
		{"transfer-encoding", "chunked", "transport: the header field Transfer-Encoding is set by the protocol itself"},
		{"X-Token", " a", "transport: the value of the header field X-Token has whitespace at its ends"},
		{"X-Token", "a\t", "transport: the value of the header field X-Token has whitespace at its ends"},
		{"Host", "a b", "transport: the header field Host is not one host with or without a port"},
		{"Host", "a/b", "transport: the header field Host is not one host with or without a port"},
		{"host", "user@a", "transport: the header field Host is not one host with or without a port"},
		{"Host", "ü.example", "transport: the header field Host is not one host with or without a port"},
		{"Host", `a"b`, "transport: the header field Host is not one host with or without a port"},
		{"Host", "", "transport: the header field Host is not one host with or without a port"},
	}
	for _, tt := range tests {
		c := transport.NewLongPollingTransport("http://host/", transport.WithDialContext(nowhere),
			transport.WithHeaders(map[string][]string{tt.name: {tt.value}}))
		if err := c.Connect(t.Context()); err == nil || err.Error() != tt.want {
			t.Errorf("%q: %q: Connect() = %v, want %s", tt.name, tt.value, err, tt.want)
		}
	}
}

func nowhere(ctx context.Context, network, address string) (net.Conn, error) {
	return nil, errors.New("nothing may be dialled")
}

func TestLongPollingSendsTheHeadersWithEveryRequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := servePolling(t, pollhttp.Config{}, nil)
		headers := map[string][]string{"authorization": {"Bearer x"}, "X-Two": {"1", "2"}, "Host": {"other.example"}}
		check := func(n int, r *http.Request) fault {
			if r.Header.Get("Authorization") != "Bearer x" || len(r.Header["X-Two"]) != 2 || r.Host != "other.example" {
				t.Errorf("request %d, %s: host %q, %v", n, r.Method, r.Host, r.Header)
			}
			if (r.Header.Get("Socket-Token") == "") != (n == 0) {
				t.Errorf("request %d has the token %q", n, r.Header.Get("Socket-Token"))
			}
			if token := r.Header.Get("Socket-Token"); token != "" && strings.Contains(r.URL.String(), token) {
				t.Errorf("the token is in the URL %s", r.URL)
			}
			return fine
		}
		s.setFault(check)
		c := s.connected(transport.WithHeaders(headers))
		headers["authorization"][0] = "changed by the caller"
		if err := c.Send([]byte("1")); err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

// C10: coder/websocket follows redirects to another host with the caller's headers.
func TestC10_LongPollingFollowsNoRedirect(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		visited := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			visited++
			http.Redirect(w, r, "/elsewhere", status)
		}))
		c := transport.NewLongPollingTransport(s.URL, transport.WithHeaders(map[string][]string{"X-Api-Key": {"secret"}}))
		err := c.Connect(t.Context())
		want := fmt.Sprintf("transport: long polling: the server answered %d %s (redirects are not followed)", status, http.StatusText(status))
		if err == nil || err.Error() != want {
			t.Errorf("Connect() = %v, want %s", err, want)
		}
		if visited != 1 {
			t.Errorf("%d requests", visited)
		}
		s.Close()
	}
}

// C11: engine.io-client did not verify certificates when told nothing.
func TestC11_CVE_2016_10536_LongPollingVerifiesTheServer(t *testing.T) {
	engine := pollhttp.New(pollhttp.Config{Open: func(s *pollhttp.Session, r *http.Request) (pollhttp.Handler, error) {
		if r.TLS == nil || r.TLS.Version < tls.VersionTLS12 || r.ProtoMajor != 2 {
			t.Errorf("the session is opened over %s, %v", r.Proto, r.TLS)
		}
		return &peer{Session: s}, s.Send(pollhttp.Message{Data: []byte("welcome")})
	}})
	s := httptest.NewUnstartedServer(engine)
	s.Config.ErrorLog = stdlog.New(io.Discard, "", 0)
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	trusted := s.Client().Transport.(*http.Transport).TLSClientConfig

	for _, config := range []*tls.Config{nil, {}, {ServerName: "other.example", RootCAs: trusted.RootCAs}} {
		c := transport.NewLongPollingTransport(s.URL, transport.WithTLSConfig(config))
		var bad *tls.CertificateVerificationError
		if err := c.Connect(t.Context()); !errors.As(err, &bad) {
			t.Errorf("Connect() = %v, want a certificate error", err)
		}
	}
	old := trusted.Clone()
	old.MaxVersion = tls.VersionTLS11
	c := transport.NewLongPollingTransport(s.URL, transport.WithTLSConfig(old))
	if err := c.Connect(t.Context()); err == nil {
		t.Error("connected with TLS 1.1")
	}
	c = transport.NewLongPollingTransport(s.URL, transport.WithTLSConfig(trusted))
	if err := c.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Receive(); string(got) != "welcome" || err != nil {
		t.Errorf("Receive() = %q, %v", got, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// C12: KubeEdge read the whole body of a refusal.
func TestC12_CVE_2022_31080_LongPollingReadsLittleOfAFailedAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := servePolling(t, pollhttp.Config{}, nil)
		written := 0
		s.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(403)
			for {
				n, err := w.Write(make([]byte, 1024))
				written += n
				if err != nil {
					return
				}
			}
		})
		err := s.client().Connect(t.Context())
		if want := "transport: long polling: the server answered 403 Forbidden"; err == nil || err.Error() != want {
			t.Errorf("Connect() = %v, want %s", err, want)
		}
		synctest.Wait()
		if limit := memnet.DefaultBuffer + 16<<10; written > limit { // the network's, the server's and the client's buffers
			t.Errorf("the server wrote %d bytes", written)
		}
	})
}

func TestLongPollingConnectSaysWhyTheServerRefuses(t *testing.T) {
	tests := []struct {
		name, answer, want string
	}{
		{"a reason", answerOf(403, `{"error":"the page's origin may not connect"}`), `the server answered 403 Forbidden: "the page's origin may not connect"`},
		{"a reason with line breaks", answerOf(503, `{"error":"a\nb"}`), `the server answered 503 Service Unavailable: "a\nb"`},
		{"a long reason", answerOf(503, `{"error":"`+strings.Repeat("x", 5000)+`"}`), `the server answered 503 Service Unavailable`},
		{"a page", answerOf(404, "<h1>Not found</h1>"), `the server answered 404 Not Found`},
		{"a page with status 200", answerOf(200, "<h1>Welcome</h1>"), `the answer is not the protocol's: is there a socket server at the URL?`},
		{"another version", answerOf(200, `{"v":2,"id":"a","token":"b"}`), `the server does not speak version 1 of the protocol`},
		{"no token", answerOf(200, `{"v":1,"id":"a"}`), `the server does not speak version 1 of the protocol`},
		{"a token with a line break", answerOf(200, `{"v":1,"id":"a","token":"b\r\nX: y"}`), `the server does not speak version 1 of the protocol`},
		{"closed", answerOf(410, `{"error":"x","code":1013,"reason":"later"}`), ``},
		{"nothing", "", `Post "http://server/socket?transport=polling": EOF`},
		{"no HTTP", "SSH-2.0-OpenSSH\r\n\r\n", `Post "http://server/socket?transport=polling": net/http: HTTP/1.x transport connection broken: malformed HTTP response "SSH-2.0-OpenSSH"`},
		{"an endless head", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 40), `Post "http://server/socket?transport=polling": net/http: HTTP/1.x transport connection broken: net/http: server response headers exceeded 16384 bytes; aborted`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				err := connectTo(t, tt.answer).Connect(t.Context())
				if err == nil || tt.want != "" && err.Error() != "transport: long polling: "+tt.want {
					t.Errorf("Connect() = %v, want %s", err, tt.want)
				}
				if tt.name == "closed" && transport.CloseStatus(err) != 1013 {
					t.Errorf("Connect() = %v, want a close with 1013", err)
				}
			})
		})
	}
}

// answerOf returns the bytes of an answer.
func answerOf(status int, body string, header ...string) string {
	return fmt.Sprintf("HTTP/1.1 %d x\r\nContent-Length: %d\r\n%s\r\n%s", status, len(body), strings.Join(header, ""), body)
}

// connectTo returns a transport whose every connection is answered with these
// bytes, whatever it asks, and closed.
func connectTo(t *testing.T, answer string, opts ...transport.LongPollingOption) *transport.LongPollingTransport {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		client, server := memnet.Pipe()
		go func() {
			defer server.Close()
			var request [64 << 10]byte
			if _, err := server.Read(request[:]); err != nil {
				return
			}
			io.WriteString(server, answer)
		}()
		return client, nil
	}
	c := transport.NewLongPollingTransport("http://server/socket", append(opts, transport.WithDialContext(dial))...)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestLongPollingConnectKeepsToItsContextAndTimeout(t *testing.T) {
	silence := func(t *testing.T, s *pollServer) {
		s.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	}
	t.Run("timeout", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := servePolling(t, pollhttp.Config{}, nil)
			silence(t, s)
			began := time.Now()
			err := s.client(transport.WithTimeout(7 * time.Second)).Connect(t.Context())
			if d := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || d != 7*time.Second {
				t.Errorf("Connect() = %v after %v", err, d)
			}
		})
	})
	t.Run("context", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := servePolling(t, pollhttp.Config{}, nil)
			silence(t, s)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			began := time.Now()
			err := s.client().Connect(ctx)
			if d := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || d != 2*time.Second {
				t.Errorf("Connect() = %v after %v", err, d)
			}
		})
	})
	t.Run("only the opening", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := servePolling(t, pollhttp.Config{}, nil)
			c := s.client()
			ctx, cancel := context.WithCancel(t.Context())
			if err := c.Connect(ctx); err != nil {
				t.Fatal(err)
			}
			cancel()
			time.Sleep(time.Minute)
			s.peer(0).send(t, "alive")
			if got, err := c.Receive(); string(got) != "alive" || err != nil {
				t.Errorf("Receive() = %q, %v", got, err)
			}
		})
	})
}

func TestLongPollingBeforeConnect(t *testing.T) {
	c := transport.NewLongPollingTransport("http://host/")
	if err := c.Send(nil); err == nil {
		t.Error("Send = nil")
	}
	if _, err := c.Receive(); err == nil {
		t.Error("Receive = nil")
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	if id := c.SocketID(); id != "" {
		t.Errorf("SocketID = %q", id)
	}
}

func FuzzLongPollingURL(f *testing.F) {
	for _, seed := range []string{
		"http://host/socket", "HTTPS://host:8443/?a=b&transport=x&seq=1#part", "ws://host", "http://[::1%25eth0]:80/", "http://a@b:c@d/",
		"//host", "http:host", "http://host/?a=%zz", "http://h\x00st/", "http://host/?a;b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := transport.ParsePollingURL(raw)
		if err != nil {
			if u != nil || strings.ContainsAny(err.Error(), "\r\n\x00") {
				t.Errorf("ParsePollingURL(%q) = %v, %q", raw, u, err)
			}
			return
		}
		if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Fragment != "" {
			t.Errorf("ParsePollingURL(%q) = %s", raw, u)
		}
		q := u.Query()
		if len(q["transport"]) != 1 || q.Get("transport") != "polling" || q.Has("seq") || q.Has("ack") || q.Has("wait") {
			t.Errorf("ParsePollingURL(%q) = %s", raw, u)
		}
		if strings.ContainsAny(u.String(), " \r\n") {
			t.Errorf("ParsePollingURL(%q) = %q", raw, u)
		}
	})
}
