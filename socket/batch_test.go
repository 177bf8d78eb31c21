package socket_test

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

// batching is a flaky transport that can send several messages at once.
type batching struct {
	flaky
	mu      sync.Mutex // guards batches
	batches []string   // "at 50ms: 3 messages"
	began   time.Time
}

func (b *batching) SendBatch(batch [][]byte) error {
	b.mu.Lock()
	b.batches = append(b.batches, fmt.Sprintf("at %v: %d messages", time.Since(b.began), len(batch)))
	b.mu.Unlock()
	for _, data := range batch {
		if err := b.Send(data); err != nil {
			return err
		}
	}
	return nil
}

func newBatching(t *testing.T, opts ...socket.ClientOption) (*batching, *socket.Client) {
	b := &batching{began: time.Now()}
	c := socket.NewClient(b, opts...)
	if err := c.Connect(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return b, c
}

func TestBatchLeavesWhenItIsFullAndOtherwiseAfterTheInterval(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, c := newBatching(t, socket.WithBatchSend(20, 50*time.Millisecond))
		send := func(n int) {
			for range n {
				if err := c.Send("x", nil); err != nil {
					t.Errorf("Send() = %v", err)
				}
			}
		}
		send(45)                          // 2 full ones at once, the rest at 50 ms
		time.Sleep(30 * time.Millisecond) // at 30
		send(3)                           // does not postpone it
		time.Sleep(70 * time.Millisecond) // at 100
		send(1)
		time.Sleep(100 * time.Millisecond) // at 200
		send(19)
		time.Sleep(10 * time.Millisecond) // at 210
		send(1)                           // full, with no timer behind
		time.Sleep(time.Second)           // at 1.21 s
		send(2)
		c.Close() // flushes
		want := []string{
			"at 0s: 20 messages", "at 0s: 20 messages", "at 50ms: 8 messages",
			"at 150ms: 1 messages", "at 210ms: 20 messages", "at 1.21s: 2 messages",
		}
		if !slices.Equal(b.batches, want) {
			t.Errorf("batches:\n%s\nwant:\n%s", strings.Join(b.batches, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestBatchIsSentMessageByMessageByATransportWithoutBatches(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := new(flaky)
		c := socket.NewClient(f, socket.WithBatchSend(3, time.Second))
		if err := c.Connect(); err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			c.Send("x", i)
		}
		if n := len(f.texts()); n != 3 {
			t.Errorf("%d messages were sent, want the full batch of 3", n)
		}
		c.Close()
		var want []string
		for i := range 5 {
			want = append(want, fmt.Sprintf(`{"event":"x","data":%d}`, i))
		}
		if got := f.texts(); !slices.Equal(got, want) {
			t.Errorf("sent %v, want %v", got, want)
		}
	})
}

func TestBatchTravelsInOneWriteAndKeepsItsOrder(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var got []int
		server := e.serve()
		socket.Handle(server, "n", func(_ socket.Socket, i int) { got = append(got, i) })
		server.HandleFunc(socket.EventMessage, func(_ socket.Socket, data interface{}) { got = append(got, int(data.([]byte)[0])) })
		c := e.connected(socket.WithBatchSend(20, 50*time.Millisecond))
		const n = 205
		for i := range n {
			if i == 100 {
				c.Send(socket.EventMessage, []byte{100}) // does not overtake what is gathered
				continue
			}
			c.Send("n", i)
		}
		e.settle()
		if !slices.Equal(got, count(n)) {
			t.Errorf("the server got %v", got)
		}
	}, websocket, polling)
}

func TestBatchDoesNotDelayClose(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var tr trace
		server := e.serve()
		socket.Handle(server, "n", func(_ socket.Socket, i int) { tr.add("%d", i) })
		c := e.connected(socket.WithBatchSend(20, time.Hour))
		for i := range 3 {
			c.Send("n", i)
		}
		began := time.Now()
		if err := c.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
		if d := time.Since(began); d > 0 {
			t.Errorf("Close took %v", d)
		}
		e.settle()
		tr.want(t, "0", "1", "2")
	}, websocket, polling)
}

func TestBatchOfALostConnectionIsReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, c := newBatching(t, socket.WithBatchSend(20, time.Second), socket.WithReconnectAttempts(0))
		synctest.Wait() // the first connect has been told, to nobody
		var tr trace
		c.On(socket.EventError, func(data interface{}) {
			var cerr *socket.ConnectionError
			if !errors.As(data.(error), &cerr) || !errors.Is(cerr, socket.ErrConnectionClosed) {
				t.Errorf("error %v", data)
			}
			tr.add("error: 3 messages: %t", strings.Contains(cerr.Error(), "3 batched messages"))
		})
		c.On(socket.EventDisconnect, func(interface{}) { tr.add("disconnect") })
		c.On(socket.EventConnect, func(interface{}) { tr.add("connect") })
		for i := range 3 {
			c.Send("x", i)
		}
		b.lose()
		synctest.Wait()
		if err := c.Send("x", 4); !errors.Is(err, socket.ErrConnectionClosed) {
			t.Errorf("Send() = %v while there is no connection", err)
		}
		time.Sleep(time.Minute)
		tr.want(t, "error: 3 messages: true", "disconnect", "connect")
		if got := b.texts(); len(got) != 0 {
			t.Errorf("%v was sent over the next connection", got)
		}
	})
}

func TestBatchThatCannotBeSentIsReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, c := newBatching(t, socket.WithBatchSend(2, time.Second))
		b.flaky.mu.Lock()
		b.sendErr = fmt.Errorf("send: %w", syscall.EPIPE)
		b.flaky.mu.Unlock()
		errs := make(chan error, 10)
		c.On(socket.EventError, func(data interface{}) { errs <- data.(error) })
		c.Send("x", 1)
		var cerr *socket.ConnectionError
		if err := <-errs; !errors.As(err, &cerr) || !errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed) {
			t.Errorf("error %v", err)
		}
		c.Send("x", 2)
		if err := c.Send("x", 3); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Send() = %v, want the error of the batch that it has filled", err)
		}
		c.Send("x", 4)
		if err := c.Close(); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Close() = %v, want what is left to be told", err)
		}
		if c.IsConnected() {
			t.Error("not closed")
		}
	})
}

func TestBatchOptionPanicsForImpossibleValues(t *testing.T) {
	for _, f := range []func(){
		func() { socket.WithBatchSend(0, time.Second) },
		func() { socket.WithBatchSend(1, 0) },
		func() { socket.NewClient(new(flaky), socket.WithReconnectDelay(-1)) },
		func() { socket.NewServer(socket.WithBufferSize(-1)) },
		func() { socket.NewServer(socket.WithAllowedOrigins("example.com")) },
	} {
		func() {
			defer func() {
				if v := recover(); v == nil {
					t.Error("no panic for an impossible value")
				}
			}()
			f()
		}()
	}
}
