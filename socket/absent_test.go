package socket_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

// A session without a connection shows no sign of life: that is known, and told once at
// most, when the connection was given up for it.
func TestAbsentClientIsNotMissedAgainAndAgain(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		e.serve()
		e.connected(socket.WithReconnectAttempts(0))
		e.settle()
		e.setDown(syscall.ENETDOWN)
		e.cut()
		time.Sleep(110 * time.Second)
		e.mu.Lock()
		n := strings.Count(strings.Join(e.log, ""), "no sign of life")
		e.mu.Unlock()
		if want := map[kind]int{websocket: 0, polling: 1}[e.kind]; n > want {
			t.Errorf("the log says %d times that there is no sign of life, want %d at most", n, want)
		}
		if e.server.Count() != 1 {
			t.Errorf("the server counts %d, want the session that is kept", e.server.Count())
		}
		e.setDown(nil)
	}, websocket, polling)
}
