package socket

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// retryInPrefix begins the close reason by which a server that goes away tells a client
// after how many milliseconds to come back.
const retryInPrefix = "retry-in="

// maxRetryIn is the longest that a client stays away because its server says so, by the
// reason of a close or by the Retry-After of a handshake that it refuses.
const maxRetryIn = 10 * time.Minute

// retryIn returns how long the server that has closed a connection wants the client to
// stay away, 0 if it does not say.
func retryIn(err error) time.Duration {
	var ce *transport.CloseError
	if !errors.As(err, &ce) || ce.Code != transport.StatusGoingAway {
		return 0
	}
	text, ok := strings.CutPrefix(ce.Reason, retryInPrefix)
	if !ok {
		return 0
	}
	ms, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0
	}
	return min(time.Duration(ms)*time.Millisecond, maxRetryIn)
}

// retryAfter returns how long the server that has refused an attempt to connect wants the
// client to wait before the next, 0 if it does not say. Of several transports the one counts
// that is to wait for longest.
func retryAfter(err error) (wait time.Duration) {
	for _, err := range each(err) {
		var he *transport.HandshakeError
		if errors.As(err, &he) {
			wait = max(wait, he.RetryAfter)
		}
	}
	return min(wait, maxRetryIn)
}

// maxRefusals is how many attempts to connect in a row a server turns away until the client
// stops: a transport may have got a new credential after the first.
const maxRefusals = 2

// turnedAway reports whether a server has refused an attempt to connect because of who the
// client is: with the status 401 or 403, and without a time after which to try again. Other
// statuses, 404 among them, are also what a deployment or a proxy looks like, and pass by
// themselves. Of several transports all must have been answered so.
func turnedAway(err error) bool {
	for _, err := range each(err) {
		var he *transport.HandshakeError
		if !errors.As(err, &he) || he.RetryAfter > 0 ||
			he.Status != http.StatusUnauthorized && he.Status != http.StatusForbidden {
			return false
		}
	}
	return true
}

// each returns the errors of the transports that an attempt to connect has tried.
func each(err error) []error {
	var several attempts
	if errors.As(err, &several) {
		return several
	}
	return []error{err}
}
