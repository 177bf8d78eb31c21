package transport

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
)

// poison fills the pools with buffers of a byte that nobody sends.
func poison() {
	foreign := bytes.Repeat([]byte{canary}, maxBuffer)
	for _, size := range []int{minBuffer, 4 << 10, 16 << 10, maxBuffer} {
		var all []*buffer
		for range 8 {
			buf := getBuffer(size)
			copy(buf.b, foreign)
			all = append(all, buf)
		}
		for _, buf := range all {
			putBuffer(buf)
		}
	}
}

const canary = 0xA5

// notTCP keeps a connection from being written to directly.
type notTCP struct{ net.Conn }

func TestThreatA6_CVE_2016_10518_NothingOfReusedBuffersIsSent(t *testing.T) {
	tcpPair := func() (net.Conn, net.Conn) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		a, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		b, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return a, b
	}
	ways := map[string]func() (net.Conn, net.Conn){
		"tcp":     tcpPair,
		"wrapped": func() (net.Conn, net.Conn) { a, b := tcpPair(); return notTCP{a}, b },
		"memory":  func() (net.Conn, net.Conn) { a, b := memnet.Pipe(); return a, b },
	}
	params := wsproto.DeflateParams{ServerNoTakeover: true, ClientNoTakeover: true, ServerBits: 15, ClientBits: 15}
	for way, pair := range ways {
		for name, tt := range map[string]struct {
			role   wsproto.Role
			agreed *wsproto.DeflateParams
		}{
			"plain server": {wsproto.RoleServer, nil}, "compressing server": {wsproto.RoleServer, &params},
			"plain client": {wsproto.RoleClient, nil}, "compressing client": {wsproto.RoleClient, &params},
		} {
			t.Run(way+" "+name, func(t *testing.T) {
				near, far := pair()
				defer far.Close()
				c := NewTestConn(near, tt.role, Limits{}, tt.agreed, nil)
				received := make(chan []byte, 1)
				go func() {
					b, _ := io.ReadAll(far) // a reset at the end is as good
					received <- b
				}()
				sendEverything(t, c)
				_ = c.CloseNow()
				wire := unmasked(t, <-received)
				if i := bytes.IndexByte(wire, canary); i >= 0 {
					t.Errorf("byte %d of %d is of somebody else: %x", i, len(wire), wire[max(i-8, 0):min(i+8, len(wire))])
				}
				if len(wire) < 10_000 {
					t.Errorf("only %d bytes were sent", len(wire))
				}
			})
		}
	}
}

// unmasked returns what was sent without masks and their keys, which may be any
// bytes. What is cut off at the end is not looked at.
func unmasked(t *testing.T, wire []byte) (plain []byte) {
	t.Helper()
	for len(wire) > 0 {
		h, n, err := wsproto.ParseHeader(wire)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 || uint64(len(wire)-n) < h.Length {
			break
		}
		head, payload := wire[:n], wire[n:n+int(h.Length)]
		if h.Masked {
			wsproto.Mask(h.Key, 0, payload)
			head = head[:n-len(h.Key)]
			head[1] &^= 0x80 // with the mask bit, 37 bytes are 0xA5
		}
		plain = append(append(plain, head...), payload...)
		wire = wire[n+len(payload):]
	}
	return plain
}

// sendEverything uses all ways to send, also those that fail, with every size of
// a control frame and around the sizes of the buffers. None of it holds, or is
// compressed to, a byte of 0xA5.
func sendEverything(t *testing.T, c *Conn) {
	t.Helper()
	ctx := context.Background()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	poison()
	for n := range wsproto.MaxControlPayload + 1 {
		ok(c.queuePing(make([]byte, n)))
		c.sendPong(make([]byte, n))
	}
	for _, size := range []int{0, 1, 125, 126, 127, 511, 512, 1000, 1023, 1024, 1025, 4090, 4096, 16380, 16384, 65530, 65536, 70000} {
		poison()
		message := bytes.Repeat([]byte("x"), size)
		ok(c.Write(ctx, MessageText, message))
		ok(c.WritePrepared(ctx, NewPreparedMessage(MessageBinary, message)))
		c.cork()
		for range 3 {
			ok(c.Write(ctx, MessageBinary, message))
		}
		c.uncork()
		w, err := c.Writer(ctx, MessageText)
		ok(err)
		_, err = w.Write(message)
		ok(err)
		ok(w.Close())
	}
	poison()
	// Refused, and so nothing of it is sent.
	if c.Close(StatusNormalClosure, strings.Repeat("x", 124)) == nil || c.Write(ctx, 7, []byte{canary}) == nil || c.Close(1005, "x") == nil {
		t.Error("what cannot be sent was taken")
	}
	poison()
	ended := make(chan error, 1)
	c.Start(endOnly{ended}) // ends with the connection
	ok(c.Close(StatusGoingAway, "reason"))
	for {
		if _, frames := c.Buffered(); frames == 0 {
			return
		}
		ok(c.WaitQueue(ctx))
	}
}
