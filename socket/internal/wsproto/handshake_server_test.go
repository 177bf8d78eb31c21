package wsproto_test

import (
	"bufio"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// goodRequest is the handshake of RFC 6455 section 1.2, with its subprotocols.
func goodRequest() wsproto.Request {
	return wsproto.Request{
		Method: "GET", ProtoMajor: 1, ProtoMinor: 1, Host: "server.example.com",
		Header: map[string][]string{
			"Upgrade":                {"websocket"},
			"Connection":             {"Upgrade"},
			"Sec-Websocket-Key":      {sampleKey},
			"Origin":                 {"http://example.com"},
			"Sec-Websocket-Protocol": {"chat, superchat"},
			"Sec-Websocket-Version":  {"13"},
		},
	}
}

// set returns a change to a request that sets the lines of a header, or removes it.
func set(name string, lines ...string) func(*wsproto.Request) {
	return func(r *wsproto.Request) {
		if r.Header[name] = lines; lines == nil {
			delete(r.Header, name)
		}
	}
}

func TestRFC6455_4_2_1_CheckUpgrade(t *testing.T) {
	const (
		upgrade    = "Upgrade"
		connection = "Connection"
		key        = "Sec-Websocket-Key"
		version    = "Sec-Websocket-Version"
		protocol   = "Sec-Websocket-Protocol"
		extensions = "Sec-Websocket-Extensions"
	)
	tests := []struct {
		name   string
		change func(*wsproto.Request)
		want   int // status of the refusal, 0: served
	}{
		{"as it is", func(*wsproto.Request) {}, 0},

		{"item 1: POST", func(r *wsproto.Request) { r.Method = "POST" }, 405},
		{"item 1: HEAD", func(r *wsproto.Request) { r.Method = "HEAD" }, 405},
		{"item 1: CONNECT", func(r *wsproto.Request) { r.Method = "CONNECT" }, 405},
		{"item 1: methods are case-sensitive", func(r *wsproto.Request) { r.Method = "get" }, 405},
		{"item 1: HTTP/1.0", func(r *wsproto.Request) { r.ProtoMinor = 0 }, 400},
		{"item 1: HTTP/2", func(r *wsproto.Request) { r.ProtoMajor, r.ProtoMinor = 2, 0 }, 400},
		{"a body", func(r *wsproto.Request) { r.ContentLength = 1 }, 400},
		{"a chunked body", func(r *wsproto.Request) { r.ContentLength = -1 }, 400},

		{"item 2: no Host", func(r *wsproto.Request) { r.Host = "" }, 400},
		{"item 2: Host with port", func(r *wsproto.Request) { r.Host = "[::1]:8080" }, 0},
		{"C2 CVE-2026-14631: Host that is none", func(r *wsproto.Request) { r.Host = "a:b" }, 400},
		{"C2: Host with a user", func(r *wsproto.Request) { r.Host = "a@b" }, 400},

		{"item 3: no Upgrade", set(upgrade), 426},
		{"item 3: any case", set(upgrade, "WebSocket"), 0},
		{"item 3: whitespace around", set(upgrade, " websocket\t"), 0},
		{"item 3: empty", set(upgrade, ""), 400},
		{"item 3: version", set(upgrade, "websocket/13"), 400},
		{"item 3: longer", set(upgrade, "websockets"), 400},
		{"item 3: Kelvin sign", set(upgrade, "websoc\u212Aet"), 400},
		{"item 3: long s", set(upgrade, "web\u017Focket"), 400},
		{"C5: h2c", set(upgrade, "h2c"), 400},
		{"C5: h2c before", set(upgrade, "h2c, websocket"), 400},
		{"C5: h2c behind", set(upgrade, "websocket, h2c"), 400},
		{"C5: h2c on another line", set(upgrade, "websocket", "h2c"), 400},
		{"C5: twice", set(upgrade, "websocket", "websocket"), 400},

		{"item 4: no Connection", set(connection), 400},
		{"item 4: Firefox", set(connection, "keep-alive, Upgrade"), 0},
		{"item 4: any case, second line", set(connection, "keep-alive", "x,UPGRADE ,y"), 0},
		{"item 4: only close", set(connection, "close"), 400},
		{"item 4: part of a token", set(connection, "upgrade-insecure, xupgrade"), 400},
		{"item 4: two words", set(connection, "keep-alive upgrade"), 400},

		{"item 5: no key", set(key), 400},
		{"item 5: empty key", set(key, ""), 400},
		{"item 5: two keys", set(key, sampleKey, sampleKey), 400},
		{"item 5: 15 bytes", set(key, "AAAAAAAAAAAAAAAAAAAA"), 400},
		{"item 5: 17 bytes", set(key, "AAAAAAAAAAAAAAAAAAAAAAA="), 400},
		{"item 5: 18 bytes", set(key, "AAAAAAAAAAAAAAAAAAAAAAAA"), 400},
		{"item 5: no padding", set(key, "AAAAAAAAAAAAAAAAAAAAAA"), 400},
		{"item 5: URL alphabet", set(key, "-_AAAAAAAAAAAAAAAAAAAA=="), 400},
		{"item 5: line break", set(key, "AAAAAAAAAAAAAAAAAAAA\r\nA="), 400},
		{"item 5: two keys on a line", set(key, sampleKey+","+sampleKey), 400},
		{"item 5: whitespace around", set(key, " "+sampleKey+" "), 0},

		{"item 6: no version", set(version), 426},
		{"item 6: version 8", set(version, "8"), 426},
		{"item 6: version 777", set(version, "777"), 426},
		{"item 6: leading zero", set(version, "013"), 426},
		{"item 6: list", set(version, "13, 8"), 426},
		{"item 6: two headers", set(version, "13", "13"), 400},

		{"item 8: no subprotocol", set(protocol), 0},
		{"item 8: two lines", set(protocol, "a", "b, c"), 0},
		{"item 8: empty elements", set(protocol, ", a,,b,"), 0},
		{"item 8: empty", set(protocol, ""), 400},
		{"item 8: only commas", set(protocol, ",,"), 400},
		{"item 8: not a token", set(protocol, "a b"), 400},
		{"item 8: separators", set(protocol, "a;b"), 400},
		{"item 8: quoted", set(protocol, `"a"`), 400},
		{"item 8: named twice", set(protocol, "a, b, a"), 400},
		{"item 8: named twice on two lines", set(protocol, "a", "a"), 400},
		{"item 8: case tells them apart", set(protocol, "a, A"), 0},
		{"C6: non-ASCII subprotocol", set(protocol, "caf\u00e9"), 400},
		{"C6: 32 subprotocols", set(protocol, numbers(32)), 0},
		{"C6: 33 subprotocols", set(protocol, numbers(33)), 400},
		{"C6: subprotocols of 1 KiB", set(protocol, strings.Repeat("a", 1023)), 0},
		{"C6: subprotocols beyond 1 KiB", set(protocol, strings.Repeat("a", 1024)), 431},
		{"C6 CVE-2024-37890: 2000 lines", set(protocol, make([]string, 2000)...), 431},

		{"item 9: an extension", set(extensions, "foo; a=1"), 0},
		{"item 9: empty", set(extensions, ""), 400},
		{"item 9: malformed", set(extensions, "permessage-deflate;"), 400},
		{"item 9: a bad parameter only declines", set(extensions, "permessage-deflate; server_max_window_bits=99"), 0},
		{"C6: non-ASCII extension", set(extensions, "f\u00e9"), 400},
		{"C6: 8 extensions", set(extensions, numbers(8)), 0},
		{"C6: 9 extensions", set(extensions, numbers(9)), 400},
		{"C6: 20 million bytes (CVE-2023-43669)", set(extensions, strings.Repeat("a", 20_000_000)), 431},
		{"C6: long key", set(key, strings.Repeat("A", 2000)), 431},
		{"C6: long version", set(version, strings.Repeat("1", 2000)), 431},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := goodRequest()
			tt.change(&r)
			offer, refusal := wsproto.CheckUpgrade(r)
			got := 0
			if refusal != nil {
				got = refusal.Status
				checkRefusal(t, refusal)
			} else if offer.Key != sampleKey {
				t.Errorf("Key = %q", offer.Key)
			}
			if got != tt.want {
				t.Errorf("status %d, want %d (%+v)", got, tt.want, refusal)
			}
		})
	}
}

// numbers returns a list of n tokens.
func numbers(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprint(i))
	}
	return strings.Join(list, ",")
}

// checkRefusal checks what holds for every refusal.
//
// C3: a connection on which an upgrade was refused is closed, since a proxy in
// front may already treat it as a tunnel and pass on what it would have refused.
func checkRefusal(t *testing.T, r *wsproto.Refusal) {
	t.Helper()
	if r.Header["Connection"] != "close" {
		t.Errorf("refusal %d lacks Connection: close: %v", r.Status, r.Header)
	}
	if r.Reason == "" || strings.ContainsAny(r.Reason, "\r\n") {
		t.Errorf("refusal %d with reason %q", r.Status, r.Reason)
	}
	switch {
	// RFC 9110 section 15.5.22.
	case r.Status == 426 && r.Header["Upgrade"] != "websocket":
		t.Errorf("426 without Upgrade: %v", r.Header)
	// RFC 9110 section 15.5.6.
	case r.Status == 405 && r.Header["Allow"] != "GET":
		t.Errorf("405 without Allow: %v", r.Header)
	case r.Status < 400 || r.Status > 499:
		t.Errorf("refusal with status %d", r.Status)
	}
}

// TestRFC6455_4_4_VersionNegotiation answers with the version that we speak.
func TestRFC6455_4_4_VersionNegotiation(t *testing.T) {
	r := goodRequest()
	r.Header["Sec-Websocket-Version"] = []string{"25"}
	_, refusal := wsproto.CheckUpgrade(r)
	if refusal == nil || refusal.Status != 426 || refusal.Header["Sec-WebSocket-Version"] != "13" {
		t.Errorf("refusal %+v, want 426 with Sec-WebSocket-Version: 13", refusal)
	}
}

// TestOfferLists keeps the order of what the client names.
func TestOfferLists(t *testing.T) {
	r := goodRequest()
	r.Header["Sec-Websocket-Protocol"] = []string{" b ,a", "c"}
	r.Header["Sec-Websocket-Extensions"] = []string{"x; y", "z"}
	offer, refusal := wsproto.CheckUpgrade(r)
	if refusal != nil {
		t.Fatalf("refused: %+v", refusal)
	}
	if want := []string{"b", "a", "c"}; !slices.Equal(offer.Subprotocols, want) {
		t.Errorf("Subprotocols = %q, want %q", offer.Subprotocols, want)
	}
	if got := format(offer.Extensions); got != "x; y, z" {
		t.Errorf("Extensions = %q", got)
	}
}

// TestIsUpgrade tells who asks for WebSocket, however badly.
func TestIsUpgrade(t *testing.T) {
	for _, tt := range []struct {
		lines []string
		want  bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"h2c"}, false},
		{[]string{"websockets"}, false},
		{[]string{"websoc\u212Aet"}, false},
		{[]string{"websocket"}, true},
		{[]string{"WEBSOCKET"}, true},
		{[]string{"h2c, websocket"}, true},
		{[]string{"h2c", " websocket "}, true},
	} {
		if got := wsproto.IsUpgrade(map[string][]string{"Upgrade": tt.lines}); got != tt.want {
			t.Errorf("IsUpgrade(%q) = %v, want %v", tt.lines, got, tt.want)
		}
	}
}

// TestThreatC6_CVE_2021_32640_HeaderFlood gives each header of a handshake
// 256 KiB of what hurts, on one line and on 2000.
func TestThreatC6_CVE_2021_32640_HeaderFlood(t *testing.T) {
	check := func(name string, lines []string) {
		r := goodRequest()
		r.Header[name] = lines
		wsproto.IsUpgrade(r.Header)
		if _, refusal := wsproto.CheckUpgrade(r); refusal != nil {
			checkRefusal(t, refusal)
		}
		if refusal := (wsproto.OriginPolicy{}).Check(r); refusal != nil {
			checkRefusal(t, refusal)
		}
	}
	for name := range goodRequest().Header {
		wantLinear(t, func(v string) { check(name, []string{v}) })
		wantLinear(t, func(v string) { check(name, slices.Repeat([]string{v[:100]}, len(v)/100)) })
	}
}

func TestRFC6455_4_2_2_AppendAccept(t *testing.T) {
	got, err := wsproto.AppendAccept([]byte("before "), wsproto.Accept{Key: sampleKey, Subprotocol: "chat"})
	want := "before HTTP/1.1 101 Switching Protocols\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + sampleAccept + "\r\n" +
		"Sec-WebSocket-Protocol: chat\r\n\r\n"
	if err != nil || string(got) != want {
		t.Errorf("AppendAccept = %q, %v, want %q", got, err, want)
	}
}

// TestThreatC9_AppendAcceptRefuses lets nothing through that would be more than
// one header.
func TestThreatC9_AppendAcceptRefuses(t *testing.T) {
	type headers = map[string][]string
	tests := []struct {
		name   string
		accept wsproto.Accept
	}{
		{"key", wsproto.Accept{Key: "abc\r\nX: 1"}},
		{"no key", wsproto.Accept{}},
		{"subprotocol", wsproto.Accept{Key: sampleKey, Subprotocol: "a\r\nX: 1"}},
		{"two subprotocols", wsproto.Accept{Key: sampleKey, Subprotocol: "a, b"}},
		{"extensions", wsproto.Accept{Key: sampleKey, Extensions: "a\r\nX: 1"}},
		{"header name", wsproto.Accept{Key: sampleKey, Header: headers{"A\r\nX": {"1"}}}},
		{"header name with a colon", wsproto.Accept{Key: sampleKey, Header: headers{"A:": {"1"}}}},
		{"empty header name", wsproto.Accept{Key: sampleKey, Header: headers{"": {"1"}}}},
		{"header value", wsproto.Accept{Key: sampleKey, Header: headers{"A": {"1\r\nX: 1"}}}},
		{"second header value", wsproto.Accept{Key: sampleKey, Header: headers{"A": {"1", "1\nX: 1"}}}},
		{"Upgrade", wsproto.Accept{Key: sampleKey, Header: headers{"upgrade": {"h2c"}}}},
		{"Connection", wsproto.Accept{Key: sampleKey, Header: headers{"Connection": {"close"}}}},
		{"accept", wsproto.Accept{Key: sampleKey, Header: headers{"sec-websocket-accept": {"x"}}}},
		{"Content-Length", wsproto.Accept{Key: sampleKey, Header: headers{"Content-Length": {"5"}}}},
		{"Transfer-Encoding", wsproto.Accept{Key: sampleKey, Header: headers{"transfer-encoding": {"chunked"}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := wsproto.AppendAccept([]byte("before"), tt.accept)
			if err == nil || string(got) != "before" {
				t.Errorf("AppendAccept = %q, %v, want an error", got, err)
			}
		})
	}
}

// FuzzCheckUpgrade throws raw requests at net/http and then at CheckUpgrade. What
// is served can be answered, and any client of ours understands the answer.
func FuzzCheckUpgrade(f *testing.F) {
	f.Add([]byte("GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: " + sampleKey + "\r\nOrigin: http://server.example.com\r\n" +
		"Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"))
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c, websocket\r\nConnection: Upgrade\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(raw))))
		if err != nil {
			return
		}
		r := wsproto.Request{
			Method: h.Method, ProtoMajor: h.ProtoMajor, ProtoMinor: h.ProtoMinor,
			Host: h.Host, Header: h.Header, ContentLength: h.ContentLength,
		}
		if refusal := (wsproto.OriginPolicy{}).Check(r); refusal != nil {
			checkRefusal(t, refusal)
		}
		offer, refusal := wsproto.CheckUpgrade(r)
		if refusal != nil {
			checkRefusal(t, refusal)
			return
		}
		if !wsproto.IsUpgrade(r.Header) {
			t.Error("served, but IsUpgrade = false")
		}
		a := wsproto.Accept{Key: offer.Key}
		if len(offer.Subprotocols) > 0 {
			a.Subprotocol = offer.Subprotocols[0]
		}
		_, a.Extensions, _ = wsproto.AcceptDeflate(offer.Extensions, wsproto.DeflatePolicy{})
		b, err := wsproto.AppendAccept(nil, a)
		if err != nil {
			t.Fatalf("AppendAccept(%+v): %v", a, err)
		}
		response, n, err := wsproto.ParseResponse(b, 0)
		if n != len(b) || err != nil {
			t.Fatalf("ParseResponse(%q) = %d, %v", b, n, err)
		}
		if a.Extensions == "" {
			if _, err := wsproto.CheckResponse(response, offer.Key, offer.Subprotocols, nil); err != nil {
				t.Errorf("CheckResponse(%q): %v", b, err)
			}
		}
	})
}
