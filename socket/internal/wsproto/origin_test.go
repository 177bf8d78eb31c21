package wsproto_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// originRequest is a request to host with the given Origin lines.
func originRequest(host string, tls bool, origins ...string) wsproto.Request {
	r := wsproto.Request{Host: host, TLS: tls, Header: map[string][]string{}}
	if origins != nil {
		r.Header["Origin"] = origins
	}
	return r
}

// TestThreatC1_CVE_2026_27977_OriginMatrix sends each origin to several servers:
// over plain HTTP, over TLS, and behind a trusted proxy that ended TLS.
func TestThreatC1_CVE_2026_27977_OriginMatrix(t *testing.T) {
	tests := []struct {
		name   string
		host   string
		origin string
		plain  bool // let in over plain HTTP, where a proxy may have ended TLS
		tls    bool // let in over TLS, and behind a proxy that says https
		http   bool // let in behind a proxy that says http
	}{
		{"same http origin", "example.com", "http://example.com", true, false, true},
		{"same https origin", "example.com", "https://example.com", true, true, false},
		{"default port in the origin", "example.com", "https://example.com:443", true, true, false},
		{"default port in the host", "example.com:443", "https://example.com", true, true, false},
		{"http default port in the origin", "example.com", "http://example.com:80", true, false, true},
		{"http default port in the host", "example.com:80", "http://example.com", true, false, true},
		{"port of the other scheme", "example.com:443", "http://example.com", false, false, false},
		{"https on port 80", "example.com:80", "https://example.com", false, false, false},
		{"https on port 80, both say so", "example.com:80", "https://example.com:80", true, true, false},
		{"same port", "example.com:8080", "http://example.com:8080", true, false, true},
		{"other port", "example.com:8080", "http://example.com:8081", false, false, false},
		{"no port against one", "example.com:8080", "http://example.com", false, false, false},
		{"one against no port", "example.com", "http://example.com:8080", false, false, false},
		{"empty port in the host", "example.com:", "http://example.com", true, false, true},
		{"empty port in the origin", "example.com", "http://example.com:", false, false, false},
		{"upper case host", "EXAMPLE.com", "https://example.com", true, true, false},
		{"upper case origin", "example.com", "HTTPS://EXAMPLE.COM", true, true, false},

		{"null", "example.com", "null", false, false, false},
		{"NULL", "example.com", "NULL", false, false, false},
		{"null host", "null", "null", false, false, false},
		{"empty", "example.com", "", false, false, false},
		{"space", "example.com", " ", false, false, false},
		{"file", "example.com", "file://", false, false, false},
		{"opaque", "example.com", "about:blank", false, false, false},
		{"data", "example.com", "data:text/html,x", false, false, false},
		{"no scheme", "example.com", "example.com", false, false, false},
		{"no scheme, slashes", "example.com", "//example.com", false, false, false},
		{"empty scheme", "example.com", "://example.com", false, false, false},
		{"scheme that begins with a digit", "example.com", "1http://example.com", false, false, false},
		{"other scheme", "example.com", "ftp://example.com", false, false, false},
		{"extension", "example.com", "chrome-extension://example.com", false, false, false},
		{"ws scheme", "example.com", "ws://example.com", false, false, false},
		{"blob", "example.com", "blob:https://example.com", false, false, false},
		{"one slash", "example.com", "http:/example.com", false, false, false},
		{"three slashes", "example.com", "http:///example.com", false, false, false},

		{"suffix trick", "example.com", "https://evil-example.com", false, false, false},
		{"prefix trick", "example.com", "https://example.com.evil.org", false, false, false},
		{"subdomain", "example.com", "https://a.example.com", false, false, false},
		{"parent domain", "a.example.com", "https://example.com", false, false, false},
		{"trailing dot in the origin", "example.com", "https://example.com.", false, false, false},
		{"trailing dot in the host", "example.com.", "https://example.com", false, false, false},
		{"trailing dot in both", "example.com.", "https://example.com.", true, true, false},
		{"user", "example.com", "https://user@example.com", false, false, false},
		{"host as user", "example.com", "https://example.com@evil.org", false, false, false},
		{"user and password", "example.com", "https://a:b@example.com", false, false, false},
		{"path", "example.com", "https://example.com/", false, false, false},
		{"longer path", "example.com", "https://example.com/chat", false, false, false},
		{"query", "example.com", "https://example.com?a", false, false, false},
		{"fragment", "example.com", "https://example.com#a", false, false, false},
		{"backslash", "example.com", "https://example.com\\@evil.org", false, false, false},
		{"backslash before", "example.com", "https://evil.org\\example.com", false, false, false},
		{"percent-encoded", "example.com", "https://example%2Ecom", false, false, false},
		{"NUL", "example.com", "https://example.com\x00.evil.org", false, false, false},
		{"line break", "example.com", "https://example.com\r\n", false, false, false},
		{"tab", "example.com", "https://exam\tple.com", false, false, false},
		{"space in front", "example.com", " https://example.com", false, false, false},
		{"two origins, old syntax", "example.com", "https://example.com https://evil.org", false, false, false},
		{"two origins with a comma", "example.com", "https://example.com, https://evil.org", false, false, false},
		{"wildcard", "example.com", "https://*", false, false, false},
		{"underscore", "my_host", "http://my_host", true, false, true},

		{"international name in punycode", "xn--mnchen-3ya.de", "https://xn--mnchen-3ya.de", true, true, false},
		{"international name as it is", "xn--mnchen-3ya.de", "https://m\u00fcnchen.de", false, false, false},
		{"both as they are", "m\u00fcnchen.de", "https://m\u00fcnchen.de", false, false, false},
		{"full-width letters", "example.com", "https://\uff45xample.com", false, false, false},
		{"full-width dot", "example.com", "https://example\u3002com", false, false, false},
		{"Kelvin sign", "k.com", "https://\u212a.com", false, false, false},

		{"IPv4", "127.0.0.1:8080", "http://127.0.0.1:8080", true, false, true},
		{"IPv4 in another spelling", "127.0.0.1", "http://127.1", false, false, false},
		{"localhost is not an address", "127.0.0.1", "http://localhost", false, false, false},
		{"IPv6", "[::1]:8080", "http://[::1]:8080", true, false, true},
		{"IPv6 without a port", "[::1]", "https://[::1]", true, true, false},
		{"IPv6 by value", "[0:0:0:0:0:0:0:1]", "https://[::1]", true, true, false},
		{"IPv6 upper case", "[2001:DB8::A]", "https://[2001:db8::a]", true, true, false},
		{"IPv6 with a zone", "[fe80::1%25eth0]", "http://[fe80::1%25eth0]", false, false, false},
		{"other IPv6", "[::1]", "https://[::2]", false, false, false},
		{"IPv6 without brackets", "[::1]", "https://::1", false, false, false},
		{"IPv6 that does not end", "[::1]", "https://[::1", false, false, false},
		{"IPv6 and more", "[::1]", "https://[::1].evil.org", false, false, false},
		{"IPv4 in brackets", "127.0.0.1", "https://[127.0.0.1]", false, false, false},
		{"IPv4 as IPv6 is another host", "127.0.0.1", "https://[::ffff:127.0.0.1]", false, false, false},

		{"port 0", "example.com", "https://example.com:0", false, false, false},
		{"port with leading zeros", "example.com", "https://example.com:0443", false, false, false},
		{"port above 65535", "example.com", "https://example.com:65979", false, false, false},
		{"long port", "example.com", "https://example.com:4294967739", false, false, false},
		{"negative port", "example.com", "https://example.com:-443", false, false, false},
		{"two ports", "example.com", "https://example.com:443:443", false, false, false},
		{"C2 kemal 767: letters as port", "a:b", "http://a:b", false, false, false},

		{"no host", "", "https://example.com", false, false, false},
		{"C2 CVE-2026-14631: host that is none", "exa mple.com", "https://example.com", false, false, false},
		{"host with a user", "a@example.com", "https://example.com", false, false, false},
		{"host with a path", "example.com/a", "https://example.com", false, false, false},
	}
	proxy := wsproto.OriginPolicy{TrustForwardedProto: true}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			check := func(what string, p wsproto.OriginPolicy, r wsproto.Request, want bool) {
				t.Helper()
				refusal := p.Check(r)
				if (refusal == nil) != want {
					t.Errorf("%s: %q to %q: %+v, want let in %v", what, tt.origin, tt.host, refusal, want)
				}
				if refusal != nil {
					if checkRefusal(t, refusal); refusal.Status != 403 {
						t.Errorf("%s: status %d, want 403", what, refusal.Status)
					}
				}
			}
			check("plain", wsproto.OriginPolicy{}, originRequest(tt.host, false, tt.origin), tt.plain)
			check("TLS", wsproto.OriginPolicy{}, originRequest(tt.host, true, tt.origin), tt.tls)
			for proto, want := range map[string]bool{"https": tt.tls, "http": tt.http} {
				for _, tls := range []bool{false, true} {
					r := originRequest(tt.host, tls, tt.origin)
					r.Header["X-Forwarded-Proto"] = []string{proto}
					check("proxy "+proto, proxy, r, want)
					// The header of a client that nobody vouches for changes nothing.
					check("untrusted proxy", wsproto.OriginPolicy{}, r, tls && tt.tls || !tls && tt.plain)
				}
			}
			check("any", wsproto.OriginPolicy{AllowAny: true}, originRequest(tt.host, true, tt.origin), true)
			// Twice the same is still two.
			check("twice", wsproto.OriginPolicy{}, originRequest(tt.host, false, tt.origin, tt.origin), false)
		})
	}
}

// TestOriginAbsent: what no browser sent is not a browser's.
func TestOriginAbsent(t *testing.T) {
	for _, p := range []wsproto.OriginPolicy{{}, {TrustForwardedProto: true}, {Allowed: []string{"https://a.com"}}} {
		if r := p.Check(originRequest("example.com", true)); r != nil {
			t.Errorf("%+v: %+v", p, r)
		}
	}
}

// TestOriginAllowed compares with a list, exactly but for case and default ports.
func TestOriginAllowed(t *testing.T) {
	p := wsproto.OriginPolicy{Allowed: []string{"https://App.example.com", "http://localhost:3000", "capacitor://localhost", "https://[::1]:8443"}}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]bool{
		"https://app.example.com":     true,
		"https://app.example.com:443": true,
		"http://app.example.com":      false,
		"https://app.example.com:444": false,
		"https://b.app.example.com":   false,
		"http://localhost:3000":       true,
		"https://localhost:3000":      false,
		"http://localhost":            false,
		"capacitor://localhost":       true,
		"ionic://localhost":           false,
		"https://[0::1]:8443":         true,
		"https://server.example.com":  true, // the server's own
		"null":                        false,
		"":                            false,
	} {
		if got := p.Check(originRequest("server.example.com", true, origin)) == nil; got != want {
			t.Errorf("%q: let in %v, want %v", origin, got, want)
		}
	}
}

// TestOriginValidate names the entry that would never match.
func TestOriginValidate(t *testing.T) {
	for _, bad := range []string{
		"example.com", "https://", "https://example.com/", "https://*.example.com", "*", "null", "",
		"https://a@b.com", "https://a.com,https://b.com", "https://m\u00fcnchen.de", "https://a.com:", "http://a:b",
	} {
		err := wsproto.OriginPolicy{Allowed: []string{"https://good.com", bad}}.Validate()
		if err == nil || !strings.Contains(err.Error(), "\""+bad+"\"") {
			t.Errorf("%q: %v, want an error that names it", bad, err)
		}
	}
}

// TestForwardedProto takes one known scheme and refuses what no proxy that sets
// the header would send.
func TestForwardedProto(t *testing.T) {
	p := wsproto.OriginPolicy{TrustForwardedProto: true}
	tests := []struct {
		lines  []string
		origin string
		want   bool
	}{
		{nil, "https://a.com", true},
		{nil, "http://a.com", true},
		{[]string{"https"}, "https://a.com", true},
		{[]string{"HTTPS"}, "https://a.com", true},
		{[]string{"wss"}, "https://a.com", true},
		{[]string{"ws"}, "http://a.com", true},
		{[]string{"https"}, "http://a.com", false},
		{[]string{"http"}, "https://a.com", false},
		{[]string{"https,http"}, "https://a.com", false},
		{[]string{"https", "http"}, "https://a.com", false},
		{[]string{""}, "https://a.com", false},
		{[]string{"ftp"}, "https://a.com", false},
	}
	for _, tt := range tests {
		r := originRequest("a.com", false, tt.origin)
		if tt.lines != nil {
			r.Header["X-Forwarded-Proto"] = tt.lines
		}
		if got := p.Check(r) == nil; got != tt.want {
			t.Errorf("%q from %s: let in %v, want %v", tt.lines, tt.origin, got, tt.want)
		}
	}
}

// FuzzOrigin holds what is let in against net/url: the host that both parsers see
// in the origin is the one of the request.
func FuzzOrigin(f *testing.F) {
	f.Add("https://example.com", "example.com", true)
	f.Add("http://example.com:8080", "EXAMPLE.com:8080", false)
	f.Add("https://[::1]:443", "[0::1]", true)
	f.Add("null", "null", false)
	f.Add("https://example.com@evil.org", "example.com", true)
	f.Fuzz(func(t *testing.T, o, host string, tls bool) {
		r := originRequest(host, tls, o)
		refusal := wsproto.OriginPolicy{}.Check(r)
		if listed := (wsproto.OriginPolicy{Allowed: []string{o}}); (listed.Validate() == nil) != (listed.Check(r) == nil) && refusal != nil {
			t.Errorf("%q in the list: %v", o, listed.Check(r))
		}
		if refusal != nil {
			checkRefusal(t, refusal)
			return
		}
		u, err := url.Parse(o)
		if err != nil {
			t.Fatalf("net/url refuses %q: %v", o, err)
		}
		if u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
			t.Errorf("%q has more than an origin: %+v", o, u)
		}
		if tls && u.Scheme != "https" || u.Scheme != "http" && u.Scheme != "https" {
			t.Errorf("%q let in, TLS %v", o, tls)
		}
		want, err := url.Parse("x://" + host)
		if err != nil {
			t.Fatalf("net/url refuses host %q: %v", host, err)
		}
		same := strings.EqualFold(u.Hostname(), want.Hostname())
		if !same && !strings.Contains(host, "[") {
			t.Errorf("%q let in to host %q", o, host)
		}
	})
}
