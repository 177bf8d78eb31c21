package transport

import (
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// canonical returns a copy of header whose names are spelled in the one way of
// [http.Header]. A map literal may spell them in any.
func canonical(header map[string][]string) http.Header {
	all := make(http.Header, len(header))
	for _, name := range slices.Sorted(maps.Keys(header)) {
		key := textproto.CanonicalMIMEHeaderKey(name)
		all[key] = append(all[key], header[name]...)
	}
	return all
}

// checkHeaders refuses header fields that cannot be sent as they are, RFC 9110
// section 5: nothing is ever repaired. The fields of reserved, given in canonical
// form, belong to the protocol.
func checkHeaders(headers map[string][]string, reserved ...string) error {
	for name, values := range headers {
		if !isToken(name) {
			return fmt.Errorf("transport: %q is not the name of a header field", name)
		}
		key := textproto.CanonicalMIMEHeaderKey(name)
		if slices.Contains(reserved, key) {
			return fmt.Errorf("transport: the header field %s is set by the protocol itself", name)
		}
		for _, value := range values {
			switch {
			case !isFieldValue(value):
				return fmt.Errorf("transport: the value of the header field %s has a control character", name)
			case strings.Trim(value, " \t") != value:
				return fmt.Errorf("transport: the value of the header field %s has whitespace at its ends", name)
			case key == "Host" && (!isHost(value) || len(values) > 1):
				return fmt.Errorf("transport: the header field %s is not one host with or without a port", name)
			}
		}
	}
	return nil
}

// isHost reports whether s is a host with or without a port, in ASCII: what
// net/http sends as it is. Others it changes, or leaves the field empty.
func isHost(s string) bool {
	u, err := url.Parse("//" + s)
	return err == nil && u.Host == s && u.Hostname() != "" &&
		!strings.ContainsFunc(s, func(r rune) bool { return r > '~' || strings.ContainsRune(`"<>%`, r) })
}

// isToken reports whether s is a token, RFC 9110 section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		default:
			switch c {
			case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~':
			default:
				return false
			}
		}
	}
	return s != ""
}

// isFieldValue reports whether s holds no control character but tabs, RFC 9110
// section 5.5.
func isFieldValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7F {
			return false
		}
	}
	return true
}
