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
// error of ctx. It may be called again, and from several goroutines.
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
	if gone == nil {
		return nil
	}
	select {
	case <-gone:
		return nil
	default:
	}
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
	}
	for _, c := range s.sockets.appendAll(nil) {
		c.link.closeNow()
	}
	return ctx.Err()
}
