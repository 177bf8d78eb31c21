package transport_test

import (
	"bytes"
	"io"
	"net"
	"reflect"
	"runtime"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/wsproto"
	"github.com/kleeedolinux/socket.go/socket/internal/wsproto/deflate"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// A connection fits into what the garbage collector looks at many at a time.
func TestConnIsSmall(t *testing.T) {
	if size := reflect.TypeFor[transport.Conn]().Size(); size > 512 {
		t.Errorf("a Conn takes %d bytes, want at most 512", size)
	}
}

// echoRounds returns a function that sends messages, in one write, to an echoing
// connection over TCP and waits for the answers, without allocating anything itself.
func echoRounds(t testing.TB, pair func(t testing.TB) (server, client net.Conn), burst, size int) (round func()) {
	a, b := pair(t)
	c := transport.NewTestConn(a, wsproto.RoleServer, transport.Limits{}, nil, nil)
	ended := make(chan struct{})
	c.Start(echoUntil{ended})
	t.Cleanup(func() {
		_ = c.CloseNow()
		<-ended
	})
	h := wsproto.Header{Fin: true, Opcode: wsproto.OpText, Masked: true, Key: [4]byte{1, 2, 3, 4}}
	message := bytes.Repeat([]byte("x"), size)
	out := wsproto.AppendFrame(nil, h, message)
	h.Masked = false
	want := wsproto.AppendFrame(nil, h, message)
	out, want = bytes.Repeat(out, burst), bytes.Repeat(want, burst)
	in := make([]byte, len(want))
	return func() {
		if _, err := b.Write(out); err != nil {
			t.Fatal(err)
		}
		for n := 0; n < len(in); {
			m, err := b.Read(in[n:])
			if err != nil {
				t.Fatal(err)
			}
			n += m
		}
		if !bytes.Equal(in, want) {
			t.Fatal("not an echo")
		}
	}
}

// echoUntil echoes until the end of the connection.
type echoUntil struct{ ended chan struct{} }

func (echoUntil) OnMessage(c *transport.Conn, typ transport.MessageType, p []byte) {
	_ = c.Queue(typ, p) // the test looks at what arrives
}

func (h echoUntil) OnClose(*transport.Conn, error) { close(h.ended) }

func loopback(t testing.TB) (server, client net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = client.Close(), server.Close() })
	return server, client
}

// What allocates nothing in steady state: waiting for a message, decoding it,
// the handler, queueing the answer and writing it.
func TestEchoAllocatesNothing(t *testing.T) {
	if raceEnabled || !canTry {
		t.Skip("the race detector allocates, and so do systems without raw connections")
	}
	for _, burst := range []int{1, 32} {
		for _, size := range []int{0, 100, 1000, 3000, 16 << 10, 64 << 10} {
			if burst > 1 && size > 1000 {
				continue // the queue does not hold so many
			}
			round := echoRounds(t, loopback, burst, size)
			for range 100 {
				round()
			}
			if n := testing.AllocsPerRun(500, round); n != 0 {
				t.Errorf("echoes of %d messages of %d bytes make %v allocations, want none", burst, size, n)
			}
		}
	}
}

// The compressed message, what it is inflated into, the answer's compressed form and both
// coders are memory that connections share.
func TestCompressedEchoAllocatesNothing(t *testing.T) {
	if raceEnabled || !canTry {
		t.Skip("the race detector allocates, and so do systems without raw connections")
	}
	for _, size := range []int{600, 1000, 3000} {
		server, client := loopback(t)
		params := &wsproto.DeflateParams{ServerNoTakeover: true, ClientNoTakeover: true, ServerBits: 15, ClientBits: 15}
		c := transport.NewTestConn(server, wsproto.RoleServer, transport.Limits{}, params, nil)
		ended := make(chan struct{})
		c.Start(echoUntil{ended})
		message := bytes.Repeat([]byte("compressible, "), size/14+1)[:size]
		payload, ok := new(deflate.Encoder).Deflate(nil, message, nil, deflate.Options{})
		if !ok {
			t.Fatal("the message cannot be compressed")
		}
		h := wsproto.Header{Fin: true, RSV: 4, Opcode: wsproto.OpText, Masked: true, Key: [4]byte{1, 2, 3, 4}}
		out := wsproto.AppendFrame(nil, h, payload)
		h.Masked = false
		want := wsproto.AppendFrame(nil, h, payload)
		in := make([]byte, len(want))
		round := func() {
			if _, err := client.Write(out); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(client, in); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(in, want) {
				t.Fatal("not an echo")
			}
		}
		for range 100 {
			round()
		}
		if n := testing.AllocsPerRun(500, round); n != 0 {
			t.Errorf("a compressed echo of %d bytes makes %v allocations, want none", size, n)
		}
		_ = client.Close()
		<-ended
	}
}

func TestBroadcastAllocatesNothingPerConnection(t *testing.T) {
	if raceEnabled || !canTry {
		t.Skip("the race detector allocates, and so do systems without raw connections")
	}
	for _, compressed := range []bool{false, true} {
		var params *wsproto.DeflateParams
		if compressed {
			params = &wsproto.DeflateParams{ServerNoTakeover: true, ClientNoTakeover: true, ServerBits: 15, ClientBits: 15}
		}
		const n = 50
		var conns []*transport.Conn
		for range n {
			a, b := loopback(t)
			conns = append(conns, transport.NewTestConn(a, wsproto.RoleServer, transport.Limits{}, params, nil))
			go func() {
				buf := make([]byte, 64<<10)
				for {
					if _, err := b.Read(buf); err != nil {
						return
					}
				}
			}()
		}
		m := transport.NewPreparedMessage(transport.MessageText, bytes.Repeat([]byte("compressible "), 100))
		broadcast := func() {
			for _, c := range conns {
				if err := c.QueuePrepared(m); err != nil {
					t.Fatal(err)
				}
			}
			runtime.Gosched()
		}
		for range 20 {
			broadcast()
		}
		if allocs := testing.AllocsPerRun(200, broadcast); allocs > 0 {
			t.Errorf("compressed %t: a message to %d connections makes %v allocations, want none", compressed, n, allocs)
		}
		for _, c := range conns {
			_ = c.CloseNow()
		}
	}
}
