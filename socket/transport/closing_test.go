package transport_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// bothRoles runs a test in a bubble for a server's and for a client's end.
func bothRoles(t *testing.T, test func(t *testing.T, role wsproto.Role)) {
	t.Helper()
	for _, role := range []wsproto.Role{wsproto.RoleServer, wsproto.RoleClient} {
		t.Run(role.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) { test(t, role) })
		})
	}
}

func TestCloseSendsWhatIsQueuedThenTheCloseFrame(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{})
		// Fill the connection, so that messages wait in the queue.
		big := strings.Repeat("x", 60<<10)
		var want []got
		for range 8 {
			must(t, c.Queue(transport.MessageText, []byte(big)))
			want = append(want, gotText(big))
		}
		closed := make(chan error, 1)
		go func() { closed <- c.Close(transport.StatusNormalClosure, "bye") }()
		synctest.Wait()
		w.want("what is queued is sent", want...)
		w.want("then a close frame with code and reason", gotClose(1000, "bye"))
		w.send(w.close(1000, ""))
		if err := <-closed; err != nil {
			t.Errorf("Close() = %v, want nil after the peer's answer", err)
		}
		w.wantEnd("the network connection is closed once the peer has answered")
	})
}

func TestCloseWithoutAnswerEndsAfterCloseTimeout(t *testing.T) {
	for _, reading := range []string{"nobody", "Read", "Serve"} {
		t.Run(reading, func(t *testing.T) {
			bothRoles(t, func(t *testing.T, role wsproto.Role) {
				c, w := memWire(t, role, transport.Limits{})
				begin := time.Now()
				var l *log
				read := make(chan error, 1)
				switch reading {
				case "Read":
					go func() {
						_, _, err := c.Read(context.Background())
						read <- err
					}()
				case "Serve":
					l = serve(c, nil)
				}
				synctest.Wait()
				err := c.Close(transport.StatusNormalClosure, "")
				if reading == "Serve" {
					if err != nil || since(begin) != 0 {
						t.Errorf("Close() = %v after %v, want nil at once while Serve reads", err, since(begin))
					}
					err = l.end(t)
				}
				if reading == "Read" {
					if rerr := <-read; !errors.Is(rerr, os.ErrDeadlineExceeded) {
						t.Errorf("Read() = %v, want the timeout", rerr)
					}
				}
				if since(begin) != transport.DefaultCloseTimeout {
					t.Errorf("ended after %v, want the close timeout", since(begin))
				}
				if !errors.Is(err, net.ErrClosed) || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("the end is %v, want one that is both net.ErrClosed and os.ErrDeadlineExceeded", err)
				}
				w.want("the close frame was sent", gotClose(1000, ""))
				w.wantEnd("the network connection is closed")
			})
		})
	}
}

func TestCloseOfConnectionThatTakesNothingEndsAfterCloseTimeout(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, _ := memWire(t, role, transport.Limits{})
		for range 8 {
			must(t, c.Queue(transport.MessageText, make([]byte, 60<<10)))
		}
		begin := time.Now()
		err := c.Close(transport.StatusNormalClosure, "")
		if d := since(begin); d != transport.DefaultCloseTimeout {
			t.Errorf("Close() = %v after %v, want the close timeout", err, d)
		}
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("Close() = %v, want net.ErrClosed", err)
		}
	})
}

// The answer of the peer has come but our own close frame has not left: the end
// is not there yet.
func TestCloseWaitsForItsOwnFrameToLeave(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, w := memWire(t, wsproto.RoleServer, transport.Limits{})
		for range 2 {
			must(t, c.Queue(transport.MessageText, make([]byte, 60<<10)))
		}
		closed := make(chan error, 1)
		go func() { closed <- c.Close(transport.StatusNormalClosure, "") }()
		synctest.Wait()
		w.send(w.close(4000, "crossed"))
		synctest.Wait()
		select {
		case err := <-closed:
			t.Fatalf("Close() = %v before the connection was closed", err)
		case <-c.Done():
			t.Fatal("closed before the close frame had left")
		default:
		}
		for range 2 {
			_, err := w.next()
			must(t, err)
		}
		w.want("the close frame leaves", gotClose(1000, ""))
		if err := <-closed; err != nil {
			t.Errorf("Close() = %v, want nil", err)
		}
	})
}

func TestCloseTakesOverWhenAReadIsCancelled(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{})
		ctx, cancel := context.WithCancel(t.Context())
		read := make(chan error, 1)
		go func() {
			_, _, err := c.Read(ctx)
			read <- err
		}()
		synctest.Wait()
		closed := make(chan error, 1)
		begin := time.Now()
		go func() { closed <- c.Close(transport.StatusNormalClosure, "") }()
		synctest.Wait()
		cancel()
		if err := <-read; !errors.Is(err, context.Canceled) {
			t.Errorf("Read() = %v, want %v", err, context.Canceled)
		}
		synctest.Wait()
		w.want("the close frame was sent", gotClose(1000, ""))
		w.send(w.close(1000, ""))
		must(t, w.nc.Close()) // a client waits for that
		if err := <-closed; err != nil || since(begin) != 0 {
			t.Errorf("Close() = %v after %v, want nil with the peer's answer", err, since(begin))
		}
	})
}

func TestCloseWhileAReadWaitsEndsBoth(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{})
		read := make(chan error, 1)
		go func() {
			_, _, err := c.Read(context.Background())
			read <- err
		}()
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- c.Close(4001, "enough") }()
		w.want("the close frame is sent", gotClose(4001, "enough"))
		w.send(w.text("crossed the close frame"), w.close(4001, ""))
		if err := <-closed; err != nil {
			t.Errorf("Close() = %v, want nil", err)
		}
		var ce *transport.CloseError
		if err := <-read; !errors.As(err, &ce) || ce.Code != 4001 {
			t.Errorf("Read() = %v, want the peer's close frame: messages after Close are discarded", err)
		}
		w.wantEnd("both close frames were exchanged")
	})
}

// A connection may be closed before the goroutine that is to serve it has begun.
func TestServeTakesOverFromAClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, w := memWire(t, wsproto.RoleServer, transport.Limits{})
		closed := make(chan error, 1)
		begin := time.Now()
		go func() { closed <- c.Close(transport.StatusGoingAway, "") }()
		synctest.Wait()
		l := serve(c, nil)
		if err := <-closed; err != nil || since(begin) != 0 {
			t.Errorf("Close() = %v after %v, want nil as soon as Serve reads", err, since(begin))
		}
		w.want("the close frame was sent", gotClose(1001, ""))
		w.send(w.text("late"), w.close(1001, ""))
		if err := l.end(t); transport.CloseStatus(err) != transport.StatusGoingAway {
			t.Errorf("OnClose got %v, want the peer's answer", err)
		}
		if l.got() != "" {
			t.Errorf("OnMessage got %q, want nothing after Close", l.got())
		}
	})
}

func TestCloseFromInsideOnMessageReturnsAtOnceAndDiscardsTheRest(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{})
		begin := time.Now()
		l := serve(c, func(c *transport.Conn, typ transport.MessageType, p []byte) {
			must(t, c.Queue(typ, []byte("answer")))
			must(t, c.Close(transport.StatusNormalClosure, "done"))
		})
		w.send(w.text("one"), w.text("two"), w.ping("p"), w.text("three"))
		w.want("what is queued leaves, corked or not", gotText("answer"), gotClose(1000, "done"))
		w.send(w.text("four"), w.close(1000, ""))
		_ = l.end(t)
		if l.got() != "one" || since(begin) != 0 {
			t.Errorf("OnMessage got %q, ended after %v, want only the message before Close, at once", l.got(), since(begin))
		}
		w.wantEnd("closed")
	})
}

func TestCloseNowFromInsideOnMessageIsTheLastOfIt(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{})
		l := serve(c, func(c *transport.Conn, typ transport.MessageType, p []byte) { _ = c.CloseNow() })
		w.send(w.text("one"), w.text("two"), w.close(4000, ""))
		if err := l.end(t); !errors.Is(err, net.ErrClosed) || transport.CloseStatus(err) != transport.StatusAbnormalClosure {
			t.Errorf("OnClose got %v, want net.ErrClosed", err)
		}
		if l.got() != "one" {
			t.Errorf("OnMessage got %q, want nothing after CloseNow", l.got())
		}
	})
}

func TestCloseNowEndsEverythingThatWaits(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, _ := memWire(t, role, transport.Limits{MaxQueueMessages: 1})
		ends := make(chan error, 16)
		waits := 0
		wait := func(f func() error) {
			waits++
			go func() { ends <- f() }()
		}
		ctx := context.Background()
		must(t, c.Write(ctx, transport.MessageBinary, make([]byte, 100<<10))) // blocks the writer
		wait(func() error { _, _, err := c.Read(ctx); return err })
		wait(func() error { _, _, err := c.Read(ctx); return err })
		wait(func() error { return c.Write(ctx, transport.MessageText, []byte("more")) })
		wait(func() error { <-c.Done(); return net.ErrClosed })
		synctest.Wait()
		_ = c.CloseNow()
		for range waits {
			if err := <-ends; !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v, want net.ErrClosed", err)
			}
		}
		if b, n := c.Buffered(); b != 0 || n != 0 {
			t.Errorf("Buffered() = %d, %d after CloseNow, want nothing", b, n)
		}
	})
}

func TestEverythingAfterTheEndMatchesErrClosed(t *testing.T) {
	ends := map[string]func(c *transport.Conn, w *wire){
		"CloseNow": func(c *transport.Conn, w *wire) { _ = c.CloseNow() },
		"peer closed": func(c *transport.Conn, w *wire) {
			w.send(w.close(1000, ""))
			_, _, _ = c.Read(context.Background())
			_ = w.nc.Close() // a client waits for that
		},
		"peer is gone": func(c *transport.Conn, w *wire) { _ = w.nc.Close(); _, _, _ = c.Read(context.Background()) },
		"a write failed": func(c *transport.Conn, w *wire) {
			_ = w.nc.Close()
			_ = c.Queue(transport.MessageText, []byte("x"))
			<-c.Done()
		},
		"peer broke a rule": func(c *transport.Conn, w *wire) {
			w.send([]byte{0xFF, 0xFF})
			_, _, _ = c.Read(context.Background())
			time.Sleep(time.Minute)
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			bothRoles(t, func(t *testing.T, role wsproto.Role) {
				c, w := memWire(t, role, transport.Limits{})
				end(c, w)
				synctest.Wait()
				ctx := context.Background()
				_, _, readErr := c.Read(ctx)
				_, _, readerErr := c.Reader(ctx)
				_, writerErr := c.Writer(ctx, transport.MessageText)
				for call, err := range map[string]error{
					"Read":          readErr,
					"Reader":        readerErr,
					"Writer":        writerErr,
					"Write":         c.Write(ctx, transport.MessageText, []byte("x")),
					"Queue":         c.Queue(transport.MessageText, []byte("x")),
					"QueuePrepared": c.QueuePrepared(transport.NewPreparedMessage(transport.MessageText, nil)),
					"QueuePing":     c.QueuePing(),
					"Ping":          c.Ping(ctx),
					"WaitQueue":     c.WaitQueue(ctx),
					"Close":         c.Close(transport.StatusNormalClosure, ""),
				} {
					if !errors.Is(err, net.ErrClosed) {
						t.Errorf("%s() = %v, want one that is net.ErrClosed", call, err)
					}
				}
				_, _, again := c.Read(ctx)
				if again != readErr {
					t.Errorf("Read() = %v and then %v, want the same error again", readErr, again)
				}
				<-c.Done()
				if err := c.CloseNow(); err != nil {
					t.Errorf("CloseNow() = %v, want nil", err)
				}
			})
		})
	}
}

func TestCloseRefusesWhatCannotBeSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, w := memWire(t, wsproto.RoleServer, transport.Limits{})
		serve(c, nil)
		for _, tt := range []struct {
			code   transport.StatusCode
			reason string
		}{
			{0, ""}, {999, ""}, {1004, ""}, {1005, "reason without code"}, {1006, ""}, {1015, ""}, {5000, ""},
			{1000, strings.Repeat("x", 124)}, {1000, "\xff"},
		} {
			if err := c.Close(tt.code, tt.reason); err == nil {
				t.Errorf("Close(%d, %q) = nil, want an error", tt.code, tt.reason)
			}
		}
		must(t, c.Queue(transport.MessageText, []byte("still open")))
		w.want("a refused Close does nothing", gotText("still open"))
		must(t, c.Close(transport.StatusNoStatusReceived, ""))
		w.want("StatusNoStatusReceived sends no code", gotClose(0, ""))
		if err := c.Close(transport.StatusNormalClosure, ""); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close() = %v, want net.ErrClosed", err)
		}
	})
}

func TestRefuseSendsNothingButTheCloseFrame(t *testing.T) {
	for _, reading := range []string{"nobody", "Read", "Serve"} {
		t.Run(reading, func(t *testing.T) {
			bothRoles(t, func(t *testing.T, role wsproto.Role) {
				ours, theirs := memnet.PipeBuffer(64)
				c, w := testConn(t, ours, role, transport.Limits{}), newWire(t, theirs, role)
				switch reading {
				case "Read":
					go c.Read(context.Background())
				case "Serve":
					serve(c, nil)
				}
				synctest.Wait()
				first := strings.Repeat("1", 100)
				must(t, c.Queue(transport.MessageText, []byte(first))) // being written
				synctest.Wait()
				for range 10 {
					must(t, c.Queue(transport.MessageText, []byte("queued")))
				}
				c.Refuse(transport.StatusTryAgainLater, "too slow")
				c.Refuse(transport.StatusPolicyViolation, "does nothing")
				w.want("what was being written is finished, what was queued is dropped",
					gotText(first), gotClose(1013, "too slow"))
				// A peer that is still sending is drained, and its answer ends it.
				begin := time.Now()
				w.send(bytes.Repeat(w.text("still sending"), 100), w.close(1013, ""))
				w.wantEnd("the peer's answer ends it")
				if d := since(begin); d != 0 && reading != "nobody" {
					t.Errorf("ended after %v, want with the peer's answer", d)
				}
				if err := c.Queue(transport.MessageText, nil); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Queue() = %v, want net.ErrClosed", err)
				}
			})
		})
	}
}

func TestDoneMeansThatTheNetworkConnectionIsClosed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ours, theirs := memnet.Pipe()
		nc := &slowClose{Conn: ours}
		c := testConn(t, nc, wsproto.RoleServer, transport.Limits{})
		newWire(t, theirs, wsproto.RoleServer)
		go c.CloseNow()
		<-c.Done()
		if !nc.closed {
			t.Error("Done() before the network connection was closed")
		}
	})
}

// slowClose is a connection whose Close takes a while.
type slowClose struct {
	net.Conn
	closed bool
}

func (c *slowClose) Close() error {
	time.Sleep(time.Second)
	c.closed = true
	return c.Conn.Close()
}
