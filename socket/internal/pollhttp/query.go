package pollhttp

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/kleeedolinux/socket.go/socket/internal/poll"
)

// query is what the URL says about a request.
type query struct {
	seq, ack, wait number
}

// number is a parameter that may be absent.
type number struct {
	value uint64
	given bool
}

// parseQuery reads the parameters of the protocol. Others are left alone, so
// that a client can add one against caches.
func parseQuery(raw string) (query, *Refusal) {
	var q query
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, badRequest("the query of the URL is malformed")
	}
	if t := values["transport"]; len(t) != 1 || t[0] != "polling" {
		return q, badRequest("the query must say transport=polling")
	}
	for _, p := range []struct {
		name string
		into *number
	}{{"seq", &q.seq}, {"ack", &q.ack}, {"wait", &q.wait}} {
		switch v := values[p.name]; len(v) {
		case 0:
		case 1:
			n, err := strconv.ParseUint(v[0], 10, 64)
			if err != nil || n > poll.MaxNumber {
				return q, badRequest("the parameter " + p.name + " is not a number in range")
			}
			*p.into = number{n, true}
		default:
			return q, badRequest("the parameter " + p.name + " is given more than once")
		}
	}
	return q, nil
}

// requestToken returns the token that the request carries, "" if none. It also
// refuses methods that the protocol does not have.
func requestToken(r *http.Request) (string, *Refusal) {
	switch r.Method {
	case http.MethodGet, http.MethodPost, http.MethodDelete:
	default:
		return "", &Refusal{
			Status: http.StatusMethodNotAllowed,
			Reason: "long polling uses the methods GET, POST and DELETE",
			Header: http.Header{"Allow": {"GET, POST, DELETE"}},
		}
	}
	switch tokens := r.Header[tokenHeader]; len(tokens) {
	case 0:
		return "", nil
	case 1:
		return tokens[0], nil
	}
	return "", badRequest("the header " + tokenHeader + " is given more than once")
}
