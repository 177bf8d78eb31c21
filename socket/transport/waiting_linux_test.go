package transport_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// overWaits runs a test with TCP connections that wait in either way.
func overWaits(t *testing.T, test func(t *testing.T, pair func(t *testing.T) (server, client net.Conn))) {
	t.Helper()
	t.Run("watched", func(t *testing.T) { test(t, tcpPair) })
	t.Run("unwatched", func(t *testing.T) { test(t, unwatched(tcpPair)) })
}

// sendUrgent sends the last byte of b as urgent data, which the receiver's read
// stops at.
func sendUrgent(t *testing.T, nc net.Conn, b []byte) {
	t.Helper()
	raw, err := nc.(*net.TCPConn).SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) { err = syscall.Sendto(int(fd), b, syscall.MSG_OOB, nil) }))
	must(t, err)
}

// A read that brings less than it has room for has not always brought everything:
// it stops where urgent data was.
func TestNothingWaitsBehindUrgentData(t *testing.T) {
	overWaits(t, func(t *testing.T, pair func(t *testing.T) (server, client net.Conn)) {
		a, b := pair(t)
		c, w := testConn(t, a, wsproto.RoleServer, transport.Limits{}), newWire(t, b, wsproto.RoleServer)
		serve(c, echoAll{}.OnMessage)
		for range 20 {
			w.send(w.text("before"))
			sendUrgent(t, b, []byte("!"))
			w.send(w.text("behind"))
			w.want("all is echoed", gotText("before"), gotText("behind"))
		}
		// All of it before anybody reads.
		a, b = pair(t)
		c, w = testConn(t, a, wsproto.RoleServer, transport.Limits{}), newWire(t, b, wsproto.RoleServer)
		w.send(w.text("before"))
		sendUrgent(t, b, []byte("!"))
		w.send(w.text("behind"))
		serve(c, echoAll{}.OnMessage)
		w.want("all is echoed", gotText("before"), gotText("behind"))
	})
}

// A client of TLS 1.3 gets session tickets after the handshake: bytes that bring
// nothing to read, and no reason to keep a goroutine and a buffer.
func TestTLSRecordWithoutDataKeepsNoGoroutine(t *testing.T) {
	a, b := tlsPair(t)
	c := testConn(t, b, wsproto.RoleClient, transport.Limits{})
	l := serve(c, nil)
	w := newWire(t, a, wsproto.RoleClient)
	w.send(w.text("with the tickets"))
	for l.got() == "" {
		time.Sleep(time.Millisecond)
	}
	wantNoReader(t, "it has brought a message")

	// An empty record, and one that has come in part.
	a, b = tlsPair(t)
	c = testConn(t, b, wsproto.RoleClient, transport.Limits{})
	l = serve(c, nil)
	wantNoReader(t, "session tickets came")
	raw := a.(*tls.Conn).NetConn()
	if _, err := raw.Write([]byte{23, 3, 3, 0, 100, 1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	wantNoReader(t, "a record has come in part")
	must(t, raw.Close())
	if err := l.end(t); !strings.Contains(err.Error(), "EOF") {
		t.Errorf("OnClose got %v, want the end within a record", err)
	}
}

// wantNoReader fails the test unless no goroutine reads for a started connection,
// in a moment at the latest.
func wantNoReader(t *testing.T, why string) {
	t.Helper()
	buf := make([]byte, 1<<20)
	var stacks []byte
	for range 1000 {
		time.Sleep(time.Millisecond)
		stacks = buf[:runtime.Stack(buf, true)]
		if !bytes.Contains(stacks, []byte("transport.(*Conn).serve(")) {
			return
		}
	}
	t.Fatalf("a goroutine waits for a connection, after %s:\n%s", why, stacks)
}

// What a connection holds for a message that has begun is counted in full while it
// waits for the rest: memory that has grown before the bytes came that it is for, and
// all of a buffer of which the message fills the end.
func TestBudgetCountsWhatAWaitingMessageHolds(t *testing.T) {
	a, b := tcpPair(t)
	budget := transport.NewBudget(1 << 30)
	c := testConn(t, a, wsproto.RoleServer, transport.Limits{MemoryBudget: budget, MaxMessageSize: 8 << 20})
	l := serve(c, nil)
	w := newWire(t, b, wsproto.RoleServer)
	wantCounted := func(what string) {
		t.Helper()
		looks := 3 // before and after the bytes have been read
		for range 5000 {
			if held, charged, waits := c.InputMemory(); waits {
				if charged < int64(held) {
					t.Fatalf("%s: %d bytes are held, and %d counted", what, held, charged)
				}
				if looks--; looks == 0 {
					return
				}
			}
			time.Sleep(100 * time.Microsecond)
		}
		t.Fatalf("%s: the connection does not come to wait", what)
	}
	for _, step := range []int{1000, 4096, 16384, 30_000, 65536} {
		message := w.binary(strings.Repeat("x", 300_000))
		for n := 0; n < len(message); n += step {
			w.send(message[n:min(n+step, len(message))])
			wantCounted(fmt.Sprintf("%d bytes in steps of %d", n, step))
		}
	}
	// Large buffers, at the end of which a small message begins.
	small := w.binary(strings.Repeat("x", 1000))
	for range 10 {
		w.send(w.binary(strings.Repeat("x", 60_000)), w.binary(strings.Repeat("x", 4000)), small[:900])
		wantCounted("the begin of a small message behind a large one")
		w.send(small[900:])
	}
	_ = c.CloseNow()
	_ = l.end(t)
	if used := budget.Used(); used != 0 {
		t.Errorf("%d bytes are counted after the end", used)
	}
}
