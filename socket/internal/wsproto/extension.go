package wsproto

import "strings"

// The bounds of a Sec-WebSocket-Extensions header. A browser sends one extension
// with at most four parameters.
const (
	maxExtensions      = 8
	maxExtensionParams = 16
)

// Extension is one element of a Sec-WebSocket-Extensions header.
type Extension struct {
	Name   string
	Params []Param
}

// Param is a parameter of an [Extension]. HasValue tells "a=" followed by a value
// from a bare "a"; the value itself is never empty.
type Param struct {
	Name     string
	Value    string
	HasValue bool
}

// ParseExtensions reads the lines of a Sec-WebSocket-Extensions header in one
// pass. No line at all is an empty list; a header that is there must name an
// extension. The strings of the result are parts of values.
//
// RFC 6455 section 9.1:
//
//	extension-list  = 1#extension
//	extension       = extension-token *( ";" extension-param )
//	extension-param = token [ "=" (token | quoted-string) ]
//
// A quoted value stands for what is between the quotes, and that must be a token
// again. The error is a [*HandshakeError] for a value that is not of this form
// and a [*LimitError] for more than 8 extensions or 16 parameters of one.
func ParseExtensions(values []string) ([]Extension, error) {
	var list []Extension
	for _, v := range values {
		s := scanner{rest: v}
		for {
			// An empty element is allowed and skipped.
			for s.take(',') {
			}
			if s.space(); s.rest == "" {
				break
			}
			if len(list) == maxExtensions {
				return nil, &LimitError{ClosePolicyViolation, "number of extensions", maxExtensions, maxExtensions + 1}
			}
			e, err := s.extension()
			if err != nil {
				return nil, err
			}
			list = append(list, e)
			if s.rest != "" && s.rest[0] != ',' {
				return nil, errExtensions()
			}
		}
	}
	if len(values) > 0 && len(list) == 0 {
		return nil, errExtensions()
	}
	return list, nil
}

func errExtensions() error {
	return &HandshakeError{Reason: "malformed Sec-WebSocket-Extensions header"}
}

// scanner reads the elements of a header value from the front of rest.
type scanner struct{ rest string }

// space skips optional whitespace.
func (s *scanner) space() { s.rest = strings.TrimLeft(s.rest, " \t") }

// take skips optional whitespace and then c, if it is next.
func (s *scanner) take(c byte) bool {
	s.space()
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// token reads a token after optional whitespace; it is empty if there is none.
func (s *scanner) token() string {
	s.space()
	n := tokenLen(s.rest)
	t := s.rest[:n]
	s.rest = s.rest[n:]
	return t
}

// extension reads one extension and the whitespace behind it.
func (s *scanner) extension() (Extension, error) {
	e := Extension{Name: s.token()}
	if e.Name == "" {
		return e, errExtensions()
	}
	for s.take(';') {
		p := Param{Name: s.token()}
		if p.Name == "" {
			return e, errExtensions()
		}
		if len(e.Params) == maxExtensionParams {
			return e, &LimitError{ClosePolicyViolation, "number of extension parameters", maxExtensionParams, maxExtensionParams + 1}
		}
		if s.take('=') {
			p.HasValue = true
			if p.Value = s.value(); p.Value == "" {
				return e, errExtensions()
			}
		}
		e.Params = append(e.Params, p)
	}
	return e, nil
}

// value reads a token, plain or as a quoted-string; it is empty if there is none.
func (s *scanner) value() string {
	if !s.take('"') {
		return s.token()
	}
	n := tokenLen(s.rest)
	if n < len(s.rest) && s.rest[n] == '"' {
		v := s.rest[:n]
		s.rest = s.rest[n+1:]
		return v
	}
	return s.escaped()
}

// escaped reads the rest of a quoted-string that has a backslash in it.
//
// RFC 9110 section 5.6.4: a recipient must handle a quoted-pair as if it were
// replaced by the octet behind the backslash.
func (s *scanner) escaped() string {
	var b []byte
	for i := 0; i < len(s.rest); i++ {
		c := s.rest[i]
		if c == '"' {
			s.rest = s.rest[i+1:]
			return string(b)
		}
		if c == '\\' {
			if i++; i == len(s.rest) {
				break
			}
			c = s.rest[i]
		}
		// RFC 6455 section 9.1: the value after unescaping must conform to the
		// token ABNF.
		if !isTokenByte(c) {
			break
		}
		b = append(b, c)
	}
	return ""
}
