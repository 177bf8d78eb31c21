package sockettest

import (
	"bytes"
	"io"
	"net/http"
)

// repeater is the handler of the HTTP server. It passes some requests on twice, see
// [Faults.DuplicatePosts].
type repeater struct {
	n *Network
	h http.Handler
}

// tokenHeader is in every request of long polling but the one that opens a session.
const tokenHeader = "Socket-Token"

func (p repeater) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && r.Header.Get(tokenHeader) != "" && p.n.repeats(r.RemoteAddr) {
		if body, err := io.ReadAll(r.Body); err == nil {
			first := r.Clone(r.Context())
			first.Body = io.NopCloser(bytes.NewReader(body))
			p.h.ServeHTTP(lostAnswer{}, first)
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
	}
	p.h.ServeHTTP(w, r)
}

// repeats reports whether a request from an address is to be repeated, and counts it.
func (n *Network) repeats(address string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := &n.all
	if u := n.users[address]; u != nil && u.line != nil && u.line.repeat > 0 {
		l = u.line
	}
	if l.repeat <= 0 {
		return false
	}
	l.repeat--
	return true
}

// lostAnswer takes an answer that nobody gets.
type lostAnswer http.Header

func (a lostAnswer) Header() http.Header         { return http.Header(a) }
func (a lostAnswer) Write(p []byte) (int, error) { return len(p), nil }
func (a lostAnswer) WriteHeader(int)             {}
