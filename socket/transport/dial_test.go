package transport_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// dialled opens a connection to a script: it returns the result of Dial on a
// channel, and the script's end.
func dialled(t *testing.T, ctx context.Context, url string, opts transport.DialOptions) (<-chan result, net.Conn) {
	near, far := memnet.Pipe()
	closeAtEnd(t, near, far)
	if opts.Proxy == nil {
		opts.Proxy = noProxy
	}
	opts.DialContext = func(context.Context, string, string) (net.Conn, error) { return near, nil }
	done := make(chan result, 1)
	go func() {
		c, err := transport.Dial(ctx, url, &opts)
		done <- result{c, err}
	}()
	return done, far
}

type result struct {
	*transport.Conn
	err error
}

func noProxy(*http.Request) (*url.URL, error) { return nil, nil }

// readRequest reads an opening handshake and returns it with the response that
// accepts it.
func readRequest(t *testing.T, nc net.Conn) (*http.Request, []byte) {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(nc))
	must(t, err)
	answer, err := wsproto.AppendAccept(nil, wsproto.Accept{Key: r.Header.Get("Sec-WebSocket-Key")})
	must(t, err)
	return r, answer
}

func TestFramesInTheSegmentOfTheAnswerAreRead(t *testing.T) {
	// The answer's length is known, as is that of its key.
	script := &wire{role: wsproto.RoleServer}
	frames := append(script.text("early"), script.ping("p")...)
	frames = append(frames, script.text("second")...)
	for at := 0; ; at++ {
		last := false
		bubble(t, func(t *testing.T) {
			done, far := dialled(t, t.Context(), "ws://server.test/", transport.DialOptions{})
			_, answer := readRequest(t, far)
			all := append(answer, frames...)
			last = at == len(all)
			_, err := far.Write(all[:at])
			must(t, err)
			synctest.Wait()
			_, err = far.Write(all[at:])
			must(t, err)
			r := <-done
			must(t, r.err)
			defer r.CloseNow()
			for _, want := range []string{"early", "second"} {
				_, p, err := r.Read(t.Context())
				if string(p) != want || err != nil {
					t.Fatalf("cut at %d: Read() = %q, %v, want %q", at, p, err, want)
				}
			}
			newWire(t, far, wsproto.RoleClient).want("the ping between them is answered", gotPong("p"))
		})
		if last {
			break
		}
	}
}

func TestDialRefusesWhatCannotBeSent(t *testing.T) {
	const evil = "x\r\nX-Injected: 1"
	dial := transport.DialOptions{
		Proxy: noProxy,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			t.Error("a network connection was opened")
			return nil, io.EOF
		},
	}
	for name, tt := range map[string]struct {
		url  string
		edit func(o *transport.DialOptions)
	}{
		"header value":           {"", func(o *transport.DialOptions) { o.Header = http.Header{"X-A": {evil}} }},
		"header value, LF":       {"", func(o *transport.DialOptions) { o.Header = http.Header{"X-A": {"x\nX-B: 1"}} }},
		"header value, NUL":      {"", func(o *transport.DialOptions) { o.Header = http.Header{"X-A": {"\x00"}} }},
		"header value, space":    {"", func(o *transport.DialOptions) { o.Header = http.Header{"X-A": {" x"}} }},
		"header name":            {"", func(o *transport.DialOptions) { o.Header = http.Header{"X-A: 1\r\nX-B": {"x"}} }},
		"header name, empty":     {"", func(o *transport.DialOptions) { o.Header = http.Header{"": {"x"}} }},
		"header name, not ASCII": {"", func(o *transport.DialOptions) { o.Header = http.Header{"X-Ä": {"x"}} }},
		"reserved header":        {"", func(o *transport.DialOptions) { o.Header = http.Header{"sec-websocket-KEY": {"x"}} }},
		"host header":            {"", func(o *transport.DialOptions) { o.Header = http.Header{"host": {"elsewhere"}} }},
		"subprotocol":            {"", func(o *transport.DialOptions) { o.Subprotocols = []string{evil} }},
		"subprotocol, comma":     {"", func(o *transport.DialOptions) { o.Subprotocols = []string{"a,b"} }},
		"subprotocol, empty":     {"", func(o *transport.DialOptions) { o.Subprotocols = []string{""} }},
		"subprotocol, twice":     {"", func(o *transport.DialOptions) { o.Subprotocols = []string{"a", "a"} }},
		"path":                   {"ws://server.test/" + evil, nil},
		"path, space":            {"ws://server.test/a b\x7f", nil},
		"query":                  {"ws://server.test/?q=" + evil, nil},
		"query, space":           {"ws://server.test/?q=a b", nil},
		"query, not ASCII":       {"ws://server.test/?q=ä", nil},
		"host":                   {"ws://server.test" + evil + "/", nil},
		"host, escaped":          {"ws://server%0d%0aX-Injected:1/", nil},
		"host, not ASCII":        {"ws://sérver.test/", nil},
		"port":                   {"ws://server.test:99999/", nil},
		"no host":                {"ws:///path", nil},
		"fragment":               {"ws://server.test/#fragment", nil},
		"opaque":                 {"ws:server.test", nil},
		"not a URL":              {"ws://server.test:port/", nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := dial
			if tt.url == "" {
				tt.url = "ws://server.test/"
			}
			if tt.edit != nil {
				tt.edit(&o)
			}
			if c, err := transport.Dial(t.Context(), tt.url, &o); err == nil {
				_ = c.CloseNow()
				t.Error("Dial() = nil, want an error")
			}
		})
	}
}

func TestDialNamesTheWrongScheme(t *testing.T) {
	for _, scheme := range []string{"http", "https", "tcp", "WSX", ""} {
		_, err := transport.Dial(t.Context(), scheme+"://server.test/", nil)
		if err == nil || scheme != "" && !strings.Contains(err.Error(), fmt.Sprintf("%q", strings.ToLower(scheme))) {
			t.Errorf("Dial(%s://…) = %v, want an error that names the scheme", scheme, err)
		}
		err = transport.NewWebSocketTransport(scheme + "://server.test/").Connect(t.Context())
		if err == nil || scheme != "" && !strings.Contains(err.Error(), "want ws or wss") {
			t.Errorf("Connect(%s://…) = %v, want an error that says what it wants", scheme, err)
		}
	}
}

func TestDialErrorsTellNoSecrets(t *testing.T) {
	refused := transport.DialOptions{Proxy: noProxy, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no way through")
	}}
	for _, url := range []string{
		"ws://user:secret@server.test/path?token=secret",
		"ws://user:secret@server.test:port/?token=secret",
		"ws://user:secret@server.test/?token=secret#fragment",
		"ws://user:secret@/?token=secret",
		"ws://user:secret@server.test/%zz?token=secret",
		"http://user:secret@server.test/?token=secret",
	} {
		_, err := transport.Dial(t.Context(), url, &refused)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("Dial(%s) = %v, want an error without the secrets", url, err)
		}
	}
	_, err := transport.Dial(t.Context(), "ws://server.test/path", &refused)
	if err == nil || !strings.Contains(err.Error(), "ws://server.test/path") || !strings.Contains(err.Error(), "no way through") {
		t.Errorf("Dial() = %v, want an error that says where and why", err)
	}
}

func TestDialSendsHeadersOfAnySpelling(t *testing.T) {
	for name, tt := range map[string]struct {
		url    string
		header map[string][]string
		want   map[string]string
	}{
		"canonical":     {"ws://h/", http.Header{"X-A": {"1", "2"}}, map[string]string{"X-A": "1,2"}},
		"lower case":    {"ws://h/", http.Header{"x-a": {"1"}, "authorization": {"Bearer t"}}, map[string]string{"X-A": "1", "Authorization": "Bearer t"}},
		"two spellings": {"ws://h/", http.Header{"x-a": {"2"}, "X-A": {"1"}}, map[string]string{"X-A": "1,2"}},
		"of the URL":    {"ws://user:pass@h/", nil, map[string]string{"Authorization": "Basic dXNlcjpwYXNz"}},
		"not of the URL, where there is one": {
			"ws://user:pass@h/", http.Header{"AUTHORIZATION": {"Bearer t"}}, map[string]string{"Authorization": "Bearer t"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(r *http.Request) {
				t.Helper()
				for name, want := range tt.want {
					if got := strings.Join(r.Header[name], ","); got != want {
						t.Errorf("%s is %q, want %q", name, got, want)
					}
				}
			}
			bubble(t, func(t *testing.T) {
				done, far := dialled(t, t.Context(), tt.url, transport.DialOptions{Header: tt.header})
				r, answer := readRequest(t, far)
				check(r)
				_, _ = far.Write(answer)
				must(t, (<-done).err)
			})
			bubble(t, func(t *testing.T) {
				near, far := memnet.Pipe()
				closeAtEnd(t, near, far)
				tr := transport.NewWebSocketTransport(tt.url, transport.WithHeaders(tt.header),
					transport.WithDialContext(func(context.Context, string, string) (net.Conn, error) { return near, nil }))
				go tr.Connect(t.Context())
				r, answer := readRequest(t, far)
				check(r)
				if v := r.Header["Socket-Version"]; len(v) != 1 {
					t.Errorf("Socket-Version is %q, want one", v)
				}
				_, _ = far.Write(answer)
			})
		})
	}
}

func TestDialGivesUp(t *testing.T) {
	none := func(*testing.T, net.Conn) {}
	for name, tt := range map[string]struct {
		url   string
		proxy string
		peer  func(t *testing.T, nc net.Conn) // what it does before it falls silent
	}{
		"no answer": {"ws://server.test/", "", none},
		"half an answer": {"ws://server.test/", "", func(t *testing.T, nc net.Conn) {
			_, answer := readRequest(t, nc)
			_, _ = nc.Write(answer[:len(answer)-1])
		}},
		"an answer that goes on": {"ws://server.test/", "", func(t *testing.T, nc net.Conn) {
			readRequest(t, nc)
			_, _ = io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nX: ")
			for range 100 {
				_, _ = io.WriteString(nc, "x")
				time.Sleep(time.Second)
			}
		}},
		"an error whose body does not come": {"ws://server.test/", "", func(t *testing.T, nc net.Conn) {
			readRequest(t, nc)
			_, _ = io.WriteString(nc, "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n\r\n{")
		}},
		"no TLS":            {"wss://server.test/", "", none},
		"silent HTTP proxy": {"ws://server.test/", "http://proxy.test", none},
		"silent TLS proxy":  {"ws://server.test/", "https://proxy.test", none},
		"silent SOCKS":      {"ws://server.test/", "socks5://proxy.test", none},
		"proxy, no TLS": {"wss://server.test/", "http://proxy.test", func(t *testing.T, nc net.Conn) {
			_, err := http.ReadRequest(bufio.NewReader(nc))
			must(t, err)
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\n\r\n")
		}},
	} {
		opts := transport.DialOptions{Proxy: func(*http.Request) (*url.URL, error) {
			if tt.proxy == "" {
				return nil, nil
			}
			return url.Parse(tt.proxy)
		}}
		for how, want := range map[string]error{
			"default timeout": context.DeadlineExceeded,
			"own timeout":     context.DeadlineExceeded,
			"cancelled":       context.Canceled,
		} {
			t.Run(name+"/"+how, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					begin, after := time.Now(), 10*time.Second
					switch how {
					case "own timeout":
						opts.HandshakeTimeout = 3 * time.Second
						after = 3 * time.Second
					case "cancelled":
						opts.HandshakeTimeout = -1
						after = time.Minute
						time.AfterFunc(after, cancel)
					default:
						opts.HandshakeTimeout = 0
					}
					done, far := dialled(t, ctx, tt.url, opts)
					go tt.peer(t, far)
					r := <-done
					if !errors.Is(r.err, want) || since(begin) != after {
						t.Errorf("Dial() = %v after %v, want %v after %v", r.err, since(begin), want, after)
					}
					synctest.Wait()
					_ = far.SetReadDeadline(time.Now().Add(time.Millisecond))
					if _, err := io.Copy(io.Discard, far); err != nil {
						t.Errorf("the network connection is still open: %v", err)
					}
					time.Sleep(200 * time.Second) // for the script to end
				})
			})
		}
	}
}

func TestDialLeavesNoDeadlineBehind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done, far := dialled(t, ctx, "ws://server.test/", transport.DialOptions{})
		_, answer := readRequest(t, far)
		_, err := far.Write(answer)
		must(t, err)
		r := <-done
		must(t, r.err)
		cancel() // bounds the opening, not the connection
		time.Sleep(time.Hour)
		w := newWire(t, far, wsproto.RoleClient)
		w.send(w.text("later"))
		_, p, err := r.Read(t.Context())
		if string(p) != "later" || err != nil {
			t.Errorf("Read() = %q, %v", p, err)
		}
		must(t, r.CloseNow())
	})
}
