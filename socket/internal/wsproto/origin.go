package wsproto

import (
	"fmt"
	"net/netip"
	"strings"
)

// OriginPolicy decides which web pages may connect. A browser states the page's
// origin in the Origin header of each WebSocket handshake and does not let the
// page change it; without a check any page on the web could use the connection
// in the name of its visitor, cookies included.
//
// The zero value lets in a request without the header, which is no browser's, and
// one whose origin is the server's own: the same scheme, host and port as the
// request was sent to.
//
//   - Ports are compared as numbers, with 80 for http and ws and 443 for https and
//     wss when there is none. Hosts are compared without regard to case, IPv6
//     addresses by value. A trailing dot counts: browsers too hold example.com and
//     example.com. for two origins.
//   - The scheme of the server is known when the connection is encrypted: then an
//     http origin is refused. A plain connection may come from a proxy that has
//     ended TLS, so both schemes are let in there, and a host without a port is
//     compared by the default port of the origin's own scheme.
//     TrustForwardedProto makes that exact again.
//   - Refused are the opaque origin null, which sandboxed and local pages of any
//     author have, more than one Origin header, and everything that is not the
//     plain form scheme://host[:port]: user names, paths, non-ASCII letters.
//
// A page whose own host name its owner lets point to this server (DNS rebinding)
// has the server's origin. A server that trusts everybody who can reach it, as
// tools on a developer's machine do, must also check the Host header.
type OriginPolicy struct {
	// Allowed are further origins of the form scheme://host[:port]. There are no
	// patterns. See [OriginPolicy.Validate].
	Allowed []string

	// AllowAny lets every page in, whatever its Origin header looks like.
	AllowAny bool

	// TrustForwardedProto takes the scheme of the server from the header
	// X-Forwarded-Proto where there is one. It is safe only behind a proxy that
	// sets the header on every request and drops what the client sent.
	TrustForwardedProto bool
}

// Validate returns an error that names the first of Allowed that is not of the
// form scheme://host[:port] and so would never match.
func (p OriginPolicy) Validate() error {
	for _, a := range p.Allowed {
		if _, ok := parseOrigin(a); !ok {
			return fmt.Errorf("allowed origin %.256q is not of the form scheme://host or scheme://host:port", a)
		}
	}
	return nil
}

// Check returns nil if the request may come from the page that it names, and the
// answer to give otherwise. It serves any kind of HTTP request, not only
// handshakes, and uses the fields Host, Header and TLS.
func (p OriginPolicy) Check(r Request) *Refusal {
	header := r.Header[originField]
	if p.AllowAny || len(header) == 0 {
		return nil
	}
	if len(header) > 1 {
		return refuse(403, "more than one Origin header")
	}
	o, ok := parseOrigin(header[0])
	if !ok {
		return refuse(403, "the Origin header is null or malformed")
	}
	for _, a := range p.Allowed {
		if allowed, ok := parseOrigin(a); ok && allowed == o {
			return nil
		}
	}
	scheme, ok := p.scheme(r, o.scheme)
	if !ok {
		return refuse(403, "malformed X-Forwarded-Proto header")
	}
	host, port, ok := parseAuthority(r.Host)
	if !ok {
		return refuse(403, "missing or malformed Host header")
	}
	if port == 0 {
		port = defaultPort(scheme)
	}
	if (origin{scheme, host, port}) != o {
		return refuse(403, "the Origin is not allowed")
	}
	return nil
}

// scheme returns the scheme that the request was sent with, as far as it is known,
// and otherwise the one that the origin claims, if it is a web page's at all.
func (p OriginPolicy) scheme(r Request, claimed string) (string, bool) {
	if p.TrustForwardedProto {
		if v := r.Header["X-Forwarded-Proto"]; len(v) > 0 {
			switch {
			case onlyToken(v, "https"), onlyToken(v, "wss"):
				return "https", true
			case onlyToken(v, "http"), onlyToken(v, "ws"):
				return "http", true
			}
			// A list shows that the proxy adds to the header and does not set it.
			return "", false
		}
	}
	if r.TLS {
		return "https", true
	}
	if claimed == "https" {
		return "https", true
	}
	return "http", true
}

// origin is an origin of RFC 6454 in a form that can be compared with ==.
type origin struct {
	scheme string // in small letters
	host   string // as parseAuthority returns it
	port   uint16 // 0: none, and the scheme has no default
}

// parseOrigin reads scheme://host[:port] and nothing else.
//
// RFC 6454 section 7.1: serialized-origin = scheme "://" host [ ":" port ].
func parseOrigin(s string) (origin, bool) {
	scheme, authority, ok := strings.Cut(s, "://")
	if !ok || !isScheme(scheme) || strings.HasSuffix(authority, ":") {
		return origin{}, false
	}
	host, port, ok := parseAuthority(authority)
	if !ok {
		return origin{}, false
	}
	o := origin{strings.ToLower(scheme), host, port}
	if port == 0 {
		o.port = defaultPort(o.scheme)
	}
	return o, true
}

// defaultPort returns the port of a scheme of the web, or 0.
func defaultPort(scheme string) uint16 {
	switch scheme {
	case "http", "ws":
		return 80
	case "https", "wss":
		return 443
	}
	return 0
}

// isScheme reports whether s is a scheme, RFC 3986 section 3.1.
func isScheme(s string) bool {
	for i := range len(s) {
		switch c := lower(s[i]); {
		case 'a' <= c && c <= 'z':
		case i > 0 && (isDigit(c) || c == '+' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return s != ""
}

// parseAuthority reads host[:port] as it stands in a Host header: no user name,
// ASCII only. The host comes back in small letters, and an IPv6 address in its one
// shortest form between brackets. Port 0 means that there is none.
func parseAuthority(s string) (host string, port uint16, ok bool) {
	if strings.HasPrefix(s, "[") {
		address, rest, found := strings.Cut(s[1:], "]")
		ip, err := netip.ParseAddr(address)
		// A zone means something to one machine only (RFC 6874 section 4).
		if !found || err != nil || !ip.Is6() || ip.Zone() != "" {
			return "", 0, false
		}
		host, s = "["+ip.String()+"]", rest
	} else {
		n := 0
		for n < len(s) && isHostByte(s[n]) {
			n++
		}
		if n == 0 {
			return "", 0, false
		}
		host, s = strings.ToLower(s[:n]), s[n:]
	}
	if s == "" || s == ":" {
		return host, 0, true
	}
	if s[0] != ':' {
		return "", 0, false
	}
	port, ok = parsePort(s[1:])
	return host, port, ok
}

// isHostByte reports whether c may stand in a host name: the unreserved characters
// of RFC 3986 section 2.3. Its reg-name allows more, which no name that can be
// looked up has.
func isHostByte(c byte) bool {
	switch c {
	case '-', '.', '_', '~':
		return true
	}
	c = lower(c)
	return 'a' <= c && c <= 'z' || isDigit(c)
}

// parsePort reads a port from 1 to 65535 without leading zeros.
func parsePort(s string) (uint16, bool) {
	if s == "" || len(s) > 5 || s[0] == '0' {
		return 0, false
	}
	port := 0
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, false
		}
		port = port*10 + int(s[i]-'0')
	}
	return uint16(port), port <= 65535
}
