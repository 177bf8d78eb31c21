package socket_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

func TestFirstConnectionsFailureIsReturnedAndNotRetried(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var tr trace
		e.serve()
		e.setDown(syscall.ECONNREFUSED)
		c := e.client()
		for _, event := range []string{socket.EventConnect, socket.EventDisconnect, socket.EventError} {
			c.On(event, func(interface{}) { tr.add("%s", event) })
		}
		err := c.Connect()
		var cerr *socket.ConnectionError
		if !errors.As(err, &cerr) || cerr.Op != "connect" || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Connect() = %v, want a *ConnectionError that wraps the cause", err)
		}
		time.Sleep(time.Hour)
		if n := e.dialled(); n != 1 {
			t.Errorf("%d attempts to connect, want 1", n)
		}
		tr.want(t)
		if c.IsConnected() {
			t.Error("IsConnected() after a failure")
		}
		e.setDown(nil)
		e.connect(c)
		e.settle()
		tr.want(t, "connect")
	}, websocket, polling)
}

func TestWrongSchemeFailsInConnectWithAnErrorThatNamesIt(t *testing.T) {
	for _, tt := range []struct {
		t    socket.Transport
		name string
	}{
		{transport.NewWebSocketTransport("http://server/socket"), `"http"`},
		{transport.NewWebSocketTransport("server/socket"), `""`},
		{transport.NewLongPollingTransport("ws://server/socket"), `"ws"`},
		{transport.NewLongPollingTransport("ftp://server/socket"), `"ftp"`},
	} {
		err := socket.NewClient(tt.t).Connect()
		var cerr *socket.ConnectionError
		if !errors.As(err, &cerr) || !strings.Contains(err.Error(), tt.name) {
			t.Errorf("Connect() = %v, want a *ConnectionError that names %s", err, tt.name)
		}
	}
}

func TestConnectIsBoundedByItsContextAndByConnectTimeout(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		e.serve()
		e.setHangs(true)
		c := e.client(socket.WithConnectTimeout(20 * time.Second))
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := c.ConnectContext(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, socket.ErrConnectionClosed) {
			t.Errorf("ConnectContext() = %v", err)
		}
		if d := time.Since(began); d != 5*time.Second {
			t.Errorf("ConnectContext took %v", d)
		}
		began = time.Now()
		if err := c.Connect(); !errors.Is(err, socket.ErrTimeout) {
			t.Errorf("Connect() = %v, want ErrTimeout", err)
		}
		want := 20 * time.Second
		if e.kind == websocket {
			want = 10 * time.Second // its own bound for a handshake
		}
		if d := time.Since(began); d != want {
			t.Errorf("Connect took %v, want %v", d, want)
		}
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		if err := c.ConnectContext(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("ConnectContext() = %v for a context that has ended", err)
		}
		// The context has no meaning for the connection once it is made.
		e.setHangs(false)
		ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := c.ConnectContext(ctx); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if !c.IsConnected() {
			t.Error("the connection ended with the context of ConnectContext")
		}
	}, websocket, polling)
}

func TestConnectTwiceIsAnErrorAndHarmless(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		c := e.connected()
		var cerr *socket.ConnectionError
		if err := c.Connect(); !errors.As(err, &cerr) {
			t.Errorf("a second Connect() = %v", err)
		}
		e.settle()
		if !c.IsConnected() || server.Count() != 1 {
			t.Errorf("IsConnected() = %t, %d connections", c.IsConnected(), server.Count())
		}
	}, websocket, polling)
}

func TestSendWithoutAConnectionIsErrConnectionClosed(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		e.serve()
		for _, opts := range [][]socket.ClientOption{nil, {socket.WithBatchSend(10, time.Second)}} {
			c := e.client(append(opts, socket.WithReconnectAttempts(0), socket.WithSession(false))...)
			check := func(when string) {
				t.Helper()
				err := c.Send("x", nil)
				var cerr *socket.ConnectionError
				if !errors.As(err, &cerr) || !errors.Is(err, socket.ErrConnectionClosed) || !errors.Is(err, net.ErrClosed) {
					t.Errorf("Send %s = %v, want a *ConnectionError that is ErrConnectionClosed", when, err)
				}
			}
			check("before Connect")
			e.connect(c)
			if err := c.Send("x", nil); err != nil {
				t.Errorf("Send = %v", err)
			}
			e.settle()
			e.setDown(syscall.ECONNREFUSED)
			e.cut()
			time.Sleep(5 * time.Minute)
			check("after a loss")
			e.setDown(nil)
			time.Sleep(5 * time.Minute)
			if err := c.Send("x", nil); err != nil {
				t.Errorf("Send after a reconnect = %v", err)
			}
			c.Close()
			check("after Close")
		}
	}, websocket, polling)
}

func TestSendFromInsideAnyHandlerWorks(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var tr trace
		server := e.serve()
		socket.Handle(server, "from", func(s socket.Socket, where string) { tr.add("%s", where) })
		c := e.client()
		c.On(socket.EventConnect, func(interface{}) {
			c.Send("from", "connect")
			server.Broadcast("x", nil)
			server.Broadcast("connect", nil) // is refused, and reported
		})
		c.On("x", func(interface{}) { c.Send("from", "x") })
		c.On(socket.EventError, func(interface{}) { c.Send("from", "error") })
		c.On(socket.EventDisconnect, func(interface{}) {
			if err := c.Send("from", "disconnect"); !errors.Is(err, socket.ErrConnectionClosed) {
				t.Errorf("Send in the disconnect handler: %v", err)
			}
		})
		e.connect(c)
		e.settle()
		c.Close()
		tr.want(t, "connect", "x", "error")
	}, websocket, polling)
}

func TestDataThatCannotBeEncodedIsAMessageErrorReturnedBySend(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		sockets := make(chan socket.Socket, 1)
		server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) { sockets <- s })
		c := e.connected()
		s := <-sockets
		for name, err := range map[string]error{
			"Client.Send":       c.Send("x", make(chan int)),
			"Client.Send event": c.Send("", 1),
			"Socket.Send":       s.Send("x", func() {}),
			"Broadcast":         server.Broadcast("x", make(chan int)),
			"BroadcastToRoom":   server.BroadcastToRoom("a", "x", make(chan int)),
			"BroadcastToRooms":  server.BroadcastToRooms(nil, "x", make(chan int)),
			"BroadcastParallel": server.BroadcastParallel(strings.Repeat("x", 129), 1),
		} {
			var merr *socket.MessageError
			if !errors.As(err, &merr) {
				t.Errorf("%s = %v, want a *MessageError", name, err)
			}
		}
		if !c.IsConnected() || !s.IsConnected() {
			t.Error("the connection was closed")
		}
	}, websocket, polling)
}

// A message that the transport refuses says nothing about the connection.
func TestRefusedMessageIsNoClosedConnection(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		e.serve(socket.WithMaxMessageSize(1000))
		c := e.connected()
		err := c.Send("x", strings.Repeat("x", 2000))
		if err == nil || errors.Is(err, socket.ErrConnectionClosed) {
			t.Errorf("Send of a message that is too large = %v", err)
		}
		if err := c.Send("x", nil); err != nil {
			t.Errorf("Send = %v after it", err)
		}
	}, polling)
}

func TestOnceRunsForTheNextMessageOnly(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var tr trace
		server := e.serve()
		c := e.connected()
		c.Once("x", func(data interface{}) {
			tr.add("once %v", data)
			c.Once("x", func(data interface{}) { tr.add("once more %v", data) })
		})
		c.On("x", func(data interface{}) { tr.add("on %v", data) })
		for i := range 3 {
			server.Broadcast("x", i)
		}
		e.settle()
		c.Off("x")
		server.Broadcast("x", 3)
		e.settle()
		tr.want(t, "once 0", "on 0", "on 1", "once more 1", "on 2")
	}, websocket, polling)
}

func TestClientsIDIsItsSocketsID(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		c := e.client()
		if id := c.ID(); id != "" {
			t.Errorf("ID() = %q before Connect", id)
		}
		e.connect(c)
		first := c.ID()
		if s, ok := server.GetSocket(first); !ok || s.ID() != first || len(first) != 22 {
			t.Errorf("GetSocket(%q) = %v, %t", first, s, ok)
		}
		e.cut()
		time.Sleep(2 * time.Minute)
		if _, ok := server.GetSocket(c.ID()); !ok {
			t.Error("the id is not that of the connection after a loss")
		}
	}, websocket, polling)
}

func TestSilentServerIsALoss(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		e.serve()
		c := e.connected()
		reasons := make(chan error, 10)
		c.On(socket.EventDisconnect, func(data interface{}) { reasons <- data.(error) })
		e.settle()
		e.each((*memnet.Conn).Stall, nil)
		e.stall()
		began := time.Now()
		reason := <-reasons
		e.each(nil, nil)
		if e.kind == websocket && (!errors.Is(reason, socket.ErrTimeout) || !errors.Is(reason, os.ErrDeadlineExceeded)) {
			t.Errorf("disconnect got %v, want ErrTimeout", reason)
		}
		if d := time.Since(began); d > 5*time.Minute {
			t.Errorf("the loss was noticed after %v", d)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if !c.IsConnected() {
			t.Error("the client did not come back")
		}
	}, websocket, polling)
}
