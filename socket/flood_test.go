package socket_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// floods is how many messages go each way.
const floods = 10_000

// sequence checks that numbers come in order, none twice and none missing.
type sequence struct {
	t    *testing.T
	name string
	next int // not guarded: one handler at a time
	done chan struct{}
}

func newSequence(t *testing.T, name string) *sequence {
	return &sequence{t: t, name: name, done: make(chan struct{})}
}

func (s *sequence) take(i int) {
	if i != s.next {
		s.t.Errorf("%s: %d came, want %d", s.name, i, s.next)
	}
	if s.next = i + 1; s.next == floods {
		close(s.done)
	}
}

func (s *sequence) wait() {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(time.Minute):
		s.t.Fatalf("%s: %d of %d came", s.name, s.next, floods)
	}
}

func TestNoMessageIsLostOrReorderedHoweverFastTheSender(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		flood(t, server, e.client())
	}, websocket, polling)
}

func TestNoMessageIsLostOrReorderedOverTCP(t *testing.T) {
	eachWait(t, func(t *testing.T, k kind, unwatched bool) {
		for _, compressed := range []bool{false, true} {
			t.Run(fmt.Sprintf("compressed=%t", compressed), func(t *testing.T) {
				// Room for all of it: over a real network the machine decides how
				// fast a client is, and a broadcast closes one that is slow.
				server := socket.NewServer(socket.WithLogger(nil), socket.WithCompression(compressed), socket.WithSendQueue(64<<20, 8*floods))
				h := httptest.NewUnstartedServer(server)
				if unwatched {
					h.Listener = hiding{h.Listener}
				}
				h.Start()
				defer h.Close()
				defer server.Shutdown(t.Context())
				c := socket.NewClient(newTransport(k, h.URL), socket.WithClientCompression(compressed))
				defer c.Close()
				flood(t, server, c)
			})
		}
	})
}

// flood sends all that it can in tight loops: the client to the server, the
// server from a handler and from outside, all at the same time.
func flood(t *testing.T, server *socket.Server, c *socket.Client) {
	fromClient := newSequence(t, "client to server")
	fromHandler := newSequence(t, "handler to client")
	fromOutside := newSequence(t, "server to client")
	fromBroadcast := newSequence(t, "broadcast to client")
	socket.Handle(server, "n", func(_ socket.Socket, i int) { fromClient.take(i) })
	server.HandleFunc("go", func(s socket.Socket, _ interface{}) {
		for i := range floods {
			if err := s.Send("handler", i); err != nil {
				t.Errorf("Send(%d) in a handler = %v", i, err)
				return
			}
		}
	})
	socket.On(c, "handler", fromHandler.take)
	socket.On(c, "outside", fromOutside.take)
	socket.On(c, "broadcast", fromBroadcast.take)
	c.On(socket.EventDisconnect, func(data interface{}) {
		if data != socket.ErrConnectionClosed {
			t.Errorf("disconnect: %v", data)
		}
	})
	if err := c.Connect(); err != nil {
		t.Fatal(err)
	}
	s, ok := server.GetSocket(c.ID())
	if !ok {
		t.Fatal("the server does not know the client")
	}
	var senders sync.WaitGroup
	loop := func(name string, send func(i int) error) {
		senders.Go(func() {
			for i := range floods {
				if err := send(i); err != nil {
					t.Errorf("%s: Send(%d) = %v", name, i, err)
					return
				}
			}
		})
	}
	if err := c.Send("go", nil); err != nil {
		t.Fatal(err)
	}
	loop("client", func(i int) error { return c.Send("n", i) })
	loop("outside", func(i int) error { return s.Send("outside", i) })
	loop("broadcast", func(i int) error { return server.Broadcast("broadcast", i) })
	for _, q := range []*sequence{fromHandler, fromOutside, fromBroadcast, fromClient} {
		q.wait()
	}
	senders.Wait()
}

// One client reads nothing. It is closed with the code of a slow consumer, and
// the others get everything, held up for a tenth of a second at most.
func TestBroadcastsInATightLoopAndOneStalledClient(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		var all []*sequence
		for i := range 4 {
			c, q := e.client(), newSequence(t, fmt.Sprint("client ", i))
			socket.On(c, "n", q.take)
			e.connect(c)
			all = append(all, q)
		}
		stalled := e.raw()
		reasons := make(chan error, 1)
		server.HandleFunc(socket.EventDisconnect, func(s socket.Socket, data interface{}) {
			if s.ID() == stalled.SocketID() {
				reasons <- data.(error)
			}
		})
		began := time.Now()
		var longest time.Duration
		for i := range floods {
			before := time.Now()
			server.Broadcast("n", i)
			longest = max(longest, time.Since(before))
		}
		if longest > 100*time.Millisecond || time.Since(began) > time.Second {
			t.Errorf("one broadcast took %v, all of them %v", longest, time.Since(began))
		}
		for _, q := range all {
			q.wait()
		}
		if _, ok := server.GetSocket(stalled.SocketID()); ok {
			t.Error("the stalled client is connected")
		}
		if !e.logged("slow consumer", stalled.SocketID(), "WithSendQueue") {
			t.Error("the slow consumer is not in the log")
		}
		// Once it reads it learns why.
		n := 0
		for ; ; n++ {
			_, err := stalled.Receive()
			if err == nil {
				continue
			}
			if transport.CloseStatus(err) != transport.StatusTryAgainLater || !strings.Contains(err.Error(), "slow consumer") {
				t.Errorf("the stalled client is told %v, want close code 1013", err)
			}
			break
		}
		if n >= floods {
			t.Errorf("the stalled client got %d messages", n)
		}
		if reason := <-reasons; !errors.Is(reason, socket.ErrTimeout) {
			t.Errorf("disconnect got %v, want ErrTimeout", reason)
		}
	}, websocket, polling)
}

// Send waits for a client that reads late, and closes one that does not read.
func TestSendWaitsWhileTheQueueIsFull(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithSendQueue(0, 10))
		p := e.raw()
		s, _ := server.GetSocket(p.SocketID())
		fill := func(n int) (err error) {
			for i := 0; i < n && err == nil; i++ {
				err = s.Send("x", strings.Repeat("x", 1000))
			}
			return err
		}
		began := time.Now()
		var read atomic.Int32
		go func() {
			time.Sleep(8 * time.Second)
			for range 300 {
				if _, err := p.Receive(); err == nil {
					read.Add(1)
				}
			}
		}()
		if err := fill(300); err != nil {
			t.Errorf("Send() = %v to a client that reads after 8 s", err)
		}
		if d := time.Since(began); d < 7*time.Second || d > 10*time.Second {
			t.Errorf("Send waited for %v", d)
		}
		time.Sleep(3 * time.Second)
		if n := read.Load(); n != 300 {
			t.Errorf("%d messages came", n)
		}

		began = time.Now()
		err := fill(1000)
		var cerr *socket.ConnectionError
		if !errors.As(err, &cerr) || !errors.Is(err, socket.ErrTimeout) || errors.Is(err, socket.ErrConnectionClosed) {
			t.Errorf("Send() = %v to a client that does not read", err)
		}
		if d := time.Since(began); d < 10*time.Second || d > 11*time.Second {
			t.Errorf("Send waited for %v, want the write timeout", d)
		}
		if s.IsConnected() {
			t.Error("the client is not closed")
		}
		if err := s.Send("x", nil); !errors.Is(err, socket.ErrConnectionClosed) {
			t.Errorf("Send() = %v after it", err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := server.Count(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
	}, websocket, polling)
}

// A handler that waits in Send ends with its connection.
func TestSendEndsWithItsConnection(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithSendQueue(0, 10), socket.WithWriteTimeout(time.Hour))
		result := make(chan error, 1)
		server.HandleFunc("go", func(s socket.Socket, _ interface{}) {
			for {
				if err := s.Send("x", strings.Repeat("x", 1000)); err != nil {
					result <- err
					return
				}
			}
		})
		p := e.raw()
		p.say(`{"event":"go"}`)
		e.settle()
		e.each((*memnet.Conn).Cut, nil)
		e.cut()
		if err := <-result; !errors.Is(err, socket.ErrConnectionClosed) {
			t.Errorf("Send() = %v when the connection was lost", err)
		}
	}, websocket, polling)
}
