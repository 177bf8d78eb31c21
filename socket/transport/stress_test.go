package transport_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// All methods may be called from any goroutine at any time: whatever the order,
// every call returns, nothing races, and a connection that was ended is over.
func TestAllMethodsFromAnyGoroutineAtAnyTime(t *testing.T) {
	rounds := 15
	if testing.Short() {
		rounds = 5
	}
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			for range rounds {
				hammer(t, n.pair)
			}
		})
	}
}

// hammer makes a connection, calls everything on both of its ends at once, and
// ends it in the middle.
func hammer(t *testing.T, pair func(t *testing.T) (server, client net.Conn)) {
	a, b := pair(t)
	defer a.Close()
	defer b.Close()
	limits := transport.Limits{
		MaxQueueMessages: 1 + rand.IntN(20), MaxQueueBytes: 100 + rand.IntN(10_000),
		MaxControlFrames: -1, MaxFragments: -1, BufferSize: 1 << rand.IntN(14),
		CloseTimeout: time.Second, MemoryBudget: transport.NewBudget(1 << 20),
	}
	var params *wsproto.DeflateParams
	if rand.IntN(2) == 0 {
		params = &wsproto.DeflateParams{ServerNoTakeover: true, ClientNoTakeover: true, ServerBits: 15, ClientBits: 15}
	}
	server := newConn(a, wsproto.RoleServer, limits, params)
	client := newConn(b, wsproto.RoleClient, limits, params)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for _, c := range []*transport.Conn{server, client} {
		if rand.IntN(2) == 0 {
			wg.Add(1)
			c.Start(anyHandler{ctx, wg.Done})
		} else {
			for range 2 {
				wg.Go(func() { pull(ctx, c) })
			}
		}
		for range 4 {
			wg.Go(func() { callAnything(ctx, c, 30) })
		}
	}
	ends := []func(){
		func() { _ = server.Close(transport.StatusNormalClosure, "") },
		func() { _ = client.Close(transport.StatusGoingAway, "bye") },
		func() { _ = server.QueueClose(4000, "") },
		func() { _ = server.CloseNow() },
		func() { _ = client.CloseNow() },
		func() { client.Refuse(transport.StatusPolicyViolation, "enough") },
		func() { server.Refuse(transport.StatusTryAgainLater, "enough") },
	}
	for range 2 {
		end := ends[rand.IntN(len(ends))]
		wg.Go(func() {
			time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
			end()
		})
	}
	wg.Wait()
	for _, c := range []*transport.Conn{server, client} {
		<-c.Done()
		// The goroutines of the connection learn of it in a moment.
		for begin := time.Now(); time.Since(begin) < 10*time.Second && (!c.Waiting() || limits.MemoryBudget.Used() != 0); {
			time.Sleep(time.Millisecond)
		}
		if bytes, frames := c.Buffered(); bytes != 0 || frames != 0 {
			t.Errorf("Buffered() = %d, %d after the end, want nothing", bytes, frames)
		}
	}
	if ctx.Err() != nil {
		t.Error("something waited for a minute")
	}
	if used := limits.MemoryBudget.Used(); used != 0 {
		t.Errorf("%d bytes of the budget are in use after the end", used)
	}
}

// pull reads in every way until the end.
func pull(ctx context.Context, c *transport.Conn) {
	for {
		one, cancel := ctx, func() {}
		if rand.IntN(2) == 0 {
			one, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(500))*time.Microsecond)
		}
		var err error
		if rand.IntN(2) == 0 {
			_, _, err = c.Read(one)
		} else {
			var r io.Reader
			if _, r, err = c.Reader(one); err == nil && rand.IntN(3) > 0 {
				_, err = io.ReadAll(r)
			}
		}
		interrupted := one.Err() != nil
		cancel()
		select {
		case <-c.Done():
			return
		default:
		}
		if err != nil && !interrupted && ctx.Err() != nil {
			return
		}
	}
}

// anyHandler calls anything.
type anyHandler struct {
	ctx   context.Context
	ended func()
}

func (h anyHandler) OnMessage(c *transport.Conn, _ transport.MessageType, _ []byte) {
	if rand.IntN(4) == 0 {
		callAnything(h.ctx, c, 1)
	}
}

func (h anyHandler) OnClose(c *transport.Conn, _ error) {
	defer h.ended()
	_ = c.CloseNow()
}

// callAnything calls n methods of c, or fewer when it ends.
func callAnything(ctx context.Context, c *transport.Conn, n int) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	message := []byte(strings.Repeat("compressible ", rand.IntN(300)))
	for range n {
		// What comes of each call depends on all the others.
		switch rand.IntN(12) {
		case 0, 1:
			_ = c.Write(ctx, transport.MessageText, message)
		case 2:
			_ = c.Queue(transport.MessageBinary, message)
		case 3:
			_ = c.QueuePrepared(transport.NewPreparedMessage(transport.MessageText, message))
		case 4:
			_ = c.WritePrepared(ctx, transport.NewPreparedMessage(transport.MessageText, message))
		case 5:
			_ = c.WaitQueue(ctx)
		case 6, 7:
			if w, err := c.Writer(ctx, transport.MessageText); err == nil {
				_, _ = w.Write(message)
				_ = w.(interface{ Flush() error }).Flush()
				_, _ = w.Write(message)
				_ = w.Close()
			}
		case 8:
			_ = c.QueuePing()
		case 9:
			_ = c.Ping(ctx)
		case 10:
			c.HandOff()
		case 11:
			_, _ = c.Buffered()
			_, _, _, _ = c.Received(), c.Compressed(), c.RemoteAddr(), c.Subprotocol()
		}
	}
}
