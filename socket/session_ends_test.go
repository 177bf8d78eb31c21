package socket_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// lateTransport has something done when a connection is made, and not told to the client yet.
type lateTransport struct {
	*transport.WebSocketTransport
	made func()
}

func (l *lateTransport) ConnectSession(ctx context.Context, offer string) (string, error) {
	line, err := l.WebSocketTransport.ConnectSession(ctx, offer)
	if err == nil && l.made != nil {
		l.made()
	}
	return line, err
}

// What handlers take of a session that is over is not acknowledged over the connection of the
// next one, which has numbers of its own.
func TestNothingOfASessionIsAcknowledgedOverTheFirstConnectionOfTheNext(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithSessionWindow(time.Minute))
		tr := &lateTransport{WebSocketTransport: e.transport().(*transport.WebSocketTransport)}
		c := socket.NewClient(tr, socket.WithReconnectAttempts(0), socket.WithReconnectDelay(time.Second))
		defer c.Close()
		busy := make(chan struct{})
		var handled atomic.Int32
		socket.On(c, "late", func(string) {
			<-busy
			handled.Add(1)
		})
		e.connect(c)
		e.settle()
		id := c.ID()
		for range 3 {
			server.Broadcast("late", strings.Repeat("x", 33<<10)) // each is worth an acknowledgement
		}
		e.settle()
		e.setDown(syscall.ECONNREFUSED)
		e.cut()
		time.Sleep(2 * time.Minute) // the server has ended the session
		tr.made = sync.OnceFunc(func() {
			close(busy)
			time.Sleep(5 * time.Second)
		})
		e.setDown(nil)
		time.Sleep(time.Minute)
		e.settle()
		next := c.ID()
		if handled.Load() != 3 || next == id || next == "" {
			t.Fatalf("%d messages were handled, the session is %q and was %q", handled.Load(), next, id)
		}
		time.Sleep(time.Minute)
		if c.ID() != next || e.logged("wrong numbers") {
			t.Errorf("the next session has ended: %q, now %q", next, c.ID())
		}
	}, websocket)
}

// Whatever a server acknowledges its handlers are called for, also when the socket is closed
// at that very moment.
func TestWhatIsAcknowledgedIsHandledWhenTheSocketIsClosed(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		var handled atomic.Int32
		server.HandleFunc("s", func(socket.Socket, interface{}) { handled.Add(1) })
		for i := range 300 {
			p := e.offer("new")
			p.say(`{"ack":0}`)
			synctest.Wait()
			s, ok := server.GetSocket(p.id)
			if !ok {
				t.Fatal("no socket")
			}
			handled.Store(0)
			const most = 20
			go func() {
				for n := range most {
					p.rawTransport.Send(fmt.Appendf(nil, `{"seq":%d,"event":"s"}`, n+1)) // fails once it is closed
				}
			}()
			for handled.Load() < int32(i%most) {
				time.Sleep(0)
			}
			s.Disconnect(socket.DisconnectReason{Retry: socket.RetryBackoff})
			last := 0
			for {
				data, err := p.Receive()
				if err != nil {
					break
				}
				fmt.Sscanf(string(data), `{"ack":%d}`, &last)
			}
			synctest.Wait()
			if n := int(handled.Load()); n < last {
				t.Fatalf("round %d: %d messages were acknowledged, and %d handled", i, last, n)
			}
		}
	}, websocket, polling)
}
