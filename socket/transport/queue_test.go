package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// blocked returns a connection whose peer takes nothing: one message is being
// written, nothing is queued behind it.
func blocked(t *testing.T, role wsproto.Role, l transport.Limits) (*transport.Conn, *wire) {
	t.Helper()
	ours, theirs := memnet.PipeBuffer(16)
	c, w := testConn(t, ours, role, l), newWire(t, theirs, role)
	must(t, c.Queue(transport.MessageText, []byte(blocker)))
	synctest.Wait()
	return c, w
}

// blocker is the message that blocked is writing.
var blocker = strings.Repeat("-", 32)

func TestQueueFullByMessages(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := blocked(t, role, transport.Limits{MaxQueueMessages: 4})
		for range 3 { // the fourth is being written
			must(t, c.Queue(transport.MessageText, []byte("queued")))
		}
		if err := c.Queue(transport.MessageText, nil); err != transport.ErrQueueFull {
			t.Errorf("Queue() = %v, want ErrQueueFull at the bound", err)
		}
		if err := c.QueuePing(); err != transport.ErrQueueFull {
			t.Errorf("QueuePing() = %v, want ErrQueueFull: a full connection has other proof of life to give", err)
		}
		w.want("nothing that was queued is lost", gotText(blocker), gotText("queued"), gotText("queued"), gotText("queued"))
		must(t, c.Queue(transport.MessageText, []byte("room again")))
		w.want("the connection stays as it is", gotText("room again"))
	})
}

func TestQueueFullByBytes(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := blocked(t, role, transport.Limits{MaxQueueBytes: 1000})
		must(t, c.Queue(transport.MessageText, []byte(strings.Repeat("x", 900))))
		if err := c.Queue(transport.MessageText, []byte(strings.Repeat("x", 100))); err != transport.ErrQueueFull {
			t.Errorf("Queue() = %v, want ErrQueueFull past the bound", err)
		}
		if b, n := c.Buffered(); b < 932 || b > 1000 || n != 2 {
			t.Errorf("Buffered() = %d, %d, want the two frames", b, n)
		}
		w.want("nothing that was queued is lost", gotText(blocker), gotText(strings.Repeat("x", 900)))
		synctest.Wait()
		if b, n := c.Buffered(); b != 0 || n != 0 {
			t.Errorf("Buffered() = %d, %d, want nothing", b, n)
		}
		big := strings.Repeat("y", 5000)
		must(t, c.Queue(transport.MessageText, []byte(big)))
		w.want("a single message is never too large", gotText(big))
	})
}

func TestQueueThatIsBeingCorkedIsNotFull(t *testing.T) {
	for name, l := range map[string]transport.Limits{
		"bytes":    {MaxQueueBytes: 100},
		"messages": {MaxQueueMessages: 2},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ours, theirs := memnet.Pipe()
				c, w := testConn(t, ours, wsproto.RoleServer, l), newWire(t, theirs, wsproto.RoleServer)
				serve(c, func(c *transport.Conn, typ transport.MessageType, p []byte) {
					if err := c.Queue(typ, p); err != nil {
						t.Errorf("Queue() = %v, want room while the peer reads", err)
					}
					synctest.Wait() // the writer has done what it can
				})
				text := strings.Repeat("x", 30)
				var in []byte
				var want []got
				for range 50 {
					in = append(in, w.text(text)...)
					want = append(want, gotText(text))
				}
				w.send(in)
				w.want("every answer leaves", want...)
			})
		})
	}
}

func TestWriteWaitsForRoomAndStopsWaiting(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := blocked(t, role, transport.Limits{MaxQueueMessages: 1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if err := c.Write(ctx, transport.MessageText, []byte("given up")); !errors.Is(err, context.DeadlineExceeded) || since(begin) != time.Second {
			t.Errorf("Write() = %v after %v, want the end of ctx", err, since(begin))
		}
		wrote := make(chan error, 1)
		go func() { wrote <- c.Write(t.Context(), transport.MessageText, []byte("waits")) }()
		synctest.Wait()
		w.want("the message in the way leaves", gotText(blocker))
		if err := <-wrote; err != nil {
			t.Errorf("Write() = %v, want nil when there is room", err)
		}
		w.want("and the one that waited, but not the one given up", gotText("waits"))
		synctest.Wait() // the writer has noticed that it is gone
		cancelled, cancel2 := context.WithCancel(t.Context())
		cancel2()
		must(t, c.Write(cancelled, transport.MessageText, []byte("room wins over a cancelled context")))
		w.want("a ready result wins", gotText("room wins over a cancelled context"))
	})
}

func TestCloseEndsAWriteThatWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, _ := blocked(t, wsproto.RoleServer, transport.Limits{MaxQueueMessages: 1})
		serve(c, nil)
		wrote := make(chan error, 1)
		go func() { wrote <- c.Write(context.Background(), transport.MessageText, []byte("x")) }()
		synctest.Wait()
		begin := time.Now()
		must(t, c.Close(transport.StatusNormalClosure, ""))
		if err := <-wrote; !errors.Is(err, net.ErrClosed) || since(begin) != 0 {
			t.Errorf("Write() = %v after %v, want net.ErrClosed at once", err, since(begin))
		}
	})
}

func TestWriteTimeoutEndsConnectionWhoseReaderStops(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := blocked(t, role, transport.Limits{})
		begin := time.Now()
		<-c.Done()
		if d := since(begin); d < transport.DefaultWriteTimeout || d > transport.DefaultWriteTimeout*5/4 {
			t.Errorf("ended after %v, want the write timeout, or a quarter more", d)
		}
		err := c.Queue(transport.MessageText, nil)
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Queue() = %v, want one that is net.ErrClosed and os.ErrDeadlineExceeded", err)
		}
		if _, err := w.next(); err == nil {
			t.Error("got a whole frame, want the end of the connection within it")
		}
	})
}

func TestWriteTimeoutStartsAgainWithProgress(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := blocked(t, role, transport.Limits{})
		must(t, c.Queue(transport.MessageText, []byte(strings.Repeat("x", 100))))
		// One byte in 9 s is slow, but not nothing in 10 s.
		b := make([]byte, 1)
		for range 30 {
			time.Sleep(transport.DefaultWriteTimeout - time.Second)
			_, err := w.nc.Read(b)
			must(t, err)
			w.buf = append(w.buf, b...)
		}
		w.want("a slow reader is not a dead one", gotText(blocker), gotText(strings.Repeat("x", 100)))
	})
}

func TestPongOvertakesTheQueueAndOnlyTheLatestWaits(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := blocked(t, role, transport.Limits{MaxControlFrames: -1})
		serve(c, nil)
		must(t, c.Queue(transport.MessageText, []byte("queued")))
		var flood []byte
		for i := range 10_000 {
			flood = append(flood, w.ping(fmt.Sprint(i))...)
		}
		w.send(flood)
		synctest.Wait()
		if b, n := c.Buffered(); n > 3 || b > 200 {
			t.Errorf("Buffered() = %d bytes, %d frames after a flood of pings, want one pong", b, n)
		}
		w.want("one pong is pending, the latest, ahead of data", gotText(blocker), gotPong("9999"), gotText("queued"))
	})
}

// Frames of others and frames of its own take turns in a queue: that must not
// make each small one cost a large buffer.
func TestQueueHoldsLittleMoreThanItCounts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, _ := blocked(t, wsproto.RoleServer, transport.Limits{})
		shared := transport.NewPreparedMessage(transport.MessageText, []byte("shared"))
		n := 0
		for c.Queue(transport.MessageText, []byte("own")) == nil && c.QueuePrepared(shared) == nil {
			n++
		}
		if held := c.HeldByQueue(); held > 1<<20 {
			t.Errorf("%d small messages hold %d bytes of buffers, want at most 1 MiB", 2*n, held)
		}
	})
}

func TestMessagesOfOneGoroutineStayInOrderHoweverTheyAreSent(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		ours, theirs := memnet.PipeBuffer(256)
		c, w := testConn(t, ours, role, transport.Limits{MaxQueueMessages: 8}), newWire(t, theirs, role)
		const senders, each = 4, 200
		var wg sync.WaitGroup
		ctx := t.Context()
		for s := range senders {
			wg.Go(func() {
				for i := range each {
					text := []byte(fmt.Sprintf("%d %d", s, i))
					var err error
					switch i % 4 {
					case 0:
						err = c.Write(ctx, transport.MessageText, text)
					case 1:
						for err = c.Queue(transport.MessageText, text); err == transport.ErrQueueFull; err = c.Queue(transport.MessageText, text) {
							_ = c.WaitQueue(ctx)
						}
					case 2:
						err = c.WritePrepared(ctx, transport.NewPreparedMessage(transport.MessageText, text))
					case 3:
						err = writeInPieces(ctx, c, text)
					}
					if err != nil {
						t.Errorf("message %s: %v", text, err)
					}
				}
			})
		}
		next := [senders]int{}
		var message strings.Builder
		for range senders * each {
			for fin := false; !fin; {
				g, err := w.next()
				must(t, err)
				message.WriteString(g.payload)
				fin = g.fin
			}
			var s, i int
			if _, err := fmt.Sscan(message.String(), &s, &i); err != nil {
				t.Fatalf("message %q: %v", message.String(), err)
			}
			if i != next[s] {
				t.Fatalf("sender %d: got message %d, want %d", s, i, next[s])
			}
			next[s]++
			message.Reset()
		}
		wg.Wait()
		synctest.Wait()
		if b, n := c.Buffered(); b != 0 || n != 0 {
			t.Errorf("Buffered() = %d, %d at the end, want nothing", b, n)
		}
		if _, holds := c.Holds(); holds {
			t.Error("holds batches of frames at the end")
		}
	})
}

// writeInPieces sends a message through a Writer, byte by byte.
func writeInPieces(ctx context.Context, c *transport.Conn, message []byte) error {
	w, err := c.Writer(ctx, transport.MessageText)
	if err != nil {
		return err
	}
	for i := range message {
		if _, err := w.Write(message[i : i+1]); err != nil {
			return errors.Join(err, w.Close())
		}
	}
	return w.Close()
}

// Several messages for many connections: staged for all, then one write for each.
func TestStagedMessagesLeaveInOneWrite(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		ours, theirs := memnet.Pipe()
		nc := &countWrites{Conn: ours}
		c, w := testConn(t, nc, role, transport.Limits{}), newWire(t, theirs, role)
		var all, first transport.PreparedBatch
		var want []got
		for i := range 16 {
			text := fmt.Sprint("message ", i)
			all.Append(transport.NewPreparedMessage(transport.MessageText, []byte(text)))
			want = append(want, gotText(text))
		}
		if n, err := c.StagePrepared(&all); n != 16 || err != nil {
			t.Fatalf("StagePrepared() = %d, %v", n, err)
		}
		synctest.Wait()
		if n := nc.n.Load(); n != 0 {
			t.Errorf("%d writes before Flush, want none", n)
		}
		c.Flush()
		c.Flush() // there is nothing left
		w.want("all of them, in order", want...)
		if n := nc.n.Load(); n != 1 {
			t.Errorf("%d writes, want 1", n)
		}
		first.Append(all.Messages()[0])
		if _, err := c.StagePrepared(&first); err != nil {
			t.Error(err)
		}
		must(t, c.Queue(transport.MessageText, []byte("another")))
		w.want("what is sent next takes it along", gotText("message 0"), gotText("another"))
	})
}

func TestStagePreparedStopsAtAFullQueue(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{MaxQueueMessages: 3})
		m := transport.NewPreparedMessage(transport.MessageText, []byte("m"))
		var five, one transport.PreparedBatch
		five.Append(m, m, m, m, m)
		one.Append(m)
		n, err := c.StagePrepared(&five)
		if n != 3 || err != transport.ErrQueueFull {
			t.Errorf("StagePrepared() = %d, %v, want 3 and ErrQueueFull", n, err)
		}
		c.Flush()
		w.want("what was queued", gotText("m"), gotText("m"), gotText("m"))
		must(t, c.CloseNow())
		if n, err := c.StagePrepared(&one); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("StagePrepared() = %d, %v on a closed connection", n, err)
		}
	})
}
