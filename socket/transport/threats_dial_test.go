package transport_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// answering runs dial against a server that reads the head of a request and lets
// answer write. It returns how many bytes the client has read.
func answering(t *testing.T, answer func(w io.Writer), dial func(url string, through dialFunc)) int64 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var server sync.WaitGroup
	server.Go(func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		if _, err := http.ReadRequest(bufio.NewReader(nc)); err == nil {
			answer(nc)
		}
	})
	var taken atomic.Int64
	dial("ws://"+l.Addr().String(), func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		nc, err := d.DialContext(ctx, network, address)
		return &counted{nc, &taken}, err
	})
	must(t, l.Close())
	server.Wait()
	return taken.Load()
}

// counted counts what is read of a connection.
type counted struct {
	net.Conn
	n *atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.n.Add(int64(n))
	return n, err
}

func TestThreatC10_CVE_2026_42498_RedirectsAreNotFollowed(t *testing.T) {
	var asked atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 303, 307, 308, 300, 305} {
		for _, scheme := range []string{"http", "ws"} {
			var requests atomic.Int64
			h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				w.Header().Set("Location", strings.Replace(other.URL, "http", scheme, 1)+"/elsewhere")
				w.WriteHeader(status)
			}))
			t.Cleanup(h.Close)
			credentials := transport.WithHeaders(map[string][]string{"Authorization": {"Bearer secret"}, "X-Api-Key": {"secret"}, "Cookie": {"a=secret"}})
			for name, connect := range map[string]func(context.Context) error{
				"websocket": transport.NewWebSocketTransport(strings.Replace(h.URL, "http", "ws", 1), credentials).Connect,
				"polling":   transport.NewLongPollingTransport(h.URL, credentials).Connect,
			} {
				requests.Store(0)
				err := connect(t.Context())
				if err == nil || !strings.Contains(err.Error(), fmt.Sprint(status)) {
					t.Errorf("%s: Connect() = %v, want an error that tells the status %d", name, err, status)
				}
				if requests.Load() != 1 {
					t.Errorf("%s: %d requests", name, requests.Load())
				}
			}
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests reached the other server", n)
	}
}

// sign makes a server's certificate of a template that says what is odd about it.
func (a *authority) sign(t *testing.T, odd x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	must(t, err)
	odd.SerialNumber, odd.Subject, odd.NotBefore = big.NewInt(3), pkix.Name{CommonName: "server.test"}, time.Unix(0, 0)
	if odd.NotAfter.IsZero() {
		odd.NotAfter = time.Now().Add(time.Hour)
	}
	parent, by := a.cert, a.key
	if a == nobody {
		parent, by = &odd, key
	}
	der, err := x509.CreateCertificate(crand.Reader, &odd, parent, key.Public(), by)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// nobody lets certificates sign themselves.
var nobody = new(authority)

func TestThreatC11_CVE_2016_10536_CertificatesAreVerified(t *testing.T) {
	ca := testCA()
	has := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	old := has(ca.issue("server.test"))
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	names := []string{"server.test"}
	tests := []struct {
		name   string
		server *tls.Config
		want   string // in the error; "" for none
	}{
		{"a good one", has(ca.issue("server.test")), ""},
		{"of an unknown authority", has(newAuthority().issue("server.test")), "unknown authority"},
		{"self-made", has(nobody.sign(t, x509.Certificate{DNSNames: names})), "unknown authority"},
		{"expired", has(ca.sign(t, x509.Certificate{DNSNames: names, NotAfter: time.Now().Add(-time.Hour)})), "expired"},
		{"of another host", has(ca.issue("other.test")), "not server.test"},
		{"of the proxy", has(ca.issue("proxy.test")), "not server.test"},
		{"of an address", has(ca.issue("127.0.0.1")), "not valid for any names"},
		{"of names like it", has(ca.sign(t, x509.Certificate{DNSNames: []string{"test", "evil-server.test", "*.server.test"}})), "not server.test"},
		{"for clients", has(ca.sign(t, x509.Certificate{DNSNames: names, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})), "incompatible key usage"},
		{"over an old protocol", old, "protocol version"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var used atomic.Int64
			h := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				used.Add(1)
				if c, err := transport.Accept(w, r, nil); err == nil {
					_ = c.CloseNow()
				}
			}))
			h.TLS, h.Config.ErrorLog = tt.server, stdlog.New(io.Discard, "", 0)
			h.StartTLS()
			t.Cleanup(h.Close)
			to := func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "tcp", h.Listener.Addr().String())
			}
			proxy := newConnectProxy(t, h.Listener.Addr().String())
			trusting := &tls.Config{RootCAs: ca.pool}
			polling := transport.NewLongPollingTransport("https://server.test/", transport.WithTLSConfig(trusting), transport.WithDialContext(to))
			for way, connect := range map[string]func() error{
				"direct": func() error {
					_, err := transport.Dial(t.Context(), "wss://server.test/", &transport.DialOptions{TLSConfig: trusting, DialContext: to})
					return err
				},
				"through a proxy": func() error {
					_, err := transport.Dial(t.Context(), "wss://server.test/", &transport.DialOptions{TLSConfig: trusting, Proxy: http.ProxyURL(proxy)})
					return err
				},
				"polling": func() error { return polling.Connect(t.Context()) },
			} {
				used.Store(0)
				err := connect()
				if tt.want == "" {
					if used.Load() == 0 {
						t.Errorf("%s: %v, want a request to arrive", way, err)
					}
					continue
				}
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s: %v, want an error with %q", way, err, tt.want)
				}
				if used.Load() != 0 {
					t.Errorf("%s: a request was sent all the same", way)
				}
			}
		})
	}
}

// newConnectProxy starts a proxy whose tunnels all lead to one address.
func newConnectProxy(t *testing.T, to string) *url.URL {
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		far, err := net.Dial("tcp", to)
		if err != nil || r.Method != http.MethodConnect {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		near, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n") // the client notices
		for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
			go func() { // ends with the connection
				_, _ = io.Copy(pair[0], pair[1])
				_ = near.Close()
				_ = far.Close()
			}()
		}
	}))
	t.Cleanup(h.Close)
	u, err := url.Parse(h.URL)
	must(t, err)
	return u
}

func TestThreatC13_GO_2025_3503_HostileProxies(t *testing.T) {
	answers := []struct {
		name   string
		answer string
		want   string
	}{
		{"data ahead of the tunnel", "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n", "ahead of the tunnel"},
		{"a body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "ahead of the tunnel"},
		{"407", "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n", "407"},
		{"a redirect", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "302"},
		{"an error", "HTTP/1.1 500 Oops\r\n\r\n", "500"},
		{"another protocol", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "101"},
		{"a header without end", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20), "header"},
		{"fields without end", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 100_000), "header"},
		{"interim without end", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100_000), "interim"},
		{"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", "not an HTTP"},
		{"bytes", strings.Repeat("\x00\xff", 10_000), "not an HTTP"},
		{"a lone line feed", "HTTP/1.1 200 OK\n\n", "CR LF"},
		{"nothing", "", "lost"},
	}
	for _, tt := range answers {
		t.Run(tt.name, func(t *testing.T) {
			taken := answering(t, func(w io.Writer) {
				_, _ = io.WriteString(w, tt.answer) // the client may have had enough
			}, func(proxy string, dial dialFunc) {
				u, err := url.Parse(strings.Replace(proxy, "ws", "http", 1))
				must(t, err)
				c, err := transport.Dial(t.Context(), "wss://server.test/", &transport.DialOptions{Proxy: http.ProxyURL(u), DialContext: dial})
				if err == nil {
					_ = c.CloseNow()
					t.Fatal("Dial was content")
				}
				if !strings.Contains(err.Error(), "proxy") || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("Dial() = %v, want an error of the proxy with %q", err, tt.want)
				}
			})
			if taken > 4<<10 {
				t.Errorf("%d bytes were read, want at most 4 KiB", taken)
			}
		})
	}
}

func TestThreatC13_GO_2025_3503_HostileSOCKSProxies(t *testing.T) {
	for name, answer := range map[string]string{
		"another version":        "\x04\x00",
		"an offer not asked for": "\x05\x02",
		"none acceptable":        "\x05\xff",
		"refused":                "\x05\x00\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00",
		"unknown address":        "\x05\x00\x05\x00\x00\x09\x00\x00\x00\x00\x00\x00",
		"cut off":                "\x05\x00\x05\x00\x00\x03\xffabc",
		"HTTP":                   "HTTP/1.1 200 OK\r\n\r\n",
		"nothing":                "",
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := memPipe()
			u := &url.URL{Scheme: "socks5", Host: "proxy.test:1080"}
			t.Cleanup(func() { _ = theirs.Close() })
			_, err := io.WriteString(theirs, answer)
			must(t, err)
			must(t, theirs.(interface{ CloseWrite() error }).CloseWrite())
			_, err = transport.Dial(t.Context(), "ws://server.test/", &transport.DialOptions{
				Proxy:            http.ProxyURL(u),
				DialContext:      func(context.Context, string, string) (net.Conn, error) { return ours, nil },
				HandshakeTimeout: 10 * time.Second,
			})
			if err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Dial() = %v, want an error at once", err)
			}
			if _, err := ours.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("the connection to the proxy is left open: %v", err)
			}
		})
	}
}

func TestThreatC13_GO_2025_3503_SilentProxyIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, scheme := range []string{"http", "https", "socks5"} {
			ours, theirs := memPipe()
			begin := time.Now()
			_, err := transport.Dial(context.Background(), "wss://server.test/", &transport.DialOptions{
				Proxy:       http.ProxyURL(&url.URL{Scheme: scheme, Host: "proxy.test"}),
				DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil },
			})
			if !errors.Is(err, context.DeadlineExceeded) || since(begin) != 10*time.Second {
				t.Errorf("%s: %v after %v, want the handshake timeout of 10 s", scheme, err, since(begin))
			}
			_ = theirs.Close()
		}
	})
}

func TestThreatC13_GO_2025_3503_ZonesDoNotPassTheProxyBy(t *testing.T) {
	// An address with a zone must not be dialled: NO_PROXY and the check of the
	// name would see different hosts.
	for _, target := range []string{"ws://[fe80::1%25en0]/", "ws://[::1%25.internal.test]:80/", "wss://[::1%2525x]/"} {
		_, err := transport.Dial(t.Context(), target, &transport.DialOptions{
			DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
				t.Errorf("%s: %s was dialled", target, address)
				return nil, errors.New("no")
			},
		})
		if err == nil {
			t.Errorf("%s: Dial was content", target)
		}
	}
}
