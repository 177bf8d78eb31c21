package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// A script of a proxy talks until the tunnel is open, and returns the connection
// inside it.
type proxyScript func(t *testing.T, nc net.Conn) net.Conn

// httpProxy answers a CONNECT request for target.
func httpProxy(target, authorization string) proxyScript {
	return func(t *testing.T, nc net.Conn) net.Conn {
		r, err := http.ReadRequest(bufio.NewReader(nc))
		if err != nil {
			t.Error(err)
			return nc
		}
		if r.Method != http.MethodConnect || r.Host != target || r.RequestURI != target {
			t.Errorf("the proxy got %s %s, Host %s, want CONNECT %s", r.Method, r.RequestURI, r.Host, target)
		}
		if got := r.Header.Get("Proxy-Authorization"); got != authorization {
			t.Errorf("Proxy-Authorization is %q, want %q", got, authorization)
		}
		if _, err := io.WriteString(nc, "HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n"); err != nil {
			t.Error(err)
		}
		return nc
	}
}

// socksProxy plays a conversation: what the client sends, and what it is told.
func socksProxy(steps ...string) proxyScript {
	return func(t *testing.T, nc net.Conn) net.Conn {
		for i := 0; i+1 < len(steps); i += 2 {
			got := make([]byte, len(steps[i]))
			if _, err := io.ReadFull(nc, got); err != nil || string(got) != steps[i] {
				t.Errorf("the proxy got %q, %v, want %q", got, err, steps[i])
				break
			}
			if _, err := io.WriteString(nc, steps[i+1]); err != nil {
				t.Error(err)
			}
		}
		return nc
	}
}

func TestDialThroughProxies(t *testing.T) {
	const (
		greet     = "\x05\x01\x00"
		greetAuth = "\x05\x02\x00\x02"
		toName80  = "\x05\x01\x00\x03\x0bserver.test\x00\x50"
		toName443 = "\x05\x01\x00\x03\x0bserver.test\x01\xbb"
		opened    = "\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00"
	)
	for name, tt := range map[string]struct {
		url     string
		proxy   string
		address string // of the proxy, as it is dialled
		script  proxyScript
	}{
		"http": {"ws://server.test/", "http://proxy.test", "proxy.test:80", httpProxy("server.test:80", "")},
		"http, with user": {
			"ws://server.test/", "http://us%65r:p%3Ass@proxy.test:3128", "proxy.test:3128",
			httpProxy("server.test:80", "Basic dXNlcjpwOnNz"),
		},
		"http, to IPv6": {"ws://[::1]:8080/", "http://proxy.test", "proxy.test:80", httpProxy("[::1]:8080", "")},
		"http, wss":     {"wss://server.test/", "http://proxy.test", "proxy.test:80", httpProxy("server.test:443", "")},
		"socks5":        {"ws://server.test/", "socks5://proxy.test", "proxy.test:1080", socksProxy(greet, "\x05\x00", toName80, opened)},
		"socks5h, wss":  {"wss://server.test/", "socks5h://proxy.test:9", "proxy.test:9", socksProxy(greet, "\x05\x00", toName443, opened)},
		"socks5, answer with a name": {
			"ws://server.test/", "socks5://proxy.test", "proxy.test:1080",
			socksProxy(greet, "\x05\x00", toName80, "\x05\x00\x00\x03\x03abc\x00\x00"),
		},
		"socks5, answer with IPv6": {
			"ws://server.test/", "socks5://proxy.test", "proxy.test:1080",
			socksProxy(greet, "\x05\x00", toName80, "\x05\x00\x00\x04"+strings.Repeat("\x00", 18)),
		},
		"socks5, with user": {
			"ws://server.test/", "socks5://user:pass@proxy.test", "proxy.test:1080",
			socksProxy(greetAuth, "\x05\x02", "\x01\x04user\x04pass", "\x01\x00", toName80, opened),
		},
		"socks5, with user that is not asked for": {
			"ws://server.test/", "socks5://user:pass@proxy.test", "proxy.test:1080",
			socksProxy(greetAuth, "\x05\x00", toName80, opened),
		},
		"socks5, to IPv4": {
			"ws://192.0.2.1:8080/", "socks5://proxy.test", "proxy.test:1080",
			socksProxy(greet, "\x05\x00", "\x05\x01\x00\x01\xc0\x00\x02\x01\x1f\x90", opened),
		},
		"socks5, to IPv6": {
			"ws://[::1]/", "socks5://proxy.test", "proxy.test:1080",
			socksProxy(greet, "\x05\x00", "\x05\x01\x00\x04"+strings.Repeat("\x00", 15)+"\x01\x00\x50", opened),
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				near, far := memPair(t)
				opts := transport.DialOptions{
					TLSConfig: &tls.Config{RootCAs: testCA().pool},
					Proxy: func(r *http.Request) (*url.URL, error) {
						if want := strings.Replace(tt.url, "ws", "http", 1); r.URL.String() != want {
							t.Errorf("asked for the proxy of %s, want %s", r.URL, want)
						}
						return url.Parse(tt.proxy)
					},
					DialContext: func(_ context.Context, network, address string) (net.Conn, error) {
						if network != "tcp" || address != tt.address {
							t.Errorf("dialled %s %s, want tcp %s", network, address, tt.address)
						}
						return near, nil
					},
				}
				go func() {
					nc := tt.script(t, far)
					if strings.HasPrefix(tt.url, "wss") {
						nc = tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{testCA().issue("server.test")}})
					}
					r, answer := readRequest(t, nc)
					if want := strings.TrimSuffix(strings.SplitN(tt.url, "/", 3)[2], "/"); r.Host != want {
						t.Errorf("Host is %q, want %q: that of the target", r.Host, want)
					}
					if r.Header.Get("Proxy-Authorization") != "" {
						t.Error("the target got what is for the proxy")
					}
					_, _ = nc.Write(answer)
				}()
				c, err := transport.Dial(t.Context(), tt.url, &opts)
				must(t, err)
				must(t, c.CloseNow())
			})
		})
	}
}

func TestDialRefusesProxiesThatItDoesNotKnow(t *testing.T) {
	for _, proxy := range []string{"ftp://proxy.test", "socks4://proxy.test", "proxy.test:80"} {
		opts := transport.DialOptions{Proxy: func(*http.Request) (*url.URL, error) { return &url.URL{Scheme: strings.Split(proxy, ":")[0]}, nil }}
		_, err := transport.Dial(t.Context(), "ws://server.test/", &opts)
		if err == nil || !strings.Contains(err.Error(), "want http, https or socks5") {
			t.Errorf("Dial() through %s = %v, want an error that names the schemes", proxy, err)
		}
	}
	opts := transport.DialOptions{Proxy: func(*http.Request) (*url.URL, error) { return nil, fmt.Errorf("no idea") }}
	if _, err := transport.Dial(t.Context(), "ws://server.test/", &opts); err == nil || !strings.Contains(err.Error(), "proxy: no idea") {
		t.Errorf("Dial() = %v, want the error of Proxy", err)
	}
}

func TestDialFailsWhenTheProxyRefuses(t *testing.T) {
	const greet, toName = "\x05\x01\x00", "\x05\x01\x00\x03\x0bserver.test\x00\x50"
	for name, tt := range map[string]struct {
		proxy  string
		script proxyScript
		want   string
	}{
		"407":              {"http://p", httpAnswer("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"), "status 407"},
		"redirect":         {"http://p", httpAnswer("HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\n\r\n"), "status 302"},
		"101":              {"http://p", httpAnswer("HTTP/1.1 101 Switching Protocols\r\n\r\n"), "status 101"},
		"junk behind 200":  {"http://p", httpAnswer("HTTP/1.1 200 OK\r\n\r\njunk"), "ahead of the tunnel"},
		"not HTTP":         {"http://p", httpAnswer("SSH-2.0-x\r\n"), "not an HTTP/1 response"},
		"endless header":   {"http://p", httpAnswer("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 4<<10)), "exceeds 4096"},
		"gone":             {"http://p", httpAnswer(""), "connection lost"},
		"no method":        {"socks5://p", socksProxy(greet, "\x05\xff"), "way of authentication"},
		"SOCKS4":           {"socks5://p", socksProxy(greet, "\x04\x00"), "way of authentication"},
		"method not asked": {"socks5://p", socksProxy(greet, "\x05\x02"), "way of authentication"},
		"wrong password":   {"socks5://u:p@p", socksProxy("\x05\x02\x00\x02", "\x05\x02", "\x01\x01u\x01p", "\x01\x01"), "user name or password"},
		"long user name":   {"socks5://" + strings.Repeat("u", 256) + "@p", socksProxy("\x05\x02\x00\x02", "\x05\x02"), "length"},
		"refused":          {"socks5://p", socksProxy(greet, "\x05\x00", toName, "\x05\x05\x00\x01\x00"), "code 5"},
		"malformed":        {"socks5://p", socksProxy(greet, "\x05\x00", toName, "\x05\x00\x00\x09\x00"), "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				done, far := dialled(t, t.Context(), "ws://server.test/", transport.DialOptions{
					Proxy: func(*http.Request) (*url.URL, error) { return url.Parse(tt.proxy) },
				})
				nc := tt.script(t, far)
				if name == "gone" {
					_ = nc.Close()
				}
				if err := (<-done).err; err == nil || !strings.Contains(err.Error(), "proxy: ") || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("Dial() = %v, want one of the proxy that says %q", err, tt.want)
				}
				if _, err := io.Copy(io.Discard, nc); err != nil && name != "gone" {
					t.Errorf("the network connection is not closed: %v", err)
				}
			})
		})
	}
}

// httpAnswer gives a fixed answer to CONNECT.
func httpAnswer(answer string) proxyScript {
	return func(t *testing.T, nc net.Conn) net.Conn {
		if _, err := http.ReadRequest(bufio.NewReader(nc)); err != nil {
			t.Error(err)
		}
		if _, err := io.WriteString(nc, answer); err != nil && len(answer) < 4<<10 {
			t.Error(err)
		}
		return nc
	}
}

// The proxy of the environment is used by default. It is read once in a process,
// and so are the system's roots, which judge the certificate of a proxy: so
// another process dials.
func TestDialUsesTheProxyOfTheEnvironment(t *testing.T) {
	const dial = "TRANSPORT_TEST_DIAL"
	if target := os.Getenv(dial); target != "" {
		_, err := transport.Dial(t.Context(), target, nil)
		fmt.Println("dialled:", err)
		return
	}
	roots := filepath.Join(t.TempDir(), "roots.pem")
	must(t, os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: testCA().cert.Raw}), 0o600))
	for _, tt := range []struct{ variable, scheme, target, want string }{
		{"HTTP_PROXY", "http", "ws://server.test/", "server.test:80"},
		{"HTTPS_PROXY", "http", "wss://server.test/", "server.test:443"},
		{"HTTP_PROXY", "https", "ws://server.test/", "server.test:80"},
		{"HTTPS_PROXY", "https", "wss://server.test/", "server.test:443"},
	} {
		t.Run(tt.scheme+"/"+tt.variable, func(t *testing.T) {
			if tt.scheme == "https" && runtime.GOOS != "linux" {
				t.Skip("the system's roots cannot be set here")
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			if tt.scheme == "https" {
				l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{testCA().issue("127.0.0.1")}})
			}
			got := make(chan string, 1)
			s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got <- r.Method + " " + r.RequestURI
				w.WriteHeader(http.StatusForbidden)
			})}
			go s.Serve(l) // ends with Close
			defer s.Close()
			cmd := exec.Command(os.Args[0], "-test.run=^TestDialUsesTheProxyOfTheEnvironment$", "-test.count=1")
			cmd.Env = append(os.Environ(), dial+"="+tt.target, tt.variable+"="+tt.scheme+"://"+l.Addr().String(),
				"NO_PROXY=", "no_proxy=", "SSL_CERT_FILE="+roots)
			out, err := cmd.CombinedOutput()
			if err != nil || !bytes.Contains(out, []byte("status 403")) {
				t.Fatalf("the process said %v %s, want the proxy's refusal", err, out)
			}
			if request := <-got; request != "CONNECT "+tt.want {
				t.Errorf("the proxy got %q, want CONNECT %s", request, tt.want)
			}
		})
	}
}
