package socket_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// Any schedule of sends, weather, lost connections and servers that are down: within the
// window every message arrives once and in order, the client ends up on WebSocket, and the
// connections that it makes are few.
func TestFirstOfRandomSchedulesLoseAndRepeatNothing(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { firstOfSchedule(t, seed) })
		})
	}
}

func firstOfSchedule(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 8))
	s := newSky(t, socket.WithPingInterval(5*time.Second), socket.WithPingTimeout(2*time.Second))
	ends := 0
	s.server.HandleFunc(socket.EventDisconnect, func(socket.Socket, interface{}) { ends++ })
	c := s.clientOf(
		transport.NewWebSocketTransport("ws://server/socket", transport.WithDialContext(s.dialWebSocket), transport.WithReadTimeout(8*time.Second)),
		transport.NewLongPollingTransport("http://server/socket", transport.WithDialContext(s.dial), transport.WithTimeout(8*time.Second)),
		socket.WithReconnectDelay(100*time.Millisecond), socket.WithMaxReconnectDelay(2*time.Second),
		socket.WithProbeDelay(5*time.Second, 20*time.Second))
	tr := newTraffic(t, c, s.server)
	c.On(socket.EventError, func(data interface{}) {
		var se *socket.SessionError
		if errors.As(data.(error), &se) {
			t.Errorf("seed %d: %v", seed, se)
		}
	})
	s.connect(c)
	s.settle()
	id := c.ID()
	weathers := append([]weather{fine, fine, fine, closed}, foul...)
	for range 80 {
		switch rng.IntN(8) {
		case 0:
			s.cut()
		case 1:
			s.setDown(syscall.ECONNREFUSED)
			s.cut()
			tr.flow(time.Duration(rng.IntN(10_000)) * time.Millisecond)
			s.setDown(nil)
		case 2:
			s.stall()
		case 3, 4:
			s.set(weathers[rng.IntN(len(weathers))])
		default:
			tr.flow(time.Duration(rng.IntN(15_000)) * time.Millisecond)
		}
	}
	s.set(fine)
	time.Sleep(time.Minute + 20*time.Second)
	s.settle()
	tr.want(fmt.Sprintf("seed %d", seed))
	s.over(c, fmt.Sprintf("seed %d, at the end", seed), s.ws)
	if c.ID() != id || ends != 0 {
		t.Errorf("seed %d: the socket was %s and is %s, %d ends", seed, id, c.ID(), ends)
	}
}
