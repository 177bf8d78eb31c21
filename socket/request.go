package socket

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// requestInfo is what a socket keeps of the HTTP request that opened it, in one
// string: a connection lives long, and a header map costs several times as much.
// The parts are separated by line feeds, which none of them can contain.
type requestInfo string

func newRequestInfo(r *http.Request) requestInfo {
	var b strings.Builder
	add := func(parts ...string) {
		for _, p := range parts {
			b.WriteString(strings.ReplaceAll(p, "\n", ""))
			b.WriteByte('\n')
		}
	}
	add(r.Method, r.RequestURI, r.Host, r.RemoteAddr)
	for name, values := range r.Header {
		if !forHandshakeOnly(name) {
			for _, v := range values {
				add(name, v)
			}
		}
	}
	return requestInfo(b.String())
}

// forHandshakeOnly reports whether a header field means nothing once the
// connection is open.
func forHandshakeOnly(name string) bool {
	return slices.Contains([]string{"Connection", "Upgrade", "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Extensions"}, name)
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
