package wsproto

import "strings"

// tokenLow and tokenHigh are the characters of a token as two bit sets, one for
// the bytes 0 to 63 and one for 64 to 127.
//
// RFC 9110 section 5.6.2: tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+"
// / "-" / "." / "^" / "_" / "`" / "|" / "~" / DIGIT / ALPHA.
const (
	tokenLow = 1<<'!' | 1<<'#' | 1<<'$' | 1<<'%' | 1<<'&' | 1<<'\'' | 1<<'*' |
		1<<'+' | 1<<'-' | 1<<'.' | (1<<10-1)<<'0'
	tokenHigh = (1<<26-1)<<('A'-64) | (1<<26-1)<<('a'-64) |
		1<<('^'-64) | 1<<('_'-64) | 1<<('`'-64) | 1<<('|'-64) | 1<<('~'-64)
)

// isTokenByte reports whether c may stand in a token.
func isTokenByte(c byte) bool {
	switch {
	case c < 64:
		return uint64(tokenLow)>>c&1 != 0
	case c < 128:
		return uint64(tokenHigh)>>(c-64)&1 != 0
	}
	return false
}

// isToken reports whether s is a token, which is never empty.
func isToken(s string) bool { return s != "" && tokenLen(s) == len(s) }

// tokenLen returns the length of the token that s begins with, 0 for none.
func tokenLen(s string) int {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return i
		}
	}
	return len(s)
}

// isFieldValue reports whether s may be sent as a field value as it is. A value
// that the peer would read as another one, because whitespace at its ends is
// dropped, is not.
//
// RFC 9110 section 5.5: field-content is made of visible characters, obs-text,
// and between them spaces and tabs.
func isFieldValue(s string) bool {
	return isFieldText(s) && trimSpace(s) == s
}

// isFieldText reports whether s holds no control byte but tabs, so neither CR,
// LF nor NUL: what is left of a header line after its colon.
func isFieldText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7F {
			return false
		}
	}
	return true
}

// trimSpace returns s without the optional whitespace (OWS: spaces and tabs,
// nothing else) at its ends.
func trimSpace(s string) string { return strings.Trim(s, " \t") }

// equalFold compares in the case-insensitive way of HTTP, which is that of
// ASCII. [strings.EqualFold] also folds U+212A to k and U+017F to s, so it would
// take other spellings of "websocket" than the peer in front of us does.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

// lower returns the small letter of an ASCII letter and any other byte as it is.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// hasToken reports whether one of the comma separated elements of values is
// token, in any case.
func hasToken(values []string, token string) bool {
	for _, v := range values {
		for v != "" {
			var element string
			element, v, _ = strings.Cut(v, ",")
			if equalFold(trimSpace(element), token) {
				return true
			}
		}
	}
	return false
}

// onlyToken reports whether values name token, in any case, and nothing else.
func onlyToken(values []string, token string) bool {
	return len(values) == 1 && equalFold(trimSpace(values[0]), token)
}

// parseTokens reads the list 1#token that the lines of one header field make
// together. It returns at most most tokens, and ok is false for a list that is
// malformed, empty, or names one token twice: RFC 6455 section 4.1 item 10 asks
// for unique strings.
//
// RFC 9110 section 5.6.1.2: a recipient must ignore empty list elements.
func parseTokens(values []string, most int) (tokens []string, ok bool) {
	for _, v := range values {
		for v != "" {
			var element string
			element, v, _ = strings.Cut(v, ",")
			element = trimSpace(element)
			if element == "" {
				continue
			}
			if !isToken(element) || len(tokens) == most || contains(tokens, element) {
				return nil, false
			}
			tokens = append(tokens, element)
		}
	}
	return tokens, len(tokens) > 0
}

// contains reports whether list holds s, letter by letter.
func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}

// canonicalName returns a header name as net/http spells its map keys: a capital
// after the beginning and after each hyphen, small letters elsewhere.
func canonicalName(name string) string {
	b := []byte(name)
	capital := true
	for i, c := range b {
		c = lower(c)
		if capital && 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		b[i] = c
		capital = c == '-'
	}
	return string(b)
}
