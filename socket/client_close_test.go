package socket_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

// From Close on nothing is sent any more, and whoever tries is told. What was sent before and
// has not arrived is in the error of Close, whatever others do with the client meanwhile.
func TestSendDuringCloseIsRefusedAndHidesNothing(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		var got atomic.Int64
		socket.Handle(server, "n", func(socket.Socket, int) { got.Add(1) })
		c := e.connected()
		e.settle()
		e.stall()
		e.setHangs(true) // long polling may want another connection
		for i := range 10 {
			if err := c.Send("n", i); err != nil {
				t.Fatal(err)
			}
		}
		late := make(chan error, 1)
		go func() {
			time.Sleep(40 * time.Millisecond)
			late <- c.Send("n", 10)
		}()
		began := time.Now()
		err := c.Close()
		var se *socket.SessionError
		if !errors.As(err, &se) || len(se.Unknown)+se.Dropped != 10 {
			t.Errorf("Close = %v after %v, want a SessionError with 10 messages", err, time.Since(began))
		}
		if err := <-late; !errors.Is(err, socket.ErrConnectionClosed) {
			t.Errorf("a Send during Close = %v", err)
		}
	}, websocket, polling)
}

// The same while the server takes its time with what it has received: the closing is clean,
// and what was sent has arrived.
func TestSendDuringACloseThatTakesLongIsRefused(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		var got atomic.Int64
		socket.Handle(server, "n", func(socket.Socket, int) {
			time.Sleep(time.Second)
			got.Add(1)
		})
		c := e.connected()
		var sent int64
		for i := range 3 {
			if c.Send("n", i) == nil {
				sent++
			}
		}
		stop := make(chan struct{})
		accepted := make(chan int64, 1)
		go func() {
			var n int64
			for i := 0; ; i++ {
				select {
				case <-stop:
					accepted <- n
					return
				case <-time.After(100 * time.Millisecond):
					if c.Send("n", i) == nil {
						n++
					}
				}
			}
		}()
		time.Sleep(50 * time.Millisecond)
		err := c.Close()
		close(stop)
		sent += <-accepted
		time.Sleep(time.Minute)
		var se *socket.SessionError
		told := int64(0)
		if errors.As(err, &se) {
			told = int64(len(se.Unknown) + se.Dropped)
		}
		if got.Load()+told < sent {
			t.Errorf("%d of %d messages were handled, and Close has told of %d: %v", got.Load(), sent, told, err)
		}
	}, websocket, polling)
}

// A reply that comes while a client closes acknowledges nothing that no handler has seen.
func TestReplyDuringCloseAcknowledgesNothingThatWasDropped(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		ends := make(chan error, 1)
		server.HandleFunc(socket.EventDisconnect, func(_ socket.Socket, reason interface{}) { ends <- reason.(error) })
		socket.HandleRequest(server, "slow", func(_ context.Context, _ socket.Socket, n int) (int, error) {
			time.Sleep(time.Second)
			return n, nil
		})
		c := e.connected()
		var handled atomic.Int64
		socket.On(c, "n", func(int) { handled.Add(1) })
		e.settle()
		s := socket.Sockets(server)[0]
		sent := make(chan int64, 1)
		go func() {
			var n int64
			for s.Context().Err() == nil {
				if s.Send("n", int(n)) == nil {
					n++
				}
				time.Sleep(10 * time.Millisecond)
			}
			sent <- n
		}()
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			_, _ = socket.Call[int](t.Context(), c, "slow", 1)
		}()
		time.Sleep(300 * time.Millisecond)
		err := c.Close()
		<-asked
		end := <-ends
		var se *socket.SessionError
		told := int64(0)
		if errors.As(end, &se) {
			told = int64(len(se.Unknown) + se.Dropped)
		}
		if n := <-sent; handled.Load()+told < n {
			t.Errorf("%d of %d messages were handled, and the server was told of %d: %v; Close = %v", handled.Load(), n, told, end, err)
		}
	}, websocket, polling)
}
