package wsproto

import (
	"errors"
	"fmt"
	"strings"
)

// maxResponseSize is the default bound of a response's head.
const maxResponseSize = 4 << 10

// DialRequest is the client's half of an opening handshake.
type DialRequest struct {
	Host         string // of the URL, with the port unless it is the scheme's own
	Target       string // the path and query of the URL, escaped; begins with a slash
	Key          string // 16 random bytes in base64
	Subprotocols []string
	Extensions   string // as [OfferDeflate] returns it; empty: none

	// Header holds further fields, such as Authorization, Cookie and Origin. The
	// names that belong to the handshake are refused.
	Header map[string][]string
}

// AppendRequest appends the whole request, RFC 6455 section 4.1. Anything in d
// that is not one valid element of it, above all a line break, is an error, and
// nothing is appended then: values are refused, never changed to fit.
func AppendRequest(dst []byte, d DialRequest) ([]byte, error) {
	if _, _, ok := parseAuthority(d.Host); !ok {
		return dst, fmt.Errorf("websocket: host %.64q is malformed", d.Host)
	}
	if !isTarget(d.Target) {
		return dst, errors.New("websocket: the path or query of the URL is not escaped or does not begin with a slash")
	}
	if !isKey(d.Key) {
		return dst, errors.New("websocket: the key is not 16 bytes in base64")
	}
	b := append(dst, "GET "...)
	b = append(b, d.Target...)
	b = append(b, " HTTP/1.1\r\n"...)
	b = appendField(b, hostField, d.Host)
	b = append(b, "Upgrade: websocket\r\nConnection: Upgrade\r\n"...)
	b = appendField(b, "Sec-WebSocket-Key", d.Key)
	b = appendField(b, "Sec-WebSocket-Version", version)
	for i, p := range d.Subprotocols {
		if !isToken(p) {
			return dst, fmt.Errorf("websocket: subprotocol %.64q is not a token", p)
		}
		// Item 10: the elements must all be unique strings.
		if contains(d.Subprotocols[:i], p) {
			return dst, fmt.Errorf("websocket: subprotocol %.64q is named twice", p)
		}
	}
	if len(d.Subprotocols) > 0 {
		b = appendField(b, "Sec-WebSocket-Protocol", strings.Join(d.Subprotocols, ", "))
	}
	if d.Extensions != "" {
		if _, err := ParseExtensions([]string{d.Extensions}); err != nil {
			return dst, fmt.Errorf("websocket: extensions %.64q are malformed", d.Extensions)
		}
		b = appendField(b, "Sec-WebSocket-Extensions", d.Extensions)
	}
	b, err := appendHeader(b, d.Header)
	if err != nil {
		return dst, fmt.Errorf("websocket: %w", err)
	}
	return append(b, "\r\n"...), nil
}

// isTarget reports whether s can stand in the request line as an origin-form
// target (RFC 9112 section 3.2.1). Visible ASCII is enough for that, but a
// fragment is never sent (RFC 6455 section 3).
func isTarget(s string) bool {
	if s == "" || s[0] != '/' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7F || c == '#' {
			return false
		}
	}
	return true
}

// Response is the head of an HTTP response. The keys of Header are spelled as
// net/http spells them.
type Response struct {
	Status     int
	ProtoMinor int // of HTTP/1
	Header     map[string][]string
}

// Interim reports whether another response follows this one: RFC 9110 section
// 15.2 has a client expect any number of them, and switching protocols is the one
// 1xx that is final. The caller bounds the number.
func (r Response) Interim() bool { return 100 <= r.Status && r.Status < 200 && r.Status != 101 }

// ParseResponse reads the head of a response from the beginning of b and returns
// how many bytes it took. It took none, without an error, as long as b does not
// hold all of it. A head of more than limit bytes is a [*LimitError]; limit 0
// means 4 KiB. Any other error is a [*HandshakeError]. Nothing of the result
// refers to b.
//
// The parser is strict where RFC 9112 leaves a choice: lines end in CR LF, there
// is no whitespace before a colon, and a folded line (section 5.2) is refused.
// Only the space after the status code may be missing, as many servers have it.
func ParseResponse(b []byte, limit int) (Response, int, error) {
	if limit <= 0 {
		limit = maxResponseSize
	}
	n, err := headLen(b[:min(len(b), limit)])
	if err != nil {
		return Response{}, 0, err
	}
	if n == 0 {
		if len(b) >= limit {
			return Response{}, 0, &LimitError{CloseMessageTooBig, "size of the response header", int64(limit), int64(max(len(b), limit+1))}
		}
		return Response{}, 0, nil
	}
	// One copy that all strings of the result are parts of.
	line, rest, _ := strings.Cut(string(b[:n-2]), "\r\n")
	r := Response{Header: make(map[string][]string, 8)}
	var ok bool
	if r.Status, r.ProtoMinor, ok = parseStatusLine(line); !ok {
		return Response{}, 0, &HandshakeError{Reason: "the answer is not an HTTP/1 response"}
	}
	for rest != "" {
		line, rest, _ = strings.Cut(rest, "\r\n")
		name, value, found := strings.Cut(line, ":")
		value = trimSpace(value)
		// A folded line begins with whitespace, so it has no valid name.
		if !found || !isToken(name) || !isFieldText(value) {
			return Response{}, 0, &HandshakeError{Status: r.Status, Reason: "malformed header line in the response"}
		}
		name = canonicalName(name)
		r.Header[name] = append(r.Header[name], value)
	}
	return r, n, nil
}

// headLen returns the length of the head that b begins with, up to and with its
// empty line, or 0 if b does not hold all of it. It fails at the first line that
// shows that this is no response, so that one need not wait for the rest.
func headLen(b []byte) (int, error) {
	const http1 = "HTTP/1."
	if k := min(len(b), len(http1)); string(b[:k]) != http1[:k] {
		return 0, &HandshakeError{Reason: "the answer is not an HTTP/1 response"}
	}
	for i, start := 0, 0; i < len(b); i++ {
		if b[i] != '\n' {
			continue
		}
		if i == start || b[i-1] != '\r' {
			return 0, &HandshakeError{Reason: "a line of the response does not end in CR LF"}
		}
		if i == start+1 {
			return i + 1, nil
		}
		start = i + 1
	}
	return 0, nil
}

// parseStatusLine reads "HTTP/1.1 101 Switching Protocols".
func parseStatusLine(s string) (status, minor int, ok bool) {
	const form = "HTTP/1.1 101"
	if len(s) < len(form) || s[8] != ' ' || !isDigit(s[7]) ||
		s[9] < '1' || s[9] > '9' || !isDigit(s[10]) || !isDigit(s[11]) ||
		len(s) > len(form) && s[12] != ' ' || !isFieldText(s) {
		return 0, 0, false
	}
	return int(s[9]-'0')*100 + int(s[10]-'0')*10 + int(s[11]-'0'), int(s[7] - '0'), true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// Agreed is what client and server have settled in an opening handshake.
type Agreed struct {
	Subprotocol string // empty: none
	Compressed  bool   // permessage-deflate is in use
	Deflate     DeflateParams
}

// CheckResponse checks the server's answer to a request with the given key and
// subprotocols, RFC 6455 section 4.1. Deflate is the offer that the request's
// extensions stated, nil for none. After an error, a [*HandshakeError] or a
// [*LimitError], the connection must not be used.
func CheckResponse(r Response, key string, offered []string, deflate *DeflateOffer) (Agreed, error) {
	fail := func(reason string) (Agreed, error) {
		return Agreed{}, &HandshakeError{Status: r.Status, Reason: reason}
	}
	if r.Status != 101 {
		return fail("the server does not switch to the WebSocket protocol")
	}
	// RFC 9110 section 7.8: there is no Upgrade in HTTP/1.0.
	if r.ProtoMinor < 1 {
		return fail("the server switches protocols in HTTP/1.0")
	}
	if !onlyToken(r.Header[upgradeField], "websocket") {
		return fail("the response's Upgrade header is not websocket")
	}
	if !hasToken(r.Header[connectionField], "upgrade") {
		return fail("the response's Connection header lacks the token Upgrade")
	}
	if v := r.Header[acceptField]; len(v) != 1 || v[0] != AcceptKey(key) {
		return fail("the response's Sec-WebSocket-Accept does not answer the request's key")
	}
	var agreed Agreed
	if v := r.Header[protocolField]; len(v) > 0 {
		if len(v) != 1 || !contains(offered, v[0]) {
			return fail("the server chose a subprotocol that was not offered")
		}
		agreed.Subprotocol = v[0]
	}
	extensions, err := ParseExtensions(r.Header[extensionsField])
	if err != nil {
		return Agreed{}, r.refused(err)
	}
	if deflate == nil {
		if len(extensions) > 0 {
			return fail("the server chose an extension that was not offered")
		}
		return agreed, nil
	}
	agreed.Deflate, agreed.Compressed, err = CheckDeflate(*deflate, extensions)
	if err != nil {
		return Agreed{}, r.refused(err)
	}
	return agreed, nil
}

// refused gives a new error the status of the response that it is about.
func (r Response) refused(err error) error {
	if he, ok := err.(*HandshakeError); ok {
		he.Status = r.Status
	}
	return err
}
