package socket

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// retryInPrefix begins the close reason by which a server that goes away tells a client
// after how many milliseconds to come back.
const retryInPrefix = "retry-in="

// maxRetryIn is the longest that a client stays away because its server says so.
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
