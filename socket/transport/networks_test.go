package transport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// overNetworks runs a test over all networks.
func overNetworks(t *testing.T, test func(t *testing.T, pair func(t *testing.T) (server, client net.Conn))) {
	t.Helper()
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) { test(t, n.pair) })
	}
}

// The tests over networks are about both ways to wait only if both are there.
func TestConnectionWaitsAsItsNetworkSays(t *testing.T) {
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			server, client := connPair(t, n.pair, transport.Limits{})
			logs := []*log{serve(server, nil), serve(client, nil)}
			want := n.watched && runtime.GOOS == "linux"
			if server.Watched() != want || client.Watched() != want {
				t.Errorf("Watched() = %t and %t, want %t", server.Watched(), client.Watched(), want)
			}
			for i, c := range []*transport.Conn{server, client} {
				_ = c.CloseNow()
				_ = logs[i].end(t)
			}
		})
	}
}

func TestDescriptorIsUsedDirectlyWhereItCanBe(t *testing.T) {
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			server, client := connPair(t, n.pair, transport.Limits{})
			for _, c := range []*transport.Conn{server, client} {
				if c.Raw() != (n.raw && canTry) {
					t.Errorf("Raw() = %t, want %t", c.Raw(), n.raw)
				}
			}
		})
	}
	t.Run("wrapped", func(t *testing.T) {
		// A wrapper's own Read and Write must not be passed by.
		a, _ := tcpPair(t)
		c := testConn(t, struct{ *net.TCPConn }{a.(*net.TCPConn)}, wsproto.RoleServer, transport.Limits{})
		if c.Raw() {
			t.Error("Raw() = true for a type that embeds *net.TCPConn")
		}
	})
}

const canTry = runtime.GOOS != "windows" && runtime.GOOS != "plan9" && runtime.GOOS != "js"

func TestBurstsBothWaysArriveWholeAndInOrder(t *testing.T) {
	overNetworks(t, func(t *testing.T, pair func(t *testing.T) (server, client net.Conn)) { testBursts(t, pair) })
}

func TestBurstsArriveOnAnyNumberOfProcessors(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for _, procs := range []int{1, 4} {
		t.Run(fmt.Sprintf("procs=%d", procs), func(t *testing.T) {
			runtime.GOMAXPROCS(procs)
			t.Run("watched", func(t *testing.T) { testBursts(t, tcpPair) })
			t.Run("unwatched", func(t *testing.T) { testBursts(t, unwatched(tcpPair)) })
		})
	}
}

// testBursts has the server echo what comes and send a burst of its own.
func testBursts(t *testing.T, pair func(t *testing.T) (server, client net.Conn)) {
	const n = 20_000
	server, client := connPair(t, pair, transport.Limits{MaxControlFrames: -1})
	l := serve(server, func(c *transport.Conn, typ transport.MessageType, p []byte) {
		if err := c.Write(context.Background(), typ, p); err != nil {
			t.Error(err)
		}
	})
	send := func(c *transport.Conn, who string) {
		for i := range n {
			if err := c.Write(context.Background(), transport.MessageText, fmt.Appendf(nil, "%s %d", who, i)); err != nil {
				t.Error(err)
				return
			}
			if i%1000 == 0 {
				_ = c.QueuePing() // a full queue gets none
			}
		}
	}
	go send(server, "server")
	go send(client, "client")
	next := map[string]int{}
	for range 2 * n {
		_, p, err := client.Read(t.Context())
		must(t, err)
		who, i, _ := strings.Cut(string(p), " ")
		if i != fmt.Sprint(next[who]) {
			t.Fatalf("got %s, want number %d", p, next[who])
		}
		next[who]++
	}
	must(t, client.Close(transport.StatusNormalClosure, ""))
	if err := l.end(t); transport.CloseStatus(err) != transport.StatusNormalClosure {
		t.Errorf("OnClose got %v", err)
	}
}

func TestLargeMessagesAreEchoed(t *testing.T) {
	overNetworks(t, func(t *testing.T, pair func(t *testing.T) (server, client net.Conn)) { testEchoOf(t, pair, 1<<20) })
	t.Run("16 MiB", func(t *testing.T) { testEchoOf(t, tcpPair, 16<<20) })
	t.Run("16 MiB unwatched", func(t *testing.T) { testEchoOf(t, unwatched(tcpPair), 16<<20) })
}

func testEchoOf(t *testing.T, pair func(t *testing.T) (server, client net.Conn), size int) {
	server, client := connPair(t, pair, transport.Limits{MaxMessageSize: size})
	ended := serve(server, func(c *transport.Conn, typ transport.MessageType, p []byte) {
		if err := c.Write(context.Background(), typ, p); err != nil {
			t.Error(err)
		}
	})
	message := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(message)
	must(t, client.Write(t.Context(), transport.MessageBinary, message))
	_, p, err := client.Read(t.Context())
	must(t, err)
	if !bytes.Equal(p, message) {
		t.Errorf("%d bytes: the echo differs", size)
	}
	must(t, client.Close(transport.StatusNormalClosure, ""))
	_ = ended.end(t)
}

func TestMessageBeyondTheLimitIsRefusedFromItsHeader(t *testing.T) {
	overNetworks(t, func(t *testing.T, pair func(t *testing.T) (server, client net.Conn)) {
		a, b := pair(t)
		l := serve(testConn(t, a, wsproto.RoleServer, transport.Limits{}), nil)
		w := newWire(t, b, wsproto.RoleServer)
		h := wsproto.Header{Fin: true, Opcode: wsproto.OpBinary, Masked: true, Length: 64<<10 + 1}
		w.send(wsproto.AppendHeader(nil, h))
		w.want("no byte of the payload is waited for", gotClose(1009, "message size 65537 exceeds 65536 (MaxMessageSize)"))
		var le *transport.LimitError
		if err := l.end(t); !errors.As(err, &le) || le.Option != "MaxMessageSize" || le.Actual != 64<<10+1 {
			t.Errorf("OnClose got %v, want a LimitError that names limit, value and option", err)
		}
	})
}

// Nothing that sends blocks on a slow peer unless its comment says so.
func TestQueueNeverBlocksOnAPeerThatDoesNotRead(t *testing.T) {
	overNetworks(t, func(t *testing.T, pair func(t *testing.T) (server, client net.Conn)) {
		server, client := connPair(t, pair, transport.Limits{MaxQueueBytes: 4 << 20, MaxQueueMessages: -1})
		serve(server, nil)
		message := make([]byte, 32<<10)
		n := 0
		for server.Queue(transport.MessageBinary, message) == nil {
			n++
		}
		if n < 100 {
			t.Errorf("%d messages were queued, want at least the bound of 4 MiB", n)
		}
		// A peer that reads again gets all of it.
		go server.Close(transport.StatusNormalClosure, "")
		for range n {
			_, _, err := client.Read(t.Context())
			must(t, err)
		}
		if _, _, err := client.Read(t.Context()); transport.CloseStatus(err) != transport.StatusNormalClosure {
			t.Errorf("Read() = %v, want the close frame behind the last message", err)
		}
	})
}

// A slow handler slows down its own peer: reading stops.
func TestSlowHandlerHoldsItsPeerBack(t *testing.T) {
	overNetworks(t, func(t *testing.T, pair func(t *testing.T) (server, client net.Conn)) {
		server, client := connPair(t, pair, transport.Limits{})
		serve(client, nil)
		release := make(chan struct{})
		l := serve(server, func(*transport.Conn, transport.MessageType, []byte) { <-release })
		message := make([]byte, 60<<10)
		n := 0
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		for client.Write(ctx, transport.MessageBinary, message) == nil {
			if n++; n > 2000 {
				t.Fatal("the peer was never held back")
			}
		}
		close(release)
		must(t, client.Write(t.Context(), transport.MessageText, []byte("last")))
		must(t, client.Close(transport.StatusNormalClosure, ""))
		_ = l.end(t)
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.messages) != n+1 || l.messages[n] != "last" {
			t.Errorf("%d messages arrived, want %d: none is lost", len(l.messages), n+1)
		}
	})
}

// The end of the connection may come in one packet with the last bytes.
func TestEndThatComesWithDataIsSeenAtOnce(t *testing.T) {
	overNetworks(t, func(t *testing.T, pair func(t *testing.T) (server, client net.Conn)) {
		for i := range 100 {
			a, b := pair(t)
			l := serve(testConn(t, a, wsproto.RoleServer, transport.Limits{}), nil)
			w := newWire(t, b, wsproto.RoleServer)
			w.send(w.text("last"))
			if half, ok := b.(interface{ CloseWrite() error }); ok && i%2 == 0 {
				must(t, half.CloseWrite())
			} else {
				must(t, b.Close())
			}
			if err := l.end(t); !errors.Is(err, net.ErrClosed) || !errors.Is(err, io.EOF) {
				t.Fatalf("OnClose got %v, want io.EOF and net.ErrClosed", err)
			}
			if l.got() != "last" {
				t.Fatalf("OnMessage got %q, want the last message", l.got())
			}
		}
	})
}

func TestResetEndsReadingAndBlockedWriting(t *testing.T) {
	for _, what := range []string{"reading", "writing"} {
		t.Run(what, func(t *testing.T) {
			a, b := tcpPair(t)
			c := testConn(t, a, wsproto.RoleServer, transport.Limits{})
			if what == "writing" {
				for c.Queue(transport.MessageBinary, make([]byte, 60<<10)) == nil {
				}
			} else {
				defer serve(c, nil).end(t)
			}
			must(t, b.(*net.TCPConn).SetLinger(0))
			must(t, b.Close())
			<-c.Done()
			err := c.Write(t.Context(), transport.MessageText, nil)
			if !errors.Is(err, net.ErrClosed) || !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("Write() = %v, want net.ErrClosed and the reset", err)
			}
		})
	}
}

// A connection that is closed while bytes of the peer are unread is reset, which
// destroys what the peer has not read: so it is drained first.
func TestRefusalReachesAPeerThatIsStillSending(t *testing.T) {
	overNetworks(t, func(t *testing.T, pair func(t *testing.T) (server, client net.Conn)) {
		for _, role := range []wsproto.Role{wsproto.RoleServer, wsproto.RoleClient} {
			for name, read := range map[string]func(c *transport.Conn){
				"Serve": func(c *transport.Conn) { serve(c, nil) },
				"Read":  func(c *transport.Conn) { _, _, _ = c.Read(t.Context()) },
			} {
				t.Run(role.String()+"/"+name, func(t *testing.T) {
					a, b := pair(t)
					c := testConn(t, a, role, transport.Limits{})
					w := newWire(t, b, role)
					w.send(w.header(wsproto.Header{Fin: true, RSV: 2, Opcode: wsproto.OpText}, "reserved bit"))
					go read(c)
					w.send(make([]byte, 4<<20)) // much more than the network holds
					w.want("the reason arrives", gotClose(1002, "frame has a reserved bit set"))
					if err := w.nc.Close(); err != nil {
						t.Error(err)
					}
					<-c.Done()
				})
			}
		}
	})
}

// A write deadline of a write that had to wait must not fail a later write.
func TestConnectionThatWasBlockedOnceIsNotCutOffLater(t *testing.T) {
	overNetworks(t, func(t *testing.T, pair func(t *testing.T) (server, client net.Conn)) {
		t.Parallel()
		const timeout = time.Second
		server, client := connPair(t, pair, transport.Limits{WriteTimeout: timeout, MaxMessageSize: -1})
		go server.Write(t.Context(), transport.MessageBinary, make([]byte, 8<<20))
		_, _, err := client.Read(t.Context())
		must(t, err)
		time.Sleep(timeout + timeout/4) // the deadline of a real socket is real
		must(t, server.Write(t.Context(), transport.MessageText, []byte("later")))
		_, p, err := client.Read(t.Context())
		if err != nil || string(p) != "later" {
			t.Errorf("Read() = %q, %v, want the later message", p, err)
		}
		server.CloseNow()
	})
}

func TestInterruptedReadLosesNothing(t *testing.T) {
	overNetworks(t, func(t *testing.T, pair func(t *testing.T) (server, client net.Conn)) {
		a, b := pair(t)
		c := testConn(t, a, wsproto.RoleServer, transport.Limits{})
		w := newWire(t, b, wsproto.RoleServer)
		go func() {
			for i := range 300 {
				message := w.text(fmt.Sprintf("message %d", i))
				for len(message) > 0 {
					n := 1 + rand.IntN(len(message))
					if _, err := b.Write(message[:n]); err != nil {
						t.Error(err)
						return
					}
					message = message[n:]
				}
			}
		}()
		interrupted := 0
		for i := 0; i < 300; {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(50))*time.Microsecond)
			_, p, err := c.Read(ctx)
			cancel()
			switch {
			case errors.Is(err, context.DeadlineExceeded):
				interrupted++
			case err != nil:
				t.Fatal(err)
			case string(p) != fmt.Sprintf("message %d", i):
				t.Fatalf("got %q, want message %d", p, i)
			default:
				i++
			}
		}
		if interrupted == 0 {
			t.Log("no Read was interrupted")
		}
	})
}
