package socket_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// weather is what happens to WebSocket connections on the way. Long polling works in any.
type weather string

const (
	fine      weather = "fine"
	forbidden weather = "answered 403"
	bad       weather = "answered 400"
	cutAnswer weather = "cut before the answer"
	hanging   weather = "never answered"
	dying     weather = "ended after 200 ms"
	hole      weather = "a black hole after the handshake"
	closed    weather = "a connection that is refused"
	elsewhere weather = "led to another server"
	instant   weather = "ended with the handshake"
	slow      weather = "answered after 300 ms"
	late      weather = "answered after 7 s"
)

// foul are those in which WebSocket is not possible.
var foul = []weather{forbidden, bad, cutAnswer, hanging, dying, hole}

// sky is a network in which WebSocket depends on the weather.
type sky struct {
	*env
	ws, lp socket.Transport // of the latest client
	other  *socket.Server   // elsewhere

	mu    sync.Mutex // guards the fields below
	now   weather
	tries int // WebSocket handshakes that the client began
	polls int // long-polling sessions that it began
}

func newSky(t *testing.T, opts ...socket.ServerOption) *sky {
	s := &sky{env: newEnv(t, websocket), now: fine}
	s.server = socket.NewServer(append([]socket.ServerOption{socket.WithLogger(nil)}, opts...)...)
	s.other = socket.NewServer(socket.WithLogger(nil))
	s.mount(s)
	t.Cleanup(s.end)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.other.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown of the other server: %v", err)
		}
	})
	return s
}

func (s *sky) set(w weather) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = w
}

func (s *sky) weather() weather {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *sky) count() (tries, polls int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tries, s.polls
}

func (s *sky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !transport.IsUpgrade(r) {
		if r.Method == http.MethodPost && !r.URL.Query().Has("seq") {
			s.mu.Lock()
			s.polls++
			s.mu.Unlock()
		}
		s.server.ServeHTTP(w, r)
		return
	}
	switch s.weather() {
	case forbidden:
		http.Error(w, "no such thing here", http.StatusForbidden)
	case bad:
		http.Error(w, "bad request", http.StatusBadRequest)
	case cutAnswer:
		panic(http.ErrAbortHandler)
	case hanging:
		<-r.Context().Done()
	case elsewhere:
		s.other.ServeHTTP(w, r)
	default:
		s.server.ServeHTTP(w, r)
	}
}

// dialWebSocket is dial for WebSocket connections.
func (s *sky) dialWebSocket(ctx context.Context, network, address string) (net.Conn, error) {
	s.mu.Lock()
	s.tries++
	now := s.now
	s.mu.Unlock()
	if now == closed {
		return nil, syscall.ECONNREFUSED
	}
	c, err := s.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	switch now {
	case dying:
		time.AfterFunc(200*time.Millisecond, c.(*memnet.Conn).Cut)
	case hole:
		return &faultyConn{c.(*memnet.Conn), (*memnet.Conn).Stall}, nil
	case instant:
		return &faultyConn{c.(*memnet.Conn), (*memnet.Conn).Cut}, nil
	case slow:
		return &slowConn{Conn: c, delay: 300 * time.Millisecond}, nil
	case late:
		return &slowConn{Conn: c, delay: 7 * time.Second}, nil
	}
	return c, nil
}

// faultyConn has a fault behind the first answer.
type faultyConn struct {
	*memnet.Conn
	fault func(*memnet.Conn)
}

func (c *faultyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.fault(c.Conn)
	return n, err
}

// slowConn brings the first answer after a delay, in which the server goes on.
type slowConn struct {
	net.Conn
	delay time.Duration
}

func (c *slowConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	time.Sleep(c.delay)
	c.delay = 0
	return n, err
}

// client returns a client that prefers WebSocket. It is closed with the test.
func (s *sky) client(opts ...socket.ClientOption) *socket.Client {
	s.ws = transport.NewWebSocketTransport("ws://server/socket", transport.WithDialContext(s.dialWebSocket))
	s.lp = transport.NewLongPollingTransport("http://server/socket", transport.WithDialContext(s.dial))
	return s.clientOf(s.ws, s.lp, opts...)
}

func (s *sky) clientOf(ws, lp socket.Transport, opts ...socket.ClientOption) *socket.Client {
	s.ws, s.lp = ws, lp
	c := socket.NewClient(socket.FirstOf(ws, lp), append([]socket.ClientOption{socket.WithReconnectAttempts(0)}, opts...)...)
	s.t.Cleanup(func() { c.Close() })
	return c
}

// rest lets no further probe get through to the server, and the last one end.
func (s *sky) rest(tr *traffic) {
	s.set(forbidden)
	tr.flow(11 * time.Second)
}

// over checks which transport a client uses.
func (s *sky) over(c *socket.Client, when string, want socket.Transport) {
	s.t.Helper()
	if got := c.Transport(); got != want || !c.IsConnected() {
		s.t.Errorf("%s: the client uses %T, connected: %t; want %T", when, got, c.IsConnected(), want)
	}
}

// traffic is messages in both directions, of which none may be lost, repeated, or come
// out of order.
type traffic struct {
	t        *testing.T
	c        *socket.Client
	server   *socket.Server
	up, down ledger
	n        int
}

func newTraffic(t *testing.T, c *socket.Client, server *socket.Server) *traffic {
	tr := &traffic{t: t, c: c, server: server}
	tr.up.countServer(server)
	tr.down.count(c)
	return tr
}

// flow sends for a time, twice in a second.
func (tr *traffic) flow(d time.Duration) {
	tr.t.Helper()
	tr.trickle(d, 500*time.Millisecond)
}

// trickle sends for a time, with pauses.
func (tr *traffic) trickle(d, pause time.Duration) {
	tr.t.Helper()
	for range d / pause {
		event, data := number(tr.n)
		if err := tr.c.Send(event, data); err != nil {
			tr.t.Errorf("Send = %v", err)
		}
		if err := tr.server.Broadcast(event, data); err != nil {
			tr.t.Errorf("Broadcast = %v", err)
		}
		tr.n++
		time.Sleep(pause)
	}
}

func (tr *traffic) want(who string) {
	tr.t.Helper()
	tr.up.want(tr.t, who+", to the server", tr.n)
	tr.down.want(tr.t, who+", to the client", tr.n)
}

// Where WebSocket is not possible, in whatever way, the client uses long polling; when it
// is possible again, the client returns. All of it is one session: nothing is lost, comes
// twice or out of order, and once the client has found its way no handler is told.
func TestFirstOfFallsBackAndReturnsWithoutLoss(t *testing.T) {
	for _, w := range foul {
		t.Run(string(w), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSky(t)
				s.set(w)
				c := s.client()
				tr := newTraffic(t, c, s.server)
				s.connect(c)
				s.settle()
				id := c.ID()
				tr.trickle(2*time.Minute, 2*time.Second)
				s.rest(tr)
				s.over(c, "where WebSocket is not possible", s.lp)
				var events trace
				for _, event := range []string{socket.EventConnect, socket.EventDisconnect, socket.EventError} {
					c.On(event, func(data interface{}) { events.add("%s %v", event, data) })
				}
				s.set(w)
				tr.trickle(time.Hour, 7*time.Second)
				s.rest(tr)
				s.over(c, "an hour later", s.lp)
				if tries, _ := s.count(); tries < 9 || tries > 16 {
					t.Errorf("WebSocket was tried %d times within an hour", tries)
				}
				s.set(fine)
				tr.trickle(14*time.Minute, 2*time.Second)
				s.over(c, "when WebSocket works again", s.ws)
				tries, polls := s.count()
				tr.trickle(time.Hour, 20*time.Second)
				if t2, p2 := s.count(); t2 != tries || p2 != polls {
					t.Errorf("%d and %d connections were made after the return", t2-tries, p2-polls)
				}
				s.settle()
				tr.want(string(w))
				events.want(t)
				if c.ID() != id || s.server.Count() != 1 {
					t.Errorf("the socket was %s and is %s, one of %d", id, c.ID(), s.server.Count())
				}
			})
		})
	}
}

// A server that is down or restarting refuses connections, or has a proxy that says so:
// the client comes back over the transport that it prefers.
func TestFirstOfDoesNotTakeARestartForAReasonToFallBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSky(t)
		c := s.client()
		tr := newTraffic(t, c, s.server)
		s.connect(c)
		for _, down := range []error{syscall.ECONNREFUSED, &net.DNSError{Err: "no such host", IsNotFound: true}} {
			for range 5 {
				tr.flow(10 * time.Second)
				s.setDown(down)
				s.cut()
				tr.flow(20 * time.Second)
				s.setDown(nil)
				time.Sleep(31 * time.Second)
				s.over(c, fmt.Sprint("after ", down), s.ws)
			}
		}
		if _, polls := s.count(); polls != 0 {
			t.Errorf("long polling was used %d times", polls)
		}
		// Refused for one transport alone: the other serves until the next attempt.
		s.set(closed)
		s.cut()
		tr.flow(5 * time.Second)
		s.over(c, "while WebSocket is refused", s.lp)
		s.set(fine)
		socket.Cut(socket.Sockets(s.server)[0])
		tr.flow(15 * time.Second)
		s.over(c, "after the next loss", s.ws)
		s.settle()
		tr.want("restarts")
	})
}

// A transport is used for three connections in a row that die young, and not for a
// fourth; one that lived in between starts the count again.
func TestFirstOfGivesATransportThreeChances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSky(t)
		c := s.client()
		s.connect(c)
		time.Sleep(6 * time.Second) // it is good
		s.set(dying)
		s.cut()
		time.Sleep(time.Minute)
		s.over(c, "after three that died", s.lp)
		if tries, _ := s.count(); tries < 1+3 || tries > 1+3+1 {
			t.Errorf("WebSocket was tried %d times, want 4 and perhaps a probe", tries)
		}
	})
}

// A probe that leads to a connection on which nothing comes, or that dies at once, is
// undone within seconds, and nobody is told.
func TestFirstOfTakesAReturnBackThatDoesNotWork(t *testing.T) {
	for _, w := range []weather{dying, hole, late, elsewhere} {
		t.Run(string(w), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSky(t)
				s.set(forbidden)
				c := s.client(socket.WithProbeDelay(10*time.Second, time.Minute))
				tr := newTraffic(t, c, s.server)
				var events trace
				for _, event := range []string{socket.EventConnect, socket.EventDisconnect, socket.EventError} {
					c.On(event, func(data interface{}) { events.add("%s", event) })
				}
				s.connect(c)
				s.set(w)
				tr.flow(13 * time.Second)
				if tries, _ := s.count(); tries != 2 {
					t.Errorf("WebSocket was tried %d times, want 2", tries)
				}
				tr.flow(6 * time.Second)
				s.over(c, "after the probe", s.lp)
				tr.trickle(10*time.Minute, 2*time.Second)
				s.rest(tr)
				s.settle()
				s.over(c, "after more of them", s.lp)
				tr.want(string(w))
				events.want(t, "connect")
				if n := s.other.Count(); n != 0 {
					t.Errorf("%d sockets are left on the other server", n)
				}
			})
		})
	}
}

// fourMethods is a transport that can do nothing more than it has to.
type fourMethods struct{ t socket.Transport }

func (f *fourMethods) Connect(ctx context.Context) error { return f.t.Connect(ctx) }
func (f *fourMethods) Send(p []byte) error               { return f.t.Send(p) }
func (f *fourMethods) Receive() ([]byte, error)          { return f.t.Receive() }
func (f *fourMethods) Close() error                      { return f.t.Close() }

// Transports with four methods, and clients that want no session: the client falls back
// when it connects, and returns when it connects again.
func TestFirstOfWorksWithoutSessions(t *testing.T) {
	for _, name := range []string{"four methods", "WithSession(false)"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSky(t)
				s.set(forbidden)
				c := s.client(socket.WithSession(false))
				if name == "four methods" {
					c = s.clientOf(&fourMethods{s.ws}, &fourMethods{s.lp})
				}
				got := make(chan int, 1)
				socket.Handle(s.server, "n", func(_ socket.Socket, i int) { got <- i })
				say := func(i int) {
					t.Helper()
					if err := c.Send("n", i); err != nil {
						t.Errorf("Send = %v", err)
						return
					}
					if n := <-got; n != i {
						t.Errorf("%d came in place of %d", n, i)
					}
				}
				s.connect(c)
				s.over(c, "at first", s.lp)
				say(1)
				s.set(fine)
				time.Sleep(time.Hour)
				s.over(c, "as long as the connection lives", s.lp)
				say(2)
				socket.Sockets(s.server)[0].Close()
				time.Sleep(time.Minute)
				s.over(c, "after a loss", s.ws)
				say(3)
			})
		})
	}
}

// The error of an attempt has the causes of all transports, and the time for it is shared.
func TestFirstOfReportsWhatEachTransportSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSky(t)
		s.set(forbidden)
		c := s.clientOf(
			transport.NewWebSocketTransport("ws://server/socket", transport.WithDialContext(s.dialWebSocket)),
			transport.NewLongPollingTransport("http://server/socket", transport.WithDialContext(func(context.Context, string, string) (net.Conn, error) {
				return nil, syscall.ECONNREFUSED
			})))
		var he *transport.HandshakeError
		if err := c.Connect(); !errors.As(err, &he) || he.Status != http.StatusForbidden || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Connect() = %v, want both causes", err)
		}
		s.set(hanging)
		began := time.Now()
		s.connect(s.client(socket.WithConnectTimeout(6 * time.Second)))
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("Connect took %v, want half of the time for the one that hangs", d)
		}
	})
}

// Close ends a client at any moment of a probe.
func TestFirstOfCanBeClosedDuringAProbe(t *testing.T) {
	for _, w := range []weather{fine, hanging, hole, dying} {
		for _, after := range []time.Duration{0, time.Millisecond, 100 * time.Millisecond, 201 * time.Millisecond, 5001 * time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				s := newSky(t)
				s.set(forbidden)
				c := s.client(socket.WithProbeDelay(10*time.Second, 10*time.Second))
				s.connect(c)
				s.set(w)
				for tries := 1; tries == 1; tries, _ = s.count() {
					time.Sleep(time.Millisecond)
				}
				time.Sleep(after)
				began := time.Now()
				if err := c.Close(); err != nil && w != hole {
					t.Errorf("%s, after %v: Close() = %v", w, after, err)
				}
				if d := time.Since(began); d > 11*time.Second {
					t.Errorf("%s, after %v: Close took %v", w, after, d)
				}
				if c.IsConnected() {
					t.Errorf("%s, after %v: IsConnected() after Close", w, after)
				}
			})
		}
	}
}

func TestFirstOfNeedsTransports(t *testing.T) {
	for name, f := range map[string]func(){
		"none": func() { socket.FirstOf() },
		"nil":  func() { socket.FirstOf(nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: FirstOf did not panic", name)
				}
			}()
			f()
		}()
	}
}
