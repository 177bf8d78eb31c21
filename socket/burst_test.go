package socket_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
)

// A burst is three times what a queue has room for, and the client reads all of it within the
// time that broadcasts wait for it: it is not slow, whichever part of its queue is free when.
func TestClientThatReadsABurstWithinItsGraceIsNotSlow(t *testing.T) {
	for _, session := range []bool{true, false} {
		for size := 8 << 10; size <= 32<<10; size += 4 << 10 {
			run(t, func(t *testing.T, e *env) {
				server := e.serve(socket.WithSendQueue(4<<20, 16))
				defer e.end()
				// 80 ms for the burst.
				e.each(func(c *memnet.Conn) { c.SlowReads(48 * size * 1000 / 80) }, nil)
				var got trace
				c := e.client(socket.WithSession(session))
				c.On("n", func(data interface{}) { got.add("%.2s", data) })
				e.connect(c)
				e.settle()
				var want []string
				for i := range 48 {
					data := fmt.Sprintf("%02d%s", i, strings.Repeat("x", size))
					want = append(want, data[:2])
					if err := server.Broadcast("n", data); err != nil {
						t.Error(err)
					}
				}
				time.Sleep(time.Second)
				got.want(t, want...)
				if !c.IsConnected() || server.Count() != 1 {
					t.Errorf("session %v, size %d: the client is taken for slow", session, size)
				}
			}, websocket, polling)
		}
	}
}
