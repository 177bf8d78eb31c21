package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// countWrites counts the calls of Write.
type countWrites struct {
	net.Conn
	n atomic.Int32
}

func (c *countWrites) Write(b []byte) (int, error) {
	c.n.Add(1)
	return c.Conn.Write(b)
}

func TestAnswersToABatchLeaveInOneWrite(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		ours, theirs := memnet.Pipe()
		nc := &countWrites{Conn: ours}
		c, w := testConn(t, nc, role, transport.Limits{}), newWire(t, theirs, role)
		serve(c, echoAll{}.OnMessage)
		const n = 100
		var in []byte
		var want []got
		for i := range n {
			text := fmt.Sprint("message ", i)
			in = append(in, w.text(text)...)
			want = append(want, gotText(text))
			if i == n/2 {
				in = append(in, w.ping("p")...)
			}
		}
		want = append([]got{gotPong("p")}, want...) // it overtakes
		w.send(in)
		w.want("all answers", want...)
		synctest.Wait()
		if got := nc.n.Load(); got != 1 {
			t.Errorf("%d writes, want 1", got)
		}
		w.send(w.text("alone"))
		w.want("a single answer waits for nothing", gotText("alone"))
	})
}

func TestAnswersWaitForASlowHandlerAMillisecondAtMost(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{})
		serve(c, func(c *transport.Conn, typ transport.MessageType, p []byte) {
			if string(p) == "slow" {
				time.Sleep(time.Second)
			}
			must(t, c.Queue(typ, p))
		})
		begin := time.Now()
		w.send(w.text("first"), w.text("slow"), w.text("third"))
		w.want("the answer before the slow one", gotText("first"))
		if d := time.Since(begin); d != transport.CorkTime {
			t.Errorf("the first answer came after %v, want %v", d, transport.CorkTime)
		}
		w.want("the others", gotText("slow"), gotText("third"))
		if d := since(begin); d != time.Second {
			t.Errorf("the last answer came after %v, want 1s", d)
		}
	})
}

func TestPayloadIsValidAndMayBeChangedDuringTheCall(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{})
		l := serve(c, func(c *transport.Conn, typ transport.MessageType, p []byte) {
			must(t, c.Queue(typ, p))
			for i := range p {
				p[i] = 'X'
			}
			_ = append(p, "beyond its end"...)
		})
		w.send(w.text("one"), w.text("two"), w.frame(wsproto.OpText, false, "thr"), w.frame(wsproto.OpContinuation, true, "ee"), w.text("four"))
		w.want("no message is touched by what became of another", gotText("one"), gotText("two"), gotText("three"), gotText("four"))
		if l.got() != "one two three four" {
			t.Errorf("OnMessage got %q", l.got())
		}
	})
}

func TestHandOffLetsReadingGoOn(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{})
		release := make(chan struct{})
		l := serve(c, func(c *transport.Conn, typ transport.MessageType, p []byte) {
			if string(p) != "waits" {
				must(t, c.Queue(typ, p))
				return
			}
			must(t, c.Queue(typ, []byte("before")))
			if !c.HandOff() {
				t.Error("HandOff() = false inside OnMessage")
			}
			<-release
			must(t, c.Queue(typ, p))
		})
		if c.HandOff() {
			t.Error("HandOff() = true without a call to overtake")
		}
		w.send(w.text("waits"), w.text("rest of the batch"), w.ping("p"))
		begin := time.Now()
		w.want("what was collected leaves at once", gotText("before"))
		// A writer that is still at it takes the answer along before the ping is read.
		w.wantInAnyOrder("then the rest is handled, pings are answered", gotPong("p"), gotText("rest of the batch"))
		w.send(w.text("later"))
		w.want("and more is read", gotText("later"))
		if since(begin) != 0 {
			t.Errorf("it took %v", since(begin))
		}
		close(release)
		w.want("the payload is what it was", gotText("waits"))
		w.send(w.close(1000, ""))
		_ = l.end(t)
		w.want("", gotClose(1000, ""))
	})
}

// Handlers that hand off hold their payloads while others are read into the
// buffers that come and go.
func TestHandOffKeepsEveryPayloadIntact(t *testing.T) {
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			server, client := connPair(t, n.pair, transport.Limits{MaxControlFrames: -1})
			const messages = 2000
			var wg sync.WaitGroup
			wg.Add(messages)
			l := &log{ended: make(chan struct{})}
			server.Start(handlerFunc{l, func(c *transport.Conn, typ transport.MessageType, p []byte) {
				defer wg.Done()
				before := string(p)
				if len(p)%3 == 0 {
					c.HandOff()
					if len(p)%2 == 0 {
						c.HandOff()
					}
					time.Sleep(time.Duration(len(p)) * time.Microsecond / 10)
				}
				if string(p) != before || strings.Trim(before, before[:1]) != "" {
					t.Errorf("the payload changed from %.20q to %.20q", before, p)
				}
			}})
			for i := range messages {
				size := 1 + i%300
				if i%50 == 0 {
					size = 5000
				}
				message := []byte(strings.Repeat(string(rune('a'+i%26)), size))
				if i%7 == 0 {
					must(t, writeInPieces(t.Context(), client, message))
				} else {
					must(t, client.Write(t.Context(), transport.MessageText, message))
				}
			}
			wg.Wait()
			must(t, client.Close(transport.StatusNormalClosure, ""))
			_ = l.end(t)
		})
	}
}

// handlerFunc is a log whose messages go to a function, and are not kept.
type handlerFunc struct {
	*log
	f func(c *transport.Conn, typ transport.MessageType, p []byte)
}

func (h handlerFunc) OnMessage(c *transport.Conn, typ transport.MessageType, p []byte) {
	h.f(c, typ, p)
}

func TestOnCloseIsToldWhileAnOvertakenHandlerRuns(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{})
		release := make(chan struct{})
		returned := make(chan error, 1)
		l := serve(c, func(c *transport.Conn, typ transport.MessageType, p []byte) {
			c.HandOff()
			<-release
			if c.HandOff() {
				t.Error("HandOff() = true after the end")
			}
			returned <- c.Queue(typ, p)
		})
		w.send(w.text("m"), w.close(4000, "bye"))
		if err := l.end(t); transport.CloseStatus(err) != 4000 {
			t.Errorf("OnClose got %v", err)
		}
		close(release)
		if err := <-returned; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Queue() = %v, want net.ErrClosed", err)
		}
	})
}

func TestReadTimeoutEndsASilentPeer(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		const timeout = 30 * time.Second
		c, w := memWire(t, role, transport.Limits{ReadTimeout: timeout})
		l := serve(c, nil)
		for range 5 {
			time.Sleep(timeout - time.Second)
			w.send(w.pong("")) // any frame counts as life
		}
		begin := time.Now()
		err := l.end(t)
		if since(begin) != timeout {
			t.Errorf("ended after %v of silence, want %v", since(begin), timeout)
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("OnClose got %v, want os.ErrDeadlineExceeded and net.ErrClosed", err)
		}
		w.wantEnd("the connection is cut")
	})
}

func TestSilenceIsNoTimeoutByDefault(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{})
		serve(c, echoAll{}.OnMessage)
		time.Sleep(1000 * time.Hour)
		w.send(w.text("hello again"))
		w.want("", gotText("hello again"))
	})
}

func TestReceivedChangesWithEverySignOfLife(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{})
		serve(c, nil)
		last := c.Received()
		for _, frame := range [][]byte{w.text("m"), w.ping(""), w.pong(""), w.text("part")[:3]} {
			w.send(frame)
			synctest.Wait()
			if now := c.Received(); now == last {
				t.Errorf("Received() = %d, and was before", now)
			} else {
				last = now
			}
		}
	})
}

func TestAConnectionIsReadInOneWay(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{})
		l := serve(c, nil)
		synctest.Wait()
		if _, _, err := c.Read(t.Context()); err == nil || errors.Is(err, net.ErrClosed) {
			t.Errorf("Read() = %v on a connection that Start has started, want an error of its own", err)
		}
		if _, _, err := c.Reader(t.Context()); err == nil || errors.Is(err, net.ErrClosed) {
			t.Errorf("Reader() = %v on a connection that Start has started, want an error of its own", err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a second Start did not panic")
				}
			}()
			c.Start(l)
		}()
		w.send(w.text("m"), w.close(1000, ""))
		_ = l.end(t)
		if l.got() != "m" {
			t.Errorf("OnMessage got %q", l.got())
		}
	})
}

func TestPingWaitsForItsPong(t *testing.T) {
	bothRoles(t, func(t *testing.T, role wsproto.Role) {
		c, w := memWire(t, role, transport.Limits{})
		serve(c, nil)
		ping := func(ctx context.Context) (<-chan error, string) {
			done := make(chan error, 1)
			go func() { done <- c.Ping(ctx) }()
			g, err := w.next()
			if err != nil || g.op != wsproto.OpPing {
				t.Fatalf("got %v, %v, want a ping", g, err)
			}
			return done, g.payload
		}
		first, p1 := ping(t.Context())
		second, p2 := ping(t.Context())
		if p1 == p2 {
			t.Errorf("two pings with the payload %q", p1)
		}
		w.send(w.pong("unasked"), w.pong(""), w.pong("8 bytes!"), w.pong(p2))
		must(t, <-second)
		select {
		case err := <-first:
			t.Errorf("Ping() = %v before its pong", err)
		default:
		}
		w.send(w.pong(p1), w.pong(p1))
		must(t, <-first)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		third, _ := ping(ctx)
		if err := <-third; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Ping() = %v, want the end of ctx", err)
		}
		fourth, _ := ping(t.Context())
		must(t, c.CloseNow())
		if err := <-fourth; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Ping() = %v, want net.ErrClosed", err)
		}
	})
}
