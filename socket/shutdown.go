package socket

import (
	"context"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

const goingAway = "the server is shutting down"

// Shutdown ends the server: it refuses new connections with HTTP status 503,
// sends every client what is queued for it and a close message (code 1001, going
// away), and waits until all have gone and their disconnect handlers have run.
// When ctx ends first, it closes the connections that are left and returns the
// error of ctx. It may be called again, and from several goroutines. Called from
// a handler it waits for that handler too, and so for the end of ctx.
//
// It does not stop the http.Server, whose own Shutdown does not know of
// WebSocket connections: call both, this one first.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	var gone chan struct{}
	if s.count > 0 {
		if s.gone == nil {
			s.gone = make(chan struct{})
		}
		gone = s.gone
	}
	s.mu.Unlock()

	for _, c := range s.sockets.appendAll(nil) {
		c.close(transport.StatusGoingAway, goingAway)
	}
	if gone != nil && !ended(ctx, gone) {
		for _, c := range s.sockets.appendAll(nil) {
			c.link.closeNow()
		}
		return ctx.Err()
	}
	s.pulse.wait()
	return nil
}

// ended waits for something to end, and reports false when ctx ends first.
func ended(ctx context.Context, something <-chan struct{}) bool {
	select {
	case <-something:
		return true
	default:
	}
	select {
	case <-something:
		return true
	case <-ctx.Done():
		return false
	}
}
