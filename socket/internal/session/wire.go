package session

import (
	"errors"
	"strconv"
	"strings"
)

// Offer is what a client says about sessions when it connects, in one line of text.
type Offer struct {
	Session Session // to go on with; zero: a new one
	Last    uint64  // number of the last message that the client has of it
}

// Answer is what the server says to an Offer.
type Answer struct {
	Session Session // with the token for the next time
	Resumed bool    // it is the one that was offered; if not, that one is over
	Last    uint64  // number of the last message that the server has of it
	Window  int     // for how many seconds the server keeps it without a connection
}

// Session names a session.
type Session struct {
	ID    string
	Token string // proves that one is its client; another one after each connection
}

// errLine is the error of a line that is no Offer or Answer.
var errLine = errors.New("malformed session line")

// String returns the line that [ParseOffer] reads: "new", or "id=…; token=…; last=N".
func (o Offer) String() string {
	if o.Session == (Session{}) {
		return "new"
	}
	return o.Session.line() + "; last=" + strconv.FormatUint(o.Last, 10)
}

func (s Session) line() string { return "id=" + s.ID + "; token=" + s.Token }

// String returns the line that [ParseAnswer] reads: "id=…; token=…; window=N", and
// "; last=N" behind it if it is resumed.
func (a Answer) String() string {
	line := a.Session.line() + "; window=" + strconv.Itoa(a.Window)
	if a.Resumed {
		line += "; last=" + strconv.FormatUint(a.Last, 10)
	}
	return line
}

// ParseOffer reads a line that a client has sent.
func ParseOffer(line string) (o Offer, err error) {
	if line == "new" {
		return o, nil
	}
	v, ok := values(line, "id", "token", "last")
	if !ok || !v.session(&o.Session) {
		return Offer{}, errLine
	}
	if o.Last, err = number(v["last"]); err != nil {
		return Offer{}, errLine
	}
	return o, nil
}

// ParseAnswer reads a line that a server has sent.
func ParseAnswer(line string) (a Answer, err error) {
	v, ok := values(line, "id", "token", "window")
	if !ok {
		v, a.Resumed = values(line, "id", "token", "window", "last")
	}
	if !ok && !a.Resumed || !v.session(&a.Session) {
		return Answer{}, errLine
	}
	window, err := number(v["window"])
	if err != nil || window > 1<<31-1 {
		return Answer{}, errLine
	}
	a.Window = int(window)
	if a.Resumed {
		if a.Last, err = number(v["last"]); err != nil {
			return Answer{}, errLine
		}
	}
	return a, nil
}

type valueMap map[string]string

func (v valueMap) session(s *Session) bool {
	*s = Session{ID: v["id"], Token: v["token"]}
	return CheckID(s.ID) && CheckToken(s.Token)
}

// values splits a line of exactly the given names, in order.
func values(line string, names ...string) (valueMap, bool) {
	v := make(valueMap, len(names))
	for i, name := range names {
		part, rest, more := strings.Cut(line, "; ")
		value, ok := strings.CutPrefix(part, name+"=")
		if !ok || more != (i < len(names)-1) {
			return nil, false
		}
		v[name], line = value, rest
	}
	return v, true
}

// number reads a decimal number in its one spelling.
func number(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, errLine
	}
	return n, nil
}
