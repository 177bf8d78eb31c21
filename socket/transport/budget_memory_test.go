package transport

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// budgeted returns a connection with a budget, over a network in memory, and the
// other end of it.
func budgeted(t *testing.T, budget *Budget, limits Limits) (c *Conn, peer net.Conn) {
	l := memnet.Listen("server:80")
	peer, err := l.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	limits.MemoryBudget = budget
	c = NewTestConn(nc, wsproto.RoleServer, limits, nil, nil)
	t.Cleanup(func() {
		c.CloseNow()
		peer.Close()
		l.Close()
		synctest.Wait()
		if used := budget.Used(); used != 0 {
			t.Errorf("%d bytes are used after the end, want 0", used)
		}
	})
	return c, peer
}

// say writes a message as a client does.
func say(t *testing.T, peer net.Conn, payload []byte) {
	t.Helper()
	h := wsproto.Header{Fin: true, Opcode: wsproto.OpBinary, Masked: true}
	if _, err := peer.Write(wsproto.AppendFrame(nil, h, payload)); err != nil {
		t.Fatal(err)
	}
}

// slow is a handler that holds each message until release is closed.
type slow struct {
	began   chan int // sizes of messages
	release chan struct{}
	closed  chan error
}

func newSlow() slow { return slow{make(chan int, 100), make(chan struct{}), make(chan error, 10)} }

func (h slow) OnMessage(_ *Conn, _ MessageType, p []byte) {
	h.began <- len(p)
	<-h.release
}

func (h slow) OnClose(_ *Conn, err error) { h.closed <- err }

func TestBudgetCountsTheBuffersThatASlowHandlerHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := NewBudget(1 << 20)
		c, peer := budgeted(t, budget, Limits{})
		h := newSlow()
		c.Start(h)
		for range 3 { // to make the read buffer large
			say(t, peer, make([]byte, 30<<10))
			<-h.began
			h.release <- struct{}{}
		}
		synctest.Wait()
		if used := budget.Used(); used != 0 {
			t.Errorf("%d bytes are used while nothing is handled, want 0", used)
		}
		say(t, peer, make([]byte, 30<<10))
		<-h.began
		if used := budget.Used(); used < 30<<10 || used > 200<<10 {
			t.Errorf("%d bytes are used while a message of 30 KiB is handled", used)
		}
		// Reading goes on behind the handler, which still has its buffers.
		before := budget.Used()
		if !c.HandOff() {
			t.Fatal("HandOff = false")
		}
		synctest.Wait()
		if used := budget.Used(); used != before {
			t.Errorf("%d bytes are used behind a handler with %d", used, before)
		}
		say(t, peer, make([]byte, 30<<10))
		<-h.began
		if used := budget.Used(); used < 60<<10 {
			t.Errorf("%d bytes are used while two messages of 30 KiB are handled", used)
		}
		close(h.release)
		synctest.Wait()
		if used := budget.Used(); used != 0 {
			t.Errorf("%d bytes are used after the handlers, want 0", used)
		}
		c.CloseNow()
		<-h.closed
	})
}

func TestShortMemoryMakesReadBuffersSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := NewBudget(1 << 20)
		c, peer := budgeted(t, budget, Limits{})
		h := newSlow()
		close(h.release)
		c.Start(h)
		message := make([]byte, 30<<10)
		say(t, peer, message)
		<-h.began
		budget.Add(budget.Max()/4 + 1)
		defer budget.Add(-budget.Max()/4 - 1)
		say(t, peer, message)
		if n := <-h.began; n != len(message) {
			t.Errorf("a message of %d bytes came as %d", len(message), n)
		}
		if n := c.in.bufferSize(c.cfg); n > smallInput {
			t.Errorf("read buffers have %d bytes with 25 %% of the budget used", n)
		}
		c.CloseNow()
		<-h.closed
	})
}

func TestBudgetCountsWhatCompressedMessagesInflateTo(t *testing.T) {
	budget := NewBudget(100 << 10)
	url, conns := acceptWith(t, &AcceptOptions{Compression: Compressed(true), Limits: Limits{MemoryBudget: budget, MaxMessageSize: 1 << 20}})
	c, err := Dial(t.Context(), url, &DialOptions{Compression: Compressed(true)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	server := <-conns
	h := newSlow()
	defer close(h.release)
	server.Start(h)
	if err := c.Write(t.Context(), MessageBinary, make([]byte, 60<<10)); err != nil {
		t.Fatal(err)
	}
	<-h.began
	if used := budget.Used(); used < 60<<10 {
		t.Errorf("%d bytes are used while a message of 60 KiB is handled", used)
	}
	c2, err := Dial(t.Context(), url, &DialOptions{Compression: Compressed(true)})
	if err != nil {
		t.Fatal(err)
	}
	defer c2.CloseNow()
	(<-conns).Start(h)
	if err := c2.Write(t.Context(), MessageBinary, make([]byte, 60<<10)); err != nil {
		t.Fatal(err)
	}
	if code := closedBy(t, c2); code != StatusTryAgainLater {
		t.Errorf("a message for which there is no memory is answered with %d, want 1013", code)
	}
}

func TestBudgetCountsTheBuffersOfBlockedOutputNotItsBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := NewBudget(16 << 20)
		c, _ := budgeted(t, budget, Limits{MaxQueueBytes: 1 << 20, MaxQueueMessages: -1})
		h := newSlow()
		c.Start(h)
		var err error
		for err == nil {
			err = c.Queue(MessageBinary, make([]byte, 9<<10)) // two do not fit into 16 KiB
			synctest.Wait()
		}
		if !errors.Is(err, ErrQueueFull) {
			t.Fatal(err)
		}
		c.out.mu.Lock()
		payload, held := c.out.bytes, 0
		for _, q := range []*batch{c.out.queue, c.out.pong} {
			if q == nil {
				continue
			}
			for _, it := range q.items {
				held += len(it.buf.b)
			}
		}
		c.out.mu.Unlock()
		if used := budget.Used(); used < int64(held) || held < payload*3/2 {
			t.Errorf("%d bytes are used for %d bytes in buffers of %d", used, payload, held)
		}
		c.CloseNow()
		<-h.closed
	})
}

func TestNothingIsQueuedForAPeerThatDoesNotReadOnceTheBudgetIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := NewBudget(256 << 10)
		c, peer := budgeted(t, budget, Limits{MaxQueueBytes: 16 << 20, MaxQueueMessages: -1})
		h := newSlow()
		c.Start(h)
		var err error
		sent := 0
		for ; err == nil && sent < 1000; sent++ {
			err = c.Queue(MessageBinary, make([]byte, 17<<10)) // in a buffer of 64 KiB
			synctest.Wait()
		}
		if !errors.Is(err, ErrQueueFull) {
			t.Fatalf("Queue = %v after %d messages, want ErrQueueFull", err, sent)
		}
		if used := budget.Used(); used > budget.Max()+maxBuffer {
			t.Errorf("%d bytes of %d are used", used, budget.Max())
		}
		go func() { // it reads again
			buf := make([]byte, 64<<10)
			for {
				if _, err := peer.Read(buf); err != nil {
					return
				}
			}
		}()
		synctest.Wait()
		if used := budget.Used(); used != 0 {
			t.Errorf("%d bytes are used once all was read", used)
		}
		c.CloseNow()
		<-h.closed
	})
}

func TestReadHoldsNothingOfTheBudgetBetweenTwoCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := NewBudget(1 << 20)
		c, peer := budgeted(t, budget, Limits{})
		want := bytes.Repeat([]byte("x"), 40<<10)
		for range 4 {
			say(t, peer, want)
			_, got, err := c.Read(context.Background())
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("Read = %d bytes, %v", len(got), err)
			}
			if used := budget.Used(); used != 0 {
				t.Errorf("%d bytes are used after Read", used)
			}
		}
	})
}

func TestTryAddCountsUpToAShareOfTheBudget(t *testing.T) {
	b := NewBudget(1000)
	if !b.TryAdd(950, 95) || b.TryAdd(1, 95) || b.Used() != 950 || !b.Tight() {
		t.Errorf("TryAdd beyond 950 of 1000: %d used", b.Used())
	}
	b.Add(500)
	if b.Add(-1450); b.Used() != 0 || b.Tight() {
		t.Errorf("%d used after all was given back", b.Used())
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				if b.TryAdd(100, 50) {
					b.Add(-100)
				}
			}
		})
	}
	all.Wait()
	if b.Used() != 0 {
		t.Errorf("%d used after all was given back", b.Used())
	}
	var none *Budget
	none.Add(1)
	if !none.TryAdd(1<<40, 1) || none.Tight() || none.Used() != 0 || none.Max() != 0 {
		t.Error("a nil Budget has a bound")
	}
}
