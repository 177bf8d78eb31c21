package socket_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
)

// Volatile messages arrive in their place among the others, text and binary, with a
// session and without, and are dropped when there is no connection.
func TestVolatileMessagesAreSentAtOnceOrNever(t *testing.T) {
	for _, session := range []bool{true, false} {
		run(t, func(t *testing.T, e *env) {
			var mu sync.Mutex
			var got []string
			add := func(s string) {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, s)
			}
			server := e.serve()
			socket.Handle(server, "x", func(_ socket.Socket, s string) { add(s) })
			socket.Handle(server, socket.EventMessage, func(_ socket.Socket, p []byte) { add(string(p)) })
			c := e.client(socket.WithSession(session), socket.WithReconnectAttempts(0))
			volatile := func(s string) error {
				if strings.HasPrefix(s, "binary") {
					return c.SendVolatile(socket.EventMessage, []byte(s))
				}
				return c.SendVolatile("x", s)
			}
			closed := func(when string) {
				t.Helper()
				err := volatile("dropped " + when)
				var ce *socket.ConnectionError
				if !errors.As(err, &ce) || ce.Op != "send" || !errors.Is(err, socket.ErrConnectionClosed) {
					t.Errorf("SendVolatile %s = %v, want ErrConnectionClosed", when, err)
				}
			}
			closed("before Connect")
			e.connect(c)
			e.settle()
			want := []string{}
			for _, s := range []string{"a", "b volatile", "binary volatile", "c", "d volatile"} {
				if strings.HasSuffix(s, "volatile") {
					if err := volatile(s); err != nil {
						t.Errorf("SendVolatile = %v", err)
					}
				} else if err := c.Send("x", s); err != nil {
					t.Errorf("Send = %v", err)
				}
				want = append(want, s)
			}
			e.settle()
			if n, _ := c.Buffered(); session && n > 2 || !session && n != 0 {
				t.Errorf("%d messages are kept, with session: %t", n, session)
			}
			time.Sleep(10 * time.Second)
			if n, b := c.Buffered(); n != 0 || b != 0 {
				t.Errorf("%d messages of %d bytes are kept after they were acknowledged", n, b)
			}
			var me *socket.MessageError
			if err := c.SendVolatile("x", func() {}); !errors.As(err, &me) {
				t.Errorf("SendVolatile of a func = %v", err)
			}
			e.setDown(syscall.ECONNREFUSED)
			e.cut()
			time.Sleep(35 * time.Second)
			closed("after a loss")
			e.setDown(nil)
			time.Sleep(time.Minute)
			if err := volatile("binary at last"); err != nil {
				t.Errorf("SendVolatile after a reconnect = %v", err)
			}
			e.settle()
			c.Close()
			closed("after Close")
			mu.Lock()
			defer mu.Unlock()
			if want = append(want, "binary at last"); !slices.Equal(got, want) {
				t.Errorf("the server got %q, want %q", got, want)
			}
		}, websocket, polling)
	}
}

// SendVolatile never waits: what a connection does not take is dropped.
func TestVolatileMessagesAreDroppedWhenTheServerDoesNotRead(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		e.serve()
		c := e.connected(socket.WithReconnectAttempts(0))
		e.settle()
		e.each((*memnet.Conn).Stall, nil)
		e.stall()
		began := time.Now()
		data := strings.Repeat("x", 1000)
		var err error
		for n := 0; err == nil; n++ {
			if err = c.SendVolatile("x", data); n > 1<<20 {
				t.Fatal("a million messages were taken")
			}
		}
		if !errors.Is(err, socket.ErrDropped) || errors.Is(err, socket.ErrConnectionClosed) {
			t.Errorf("SendVolatile = %v, want ErrDropped", err)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("SendVolatile waited for %v", d)
		}
		e.each(nil, nil)
	}, websocket, polling)
}

// While a Send waits, a volatile message is dropped, and does not wait too.
func TestVolatileMessagesAreDroppedWhileASendWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &slowSender{entered: make(chan bool), leave: make(chan bool), done: make(chan bool)}
		c := socket.NewClient(tr, socket.WithReconnectAttempts(-1))
		if err := c.Connect(); err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		go c.Send("x", 1)
		<-tr.entered
		if err := c.SendVolatile("x", 2); !errors.Is(err, socket.ErrDropped) {
			t.Errorf("SendVolatile = %v, want ErrDropped", err)
		}
		close(tr.leave)
	})
}

// The buffer of a client that is full is an event, once for each loss; what is in it can
// be seen.
func TestFullBufferOfTheClientIsAnEventOncePerLoss(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		var up ledger
		up.countServer(server)
		c := e.client(socket.WithReconnectAttempts(0), socket.WithClientSessionBuffer(-1, 10))
		full := 0
		c.On(socket.EventError, func(data interface{}) {
			var ce *socket.ConnectionError
			if errors.Is(data.(error), socket.ErrBufferFull) {
				if errors.As(data.(error), &ce); ce.Op != "send" {
					t.Errorf("the error is %v", data)
				}
				full++
			}
		})
		e.connect(c)
		e.settle()
		for loss := range 2 {
			e.setDown(syscall.ECONNREFUSED)
			e.cut()
			time.Sleep(35 * time.Second)
			bytes := 0
			for i := range 10 {
				if err := c.Send("n", 10*loss+i); err != nil {
					t.Errorf("Send of message %d = %v", i, err)
				}
				n, b := c.Buffered()
				if n != i+1 || b <= bytes {
					t.Errorf("%d messages of %d bytes are kept after %d, and %d before", n, b, i+1, bytes)
				}
				bytes = b
			}
			synctest.Wait()
			if full != loss {
				t.Errorf("loss %d: %d events while there was room", loss, full)
			}
			for range 5 {
				if err := c.Send("n", -1); !errors.Is(err, socket.ErrBufferFull) {
					t.Errorf("Send = %v, want ErrBufferFull", err)
				}
			}
			synctest.Wait()
			if full != loss+1 {
				t.Errorf("loss %d: %d events, want one for each loss", loss, full)
			}
			e.setDown(nil)
			time.Sleep(time.Minute)
		}
		up.want(t, "the server", 20)
	}, websocket, polling)
}

// slowSender is a transport whose Send waits until it is told to leave.
type slowSender struct{ entered, leave, done chan bool }

func (s *slowSender) Send([]byte) error {
	s.entered <- true
	<-s.leave
	return nil
}

func (s *slowSender) Connect(context.Context) error { return nil }

func (s *slowSender) Receive() ([]byte, error) {
	<-s.done
	return nil, net.ErrClosed
}

func (s *slowSender) Close() error {
	close(s.done)
	return nil
}

// A binary message has what is gathered sent first: when there is no room for that, neither is
// sent, and the error says so of both, by the text of what was gathered.
func TestFullBufferOfTheClientIsToldOfWhatWasGathered(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		e.serve()
		c := e.client(socket.WithReconnectAttempts(0), socket.WithClientSessionBuffer(-1, 3), socket.WithBatchSend(10, time.Minute))
		e.connect(c)
		e.settle()
		e.setDown(syscall.ECONNREFUSED)
		e.cut()
		time.Sleep(35 * time.Second)
		for gathered, want := range []string{
			"",
			"socket: send: 1 batched message was not kept: ",
			"socket: send: 2 batched messages were not kept: ",
		} {
			for i := range gathered {
				if err := c.Send("n", i); err != nil {
					t.Error(err)
				}
			}
			for n, _ := c.Buffered(); gathered == 0 && n < 3; n, _ = c.Buffered() {
				if err := c.Send(socket.EventMessage, []byte("x")); err != nil {
					t.Fatal(err)
				}
			}
			err := c.Send(socket.EventMessage, []byte("x"))
			if !errors.Is(err, socket.ErrBufferFull) || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("behind %d that were gathered: %v, want %q", gathered, err, want)
			}
		}
	}, websocket, polling)
}
