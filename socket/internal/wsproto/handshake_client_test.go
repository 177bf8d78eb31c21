package wsproto_test

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

func goodDial() wsproto.DialRequest {
	return wsproto.DialRequest{Host: "example.com", Target: "/chat", Key: sampleKey}
}

func TestRFC6455_4_1_AppendRequest(t *testing.T) {
	d := goodDial()
	d.Subprotocols = []string{"chat", "superchat"}
	d.Extensions = "permessage-deflate"
	d.Header = map[string][]string{"X-B": {"2", "3"}, "Origin": {"http://example.com"}, "X-A": {""}}
	got, err := wsproto.AppendRequest([]byte("before "), d)
	want := "before GET /chat HTTP/1.1\r\n" +
		"Host: example.com\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: Upgrade\r\n" +
		"Sec-WebSocket-Key: " + sampleKey + "\r\n" +
		"Sec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Protocol: chat, superchat\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate\r\n" +
		"Origin: http://example.com\r\nX-A: \r\nX-B: 2\r\nX-B: 3\r\n\r\n"
	if err != nil || string(got) != want {
		t.Errorf("AppendRequest = %q, %v, want %q", got, err, want)
	}
}

// TestThreatC9_EveryByteInEveryField puts each of the 256 bytes into each value
// that a caller supplies, and compares with the sets of the RFCs written out.
func TestThreatC9_EveryByteInEveryField(t *testing.T) {
	const alnum = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	token := "!#$%&'*+-.^_`|~" + alnum
	visible := ""
	for c := byte(0x21); c < 0x7F; c++ {
		visible += string(rune(c))
	}
	text := visible + " \t"
	for c := 0x80; c < 0x100; c++ {
		text += string([]byte{byte(c)})
	}
	tests := []struct {
		name    string
		allowed string
		put     func(d *wsproto.DialRequest, s string)
	}{
		{"header name", token, func(d *wsproto.DialRequest, s string) { d.Header = map[string][]string{s: {"x"}} }},
		{"header value", text, func(d *wsproto.DialRequest, s string) { d.Header = map[string][]string{"X": {"ok", s}} }},
		{"subprotocol", token, func(d *wsproto.DialRequest, s string) { d.Subprotocols = []string{"ok", s} }},
		// A list and a parameter are fine in extensions.
		{"extensions", token + ",;=", func(d *wsproto.DialRequest, s string) { d.Extensions = "x;" + s }},
		// The colon of the port is tried below.
		{"host", "-._~" + alnum, func(d *wsproto.DialRequest, s string) { d.Host = s }},
		{"target", strings.ReplaceAll(visible, "#", ""), func(d *wsproto.DialRequest, s string) { d.Target = "/" + s }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for c := range 256 {
				s := "a" + string([]byte{byte(c)}) + "a"
				d := goodDial()
				tt.put(&d, s)
				got, err := wsproto.AppendRequest([]byte("before"), d)
				if allowed := strings.IndexByte(tt.allowed, byte(c)) >= 0; (err == nil) != allowed {
					t.Errorf("byte %#x: %v, want allowed %v", c, err, allowed)
				}
				if err != nil {
					if string(got) != "before" {
						t.Errorf("byte %#x: refused, but %q was appended", c, got)
					}
					continue
				}
				if !strings.Contains(string(got), s) {
					t.Errorf("byte %#x was changed: %q", c, got)
				}
			}
		})
	}
}

// TestThreatC9_Injection is the probe that found new headers on the wire with
// other libraries.
func TestThreatC9_Injection(t *testing.T) {
	const evil = "a\r\nX-Evil: 1"
	tests := []struct {
		name   string
		change func(*wsproto.DialRequest)
	}{
		{"host", func(d *wsproto.DialRequest) { d.Host = evil }},
		{"host with a bare LF (GO-2023-1878)", func(d *wsproto.DialRequest) { d.Host = "a\nX-Evil: 1" }},
		{"host with a request behind it", func(d *wsproto.DialRequest) { d.Host = "a\r\n\r\nGET /secret HTTP/1.1" }},
		{"host with a user", func(d *wsproto.DialRequest) { d.Host = "user:pass@a" }},
		{"host with a path", func(d *wsproto.DialRequest) { d.Host = "a/b" }},
		{"host with a zone", func(d *wsproto.DialRequest) { d.Host = "[fe80::1%25eth0]" }},
		{"empty host", func(d *wsproto.DialRequest) { d.Host = "" }},
		{"only a port", func(d *wsproto.DialRequest) { d.Host = ":80" }},
		{"port out of range", func(d *wsproto.DialRequest) { d.Host = "a:65536" }},
		{"port is no number", func(d *wsproto.DialRequest) { d.Host = "a:http" }},
		{"target", func(d *wsproto.DialRequest) { d.Target = "/" + evil }},
		{"target with a space", func(d *wsproto.DialRequest) { d.Target = "/ HTTP/1.0" }},
		{"target with a query", func(d *wsproto.DialRequest) { d.Target = "/?q=" + evil }},
		{"target with a fragment", func(d *wsproto.DialRequest) { d.Target = "/#x" }},
		{"absolute target", func(d *wsproto.DialRequest) { d.Target = "http://b/" }},
		{"empty target", func(d *wsproto.DialRequest) { d.Target = "" }},
		{"key", func(d *wsproto.DialRequest) { d.Key = evil }},
		{"key of another size", func(d *wsproto.DialRequest) { d.Key = "AAAA" }},
		{"subprotocol", func(d *wsproto.DialRequest) { d.Subprotocols = []string{evil} }},
		{"empty subprotocol", func(d *wsproto.DialRequest) { d.Subprotocols = []string{""} }},
		{"subprotocol twice", func(d *wsproto.DialRequest) { d.Subprotocols = []string{"a", "b", "a"} }},
		{"two subprotocols in one", func(d *wsproto.DialRequest) { d.Subprotocols = []string{"a,b"} }},
		{"extensions", func(d *wsproto.DialRequest) { d.Extensions = evil }},
		{"header name", func(d *wsproto.DialRequest) { d.Header = map[string][]string{evil: {"x"}} }},
		{"header name with a space before the colon", func(d *wsproto.DialRequest) { d.Header = map[string][]string{"Host ": {"x"}} }},
		{"header value", func(d *wsproto.DialRequest) { d.Header = map[string][]string{"A": {evil}} }},
		{"folded header value", func(d *wsproto.DialRequest) { d.Header = map[string][]string{"A": {"a\r\n b"}} }},
		{"header value that is whitespace", func(d *wsproto.DialRequest) { d.Header = map[string][]string{"A": {" "}} }},
		{"header value that ends in a line break", func(d *wsproto.DialRequest) { d.Header = map[string][]string{"Authorization": {"Bearer x\n"}} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := goodDial()
			tt.change(&d)
			got, err := wsproto.AppendRequest(nil, d)
			if err == nil || len(got) > 0 {
				t.Fatalf("AppendRequest = %q, %v, want an error", got, err)
			}
			if strings.ContainsAny(err.Error(), "\r\n") || strings.Contains(err.Error(), "Bearer") {
				t.Errorf("error %q repeats what it must not", err)
			}
		})
	}
}

// TestReservedHeaders cannot be set by the caller, in any spelling.
func TestReservedHeaders(t *testing.T) {
	for _, name := range []string{
		"Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Accept",
		"Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Sec-WebSocket-Anything", "Content-Length",
		"Transfer-Encoding", "Trailer", "TE", "Expect", "Keep-Alive", "Proxy-Connection", "HTTP2-Settings",
	} {
		for _, n := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			d := goodDial()
			d.Header = map[string][]string{n: {"x"}}
			if got, err := wsproto.AppendRequest(nil, d); err == nil {
				t.Errorf("%s is taken: %q", n, got)
			}
		}
	}
}

func TestRFC9112_ParseResponse(t *testing.T) {
	const head = "HTTP/1.1 101 Switching Protocols\r\n"
	tests := []struct {
		name string
		raw  string
		want string // status and header in normal form; empty: malformed
	}{
		{"plain", head + "A: b\r\n\r\n", "101 A=b"},
		{"no header", "HTTP/1.1 200 OK\r\n\r\n", "200"},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n", "200"},
		{"no reason", "HTTP/1.1 101 \r\n\r\n", "101"},
		{"no space after the code", "HTTP/1.1 101\r\n\r\n", "101"},
		{"reason in UTF-8", "HTTP/1.1 404 nicht gef\u00fcnden\r\n\r\n", "404"},
		{"any code", "HTTP/1.1 999 \r\n\r\n", "999"},
		{"whitespace around the value", head + "A: \t b c\t \r\n\r\n", "101 A=b c"},
		{"no whitespace", head + "A:b\r\n\r\n", "101 A=b"},
		{"empty value", head + "A:\r\n\r\n", "101 A="},
		{"canonical names", head + "sec-WEBSOCKET-accept: x\r\n\r\n", "101 Sec-Websocket-Accept=x"},
		{"same name twice", head + "a: 1\r\nA: 2\r\n\r\n", "101 A=1 A=2"},
		{"colon in the value", head + "A: b:c\r\n\r\n", "101 A=b:c"},

		{"9112 5.2: folded line", head + "A: b\r\n c\r\n\r\n", ""},
		{"9112 5.2: folded with a tab", head + "A: b\r\n\tc: d\r\n\r\n", ""},
		{"9112 2.2: whitespace before the first header", head + " A: b\r\n\r\n", ""},
		{"9112 5.1: whitespace before the colon", head + "A : b\r\n\r\n", ""},
		{"no colon", head + "A\r\n\r\n", ""},
		{"empty name", head + ": b\r\n\r\n", ""},
		{"name with a space", head + "A B: c\r\n\r\n", ""},
		{"non-ASCII name", head + "\u00c4: c\r\n\r\n", ""},
		{"9112 2.2: bare LF", "HTTP/1.1 101 x\nA: b\n\n", ""},
		{"bare LF at the end", head + "A: b\r\n\n", ""},
		{"bare CR in a value", head + "A: b\rC: d\r\n\r\n", ""},
		{"CR CR LF", head + "A: b\r\r\n\r\n", ""},
		{"NUL in a value", head + "A: b\x00\r\n\r\n", ""},
		{"DEL in a value", head + "A: b\x7f\r\n\r\n", ""},
		{"control byte in the reason", "HTTP/1.1 101 a\x1bb\r\n\r\n", ""},
		{"two digits", "HTTP/1.1 10 x\r\n\r\n", ""},
		{"four digits", "HTTP/1.1 1011 x\r\n\r\n", ""},
		{"leading zero", "HTTP/1.1 011 x\r\n\r\n", ""},
		{"no digits", "HTTP/1.1 abc x\r\n\r\n", ""},
		{"sign", "HTTP/1.1 +99 x\r\n\r\n", ""},
		{"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", ""},
		{"lower case", "http/1.1 200 OK\r\n\r\n", ""},
		{"two spaces", "HTTP/1.1  200 OK\r\n\r\n", ""},
		{"tab", "HTTP/1.1\t200 OK\r\n\r\n", ""},
		{"another protocol", "SSH-2.0-OpenSSH_9.6\r\n", ""},
		{"a TLS alert", "\x15\x03\x01\x00\x02\x02\x16", ""},
		{"empty line first", "\r\nHTTP/1.1 101 x\r\n\r\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const behind = "\x81\x05\r\n\r\n"
			r, n, err := wsproto.ParseResponse([]byte(tt.raw+behind), 0)
			if tt.want == "" {
				var malformed *wsproto.HandshakeError
				if !errors.As(err, &malformed) || n != 0 {
					t.Errorf("ParseResponse(%q) = %+v, %d, %v, want a handshake error", tt.raw, r, n, err)
				}
				return
			}
			if err != nil || n != len(tt.raw) || formatResponse(r) != tt.want {
				t.Errorf("ParseResponse(%q) = %q, %d, %v, want %q, %d", tt.raw, formatResponse(r), n, err, tt.want, len(tt.raw))
			}
			for k := range len(tt.raw) {
				if _, n, err := wsproto.ParseResponse([]byte(tt.raw[:k]), 0); n != 0 || err != nil {
					t.Errorf("the first %d bytes: %d, %v, want to need more", k, n, err)
				}
			}
		})
	}
}

// formatResponse writes a response whose header has one name.
func formatResponse(r wsproto.Response) string {
	s := fmt.Sprint(r.Status)
	for name, values := range r.Header {
		for _, v := range values {
			s += " " + name + "=" + v
		}
	}
	return s
}

// TestThreatC12_CVE_2022_31080_EndlessResponse stops at the limit, wherever the
// server never comes to an end.
func TestThreatC12_CVE_2022_31080_EndlessResponse(t *testing.T) {
	for _, unit := range []string{"A", "A: b\r\n", "\r", ":", " "} {
		start := "HTTP/1.1 101 x\r\n"
		raw := start + strings.Repeat(unit, 10_000)
		for _, n := range []int{4095, 4096, 4097, len(raw)} {
			_, k, err := wsproto.ParseResponse([]byte(raw[:n]), 0)
			var tooLong *wsproto.LimitError
			if want := n >= 4096; k != 0 || errors.As(err, &tooLong) != want {
				t.Errorf("%d bytes of %q: %d, %v, want a limit error: %v", n, unit, k, err, want)
			}
		}
	}
	// A head that just fits is taken, whatever comes behind it.
	head := "HTTP/1.1 101 x\r\nA: \r\n\r\n"
	head = strings.Replace(head, "A: ", "A: "+strings.Repeat("b", 4096-len(head)), 1)
	if _, n, err := wsproto.ParseResponse([]byte(head+"more"), 0); n != 4096 || err != nil {
		t.Errorf("a head of 4096 bytes: %d, %v", n, err)
	}
	if _, _, err := wsproto.ParseResponse([]byte(strings.Replace(head, "bb", "bbb", 1)), 0); err == nil {
		t.Error("a head of 4097 bytes is taken")
	}
	if _, n, err := wsproto.ParseResponse([]byte(head), 100); n != 0 || err == nil {
		t.Errorf("a limit of 100 bytes: %d, %v", n, err)
	}
}

// TestThreatC6_CVE_2021_32640_ParseResponseIsLinear parses up to 256 KiB of
// headers.
func TestThreatC6_CVE_2021_32640_ParseResponseIsLinear(t *testing.T) {
	parse := func(v string) { _, _, _ = wsproto.ParseResponse([]byte("HTTP/1.1 101 x\r\nA: "+v+"\r\n\r\n"), 4<<20) }
	wantLinear(t, parse)
	wantLinear(t, func(v string) { parse(strings.Repeat("b\r\nA: ", len(v)/6)) })
}

// TestInterim: a response with 1xx is followed by another, but for 101.
func TestInterim(t *testing.T) {
	for status, want := range map[int]bool{100: true, 101: false, 102: true, 103: true, 199: true, 200: false, 400: false} {
		if got := (wsproto.Response{Status: status}).Interim(); got != want {
			t.Errorf("status %d: %v, want %v", status, got, want)
		}
	}
}

// goodResponse answers sampleKey.
func goodResponse() wsproto.Response {
	return wsproto.Response{Status: 101, ProtoMinor: 1, Header: map[string][]string{
		"Upgrade":              {"websocket"},
		"Connection":           {"Upgrade"},
		"Sec-Websocket-Accept": {sampleAccept},
	}}
}

func TestRFC6455_4_1_CheckResponse(t *testing.T) {
	set := func(name string, lines ...string) func(*wsproto.Response) {
		return func(r *wsproto.Response) {
			if r.Header[name] = lines; lines == nil {
				delete(r.Header, name)
			}
		}
	}
	const (
		upgrade    = "Upgrade"
		connection = "Connection"
		accept     = "Sec-Websocket-Accept"
		protocol   = "Sec-Websocket-Protocol"
		extensions = "Sec-Websocket-Extensions"
	)
	tests := []struct {
		name        string
		change      func(*wsproto.Response)
		ok          bool
		subprotocol string
	}{
		{"as it is", func(*wsproto.Response) {}, true, ""},
		{"item 1: 200", func(r *wsproto.Response) { r.Status = 200 }, false, ""},
		{"item 1: 100", func(r *wsproto.Response) { r.Status = 100 }, false, ""},
		{"item 1: 302", func(r *wsproto.Response) { r.Status = 302 }, false, ""},
		{"HTTP/1.0", func(r *wsproto.Response) { r.ProtoMinor = 0 }, false, ""},
		{"item 2: no Upgrade", set(upgrade), false, ""},
		{"item 2: any case", set(upgrade, "WEBSocket"), true, ""},
		{"item 2: another", set(upgrade, "h2c"), false, ""},
		{"item 2: list", set(upgrade, "websocket, h2c"), false, ""},
		{"item 2: Kelvin sign", set(upgrade, "websoc\u212Aet"), false, ""},
		{"item 3: no Connection", set(connection), false, ""},
		{"item 3: any case in a list", set(connection, "keep-alive, UPGRADE"), true, ""},
		{"item 3: another", set(connection, "close"), false, ""},
		{"item 4: no accept", set(accept), false, ""},
		{"item 4: of another key", set(accept, "AAAAAAAAAAAAAAAAAAAAAAAAAAA="), false, ""},
		{"item 4: other case", set(accept, strings.ToLower(sampleAccept)), false, ""},
		{"item 4: the key itself", set(accept, sampleKey), false, ""},
		{"item 4: twice", set(accept, sampleAccept, sampleAccept), false, ""},
		{"item 5: extension without an offer", set(extensions, "permessage-deflate"), false, ""},
		{"item 5: malformed", set(extensions, ";"), false, ""},
		{"item 6: offered", set(protocol, "b"), true, "b"},
		{"item 6: not offered", set(protocol, "c"), false, ""},
		{"item 6: other case", set(protocol, "B"), false, ""},
		{"item 6: two", set(protocol, "a, b"), false, ""},
		{"item 6: two lines", set(protocol, "a", "b"), false, ""},
		{"item 6: empty", set(protocol, ""), false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := goodResponse()
			tt.change(&r)
			got, err := wsproto.CheckResponse(r, sampleKey, []string{"a", "b"}, nil)
			if (err == nil) != tt.ok || got.Subprotocol != tt.subprotocol || got.Compressed {
				t.Errorf("CheckResponse(%+v) = %+v, %v, want ok %v and %q", r, got, err, tt.ok, tt.subprotocol)
			}
			var failed *wsproto.HandshakeError
			if err != nil && !errors.As(err, &failed) {
				t.Errorf("error of type %T", err)
			}
		})
	}
	r := goodResponse()
	r.Header[protocol] = []string{"a"}
	if _, err := wsproto.CheckResponse(r, sampleKey, nil, nil); err == nil {
		t.Error("a subprotocol is accepted though none was offered")
	}
	got, err := wsproto.CheckResponse(goodResponse(), sampleKey, nil, &wsproto.DeflateOffer{})
	if err != nil || got.Compressed {
		t.Errorf("a declined offer: %+v, %v", got, err)
	}
}

// TestHandshakeErrorText names the status of a failed handshake.
func TestHandshakeErrorText(t *testing.T) {
	r := goodResponse()
	r.Status = 403
	_, err := wsproto.CheckResponse(r, sampleKey, nil, nil)
	const want = "websocket: handshake: the server does not switch to the WebSocket protocol (status 403)"
	if err == nil || err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	const plain = "websocket: handshake: the answer is not an HTTP/1 response"
	if _, _, err := wsproto.ParseResponse([]byte("SSH-2.0"), 0); err == nil || err.Error() != plain {
		t.Errorf("error %q, want %q", err, plain)
	}
}

// FuzzParseResponse compares with net/http: what we take, it takes with the same
// status and header. Any split gives the same.
func FuzzParseResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+sampleAccept+"\r\n\r\n"), uint16(20))
	f.Add([]byte("HTTP/1.1 103 \r\nLink: a\r\n\r\n"), uint16(3))
	f.Add([]byte("HTTP/1.0 404\r\nA: b\r\n c\r\n\r\n"), uint16(9))
	f.Fuzz(func(t *testing.T, b []byte, split uint16) {
		const limit = 1 << 10
		r, n, err := wsproto.ParseResponse(b, limit)
		if n > limit || n > len(b) || err != nil && n != 0 {
			t.Fatalf("ParseResponse(%q) = %d, %v", b, n, err)
		}
		if err == nil && n == 0 && len(b) >= limit {
			t.Fatalf("ParseResponse of %d bytes wants more", len(b))
		}
		if k := int(split); n > 0 && k < n {
			if _, m, err := wsproto.ParseResponse(b[:k], limit); m != 0 || err != nil {
				t.Errorf("%d of %d bytes: %d, %v", k, n, m, err)
			}
		}
		if n == 0 {
			return
		}
		h, err := http.ReadResponse(bufio.NewReader(strings.NewReader(string(b[:n]))), &http.Request{Method: "HEAD"})
		if err != nil {
			// net/http also looks into the fields that say how long a body is.
			if len(r.Header["Content-Length"]) > 0 || len(r.Header["Transfer-Encoding"]) > 0 || len(r.Header["Trailer"]) > 0 {
				return
			}
			t.Fatalf("net/http refuses %q: %v", b[:n], err)
		}
		if h.StatusCode != r.Status || h.ProtoMinor != r.ProtoMinor {
			t.Errorf("%q: %d HTTP/1.%d, want %d HTTP/1.%d", b[:n], r.Status, r.ProtoMinor, h.StatusCode, h.ProtoMinor)
		}
		for name, want := range h.Header {
			if got := r.Header[name]; strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("%q: header %s = %q, want %q", b[:n], name, got, want)
			}
		}
		wsproto.CheckResponse(r, sampleKey, []string{"a"}, &wsproto.DeflateOffer{ClientBits: 15})
	})
}
