package pollhttp

import (
	"fmt"
	"net"
	"os"

	"github.com/kleeedolinux/socket.go/socket/internal/poll"
)

// Errors of [Session.Send].
var (
	// ErrQueueFull reports that the client has to poll before more can be queued.
	ErrQueueFull = poll.ErrFull
	// ErrTooLarge reports a message that is larger than the whole queue.
	ErrTooLarge = poll.ErrTooLarge
	// ErrClosed reports that the session takes no more messages. It satisfies
	// errors.Is(err, net.ErrClosed).
	ErrClosed = fmt.Errorf("pollhttp: the session is closed: %w", net.ErrClosed)
)

// ErrExpired is the cause of the end when the client stayed away for longer than
// Config.Expiry. It satisfies errors.Is(err, os.ErrDeadlineExceeded).
var ErrExpired = fmt.Errorf("pollhttp: the client stopped polling: %w", os.ErrDeadlineExceeded)

// CloseError is the cause of the end when a side closed the session.
type CloseError struct {
	Code   uint16
	Reason string
	// Remote tells that the client closed.
	Remote bool
}

// Error returns who closed the session, the code and the reason.
func (e *CloseError) Error() string {
	side := "server"
	if e.Remote {
		side = "client"
	}
	if e.Reason == "" {
		return fmt.Sprintf("pollhttp: closed by the %s with code %d", side, e.Code)
	}
	return fmt.Sprintf("pollhttp: closed by the %s with code %d: %q", side, e.Code, e.Reason)
}
