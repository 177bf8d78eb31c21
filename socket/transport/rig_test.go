package transport_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// wire is the other end of a connection under test: a script of bytes in and
// frames out.
type wire struct {
	t    *testing.T
	nc   net.Conn
	role wsproto.Role // the script's own
	buf  []byte       // received and not looked at
}

// memWire returns a connection in memory, in the given role, and the script's
// end of it. Both are closed when the test ends.
func memWire(t *testing.T, role wsproto.Role, l transport.Limits) (*transport.Conn, *wire) {
	t.Helper()
	ours, theirs := memnet.Pipe()
	return testConn(t, ours, role, l), newWire(t, theirs, role)
}

// testConn is newConn without compression. The connection is closed when the test
// ends.
func testConn(t *testing.T, nc net.Conn, role wsproto.Role, l transport.Limits) *transport.Conn {
	c := newConn(nc, role, l, nil)
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

// newWire returns the script's end of a connection whose other end has the given
// role.
func newWire(t *testing.T, nc net.Conn, other wsproto.Role) *wire {
	role := wsproto.RoleClient
	if other == wsproto.RoleClient {
		role = wsproto.RoleServer
	}
	t.Cleanup(func() { _ = nc.Close() })
	return &wire{t: t, nc: nc, role: role}
}

// frame is a frame of the script, masked in the client's role.
func (w *wire) frame(op wsproto.Opcode, fin bool, payload string) []byte {
	return w.header(wsproto.Header{Fin: fin, Opcode: op}, payload)
}

func (w *wire) header(h wsproto.Header, payload string) []byte {
	if w.role == wsproto.RoleClient {
		h.Masked = true
		h.Key = [4]byte{0x37, 0xfa, 0x21, 0x3d}
	}
	return wsproto.AppendFrame(nil, h, []byte(payload))
}

func (w *wire) text(s string) []byte   { return w.frame(wsproto.OpText, true, s) }
func (w *wire) binary(s string) []byte { return w.frame(wsproto.OpBinary, true, s) }
func (w *wire) ping(s string) []byte   { return w.frame(wsproto.OpPing, true, s) }
func (w *wire) pong(s string) []byte   { return w.frame(wsproto.OpPong, true, s) }

func (w *wire) close(code int, reason string) []byte {
	return w.frame(wsproto.OpClose, true, closePayload(code, reason))
}

// closePayload is what a close frame carries. Code 0 is an empty one.
func closePayload(code int, reason string) string {
	if code == 0 {
		return ""
	}
	return string([]byte{byte(code >> 8), byte(code)}) + reason
}

// send writes bytes in one write. It fails the test when that fails.
func (w *wire) send(parts ...[]byte) {
	w.t.Helper()
	if _, err := w.nc.Write(bytes.Join(parts, nil)); err != nil {
		w.t.Fatalf("script: write: %v", err)
	}
}

// got is a frame that came from the connection under test, unmasked.
type got struct {
	op      wsproto.Opcode
	fin     bool
	rsv     uint8
	payload string
}

func (g got) String() string {
	s := g.payload
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return fmt.Sprintf("{op %d, fin %t, rsv %d, %d bytes %q}", g.op, g.fin, g.rsv, len(g.payload), s)
}

func gotText(s string) got { return got{op: wsproto.OpText, fin: true, payload: s} }
func gotPing(s string) got { return got{op: wsproto.OpPing, fin: true, payload: s} }
func gotPong(s string) got { return got{op: wsproto.OpPong, fin: true, payload: s} }

func gotClose(code int, reason string) got {
	return got{op: wsproto.OpClose, fin: true, payload: closePayload(code, reason)}
}

// next returns the next frame, or an error when the connection ends before.
func (w *wire) next() (got, error) {
	for {
		h, n, err := wsproto.ParseHeader(w.buf)
		if err != nil {
			return got{}, err
		}
		if n > 0 && uint64(len(w.buf)-n) >= h.Length {
			// RFC 6455 section 5.1.
			if want := w.role == wsproto.RoleServer; h.Masked != want {
				return got{}, fmt.Errorf("masked = %t, want %t", h.Masked, want)
			}
			p := w.buf[n : n+int(h.Length)]
			w.buf = w.buf[n+int(h.Length):]
			if h.Masked {
				wsproto.Mask(h.Key, 0, p)
			}
			return got{h.Opcode, h.Fin, h.RSV, string(p)}, nil
		}
		b := make([]byte, 4096)
		m, err := w.nc.Read(b)
		w.buf = append(w.buf, b[:m]...)
		if m == 0 && err != nil {
			return got{}, err
		}
	}
}

// want fails the test unless the next frames are the given ones. why is the rule
// that asks for them.
func (w *wire) want(why string, frames ...got) {
	w.t.Helper()
	for _, f := range frames {
		g, err := w.next()
		if err != nil {
			w.t.Fatalf("%s: got %v, want frame %v", why, err, f)
		}
		if g != f {
			w.t.Fatalf("%s: got frame %v, want %v", why, g, f)
		}
	}
}

// wantInAnyOrder is want for frames whose order is free.
func (w *wire) wantInAnyOrder(why string, frames ...got) {
	w.t.Helper()
	for n := len(frames); n > 0; n-- {
		g, err := w.next()
		if err != nil {
			w.t.Fatalf("%s: got %v, want frames %v", why, err, frames)
		}
		i := slices.Index(frames, g)
		if i < 0 {
			w.t.Fatalf("%s: got frame %v, want one of %v", why, g, frames)
		}
		frames = slices.Delete(frames, i, i+1)
	}
}

// wantEnd fails the test unless the connection ends without a further frame.
func (w *wire) wantEnd(why string) {
	w.t.Helper()
	if g, err := w.next(); !errors.Is(err, io.EOF) {
		w.t.Fatalf("%s: got %v, %v, want the end of the connection", why, g, err)
	}
	if len(w.buf) > 0 {
		w.t.Fatalf("%s: got %s, want the end of the connection", why, hex.EncodeToString(w.buf))
	}
}

// log is a Handler that keeps what it is told.
type log struct {
	onMessage func(c *transport.Conn, typ transport.MessageType, p []byte) // nil: nothing

	mu       sync.Mutex // guards the fields below
	messages []string
	closed   []error
	ended    chan struct{} // closed with OnClose
}

// serve drives c with a new log.
func serve(c *transport.Conn, onMessage func(c *transport.Conn, typ transport.MessageType, p []byte)) *log {
	l := &log{onMessage: onMessage, ended: make(chan struct{})}
	c.Start(l)
	return l
}

func (l *log) OnMessage(c *transport.Conn, typ transport.MessageType, p []byte) {
	l.mu.Lock()
	l.messages = append(l.messages, string(p))
	l.mu.Unlock()
	if l.onMessage != nil {
		l.onMessage(c, typ, p)
	}
}

func (l *log) OnClose(c *transport.Conn, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = append(l.closed, err)
	if len(l.closed) == 1 {
		close(l.ended)
	}
}

// got returns the messages so far, joined by spaces.
func (l *log) got() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.messages, " ")
}

// end waits for OnClose and returns what it was told.
func (l *log) end(t *testing.T) error {
	t.Helper()
	<-l.ended
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.closed) != 1 {
		t.Errorf("OnClose was called %d times, want 1", len(l.closed))
	}
	return l.closed[0]
}

// since returns the time since begin in milliseconds of the bubble's clock.
func since(begin time.Time) time.Duration { return time.Since(begin).Round(time.Millisecond) }

// must fails the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
