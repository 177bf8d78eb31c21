package socket_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

// flaky is a transport with the four methods and nothing else, which a test cuts
// off and lets fail as it likes.
type flaky struct {
	mu      sync.Mutex // guards the fields below
	dials   []time.Time
	connect func(ctx context.Context, n int) error // of the n-th call of Connect; nil: works
	receive chan []byte
	lost    chan struct{}
	sent    []string
	sendErr error
}

func (f *flaky) Connect(ctx context.Context) error {
	f.mu.Lock()
	n := len(f.dials)
	f.dials = append(f.dials, time.Now())
	connect := f.connect
	f.mu.Unlock()
	if connect != nil {
		if err := connect(ctx, n); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.receive, f.lost = make(chan []byte), make(chan struct{})
	return nil
}

func (f *flaky) Send(data []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sendErr == nil {
		f.sent = append(f.sent, string(data))
	}
	return f.sendErr
}

func (f *flaky) Receive() ([]byte, error) {
	f.mu.Lock()
	receive, lost := f.receive, f.lost
	f.mu.Unlock()
	select {
	case data := <-receive:
		return data, nil
	case <-lost:
		return nil, net.ErrClosed
	}
}

func (f *flaky) Close() error {
	f.lose()
	return nil
}

// lose ends the connection.
func (f *flaky) lose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost == nil {
		return
	}
	select {
	case <-f.lost:
	default:
		close(f.lost)
	}
}

// deliver lets the client receive a text.
func (f *flaky) deliver(text string) {
	f.mu.Lock()
	receive := f.receive
	f.mu.Unlock()
	receive <- []byte(text)
}

func (f *flaky) texts() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.sent)
}

// waits returns the times between two calls of Connect.
func (f *flaky) waits() []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []time.Duration
	for i := 1; i < len(f.dials); i++ {
		all = append(all, f.dials[i].Sub(f.dials[i-1]))
	}
	return all
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

func TestReconnectsAreExponentialWithFullJitterAndNeverAboveTheMaximum(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const base, most = time.Second, 30 * time.Second
		f := &flaky{connect: func(_ context.Context, n int) error {
			if n > 0 {
				return syscall.ECONNREFUSED
			}
			return nil
		}}
		c := socket.NewClient(f, socket.WithReconnectAttempts(0)) // the delays are the defaults
		if err := c.Connect(); err != nil {
			t.Fatal(err)
		}
		f.lose()
		time.Sleep(6 * time.Hour)
		c.Close()
		waits := f.waits()
		if len(waits) < 1000 {
			t.Fatalf("%d attempts in 6 hours: there is no limit", len(waits))
		}
		ceiling := base
		for i, w := range waits {
			if w < base/10 || w > ceiling {
				t.Errorf("wait %d is %v, want between %v and %v", i, w, base/10, ceiling)
			}
			ceiling = min(2*ceiling, most)
		}
		// Even over the whole range: each tenth of it has about a tenth.
		var tenths [10]int
		for _, w := range waits[5:] {
			tenths[min(int(10*w/most), 9)]++
		}
		for i, n := range tenths {
			if n < len(waits)/20 || n > len(waits)/5 {
				t.Errorf("%d of %d waits are in tenth %d of the range", n, len(waits), i)
			}
		}
	})
}

func TestReconnectDelaysAreOptions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &flaky{connect: func(_ context.Context, n int) error {
			if n > 0 {
				return syscall.ECONNREFUSED
			}
			return nil
		}}
		c := socket.NewClient(f, socket.WithReconnectAttempts(50),
			socket.WithReconnectDelay(10*time.Millisecond), socket.WithMaxReconnectDelay(15*time.Millisecond))
		if err := c.Connect(); err != nil {
			t.Fatal(err)
		}
		f.lose()
		time.Sleep(time.Hour)
		if n := len(f.waits()); n != 50 {
			t.Errorf("%d attempts, want 50", n)
		}
		for i, w := range f.waits() {
			if w < time.Millisecond || w > 15*time.Millisecond {
				t.Errorf("wait %d is %v", i, w)
			}
		}
	})
}

func TestReconnectCountIsTheNumberOfAttemptsThatItTook(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		e.serve()
		c := e.client(socket.WithReconnectAttempts(0))
		var tr trace
		c.On(socket.EventConnect, func(interface{}) { tr.add("connect %d", c.ReconnectCount()) })
		c.On(socket.EventDisconnect, func(interface{}) { tr.add("disconnect") })
		failed := 0
		c.On(socket.EventError, func(interface{}) {
			if failed++; failed == 3 {
				e.setDown(nil)
			}
		})
		e.connect(c)
		e.settle()
		e.setDown(syscall.ECONNREFUSED)
		e.cut()
		time.Sleep(5 * time.Minute)
		tr.want(t, "connect 0", "disconnect", "connect 4")
		if n := c.ReconnectCount(); n != 4 {
			t.Errorf("ReconnectCount() = %d, want 4: nothing but the next loss sets it back", n)
		}
		failed = 2
		e.setDown(syscall.ECONNREFUSED)
		e.cut()
		time.Sleep(5 * time.Minute)
		tr.want(t, "connect 0", "disconnect", "connect 4", "disconnect", "connect 2")
	}, websocket, polling)
}

func TestCountOfAttemptsStartsAgainAfterASuccess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &flaky{connect: func(_ context.Context, n int) error {
			if n%3 != 0 {
				return syscall.ECONNREFUSED
			}
			return nil
		}}
		c := socket.NewClient(f, socket.WithReconnectAttempts(3))
		var tr trace
		c.On(socket.EventConnect, func(interface{}) { tr.add("connect %d", c.ReconnectCount()) })
		if err := c.Connect(); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(time.Minute)
			f.lose()
		}
		time.Sleep(time.Minute)
		tr.want(t, "connect 0", "connect 3", "connect 3", "connect 3")
		c.Close()
	})
}

func TestAfterTheLastAttemptTheClientGivesUpAndReportsIt(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		e.serve()
		c := e.client(socket.WithReconnectAttempts(4))
		var tr trace
		c.On(socket.EventConnect, func(interface{}) { tr.add("connect") })
		c.On(socket.EventDisconnect, func(interface{}) { tr.add("disconnect") })
		c.On(socket.EventError, func(data interface{}) {
			var cerr *socket.ConnectionError
			if !errors.As(data.(error), &cerr) || cerr.Op != "reconnect" || !errors.Is(cerr, syscall.ECONNREFUSED) {
				t.Errorf("error %v", data)
			}
			tr.add("error")
		})
		e.connect(c)
		e.settle()
		e.setDown(syscall.ECONNREFUSED)
		e.cut()
		time.Sleep(time.Hour)
		tr.want(t, "connect", "disconnect", "error", "error", "error", "error", "error") // one for each attempt, one for giving up
		if c.IsConnected() {
			t.Error("IsConnected() after giving up")
		}
		e.setDown(nil)
		time.Sleep(time.Hour)
		if c.IsConnected() {
			t.Error("the client connected after giving up")
		}
		e.connect(c)
		e.settle()
		if n := c.ReconnectCount(); n != 0 {
			t.Errorf("ReconnectCount() = %d after a new Connect", n)
		}
	}, websocket, polling)
}

// A handler that is told of the end may connect again at once.
func TestConnectFromTheHandlersOfTheEnd(t *testing.T) {
	for _, tt := range []struct {
		name     string
		attempts int
		event    string
		lose     func(e *env, c *socket.Client)
	}{
		{"disconnect without reconnects", -1, socket.EventDisconnect, func(e *env, _ *socket.Client) { e.server.Broadcast("close", nil) }},
		{"disconnect after Close", 0, socket.EventDisconnect, func(_ *env, c *socket.Client) { c.Close() }},
		{"error after giving up", 1, socket.EventError, func(e *env, _ *socket.Client) {
			e.setDown(syscall.ECONNREFUSED)
			e.server.Broadcast("close", nil)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				server := e.serve()
				c := e.client(socket.WithReconnectAttempts(tt.attempts))
				c.On("close", func(interface{}) { c.Send("close", nil) })
				server.HandleFunc("close", func(s socket.Socket, _ interface{}) { s.Close() })
				done := make(chan error, 10)
				c.On(tt.event, func(data interface{}) {
					if err, _ := data.(error); tt.event == socket.EventError && !errors.Is(err, socket.ErrGaveUp) {
						return // before the end
					}
					e.setDown(nil)
					done <- c.Connect()
				})
				e.connect(c)
				e.settle()
				tt.lose(e, c)
				if err := <-done; err != nil {
					t.Fatalf("Connect() in the handler = %v", err)
				}
				time.Sleep(3 * time.Minute) // a session that the client has given up is over as well
				if !c.IsConnected() || server.Count() != 1 || len(done) != 0 {
					t.Errorf("IsConnected() = %t, %d connections, %d more ends", c.IsConnected(), server.Count(), len(done))
				}
				c.Off(tt.event)
			}, websocket, polling)
		})
	}
}

func TestRecordedRoomsAreJoinedAgainAfterAReconnect(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var tr trace
		server := e.serve()
		socket.Handle(server, "join", func(s socket.Socket, room string) {
			tr.add("join %s", room)
			s.Join(room)
		})
		socket.Handle(server, "leave", func(s socket.Socket, room string) {
			tr.add("leave %s", room)
			s.Leave(room)
		})
		server.HandleFunc("hello", func(s socket.Socket, _ interface{}) { tr.add("hello from %v", s.Rooms()) })
		for _, opts := range [][]socket.ClientOption{nil, {socket.WithBatchSend(100, time.Second)}} {
			tr = trace{}
			c := e.client(opts...)
			c.On(socket.EventConnect, func(interface{}) { c.Send("hello", nil) })
			c.Join("before") // recorded, and asked for with the connection
			e.connect(c)
			c.Join("a")
			c.Join("b")
			c.Join("b")
			c.Leave("a")
			if got := c.Rooms(); !slices.Equal(got, []string{"before", "b"}) {
				t.Errorf("Rooms() = %v", got)
			}
			if !c.InRoom("b") || c.InRoom("a") {
				t.Errorf("InRoom is wrong")
			}
			time.Sleep(10 * time.Second)
			if got := tr.all(); got[0] != "join before" || !slices.Contains(got, "join a") || !slices.Contains(got, "leave a") {
				t.Errorf("what came to the server: %v", got)
			}
			tr = trace{}
			e.lose()
			time.Sleep(2 * time.Minute)
			tr.want(t, "join before", "join b", "hello from [before b]")
			if got := server.In("b"); len(got) != 1 || got[0].ID() != c.ID() {
				t.Errorf("In(b) = %v", got)
			}
			c.Close()
		}
	}, websocket, polling)
}

// lose ends all connections. Long polling survives a cut: the server closes.
func (e *env) lose() {
	e.t.Helper()
	for _, s := range socket.Sockets(e.server) {
		s.Close()
	}
	e.settle()
}
