package wsproto

import (
	"errors"
	"fmt"
)

// The bounds of an opening handshake. The size counts all lines of one
// Sec-WebSocket field together.
const (
	maxSubprotocols = 32
	maxFieldSize    = 1 << 10
)

// Request is the client's half of an opening handshake, as an HTTP server has
// parsed it. The keys of Header are spelled as net/http spells them, and Host is
// kept apart from it as net/http does.
type Request struct {
	Method     string
	ProtoMajor int
	ProtoMinor int
	Host       string
	Header     map[string][]string

	// ContentLength is the length of the request's body, -1 if it has one of
	// unknown length.
	ContentLength int64

	// TLS says that the connection that the request came on is encrypted. It
	// concerns [OriginPolicy] only.
	TLS bool
}

// Offer is what a valid opening handshake asks for. Its strings are parts of the
// request.
type Offer struct {
	Key          string
	Subprotocols []string
	Extensions   []Extension
}

// Refusal is the HTTP response to a request that is not served. Reason is a fixed
// text without anything of the request in it. Header always has "Connection:
// close": what the peer has sent behind the request was meant for another
// protocol, and a proxy that has already switched to it must not be able to pass
// those bytes on as a further request.
type Refusal struct {
	Status int
	Reason string
	Header map[string]string
}

// refuse returns a refusal with the given header names and values.
func refuse(status int, reason string, header ...string) *Refusal {
	h := map[string]string{connectionField: "close"}
	for i := 0; i+1 < len(header); i += 2 {
		h[header[i]] = header[i+1]
	}
	return &Refusal{Status: status, Reason: reason, Header: h}
}

// IsUpgrade reports whether a request asks for WebSocket, well or badly: whether
// its Upgrade header names it. A request that does must be answered by
// [CheckUpgrade] and by nothing else.
func IsUpgrade(header map[string][]string) bool {
	return hasToken(header[upgradeField], "websocket")
}

// CheckUpgrade checks a request against RFC 6455 section 4.2.1 and returns what
// it offers, or how to refuse it. It does not look at the Origin header: see
// [OriginPolicy]. Its work is bounded: at most 32 subprotocols, 8 extensions and
// 1 KiB for each Sec-WebSocket field.
func CheckUpgrade(r Request) (Offer, *Refusal) {
	if r.Method != "GET" {
		return Offer{}, refuse(405, "a WebSocket handshake is a GET request", "Allow", "GET")
	}
	// Item 1: an HTTP/1.1 or higher GET request. In HTTP/2 and 3 there is no
	// Upgrade header; RFC 8441 has another handshake for them.
	if r.ProtoMajor != 1 || r.ProtoMinor < 1 {
		return Offer{}, refuse(400, "a WebSocket handshake is an HTTP/1.1 request")
	}
	// Item 2.
	if _, _, ok := parseAuthority(r.Host); !ok {
		return Offer{}, refuse(400, "missing or malformed Host header")
	}
	// Item 3. A list is refused: whoever reads it in front of us may have chosen
	// another protocol of it, such as h2c.
	if len(r.Header[upgradeField]) == 0 {
		return Offer{}, refuse(426, "missing Upgrade header", upgradeField, "websocket")
	}
	if !onlyToken(r.Header[upgradeField], "websocket") {
		return Offer{}, refuse(400, "the Upgrade header must be websocket and nothing else")
	}
	// Item 4.
	if !hasToken(r.Header[connectionField], "upgrade") {
		return Offer{}, refuse(400, "the Connection header must have the token Upgrade")
	}
	// The bytes behind the header are frames; a body would be in their place.
	if r.ContentLength != 0 {
		return Offer{}, refuse(400, "a WebSocket handshake has no body")
	}
	for _, name := range [...]string{keyField, versionField, protocolField, extensionsField} {
		if fieldSize(r.Header[name]) > maxFieldSize {
			return Offer{}, refuse(431, "a Sec-WebSocket header is too long")
		}
	}
	// Item 6 and section 4.2.2 item 4: 426 with the versions that we speak.
	switch v := r.Header[versionField]; {
	case len(v) > 1:
		return Offer{}, refuse(400, "more than one Sec-WebSocket-Version header")
	case len(v) == 0 || trimSpace(v[0]) != version:
		return Offer{}, refuse(426, "only version 13 of the WebSocket protocol is supported",
			"Sec-WebSocket-Version", version, upgradeField, "websocket")
	}
	// Item 5.
	key := r.Header[keyField]
	if len(key) != 1 || !isKey(trimSpace(key[0])) {
		return Offer{}, refuse(400, "missing or malformed Sec-WebSocket-Key header")
	}
	offer := Offer{Key: trimSpace(key[0])}
	// Item 8.
	if v := r.Header[protocolField]; len(v) > 0 {
		var ok bool
		if offer.Subprotocols, ok = parseTokens(v, maxSubprotocols); !ok {
			return Offer{}, refuse(400, "malformed Sec-WebSocket-Protocol header, or more than 32 subprotocols")
		}
	}
	// Item 9, and section 9.1: a malformed value fails the connection.
	var err error
	if offer.Extensions, err = ParseExtensions(r.Header[extensionsField]); err != nil {
		return Offer{}, refuse(400, "malformed Sec-WebSocket-Extensions header, or more than 8 extensions")
	}
	return offer, nil
}

// fieldSize returns the size of a field's value, all of its lines joined by
// commas. RFC 9110 section 5.3 lets any recipient join them so.
func fieldSize(lines []string) int {
	size := len(lines)
	for _, l := range lines {
		size += len(l)
	}
	return size
}

// Accept is the server's answer to an [Offer].
type Accept struct {
	Key         string // the client's key, [Offer] has it
	Subprotocol string // one of those offered; empty: none
	Extensions  string // as [AcceptDeflate] returns it; empty: none

	// Header holds further fields of the response, such as Set-Cookie. The names
	// that belong to the handshake are refused.
	Header map[string][]string
}

// AppendAccept appends the whole head of the response that switches protocols,
// RFC 6455 section 4.2.2 item 5. Anything in a that could be read as more than
// one header is an error, and nothing is appended then.
func AppendAccept(dst []byte, a Accept) ([]byte, error) {
	if !isKey(a.Key) {
		return dst, errors.New("websocket: the key to accept is malformed")
	}
	b := append(dst, "HTTP/1.1 101 Switching Protocols\r\n"+
		"Upgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: "...)
	b = append(appendAcceptKey(b, a.Key), "\r\n"...)
	if a.Subprotocol != "" {
		if !isToken(a.Subprotocol) {
			return dst, fmt.Errorf("websocket: subprotocol %.64q is not a token", a.Subprotocol)
		}
		b = appendField(b, "Sec-WebSocket-Protocol", a.Subprotocol)
	}
	if a.Extensions != "" {
		if _, err := ParseExtensions([]string{a.Extensions}); err != nil {
			return dst, fmt.Errorf("websocket: extensions %.64q are malformed", a.Extensions)
		}
		b = appendField(b, "Sec-WebSocket-Extensions", a.Extensions)
	}
	b, err := appendHeader(b, a.Header)
	if err != nil {
		return dst, fmt.Errorf("websocket: %w", err)
	}
	return append(b, "\r\n"...), nil
}
