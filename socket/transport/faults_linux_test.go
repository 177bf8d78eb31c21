package transport_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// promptly bounds what has to happen at once, on a machine that is busy, too.
const promptly = 20 * time.Second

// conversation is what a client sends, and the messages that are whole after so many
// bytes of it.
type conversation struct {
	bytes    []byte
	messages []string
	ends     []int // of the messages' last bytes
}

func newConversation(w *wire) *conversation {
	var v conversation
	v.add("hi", w.text("hi"))
	v.bytes = append(v.bytes, w.ping("between")...)
	v.add("", w.text(""))
	v.add("one two three", w.frame(wsproto.OpText, false, "one "), w.frame(wsproto.OpContinuation, false, "two "),
		w.ping("within"), w.frame(wsproto.OpContinuation, true, "three"))
	long := strings.Repeat("long", 40)
	v.add(long, w.binary(long))
	v.add("last", w.text("last"))
	return &v
}

func (v *conversation) add(message string, frames ...[]byte) {
	v.bytes = append(v.bytes, bytes.Join(frames, nil)...)
	v.messages = append(v.messages, message)
	v.ends = append(v.ends, len(v.bytes))
}

// whole returns the messages that are whole after n bytes.
func (v *conversation) whole(n int) []string {
	i := 0
	for i < len(v.ends) && v.ends[i] <= n {
		i++
	}
	return v.messages[:i]
}

// tcpOf returns the TCP connection under a network connection.
func tcpOf(nc net.Conn) *net.TCPConn {
	if tc, ok := nc.(*tls.Conn); ok {
		nc = tc.NetConn()
	}
	return nc.(*net.TCPConn)
}

// sendHeld sends bytes that the kernel holds back until something follows them.
func sendHeld(t *testing.T, nc *net.TCPConn, b []byte) {
	t.Helper()
	raw, err := nc.SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) { err = syscall.Sendto(int(fd), b, syscall.MSG_MORE, nil) }))
	must(t, err)
}

// cuts are the ways in which a client leaves.
var cuts = []struct {
	name string
	// say sends b, and ends the connection.
	say   func(t *testing.T, nc net.Conn, b []byte)
	reset bool // what has not been read is lost
	half  bool // the client still reads
}{
	{name: "FIN", say: func(t *testing.T, nc net.Conn, b []byte) {
		_, err := nc.Write(b)
		must(t, err)
		must(t, tcpOf(nc).Close())
	}},
	{name: "FIN in the last segment", say: func(t *testing.T, nc net.Conn, b []byte) {
		if tc, ok := nc.(*net.TCPConn); ok && len(b) > 0 {
			sendHeld(t, tc, b)
		} else {
			_, err := nc.Write(b)
			must(t, err)
		}
		must(t, tcpOf(nc).Close())
	}},
	{name: "half close", half: true, say: func(t *testing.T, nc net.Conn, b []byte) {
		_, err := nc.Write(b)
		must(t, err)
		must(t, nc.(interface{ CloseWrite() error }).CloseWrite())
	}},
	{name: "byte by byte", half: true, say: func(t *testing.T, nc net.Conn, b []byte) {
		for i := range b {
			_, err := nc.Write(b[i : i+1])
			must(t, err)
		}
		must(t, nc.(interface{ CloseWrite() error }).CloseWrite())
	}},
	{name: "RST", reset: true, say: func(t *testing.T, nc net.Conn, b []byte) {
		_, err := nc.Write(b)
		must(t, err)
		must(t, tcpOf(nc).SetLinger(0))
		must(t, tcpOf(nc).Close())
	}},
}

// realNetworks are those where connections can be watched, watched and not.
func realNetworks(t *testing.T, test func(t *testing.T, n string, pair func(t *testing.T) (server, client net.Conn))) {
	t.Helper()
	for _, n := range networks {
		if strings.HasPrefix(n.name, "tcp") || strings.HasPrefix(n.name, "tls") {
			t.Run(n.name, func(t *testing.T) { test(t, n.name, n.pair) })
		}
	}
}

// Wherever a peer leaves, and however, what it has said is heard, and its end is told
// at once: no heartbeat and no timeout is needed for it.
func TestPeerThatLeavesAtAnyByteIsHeardAndItsEndIsTold(t *testing.T) {
	realNetworks(t, func(t *testing.T, network string, pair func(t *testing.T) (server, client net.Conn)) {
		for _, cut := range cuts {
			t.Run(cut.name, func(t *testing.T) {
				step := 1
				if strings.HasPrefix(network, "tls") || raceEnabled {
					step = 5
				}
				for n := 0; ; n += step {
					a, b := pair(t)
					w := newWire(t, b, wsproto.RoleServer)
					v := newConversation(w)
					if n > len(v.bytes) {
						break
					}
					c := testConn(t, a, wsproto.RoleServer, transport.Limits{})
					if n%2 == 0 { // it may begin to listen before or after
						cut.say(t, b, v.bytes[:n])
					}
					l := serve(c, echoAll{}.OnMessage)
					if n%2 != 0 {
						cut.say(t, b, v.bytes[:n])
					}
					select {
					case <-l.ended:
					case <-time.After(promptly):
						t.Fatalf("after %d bytes: the end is not told", n)
					}
					if err := l.end(t); !errors.Is(err, net.ErrClosed) {
						t.Fatalf("after %d bytes: OnClose got %v, want net.ErrClosed", n, err)
					}
					heard, want := l.messages, v.whole(n)
					if cut.reset && len(heard) < len(want) {
						want = want[:len(heard)]
					}
					if fmt.Sprintf("%q", heard) != fmt.Sprintf("%q", want) {
						t.Fatalf("after %d bytes: OnMessage got %q, want %q", n, heard, want)
					}
					if cut.half && strings.HasPrefix(network, "tcp") {
						// Through TLS a goroutine writes: the end may come first.
						wantEchoes(t, w, want)
					}
				}
			})
		}
	})
}

// wantEchoes fails the test unless all messages come back and then the end.
func wantEchoes(t *testing.T, w *wire, messages []string) {
	t.Helper()
	must(t, w.nc.SetReadDeadline(time.Now().Add(promptly)))
	for {
		g, err := w.next()
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			if len(messages) > 0 {
				t.Fatalf("the echo of %q is missing", messages)
			}
			return
		case err != nil:
			t.Fatal(err)
		case g.op == wsproto.OpPong:
		case len(messages) == 0 || g.payload != messages[0]:
			t.Fatalf("got %v, want the echo of %q", g, messages)
		default:
			messages = messages[1:]
		}
	}
}

// borders are sizes of messages whose frames, or payloads, fill a buffer to the last
// byte, almost, or do not fit by one.
func borders() (sizes []int) {
	const spare = 64
	for _, class := range []int{1 << 10, 4 << 10, 16 << 10, 64 << 10} {
		for _, end := range []int{class, class + spare} {
			for _, head := range []int{0, 2, 4, 6, 8, 14} { // of frames, masked or not
				sizes = append(sizes, end-head-1, end-head, end-head+1)
			}
		}
	}
	return append(sizes, 0, 1, 125, 126, 127, 3<<10, 40_000, 128<<10, 300_001, 1<<20)
}

// pattern returns n bytes that look the same nowhere.
func pattern(n, seed int) []byte {
	p := make([]byte, n)
	x := uint32(seed)*2654435761 + 1
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	return p
}

// Messages of every size come back as they were, in whatever pieces they arrive, with
// others before and behind them.
func TestMessagesOfEverySizeInAnyPiecesAreWhatWasSent(t *testing.T) {
	realNetworks(t, func(t *testing.T, _ string, pair func(t *testing.T) (server, client net.Conn)) {
		a, b := pair(t)
		c := testConn(t, a, wsproto.RoleServer, transport.Limits{MaxMessageSize: 1 << 20, MaxControlFrames: -1})
		serve(c, func(c *transport.Conn, typ transport.MessageType, p []byte) { must(t, c.Write(t.Context(), typ, p)) })
		w := newWire(t, b, wsproto.RoleServer)
		must(t, b.SetDeadline(time.Now().Add(10*promptly)))
		for i, size := range borders() {
			if raceEnabled && i%4 != 1 {
				continue // the race detector is slow, and all sizes race alike
			}
			message := string(pattern(size, i))
			frame, small := w.binary(message), w.text("small")
			half := w.frame(wsproto.OpBinary, false, message[:size/2])
			rest := w.frame(wsproto.OpContinuation, true, message[size/2:])
			ways := [][][]byte{
				{frame},
				{append(small[:len(small):len(small)], frame...)},
				{frame[:min(3, len(frame))], frame[min(3, len(frame)):]},
				{frame[:len(frame)/3], frame[len(frame)/3:]},
				{frame[:len(frame)-1], frame[len(frame)-1:]},
				{half, w.ping("p"), rest},
				{half[:len(half)/2], append(half[len(half)/2:len(half):len(half)], w.ping("p")...), rest[:len(rest)/2], rest[len(rest)/2:]},
			}
			for way, pieces := range ways {
				want := []string{message, "small"}
				if way == 1 {
					want = []string{"small", message, "small"}
				}
				go func() {
					for j, piece := range append(pieces, small) {
						if j > 0 && (i+way)%5 == 0 {
							time.Sleep(100 * time.Microsecond) // what came so far is read
						}
						_, _ = b.Write(piece) // the reader sees what is missing
					}
				}()
				for _, want := range want {
					g, err := w.next()
					for err == nil && g.op == wsproto.OpPong {
						g, err = w.next()
					}
					if err != nil || g.payload != want {
						t.Fatalf("size %d, way %d: got %v, %v, want the echo of %d bytes", size, way, g, err, len(want))
					}
				}
			}
		}
	})
}

// A conversation of everything at once, both ways, is what was said: small and large
// messages, in fragments with pings between them, compressed or not.
func TestMixedTrafficBothWaysIsWhatWasSent(t *testing.T) {
	agreed := wsproto.DeflateParams{ServerBits: 15, ClientBits: 15, ServerNoTakeover: true, ClientNoTakeover: true}
	for name, params := range map[string]*wsproto.DeflateParams{"plain": nil, "deflate": &agreed} {
		t.Run(name, func(t *testing.T) {
			realNetworks(t, func(t *testing.T, _ string, pair func(t *testing.T) (server, client net.Conn)) {
				a, b := pair(t)
				l := transport.Limits{MaxMessageSize: 2 << 20, MaxControlFrames: -1, MaxInflateRatio: -1, MaxFragments: -1}
				talk(t, newConn(a, wsproto.RoleServer, l, params), newConn(b, wsproto.RoleClient, l, params))
			})
		})
	}
}

// talk has both ends say the same things to each other at the same time, and ends
// them.
func talk(t *testing.T, server, client *transport.Conn) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*promptly)
	defer cancel()
	messages := 300
	if raceEnabled {
		messages = 60
	}
	var said [][]byte
	for i := range messages {
		size := []int{5, 100, 1024, 3000, 4150, 16_500, 65_600, 200_000}[(i+i/8)*3%8]
		message := pattern(size+i, i)
		if i%3 == 0 {
			message = bytes.Repeat([]byte{byte(i)}, size+i)
		}
		said = append(said, message)
	}
	var wg sync.WaitGroup
	var ends []chan struct{}
	for _, c := range []*transport.Conn{server, client} {
		var heard atomic.Int32
		wg.Add(len(said))
		l := &log{ended: make(chan struct{})}
		ends = append(ends, l.ended)
		c.Start(handlerFunc{l, func(_ *transport.Conn, _ transport.MessageType, p []byte) {
			defer wg.Done()
			n := int(heard.Add(1)) - 1 // calls begin in order
			if n%7 == 3 {
				c.HandOff() // the payloads of others come and go meanwhile
				runtime.Gosched()
			}
			if n >= len(said) || !bytes.Equal(p, said[n]) {
				t.Errorf("message %d: got %d bytes that were not sent", n, len(p))
			}
		}})
		t.Cleanup(func() {
			_ = c.CloseNow()
			_ = l.end(t)
		})
		wg.Go(func() {
			for i, message := range said {
				var err error
				if i%5 == 0 {
					err = writeFragments(ctx, c, message)
				} else {
					err = c.Write(ctx, transport.MessageBinary, message)
				}
				if err != nil {
					t.Errorf("message %d: %v", i, err)
					return
				}
				if i%4 == 0 {
					_ = c.QueuePing() // a full queue gets none
				}
			}
		})
	}
	all := make(chan struct{})
	go func() {
		wg.Wait()
		close(all)
	}()
	select {
	case <-all:
	case <-ends[0]:
		t.Fatal("the server's end has ended")
	case <-ends[1]:
		t.Fatal("the client's end has ended")
	case <-ctx.Done():
		t.Fatal("not all messages arrive")
	}
}

// writeFragments sends a message in frames, with a ping between them.
func writeFragments(ctx context.Context, c *transport.Conn, message []byte) error {
	w, err := c.Writer(ctx, transport.MessageBinary)
	if err != nil {
		return err
	}
	for i := 0; len(message) > 0 && err == nil; i++ {
		n := min(len(message), []int{1, 1024, 5000, 70_000}[i%4])
		_, err = w.Write(message[:n])
		message = message[n:]
		if f, ok := w.(interface{ Flush() error }); ok && err == nil {
			err = f.Flush()
		}
		_ = c.QueuePing() // a full queue gets none
	}
	return errors.Join(err, w.Close())
}
