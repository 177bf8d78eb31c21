package socket_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// While the client goes from one transport to the other and back, goroutines send without
// a pause, and the server does: what each of them sends comes once and in order, also what
// is sent between the moment at which the server takes the session over and that at which
// the client learns of it.
func TestFirstOfKeepsTheOrderOfEachSenderWhileTheTransportChanges(t *testing.T) {
	for _, w := range []weather{fine, slow, late, dying, hole} {
		t.Run(string(w), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSky(t, socket.WithSessionBuffer(-1, -1))
				s.set(forbidden)
				c := s.client(socket.WithProbeDelay(4*time.Second, 4*time.Second), socket.WithClientSessionBuffer(-1, -1))
				var events trace
				for _, event := range []string{socket.EventConnect, socket.EventDisconnect, socket.EventError} {
					c.On(event, func(data interface{}) { events.add("%s", event) })
				}
				const senders, each = 4, 2000
				var up [senders]ledger
				var down ledger
				down.count(c)
				for i := range senders {
					socket.Handle(s.server, fmt.Sprint(i), func(_ socket.Socket, n int) { up[i].add(n) })
				}
				s.connect(c)
				s.set(w)
				var all sync.WaitGroup
				for i := range senders {
					all.Go(func() {
						for n := range each {
							if err := c.Send(fmt.Sprint(i), n); err != nil {
								t.Errorf("Send = %v", err)
								return
							}
							time.Sleep(time.Duration(i+3) * time.Millisecond)
						}
					})
				}
				all.Go(func() {
					for n := range each {
						s.server.Broadcast("n", n)
						time.Sleep(4 * time.Millisecond)
					}
				})
				all.Wait()
				time.Sleep(30 * time.Second)
				s.settle()
				for i := range senders {
					up[i].want(t, fmt.Sprint("sender ", i), each)
				}
				down.want(t, "the client", each)
				events.want(t, "connect")
				if tries, _ := s.count(); tries < 2 {
					t.Errorf("WebSocket was tried %d times: nothing has changed", tries)
				}
			})
		})
	}
}

// When what had worked does not work any more, and the better transport makes connections
// that end at once, the client does not run in circles: it waits between its attempts.
func TestFirstOfDoesNotHammerWhenNothingWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSky(t)
		s.set(forbidden)
		var down atomic.Bool
		c := s.clientOf(
			transport.NewWebSocketTransport("ws://server/socket", transport.WithDialContext(s.dialWebSocket)),
			transport.NewLongPollingTransport("http://server/socket", transport.WithDialContext(func(ctx context.Context, network, address string) (net.Conn, error) {
				if down.Load() {
					return nil, syscall.ECONNREFUSED
				}
				return s.dial(ctx, network, address)
			})))
		tr := newTraffic(t, c, s.server)
		s.connect(c)
		tr.flow(5 * time.Second)
		s.set(instant)
		down.Store(true)
		s.cut()
		tr.flow(2 * time.Minute)
		before, _ := s.count()
		tr.flow(time.Minute)
		if after, _ := s.count(); after-before > 2*60*10 || after == before {
			t.Errorf("WebSocket was tried %d times within a minute", after-before)
		}
		down.Store(false)
		time.Sleep(time.Minute)
		s.over(c, "when long polling works again", s.lp)
		s.set(fine)
		time.Sleep(15 * time.Minute)
		s.over(c, "when WebSocket does", s.ws)
		tr.want("traffic")
	})
}
