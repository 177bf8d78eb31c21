package socket_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// MyCustomTransport has the four methods and nothing else. It is the plainest of
// all: Send blocks until somebody takes the message, and the other end keeps the
// very slices that it is given.
type MyCustomTransport struct {
	connects atomic.Int32
	out, in  chan []byte   // unbuffered
	done     chan struct{} // closed by Close
	once     *sync.Once
}

func (t *MyCustomTransport) Connect(ctx context.Context) error {
	t.connects.Add(1)
	t.out, t.in, t.done, t.once = make(chan []byte), make(chan []byte), make(chan struct{}), new(sync.Once)
	return nil
}

func (t *MyCustomTransport) Send(data []byte) error {
	select {
	case t.out <- data:
		return nil
	case <-t.done:
		return errors.New("closed")
	}
}

func (t *MyCustomTransport) Receive() ([]byte, error) {
	select {
	case data := <-t.in:
		return data, nil
	case <-t.done:
		return nil, errors.New("closed")
	}
}

func (t *MyCustomTransport) Close() error {
	t.once.Do(func() { close(t.done) })
	return nil
}

func TestGuideCustomTransports(t *testing.T) {
	bubble(t, func(t *testing.T) {
		custom := &MyCustomTransport{}
		client := socket.NewClient(custom)
		defer client.Close()
		var tr trace
		for _, event := range []string{socket.EventConnect, socket.EventDisconnect, "reply", socket.EventMessage} {
			client.On(event, func(data interface{}) {
				if _, ok := data.(error); ok {
					data = "an error"
				}
				tr.add("%s %v", event, data)
			})
		}
		if err := client.Connect(); err != nil {
			t.Fatal(err)
		}
		if id := client.ID(); id != "" {
			t.Errorf("ID() = %q: a transport of four methods knows none", id)
		}
		// What the other end keeps stays what it was.
		var kept [][]byte
		taken := make(chan struct{})
		go func() {
			defer close(taken)
			for range 100 {
				kept = append(kept, <-custom.out)
			}
		}()
		var want []string
		for i := range 100 {
			if err := client.Send("chat", i); err != nil {
				t.Errorf("Send(%d) = %v", i, err)
			}
			want = append(want, fmt.Sprintf(`{"event":"chat","data":%d}`, i))
		}
		<-taken
		for i, data := range kept {
			if string(data) != want[i] {
				t.Errorf("the stream has %q, want %q and nothing else", data, want[i])
			}
		}
		if err := client.Send(socket.EventMessage, []byte{1}); err == nil {
			t.Error("a binary message went over a transport that has none")
		}
		custom.in <- []byte(`{"event":"reply","data":"ok"}`)
		custom.in <- []byte(`[1,2]`)
		synctest.Wait()
		custom.Close() // the connection is lost
		time.Sleep(time.Minute)
		if n := custom.connects.Load(); n != 2 || !client.IsConnected() {
			t.Errorf("%d calls of Connect, connected %t", n, client.IsConnected())
		}
		client.Close()
		tr.want(t, "connect <nil>", "reply ok", "message [1 2]", "disconnect an error", "connect <nil>", "disconnect an error")
	})
}

// A transport that hands over one message at a time must not block a client that
// has rooms to join, while the server greets it.
func TestGuideCustomTransportThatIsSynchronous(t *testing.T) {
	for _, batches := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			var opts []socket.ClientOption
			if batches {
				opts = append(opts, socket.WithBatchSend(10, time.Second))
			}
			custom := &MyCustomTransport{}
			client := socket.NewClient(custom, opts...)
			client.Join("a")
			client.Join("b")
			var got atomic.Int32
			client.On("greeting", func(interface{}) { got.Add(1) })
			for range 3 { // the first connection, and two losses
				if !client.IsConnected() {
					if err := client.Connect(); err != nil {
						t.Fatal(err)
					}
				}
				for range 10 {
					custom.in <- []byte(`{"event":"greeting"}`) // before it takes anything
				}
				for _, want := range []string{`{"event":"join","data":"a"}`, `{"event":"join","data":"b"}`} {
					if data := <-custom.out; string(data) != want {
						t.Errorf("the server got %q, want %q", data, want)
					}
				}
				synctest.Wait()
				custom.Close()
				time.Sleep(time.Minute)
			}
			if n := got.Load(); n != 30 {
				t.Errorf("%d greetings, want 30", n)
			}
			client.Close()
		})
	}
}

// Close ends a client whose transport is stuck in Send.
func TestGuideCustomTransportThatIsStuckInSend(t *testing.T) {
	for _, batched := range []int{0, 1, 2} {
		bubble(t, func(t *testing.T) {
			var opts []socket.ClientOption
			if batched > 0 {
				opts = append(opts, socket.WithBatchSend(2, time.Hour))
			}
			custom := &MyCustomTransport{}
			client := socket.NewClient(custom, opts...)
			if err := client.Connect(); err != nil {
				t.Fatal(err)
			}
			sent := make(chan error, 1)
			go func() {
				for range max(batched, 1) {
					sent <- client.Send("x", nil)
				}
			}()
			synctest.Wait()
			if batched == 2 {
				<-sent // it has filled nothing
				// One more, which waits in the next batch behind the stuck one.
				client.Send("x", nil)
			}
			began := time.Now()
			err := client.Close()
			if (err != nil) != (batched > 0) {
				t.Errorf("Close() = %v with %d messages batched", err, batched)
			}
			if d := time.Since(began); d > 5*time.Second {
				t.Errorf("Close took %v", d)
			}
			var cerr *socket.ConnectionError
			if err := <-sent; batched != 1 && !errors.As(err, &cerr) {
				t.Errorf("Send() = %v", err)
			}
		})
	}
}

func TestGuideMessageBatching(t *testing.T) {
	guide(t, func(t *testing.T, e *env) {
		server := e.serve()
		var tr trace
		began := time.Now()
		server.HandleFunc("tick", func(_ socket.Socket, data interface{}) { tr.add("%v at %v", data, time.Since(began)) })
		transport := e.transport()

		// Enable batching on client
		client := socket.NewClient(
			transport,
			socket.WithBatchSend(20, 50*time.Millisecond),
		)

		e.connect(client)
		began = time.Now()
		for i := range 21 {
			client.Send("tick", i)
		}
		time.Sleep(time.Second)
		client.Close()
		got := tr.all()
		if len(got) != 21 || got[0] != "0 at 0s" || got[19] != "19 at 0s" || got[20] != "20 at 50ms" {
			t.Errorf("what came: %v", got)
		}
	})
}

func TestGuideCompression(t *testing.T) {
	for _, tt := range []struct {
		name      string
		server    bool
		inOptions bool // transport.WithCompression, which is WebSocket's
		asked     bool // socket.WithClientCompression
	}{
		{"nobody", false, false, false},
		{"server only", true, false, false},
		{"client only", false, true, true},
		{"transport and server", true, true, false},
		{"client option and server", true, false, true},
		{"all", true, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			guide(t, func(t *testing.T, e *env) {
				// Server-side compression
				server := e.serve(socket.WithCompression(tt.server))
				server.HandleFunc("echo", func(s socket.Socket, data interface{}) { s.Send("echo", data) })
				var up, down atomic.Int64
				counting := transport.WithDialContext(func(ctx context.Context, network, address string) (net.Conn, error) {
					nc, err := e.dial(ctx, network, address)
					return &countingConn{nc, &up, &down}, err
				})
				e.webSocket = []transport.WebSocketOption{counting, transport.WithCompression(tt.inOptions)}
				e.longPolling = []transport.LongPollingOption{counting}

				// Client-side compression
				client := socket.NewClient(
					e.transport(),
					socket.WithClientCompression(tt.asked),
				)

				defer client.Close()
				got := make(chan interface{}, 1)
				client.On("echo", func(data interface{}) { got <- data })
				e.connect(client)
				text := strings.Repeat("All work and no play makes Jack a dull boy. ", 200)
				for range 3 {
					client.Send("echo", text)
					if <-got != text {
						t.Error("the text came back changed")
					}
				}
				// WebSocket compresses both ways when both ends want to; the bodies
				// of long polling are compressed by whoever wants to.
				upwards, downwards := (tt.inOptions || tt.asked) && tt.server, (tt.inOptions || tt.asked) && tt.server
				if e.kind == polling {
					upwards, downwards = tt.asked, tt.server
				}
				if (up.Load() < 10_000) != upwards || (down.Load() < 10_000) != downwards {
					t.Errorf("%d bytes up, compressed: %t; %d bytes down, compressed: %t", up.Load(), upwards, down.Load(), downwards)
				}
			})
		})
	}
}

// countingConn counts the bytes of a connection.
type countingConn struct {
	net.Conn
	up, down *atomic.Int64
}

func (c *countingConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.up.Add(int64(n))
	return n, err
}

func (c *countingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.down.Add(int64(n))
	return n, err
}

// secure starts a server with TLS, which no system trusts.
func secure(t *testing.T, h http.Handler) (https, wss string, roots *x509.CertPool) {
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	roots = x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s.URL, "wss" + strings.TrimPrefix(s.URL, "https"), roots
}

func TestGuideSecureConnections(t *testing.T) {
	for _, k := range []kind{websocket, polling} {
		for _, compressed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/compressed=%t", k, compressed), func(t *testing.T) {
				server := socket.NewServer(socket.WithLogger(nil), socket.WithCompression(compressed), socket.WithSendQueue(64<<20, 8*floods))
				t.Cleanup(func() { server.Shutdown(context.Background()) })
				https, wss, roots := secure(t, server)
				var plain, trusting socket.Transport
				if k == websocket {
					// WebSocket with TLS (wss://)
					transport1 := transport.NewWebSocketTransport(wss)

					// Custom TLS configuration
					transport2 := transport.NewWebSocketTransport(
						wss,
						transport.WithTLSConfig(&tls.Config{
							// TLS configuration options
							RootCAs: roots,
						}),
					)

					plain, trusting = transport1, transport2
				} else {
					// Long-polling with TLS (https://)
					transport1 := transport.NewLongPollingTransport(https)
					transport2 := transport.NewLongPollingTransport(https, transport.WithTLSConfig(&tls.Config{RootCAs: roots}))
					plain, trusting = transport1, transport2
				}
				var unknown x509.UnknownAuthorityError
				var verification *tls.CertificateVerificationError
				if err := socket.NewClient(plain).Connect(); !errors.As(err, &unknown) && !errors.As(err, &verification) {
					t.Errorf("Connect() to a server that nobody vouches for = %v", err)
				}
				flood(t, server, closing(t, socket.NewClient(trusting, socket.WithClientCompression(compressed))))
			})
		}
	}
}

// closing closes a client when the test ends.
func closing(t *testing.T, c *socket.Client) *socket.Client {
	t.Cleanup(func() { c.Close() })
	return c
}

// The connection is cut while records are under way.
func TestGuideSecureConnectionIsMadeAgain(t *testing.T) {
	server := socket.NewServer(socket.WithLogger(nil))
	defer server.Shutdown(t.Context())
	socket.Handle(server, "echo", func(s socket.Socket, n int) { s.Send("echo", n) })
	_, wss, roots := secure(t, server)
	var mu sync.Mutex
	var conns []net.Conn
	client := socket.NewClient(transport.NewWebSocketTransport(wss, transport.WithTLSConfig(&tls.Config{RootCAs: roots}),
		transport.WithDialContext(func(ctx context.Context, network, address string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, address)
			mu.Lock()
			defer mu.Unlock()
			conns = append(conns, nc)
			return nc, err
		})), socket.WithReconnectDelay(time.Millisecond), socket.WithReconnectAttempts(0))
	defer client.Close()
	connects := make(chan struct{}, 100)
	client.On(socket.EventConnect, func(interface{}) { connects <- struct{}{} })
	var got []int
	echoes := make(chan int, 10000)
	socket.On(client, "echo", func(n int) { echoes <- n })
	if err := client.Connect(); err != nil {
		t.Fatal(err)
	}
	<-connects
	for i := range 5 {
		for n := range 100 {
			client.Send("echo", 1000*i+n)
		}
		mu.Lock()
		conns[len(conns)-1].(*net.TCPConn).SetLinger(0)
		conns[len(conns)-1].Close()
		mu.Unlock()
		<-connects
		client.Send("echo", 1000*i+999)
		for n := range echoes {
			got = append(got, n)
			if n == 1000*i+999 {
				break
			}
		}
	}
	if !slices.IsSorted(got) {
		t.Errorf("echoes out of order: %v", got)
	}
}
