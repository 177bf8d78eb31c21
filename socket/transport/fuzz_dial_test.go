package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// recorder is a network that takes what is sent on each connection and answers
// with the end of it, once a request's head has come.
type recorder struct {
	group sync.WaitGroup
	mu    sync.Mutex // guards got
	got   []*bytes.Buffer
}

func (r *recorder) dial(context.Context, string, string) (net.Conn, error) {
	near, far := memnet.Pipe()
	buf := new(bytes.Buffer)
	r.mu.Lock()
	r.got = append(r.got, buf)
	r.mu.Unlock()
	r.group.Go(func() {
		defer far.Close()
		p := make([]byte, 4<<10)
		for !bytes.Contains(buf.Bytes(), []byte("\r\n\r\n")) && buf.Len() < 1<<20 {
			n, err := far.Read(p)
			buf.Write(p[:n])
			if err != nil {
				return
			}
			if buf.Bytes()[0] == 0x16 {
				return // a TLS handshake
			}
		}
	})
	return near, nil
}

// sent waits and returns what came over each connection.
func (r *recorder) sent() (all []string) {
	r.group.Wait()
	for _, buf := range r.got {
		all = append(all, buf.String())
	}
	return all
}

// wireRequest is a request as it is on the wire.
type wireRequest struct {
	line   string
	fields map[string][]string // by canonical name
	parsed *http.Request
}

// readOneRequest takes exactly one request without a body apart, without any of the
// tolerance that net/http has, and compares with what net/http reads.
func readOneRequest(t *testing.T, raw string) wireRequest {
	t.Helper()
	head, rest, ok := strings.Cut(raw, "\r\n\r\n")
	if !ok || rest != "" {
		t.Fatalf("%q is not one request", raw)
	}
	lines := strings.Split(head, "\r\n")
	r := wireRequest{line: lines[0], fields: make(map[string][]string)}
	for _, line := range lines {
		if strings.ContainsAny(line, "\r\n\x00") || strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
			t.Fatalf("the line %q of %q", line, raw)
		}
	}
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ": ")
		if !ok || name == "" || strings.ContainsAny(name, " \t:") {
			t.Fatalf("the header line %q of %q", line, raw)
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		r.fields[name] = append(r.fields[name], value)
	}
	if words := strings.Split(r.line, " "); len(words) != 3 || words[2] != "HTTP/1.1" {
		t.Fatalf("the request line %q", r.line)
	}
	in := bufio.NewReader(strings.NewReader(raw))
	var err error
	if r.parsed, err = http.ReadRequest(in); err != nil {
		t.Fatalf("net/http reads %q with %v", raw, err)
	}
	if in.Buffered() > 0 || r.parsed.ContentLength > 0 {
		t.Fatalf("net/http finds something behind the request %q", raw)
	}
	return r
}

// wantFields fails unless the request has these fields, besides those of the
// protocol, and no more.
func (r wireRequest) wantFields(t *testing.T, protocol []string, want map[string][]string) {
	t.Helper()
	for name, values := range r.fields {
		if ours, ok := want[name]; ok {
			if !slices.Equal(values, ours) {
				t.Fatalf("the header %s is %q on the wire, %q was asked for", name, values, ours)
			}
			continue
		}
		if !slices.Contains(protocol, name) || len(values) != 1 {
			t.Fatalf("the header %s: %q was not asked for", name, values)
		}
	}
	for name, values := range want {
		if agent := name == "User-Agent" && values[0] == ""; !agent && r.fields[name] == nil { // net/http sends no empty one
			t.Fatalf("the header %s is not on the wire", name)
		}
	}
}

var urlSeeds = []struct{ url, name, value string }{
	{"ws://example.com/socket", "Authorization", "Bearer a.b.c"},
	{"ws://user:pass%0d%0a@[::1]:8080/a%20b?q=1&r=%0d%0a", "Cookie", "a=b; c=d"},
	{"ws://example.com?x=y\r\nEvil: 1", "X", "1\r\nEvil: 2"},
	{"ws://ex%0d%0aample.com/", "Evil: 1\r\nX", "v"},
	{"ws://a/\x00", "Host", "other"},
	{"ws://a b/", "Sec-WebSocket-Key", "x"},
	{"ws://[fe80::1%25eth0]/", "content-length", "5"},
	{"ws://ü.example/ä?ö", "X-Ü", "ä"},
	{"wss://example.com", "Transfer-Encoding", "chunked"},
	{"http://example.com/a/../b//c;d", "Origin", "http://a"},
	{"https://example.com#f", "Upgrade", "websocket"},
	{"ws:opaque", "", ""},
	{"ws://a:99999/%", "X", " spaces "},
	{"ws://a?", "X", "tab\tinside"},
}

// FuzzDial dials with any URL, header and subprotocols. What is written is exactly
// one request with exactly those, or nothing and an error.
func FuzzDial(f *testing.F) {
	for i, s := range urlSeeds {
		f.Add(s.url, s.name, s.value, []string{"", "chat", "chat,super chat", "a,b,a", "a\r\nEvil: 1"}[i%5], i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, rawURL, name, value, protocols string, compression bool) {
		if strings.EqualFold(name, "X-Fixed") {
			return
		}
		var r recorder
		opts := &transport.DialOptions{
			Header:      http.Header{name: {value, value}, "X-Fixed": {"1"}},
			Compression: transport.Compressed(compression),
			DialContext: r.dial,
			Proxy:       func(*http.Request) (*url.URL, error) { return nil, nil },
		}
		if protocols != "" {
			opts.Subprotocols = strings.Split(protocols, ",")
		}
		c, err := transport.Dial(context.Background(), rawURL, opts)
		if err == nil {
			c.CloseNow()
			t.Fatal("the end of the connection was taken for an answer")
		}
		for _, raw := range r.sent() {
			if strings.HasPrefix(raw, "\x16") {
				continue
			}
			w := readOneRequest(t, raw)
			u, err := url.Parse(rawURL)
			if err != nil {
				t.Fatalf("a request for %q, which is no URL: %v", rawURL, err)
			}
			if want := "GET " + u.RequestURI() + " HTTP/1.1"; w.line != want || w.parsed.Host != u.Host {
				t.Fatalf("%q to %q for %q", w.line, w.parsed.Host, rawURL)
			}
			want := map[string][]string{"X-Fixed": {"1"}}
			want[textproto.CanonicalMIMEHeaderKey(name)] = []string{value, value}
			if protocols != "" {
				want["Sec-Websocket-Protocol"] = []string{strings.Join(opts.Subprotocols, ", ")}
			}
			w.wantFields(t, []string{"Host", "Upgrade", "Connection", "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Extensions", "Authorization"}, want)
			if _, given := want["Authorization"]; w.fields["Authorization"] != nil && !given && u.User == nil {
				t.Fatalf("%q has credentials that nobody gave", raw)
			}
		}
	})
}

// FuzzPollingDial is FuzzDial for long polling, whose requests net/http writes.
func FuzzPollingDial(f *testing.F) {
	for _, s := range urlSeeds {
		f.Add(strings.Replace(s.url, "ws", "http", 1), s.name, s.value)
	}
	f.Add("http://a/?transport=x&ack=1&seq=2&wait=3&keep=4", "host", "a b")
	f.Add("http://a/?a=1;b=2", "User-Agent", "")
	f.Fuzz(func(t *testing.T, rawURL, name, value string) {
		if strings.EqualFold(name, "X-Fixed") {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			var r recorder
			p := transport.NewLongPollingTransport(rawURL,
				transport.WithHeaders(map[string][]string{name: {value}, "X-Fixed": {"1"}}),
				transport.WithDialContext(r.dial))
			if err := p.Connect(context.Background()); err == nil {
				t.Error("the end of the connection was taken for an answer")
			}
			p.Close()
			for _, raw := range r.sent() {
				if strings.HasPrefix(raw, "\x16") {
					continue
				}
				w := readOneRequest(t, raw)
				u, err := url.Parse(rawURL)
				if err != nil {
					t.Fatalf("a request for %q, which is no URL: %v", rawURL, err)
				}
				path := (&url.URL{Path: u.Path, RawPath: u.RawPath, Opaque: u.Opaque, Scheme: u.Scheme, Host: u.Host}).RequestURI()
				if method, target, _ := strings.Cut(w.line, " "); method != "POST" || !strings.HasPrefix(target, path) {
					t.Fatalf("%q for %q", w.line, rawURL)
				}
				if q := w.parsed.URL.Query(); fmt.Sprint(q["transport"], q["ack"], q["seq"], q["wait"]) != "[polling] [] [] []" {
					t.Fatalf("the query is %v", q)
				}
				want := map[string][]string{"X-Fixed": {"1"}}
				want[textproto.CanonicalMIMEHeaderKey(name)] = []string{value}
				w.wantFields(t, []string{"Host", "User-Agent", "Content-Length", "Accept-Encoding", "Authorization"}, want)
			}
		})
	})
}

// FuzzAcceptHeader accepts with any response header and subprotocol of the
// application. The answer is one response head with exactly those, or a refusal.
func FuzzAcceptHeader(f *testing.F) {
	for _, s := range urlSeeds {
		f.Add(s.name, s.value, s.value)
	}
	f.Add("Set-Cookie", "a=b", "chat")
	f.Add("Sec-WebSocket-Accept", "x", "chat")
	f.Fuzz(func(t *testing.T, name, value, protocol string) {
		near, far := memnet.Pipe()
		defer far.Close()
		w := &hijackable{header: make(http.Header), nc: near}
		r := &http.Request{Method: "GET", ProtoMajor: 1, ProtoMinor: 1, Host: "a", URL: &url.URL{Path: "/"}, Header: http.Header{
			"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Protocol": {protocol},
		}}
		c, err := transport.Accept(w, r, &transport.AcceptOptions{Header: http.Header{name: {value}}, Subprotocols: []string{protocol}})
		near.Close()
		raw, _ := io.ReadAll(far) // a memnet.Conn that was closed gives what it has
		if err != nil {
			if len(raw) > 0 || w.status < 400 {
				t.Fatalf("%v: status %d and %q", err, w.status, raw)
			}
			return
		}
		c.CloseNow()
		head, rest, ok := strings.Cut(string(raw), "\r\n\r\n")
		if !ok || rest != "" {
			t.Fatalf("%q is not one response", raw)
		}
		want := []string{"HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", name + ": " + value}
		if c.Subprotocol() != "" {
			want = append(want, "Sec-WebSocket-Protocol: "+c.Subprotocol())
		}
		got := strings.Split(head, "\r\n")
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) || c.Subprotocol() != "" && c.Subprotocol() != protocol {
			t.Fatalf("the response has the lines %q, want %q", got, want)
		}
	})
}

// hijackable is a ResponseWriter that gives its connection away.
type hijackable struct {
	header http.Header
	status int
	nc     net.Conn
}

func (w *hijackable) Header() http.Header         { return w.header }
func (w *hijackable) WriteHeader(status int)      { w.status = status }
func (w *hijackable) Write(p []byte) (int, error) { return len(p), nil }
func (w *hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.nc, bufio.NewReadWriter(bufio.NewReader(w.nc), bufio.NewWriter(w.nc)), nil
}
