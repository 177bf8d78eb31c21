package socket_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// A connection that breaks at any byte of a conversation, in either direction,
// costs what was on its way and nothing else: the first Connect reports it, and
// afterwards the client comes back by itself, into its rooms, with a disconnect
// for each connect.
func TestConnectionCutAtEveryByteIsMadeAgain(t *testing.T) {
	for _, side := range []string{"client", "server"} {
		// Which connection of the client breaks: long polling has two at a time.
		for _, nth := range []int{0, 1} {
			run(t, func(t *testing.T, e *env) {
				if e.kind == websocket && nth > 0 {
					t.Skip("there is one")
				}
				for n := 1; ; n += stride() {
					if over := cutAt(t, side, nth, n, e.kind); over {
						t.Logf("%s, connection %d: %d bytes", side, nth, n)
						return
					}
				}
			}, websocket, polling)
		}
	}
}

// stride is how many bytes lie between two places at which a connection is cut: one, unless
// a few conversations are to do, as with the race detector, which makes each of them slow.
func stride() int {
	if raceEnabled || testing.Short() {
		return 29
	}
	return 1
}

// cutAt has a conversation on a network whose nth connection breaks after so many
// bytes that one side has written. It reports whether it did not come that far.
func cutAt(t *testing.T, side string, nth, bytes int, k kind) (over bool) {
	e := newEnv(t, k)
	var mu sync.Mutex
	count, broken := 0, (*memnet.Conn)(nil)
	cut := func(c *memnet.Conn) {
		mu.Lock()
		defer mu.Unlock()
		if count++; count == nth+1 {
			broken = c
			c.CutAfter(bytes)
		}
	}
	if side == "client" {
		e.each(cut, nil)
	} else {
		e.each(nil, cut)
	}
	server := e.serve()
	defer e.end()
	socket.Handle(server, "join", func(s socket.Socket, room string) { s.Join(room) })
	socket.Handle(server, "echo", func(s socket.Socket, i int) { s.Send("echo", i) })
	connects, disconnects := 0, 0 // of the client, by one handler at a time
	var got []int
	c := socket.NewClient(e.transport(), socket.WithReconnectAttempts(0), socket.WithReconnectDelay(10*time.Millisecond))
	defer c.Close()
	c.On(socket.EventConnect, func(interface{}) { connects++ })
	c.On(socket.EventDisconnect, func(interface{}) { disconnects++ })
	socket.On(c, "echo", func(i int) { got = append(got, i) })
	c.Join("room")
	if err := c.Connect(); err != nil {
		var cerr *socket.ConnectionError
		if !errors.As(err, &cerr) || cerr.Op != "connect" {
			t.Errorf("%s, connection %d cut at %d: Connect() = %v", side, nth, bytes, err)
		}
		if connects != 0 {
			t.Errorf("%s, connection %d cut at %d: connect came after a failure", side, nth, bytes)
		}
		if err := c.Connect(); err != nil {
			t.Errorf("%s, connection %d cut at %d: the second Connect() = %v", side, nth, bytes, err)
		}
	}
	for i := range 4 {
		c.Send("echo", i)
		time.Sleep(1500 * time.Millisecond)
	}
	mu.Lock()
	over = broken == nil
	if !over {
		_, err := broken.Write(nil)
		over = err == nil // it is still whole
		broken.CutAfter(-1)
	}
	mu.Unlock()
	time.Sleep(30 * time.Second)
	c.Send("echo", 4)
	time.Sleep(3 * time.Second)
	server.BroadcastToRoom("room", "echo", 5)
	time.Sleep(3 * time.Second)
	e.settle()

	if !c.IsConnected() || server.Count() != 1 || len(server.In("room")) != 1 || connects != disconnects+1 {
		t.Errorf("%s, connection %d cut at %d: IsConnected() = %t, %d connections, %d in the room, %d connects, %d disconnects",
			side, nth, bytes, c.IsConnected(), server.Count(), len(server.In("room")), connects, disconnects)
	}
	// A loss costs a message or two, but nothing comes twice or out of order. Long
	// polling survives the break: then nothing is lost either.
	want := slices.Compact(slices.Sorted(slices.Values(got)))
	missing := 6 - len(got)
	if missing > 2 || missing > 0 && disconnects == 0 || !slices.Equal(got, want) || !slices.Contains(got, 4) || !slices.Contains(got, 5) {
		t.Errorf("%s, connection %d cut at %d: echoes %v, %d disconnects", side, nth, bytes, got, disconnects)
	}
	return over
}

// The same with the resets of a real network.
func TestConnectionResetOverTCPIsMadeAgain(t *testing.T) {
	eachWait(t, func(t *testing.T, k kind, unwatched bool) {
		server := socket.NewServer(socket.WithLogger(nil))
		h := httptest.NewUnstartedServer(server)
		if unwatched {
			h.Listener = hiding{h.Listener}
		}
		h.Start()
		defer h.Close()
		defer server.Shutdown(t.Context())
		socket.Handle(server, "join", func(s socket.Socket, room string) { s.Join(room) })
		resets := new(resetting)
		c := socket.NewClient(newTransport(k, h.URL, transport.WithDialContext(resets.dial)), socket.WithReconnectAttempts(0), socket.WithReconnectDelay(time.Millisecond))
		defer c.Close()
		events := make(chan string, 100)
		c.On(socket.EventConnect, func(interface{}) { events <- "connect" })
		c.On(socket.EventDisconnect, func(interface{}) { events <- "disconnect" })
		socket.On(c, "x", func(i int) { events <- fmt.Sprint("x ", i) })
		c.Join("room")
		if err := c.Connect(); err != nil {
			t.Fatal(err)
		}
		want := func(events <-chan string, want string) {
			t.Helper()
			select {
			case got := <-events:
				if got != want {
					t.Errorf("%s happened, want %s", got, want)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("nothing happened, want %s", want)
			}
		}
		want(events, "connect")
		for i := range 5 {
			if k == polling {
				// The session survives a reset: end it with one.
				for _, s := range socket.Sockets(server) {
					s.Close()
				}
			}
			resets.all()
			want(events, "disconnect")
			want(events, "connect")
			for !inRoom(server, c.ID(), "room") { // the join is on its way
				time.Sleep(time.Millisecond)
			}
			server.BroadcastToRoom("room", "x", i)
			want(events, fmt.Sprint("x ", i))
		}
	})
}

// eachWait runs a test over each transport and each way in which the server's
// connections wait: without a goroutine, where the system can watch descriptors, and
// with one, where they are hidden.
func eachWait(t *testing.T, test func(t *testing.T, k kind, unwatched bool)) {
	t.Helper()
	for _, k := range []kind{websocket, polling} {
		t.Run(string(k), func(t *testing.T) { test(t, k, false) })
	}
	t.Run(string(websocket)+" unwatched", func(t *testing.T) { test(t, websocket, true) })
}

func inRoom(server *socket.Server, id, room string) bool {
	return slices.ContainsFunc(server.In(room), func(s socket.Socket) bool { return s.ID() == id })
}

func newTransport(k kind, url string, opts ...transport.Option) socket.Transport {
	if k == polling {
		all := []transport.LongPollingOption{transport.WithPollInterval(10 * time.Millisecond)}
		for _, opt := range opts {
			all = append(all, opt)
		}
		return transport.NewLongPollingTransport(url, all...)
	}
	var all []transport.WebSocketOption
	for _, opt := range opts {
		all = append(all, opt)
	}
	return transport.NewWebSocketTransport("ws"+url[len("http"):], all...)
}

// hiding is a listener whose connections do not show their descriptors.
type hiding struct{ net.Listener }

func (l hiding) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return struct{ net.Conn }{c}, nil
}

// resetting resets the TCP connections that it has dialled.
type resetting struct {
	mu    sync.Mutex // guards conns
	conns []*net.TCPConn
}

func (r *resetting) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, c.(*net.TCPConn))
	return c, nil
}

func (r *resetting) all() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.SetLinger(0) // Close sends a reset
		c.Close()
	}
	r.conns = nil
}
