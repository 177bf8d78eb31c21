package transport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

func gotPiece(op wsproto.Opcode, fin bool, s string) got { return got{op: op, fin: fin, payload: s} }

func openWriter(t *testing.T, ctx context.Context, c *transport.Conn) io.WriteCloser {
	t.Helper()
	w, err := c.Writer(ctx, transport.MessageText)
	must(t, err)
	return w
}

func write(t *testing.T, w io.Writer, s string) {
	t.Helper()
	n, err := io.WriteString(w, s)
	if n != len(s) || err != nil {
		t.Fatalf("Write() = %d, %v, want %d, nil", n, err, len(s))
	}
}

func flush(t *testing.T, w io.Writer) {
	t.Helper()
	must(t, w.(interface{ Flush() error }).Flush())
}

func TestWriterCollectsSmallPieces(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{})
		mw := openWriter(t, t.Context(), c)
		for range 10 {
			write(t, mw, "0123456789")
		}
		must(t, mw.Close())
		w.want("a small message is one frame", gotText(strings.Repeat("0123456789", 10)))

		mw = openWriter(t, t.Context(), c)
		for range 6000 { // in as many fragments it would pass the peer's limit
			write(t, mw, "ab")
		}
		must(t, mw.Close())
		frames, size := 0, 0
		for fin := false; !fin; frames++ {
			g, err := w.next()
			must(t, err)
			size, fin = size+len(g.payload), g.fin
		}
		if size != 12000 || frames > 4 {
			t.Errorf("got %d bytes in %d frames, want 12000 in at most 4", size, frames)
		}

		mw = openWriter(t, t.Context(), c)
		must(t, mw.Close())
		w.want("a message without a piece is empty", gotText(""))
	})
}

func TestWriterSendsLargePiecesAndFlushesAtOnce(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{})
		mw := openWriter(t, t.Context(), c)
		large := strings.Repeat("x", 5000)
		write(t, mw, large)
		w.want("a large piece leaves as it is", gotPiece(wsproto.OpText, false, large))
		write(t, mw, "small")
		flush(t, mw)
		w.want("Flush sends what is collected", gotPiece(wsproto.OpContinuation, false, "small"))
		flush(t, mw)
		write(t, mw, "end")
		must(t, mw.Close())
		w.want("the end", gotPiece(wsproto.OpContinuation, true, "end"))
	})
}

func TestOtherMessagesWaitBehindAWriterAndControlFramesDoNot(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{})
		serve(c, nil)
		mw := openWriter(t, t.Context(), c)
		write(t, mw, "be")
		flush(t, mw)
		must(t, c.Queue(transport.MessageText, []byte("behind 1")))
		must(t, c.QueuePrepared(transport.NewPreparedMessage(transport.MessageText, []byte("behind 2"))))
		must(t, c.QueuePing())
		synctest.Wait()
		w.send(w.ping("p"))
		w.want("control frames go out between fragments",
			gotPiece(wsproto.OpText, false, "be"), gotPing(""), gotPong("p"))
		write(t, mw, "gun")
		must(t, mw.Close())
		w.want("the rest, and then what waited behind it",
			gotPiece(wsproto.OpContinuation, true, "gun"), gotText("behind 1"), gotText("behind 2"))
	})
}

// What waits behind the message of a Writer can fill the queue; it must not be
// in the way of that very message.
func TestWriterIsNotBlockedByWhatWaitsBehindIt(t *testing.T) {
	for name, l := range map[string]transport.Limits{
		"messages": {MaxQueueMessages: 4},
		"bytes":    {MaxQueueBytes: 50},
	} {
		t.Run(name, func(t *testing.T) {
			bothRoles(t, func(t *testing.T, role wsproto.Role) {
				c, w := memWire(t, role, l)
				mw := openWriter(t, t.Context(), c)
				write(t, mw, "begin")
				flush(t, mw)
				w.want("a fragment leaves", gotPiece(wsproto.OpText, false, "begin"))
				behind := 0
				for c.Queue(transport.MessageText, []byte("behind")) == nil {
					behind++
				}
				waiting := make(chan error, 1)
				go func() { waiting <- c.Write(context.Background(), transport.MessageText, []byte("waits")) }()
				write(t, mw, "end")
				flush(t, mw)
				must(t, mw.Close())
				w.want("the message goes on", gotPiece(wsproto.OpContinuation, false, "end"), gotPiece(wsproto.OpContinuation, true, ""))
				for range behind {
					w.want("what waited behind it", gotText("behind"))
				}
				w.want("what waited for room", gotText("waits"))
				must(t, <-waiting)
			})
		})
	}
}

func TestWritersTakeTurns(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{})
		first := openWriter(t, t.Context(), c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Writer(ctx, transport.MessageText); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Writer() = %v, want the end of ctx while another is open", err)
		}
		done := make(chan error, 1)
		go func() { done <- writeInPieces(context.Background(), c, []byte("second")) }()
		synctest.Wait()
		write(t, first, "first")
		must(t, first.Close())
		must(t, <-done)
		w.want("one after the other", gotText("first"), gotText("second"))
		if err := first.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close() = %v, want net.ErrClosed", err)
		}
		if _, err := first.Write([]byte("late")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write() after Close() = %v, want net.ErrClosed", err)
		}
	})
}

func TestWriterWhoseContextEndsBeforeAnythingLeftSendsNothing(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := blocked(t, role, transport.Limits{MaxQueueMessages: 2})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		mw := openWriter(t, ctx, c)
		must(t, c.QueuePing()) // now the queue is full
		must(t, errExpected(c.Queue(transport.MessageText, []byte("x")), transport.ErrQueueFull))
		if _, err := mw.Write(make([]byte, 5000)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Write() = %v, want the end of ctx", err)
		}
		if err := mw.Close(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close() = %v, want the end of ctx", err)
		}
		w.want("the queue", gotText(blocker), gotPing(""))
		must(t, c.Write(t.Context(), transport.MessageText, []byte("usable")))
		w.want("the connection stays usable", gotText("usable"))
	})
}

func TestWriterThatCannotFinishEndsTheConnection(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := blocked(t, role, transport.Limits{MaxQueueMessages: 2})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		mw := openWriter(t, ctx, c)
		write(t, mw, "part")
		flush(t, mw) // queued: now the queue is full
		if _, err := mw.Write(make([]byte, 5000)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Write() = %v, want the end of ctx", err)
		}
		if err := mw.Close(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close() = %v, want the end of ctx", err)
		}
		w.want("what was being written", gotText(blocker))
		if g, err := w.next(); err != nil || g.op != wsproto.OpClose {
			t.Fatalf("got %v, %v, want a close frame: the peer must not take a part for the whole", g, err)
		}
		if err := c.Queue(transport.MessageText, nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Queue() = %v, want net.ErrClosed", err)
		}
	})
}

func TestWriterCloseNeedsNoRoom(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := blocked(t, role, transport.Limits{MaxQueueMessages: 2})
		mw := openWriter(t, t.Context(), c)
		write(t, mw, "part")
		must(t, c.QueuePing()) // now the queue is full
		begin := time.Now()
		must(t, mw.Close())
		if since(begin) != 0 {
			t.Errorf("Close() took %v", since(begin))
		}
		w.want("all of it", gotText(blocker), gotPing(""), gotText("part"))
		synctest.Wait() // until the writer knows that the queue is empty

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		must(t, c.Queue(transport.MessageText, []byte(blocker)))
		must(t, c.Queue(transport.MessageText, []byte(blocker)))
		if _, err := c.Writer(ctx, transport.MessageText); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Writer() = %v with a full queue, want it to wait", err)
		}
		w.want("the queue", gotText(blocker), gotText(blocker))
	})
}

func TestCloseCutsOffAnUnfinishedWriter(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{})
		serve(c, nil)
		mw := openWriter(t, t.Context(), c)
		write(t, mw, "part")
		flush(t, mw)
		must(t, c.Queue(transport.MessageText, []byte("waits behind it")))
		must(t, c.Close(transport.StatusNormalClosure, "enough"))
		w.want("the fragment that has left, and the close frame", gotPiece(wsproto.OpText, false, "part"), gotClose(1000, "enough"))
		if _, err := mw.Write(make([]byte, 5000)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write() = %v, want net.ErrClosed", err)
		}
		if err := mw.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Close() = %v, want net.ErrClosed", err)
		}
	})
}

// errExpected returns nil if err is the expected one.
func errExpected(err, want error) error {
	if errors.Is(err, want) {
		return nil
	}
	return errors.Join(errors.New("want another error than"), err)
}
