package socket

import (
	"iter"
	"net/http"
	"net/url"
	"strings"
)

// requestInfo is what a socket keeps of the HTTP request that opened it, in one
// string: a connection lives long, and a header map costs several times as much.
// The parts are separated by line feeds, which none of them can contain.
type requestInfo string

func newRequestInfo(r *http.Request) requestInfo {
	// Measured first, so that nothing is allocated but what is kept.
	size := 0
	for p := range requestParts(r) {
		size += len(p) + 1
	}
	var b strings.Builder
	b.Grow(size)
	for p := range requestParts(r) {
		b.WriteString(strings.ReplaceAll(p, "\n", ""))
		b.WriteByte('\n')
	}
	return requestInfo(b.String())
}

// requestParts are the strings that are kept of a request: four, then names and
// values of header fields in turn.
func requestParts(r *http.Request) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, p := range [...]string{r.Method, r.RequestURI, r.Host, r.RemoteAddr} {
			if !yield(p) {
				return
			}
		}
		for name, values := range r.Header {
			if forHandshakeOnly(name) {
				continue
			}
			for _, v := range values {
				if !yield(name) || !yield(v) {
					return
				}
			}
		}
	}
}

// forHandshakeOnly reports whether a header field means nothing once the
// connection is open.
func forHandshakeOnly(name string) bool {
	switch name {
	case "Connection", "Upgrade", "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Extensions",
		sessionHeader: // with a secret, if it names a session
		return true
	}
	return false
}

// request makes an *http.Request of what was kept.
func (i requestInfo) request() *http.Request {
	parts := strings.Split(string(i), "\n")
	if len(parts) < 4 {
		return &http.Request{Method: http.MethodGet, URL: &url.URL{}, Header: http.Header{}, Body: http.NoBody}
	}
	r := &http.Request{
		Method: parts[0], RequestURI: parts[1], Host: parts[2], RemoteAddr: parts[3],
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header), Body: http.NoBody,
	}
	u, err := url.ParseRequestURI(r.RequestURI)
	if err != nil {
		u = &url.URL{Path: "/"} // net/http has parsed it before: cannot happen
	}
	r.URL = u
	for h := parts[4:]; len(h) >= 2; h = h[2:] {
		r.Header[h[0]] = append(r.Header[h[0]], h[1])
	}
	return r
}
