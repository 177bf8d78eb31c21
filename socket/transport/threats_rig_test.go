package transport_test

import (
	"bufio"
	"errors"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// victims are endpoints on a real network that a test attacks with bytes: servers
// that it connects to, or clients that connect to it.
type victims struct {
	role wsproto.Role
	open func(t *testing.T) *wire // the attacker's end of one more connection
	// echoed fails the test unless a connection that was there before all others
	// still echoes: the process is well.
	echoed func(t *testing.T)
}

// echoes sends every message back, on both ways to read a connection.
func echoes(c *transport.Conn, _ transport.MessageType, p []byte) {
	_ = c.Queue(transport.MessageBinary, p) // the test looks at what arrives
}

// waits is how started connections wait.
type waits string

const (
	byDefault   waits = "by default" // watched, where the system allows it
	inGoroutine waits = "in a goroutine"
)

// newVictims returns live endpoints of the given role that echo, and wait as how
// says.
func newVictims(t *testing.T, role wsproto.Role, how waits, l transport.Limits) *victims {
	v := &victims{role: role}
	var victim sync.WaitGroup
	t.Cleanup(victim.Wait)
	serve := func(c *transport.Conn) {
		t.Cleanup(func() { _ = c.CloseNow() })
		if how == inGoroutine {
			c.Unwatch()
		}
		victim.Go(func() { <-serve(c, echoes).ended })
	}
	if role == wsproto.RoleServer {
		h := liveServer(t, &transport.AcceptOptions{Limits: l, Compression: transport.Compressed(true)}, serve)
		v.open = func(t *testing.T) *wire { return upgraded(t, h, "") }
	} else {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		t.Cleanup(func() { _ = listener.Close() })
		v.open = func(t *testing.T) *wire {
			dialled := make(chan error, 1)
			go func() {
				c, err := transport.Dial(t.Context(), "ws://"+listener.Addr().String(), &transport.DialOptions{Limits: l})
				if err == nil {
					serve(c)
				}
				dialled <- err
			}()
			nc, err := listener.Accept()
			must(t, err)
			r, err := http.ReadRequest(bufio.NewReader(nc))
			must(t, err)
			_, err = io.WriteString(nc, switching(r.Header.Get("Sec-WebSocket-Key")))
			must(t, err)
			must(t, <-dialled)
			return newWire(t, nc, wsproto.RoleClient)
		}
	}
	other := v.open(t)
	v.echoed = func(t *testing.T) {
		t.Helper()
		other.send(other.binary("still here"))
		other.want("other connections go on", got{op: wsproto.OpBinary, fin: true, payload: "still here"})
	}
	return v
}

// switching is the answer that accepts a handshake.
func switching(key string) string {
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + wsproto.AcceptKey(key) + "\r\n\r\n"
}

// liveServer starts an HTTP server that hands every connection that it accepts to
// use.
func liveServer(t *testing.T, opts *transport.AcceptOptions, use func(*transport.Conn)) *httptest.Server {
	u := transport.NewUpgrader(opts)
	h := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := u.Accept(w, r, nil); err == nil {
			use(c)
		}
	}))
	h.Config.ErrorLog = stdlog.New(io.Discard, "", 0)
	h.Start()
	t.Cleanup(h.Close)
	return h
}

// asksToUpgrade is a valid opening handshake, without its last line and with room
// for more fields.
const asksToUpgrade = "GET / HTTP/1.1\r\nHost: server.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// tcp returns a raw connection to a server.
func tcp(t *testing.T, h *httptest.Server) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", h.Listener.Addr().String())
	must(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	return nc
}

// upgraded returns the client's end of a connection, after a handshake with more
// header fields.
func upgraded(t *testing.T, h *httptest.Server, fields string) *wire {
	t.Helper()
	nc := tcp(t, h)
	_, err := io.WriteString(nc, asksToUpgrade+fields+"\r\n")
	must(t, err)
	// Nothing comes behind the head before the client has sent something.
	head := readHead(t, nc)
	if !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		t.Fatalf("the handshake was answered with %q", head)
	}
	return newWire(t, nc, wsproto.RoleServer)
}

// readHead reads up to the empty line that ends the head of an HTTP message.
func readHead(t *testing.T, nc net.Conn) string {
	t.Helper()
	var head []byte
	for b := make([]byte, 1); !strings.HasSuffix(string(head), "\r\n\r\n"); head = append(head, b[0]) {
		_, err := io.ReadFull(nc, b)
		must(t, err)
	}
	return string(head)
}

// wantRefused fails the test unless the victim answers with a close frame of the
// given code, and ends the connection.
func (w *wire) wantRefused(why string, code int) {
	w.t.Helper()
	must(w.t, w.nc.SetReadDeadline(time.Now().Add(10*time.Second)))
	g, err := w.next()
	switch {
	case err != nil:
		w.t.Fatalf("%s: %v, want close frame %d", why, err, code)
	case g.op != wsproto.OpClose || len(g.payload) < 2 || int(g.payload[0])<<8+int(g.payload[1]) != code:
		w.t.Fatalf("%s: got frame %v, want close frame %d", why, g, code)
	}
	w.wantOver(why)
}

// wantOver fails the test unless the connection ends, in whichever way: bytes
// that were not read make it a reset.
func (w *wire) wantOver(why string) {
	w.t.Helper()
	g, err := w.next()
	var timeout net.Error
	if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		w.t.Fatalf("%s: got %v, %v, want the end of the connection", why, g, err)
	}
}

// allocated returns the bytes that were allocated while f ran, by anybody.
func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// heap returns the bytes of the heap that are in use.
func heap() int64 { return inUse().heap }

// held returns the bytes of heap and stacks that are in use.
func held() int64 {
	m := inUse()
	return m.heap + m.stacks
}

func inUse() (m struct{ heap, stacks int64 }) {
	runtime.GC()
	runtime.GC() // empties the pools too
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	m.heap, m.stacks = int64(stats.HeapAlloc), int64(stats.StackInuse)
	return m
}

// memPipe is a connection in memory.
func memPipe() (net.Conn, net.Conn) {
	a, b := memnet.Pipe()
	return a, b
}
