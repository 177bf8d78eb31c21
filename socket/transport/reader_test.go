package transport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

func openReader(t *testing.T, ctx context.Context, c *transport.Conn) io.Reader {
	t.Helper()
	_, r, err := c.Reader(ctx)
	must(t, err)
	return r
}

// wantPiece fails the test unless the next call of Read returns the given bytes.
func wantPiece(t *testing.T, r io.Reader, want string) {
	t.Helper()
	b := make([]byte, 1024)
	n, err := r.Read(b)
	if string(b[:n]) != want || err != nil {
		t.Fatalf("Read() = %q, %v, want %q, nil", b[:n], err, want)
	}
}

func wantEOF(t *testing.T, r io.Reader) {
	t.Helper()
	for range 2 {
		if n, err := r.Read(make([]byte, 10)); n != 0 || err != io.EOF {
			t.Fatalf("Read() = %d, %v, want io.EOF behind the message", n, err)
		}
	}
}

func TestReaderDeliversPiecesAsTheyCome(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{})
		whole := w.frame(wsproto.OpText, false, "Hello, world")
		w.send(whole[:len(whole)-5]) // "Hello, "
		typ, r, err := c.Reader(t.Context())
		if typ != transport.MessageText || err != nil {
			t.Fatalf("Reader() = %v, %v", typ, err)
		}
		wantPiece(t, r, "Hello, ")
		if n, err := r.Read(nil); n != 0 || err != nil {
			t.Errorf("Read(nil) = %d, %v, want nothing at once", n, err)
		}
		w.send(whole[len(whole)-5:])
		wantPiece(t, r, "world")
		w.send(w.ping("between fragments"), w.frame(wsproto.OpContinuation, false, ""), w.frame(wsproto.OpContinuation, false, "!"))
		wantPiece(t, r, "!")
		w.want("control frames are answered meanwhile", gotPong("between fragments"))
		w.send(w.frame(wsproto.OpContinuation, true, ""), w.text(""), w.binary("next"))
		wantEOF(t, r)
		wantEOF(t, openReader(t, t.Context(), c))
		r = openReader(t, t.Context(), c)
		wantPiece(t, r, "next")
		wantEOF(t, r)
		if reading, _ := c.Holds(); reading {
			t.Error("a buffer is held behind the last byte")
		}
	})
}

func TestReaderLeftBeforeTheEndIsSkippedByTheNextRead(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{})
		w.send(w.frame(wsproto.OpText, false, "first"))
		r := openReader(t, t.Context(), c)
		wantPiece(t, r, "first")
		w.send(w.frame(wsproto.OpContinuation, false, "more"))
		go func() {
			synctest.Wait()
			w.send(w.frame(wsproto.OpContinuation, true, "rest"), w.text("second"), w.text("third"), w.text("fourth"), w.text("fifth"))
		}()
		_, p, err := c.Read(t.Context())
		if string(p) != "second" || err != nil {
			t.Fatalf("Read() = %q, %v, want the message behind the one that was left", p, err)
		}
		if n, err := r.Read(make([]byte, 10)); n != 0 || err == nil || err == io.EOF {
			t.Errorf("Read() on a reader that was left = %d, %v, want an error", n, err)
		}
		openReader(t, t.Context(), c) // the third: whole and not read at all
		r = openReader(t, t.Context(), c)
		wantPiece(t, r, "fourth")
		wantPiece(t, openReader(t, t.Context(), c), "fifth")
		wantEOF(t, r)
	})
}

func TestReaderWhoseContextEndsLeavesTheConnectionUsable(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{})
		short := func() context.Context {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			t.Cleanup(cancel)
			return ctx
		}
		if _, _, err := c.Reader(short()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Reader() = %v, want the end of ctx", err)
		}
		// In the middle of a message: what was delivered is gone, the rest is
		// skipped.
		w.send(w.frame(wsproto.OpText, false, "delivered"))
		r := openReader(t, short(), c)
		wantPiece(t, r, "delivered")
		if _, err := r.Read(make([]byte, 10)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Read() = %v, want the end of ctx", err)
		}
		w.send(w.frame(wsproto.OpContinuation, true, "skipped"), w.text("next"))
		_, p, err := c.Read(t.Context())
		if string(p) != "next" || err != nil {
			t.Errorf("Read() = %q, %v, want the next message", p, err)
		}
		// Before the first byte of the payload: the next call gets all of it.
		message := w.text("whole")
		w.send(message[:len(message)-5])
		if _, _, err := c.Reader(short()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Reader() = %v, want the end of ctx", err)
		}
		w.send(message[len(message)-5:])
		_, p, err = c.Read(t.Context())
		if string(p) != "whole" || err != nil {
			t.Errorf("Read() = %q, %v, want the whole message", p, err)
		}
		// A Read that was interrupted has taken a part: a Reader gets all of it.
		w.send(message[:len(message)-2])
		if _, _, err := c.Read(short()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Read() = %v, want the end of ctx", err)
		}
		w.send(message[len(message)-2:])
		wantPiece(t, openReader(t, t.Context(), c), "whole")
	})
}

func TestReaderEndsWithTheConnection(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(c *transport.Conn, w *wire)
		want transport.StatusCode
	}{
		"CloseNow":      {func(c *transport.Conn, w *wire) { _ = c.CloseNow() }, 1006},
		"Close":         {func(c *transport.Conn, w *wire) { w.send(w.close(1000, "")); _ = c.Close(1000, "") }, 1000},
		"peer is gone":  {func(c *transport.Conn, w *wire) { _ = w.nc.Close() }, 1006},
		"invalid UTF-8": {func(c *transport.Conn, w *wire) { w.send(w.frame(wsproto.OpContinuation, true, "\xff")) }, 1007},
		"cut character": {func(c *transport.Conn, w *wire) { w.send(w.frame(wsproto.OpContinuation, true, "\xc3")) }, 1007},
		"too large": {func(c *transport.Conn, w *wire) {
			w.send(w.frame(wsproto.OpContinuation, false, strings.Repeat("x", 200)))
		}, 1009},
		"new message": {func(c *transport.Conn, w *wire) { w.send(w.text("inside")) }, 1002},
	} {
		t.Run(name, func(t *testing.T) {
			bothRoles(t, func(t *testing.T, role wsproto.Role) {
				c, w := memWire(t, role, transport.Limits{MaxMessageSize: 100})
				w.send(w.frame(wsproto.OpText, false, "begun"))
				r := openReader(t, t.Context(), c)
				wantPiece(t, r, "begun")
				tt.end(c, w)
				for range 2 {
					_, err := r.Read(make([]byte, 10))
					if !errors.Is(err, net.ErrClosed) || transport.CloseStatus(err) != tt.want {
						t.Errorf("Read() = %v, want net.ErrClosed and close code %d, never io.EOF", err, tt.want)
					}
				}
			})
		})
	}
}

func TestReaderOfALargeMessageHoldsLittle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		budget := transport.NewBudget(64 << 10)
		c, w := memWire(t, wsproto.RoleServer, transport.Limits{MaxMessageSize: 100 << 20, MemoryBudget: budget})
		const size = 32 << 20
		go func() {
			w.send(wsproto.AppendHeader(nil, wsproto.Header{Fin: true, Opcode: wsproto.OpBinary, Masked: true, Length: size}))
			for range size / (64 << 10) {
				w.send(make([]byte, 64<<10))
			}
		}()
		n, err := io.Copy(io.Discard, openReader(t, t.Context(), c))
		if n != size || err != nil {
			t.Errorf("Copy() = %d, %v, want %d within a budget of 64 KiB", n, err, size)
		}
	})
}

// Only the time in which the rest of a message is waited for counts: a reader of
// ours that takes its time is not held against the peer.
func TestMessageTimeoutDoesNotCountTheReadersOwnTime(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{})
		w.send(w.frame(wsproto.OpText, false, "a"))
		r := openReader(t, t.Context(), c)
		wantPiece(t, r, "a")
		for range 10 {
			time.Sleep(transport.DefaultMessageTimeout)
			w.send(w.frame(wsproto.OpContinuation, false, "b"))
			wantPiece(t, r, "b")
		}
		begin := time.Now()
		_, err := r.Read(make([]byte, 1))
		if transport.CloseStatus(err) != transport.StatusPolicyViolation || since(begin) != transport.DefaultMessageTimeout {
			t.Errorf("Read() = %v after %v, want 1008 after the message timeout", err, since(begin))
		}
	})
}

func TestReaderIsAProperReader(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 1000)
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			server, client := connPair(t, n.pair, transport.Limits{})
			must(t, server.Write(t.Context(), transport.MessageBinary, content))
			if err := iotest.TestReader(openReader(t, t.Context(), client), content); err != nil {
				t.Error(err)
			}
		})
	}
}

// Whole messages, pieces, messages that are left and waits that are cancelled, in
// any order: nothing is lost but what was left.
func TestReadAndReaderInTurnsLoseNothing(t *testing.T) {
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			server, client := connPair(t, n.pair, transport.Limits{MaxFragments: -1})
			const messages = 300
			content := func(i int) string { return strings.Repeat(fmt.Sprintf("<%d>", i), 1+i*i%3000) }
			var writing sync.WaitGroup
			writing.Go(func() {
				for i := range messages {
					if i%2 == 0 {
						if err := server.Write(context.Background(), transport.MessageText, []byte(content(i))); err != nil {
							t.Error(err)
						}
						continue
					}
					w, err := server.Writer(context.Background(), transport.MessageText)
					if err != nil {
						t.Error(err)
						return
					}
					for s := content(i); s != ""; {
						n := 1 + rand.IntN(len(s))
						_, err1 := io.WriteString(w, s[:n])
						err2 := w.(interface{ Flush() error }).Flush()
						if err := errors.Join(err1, err2); err != nil {
							t.Error(err)
							return
						}
						s = s[n:]
					}
					if err := w.Close(); err != nil {
						t.Error(err)
					}
				}
				if err := server.QueueClose(transport.StatusNormalClosure, ""); err != nil {
					t.Error(err)
				}
			})
			for i := 0; i < messages; {
				ctx, cancel := t.Context(), func() {}
				if rand.IntN(4) == 0 {
					ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(100))*time.Microsecond)
				}
				var p []byte
				var err error
				leave := false
				if rand.IntN(2) == 0 {
					_, p, err = client.Read(ctx)
				} else {
					var r io.Reader
					_, r, err = client.Reader(ctx)
					if err == nil && rand.IntN(3) == 0 {
						r, leave = io.LimitReader(r, int64(rand.IntN(100))), true
					}
					if err == nil {
						if p, err = io.ReadAll(r); err != nil && len(p) > 0 {
							leave = true // cancelled in the middle
						}
					}
				}
				cancel()
				want := content(i)
				switch {
				case leave && strings.HasPrefix(want, string(p)):
					i++
				case errors.Is(err, context.DeadlineExceeded):
				case err != nil:
					t.Fatal(err)
				case string(p) != want:
					t.Fatalf("message %d: got %d bytes %.20q, want %d bytes %.20q", i, len(p), p, len(want), want)
				default:
					i++
				}
			}
			// The rest of the last message, if that was left, and the end.
			if _, _, err := client.Read(t.Context()); transport.CloseStatus(err) != transport.StatusNormalClosure {
				t.Errorf("behind the last message: %v", err)
			}
			writing.Wait()
		})
	}
}
