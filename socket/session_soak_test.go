package socket_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/internal/faultnet"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// soak is a server behind a faulty network, and clients of both transports.
type soak struct {
	t        *testing.T
	server   *socket.Server
	proxy    *faultnet.Proxy
	messages int
	pause    time.Duration // between two of a client
	clients  []*soaker
	cuts     atomic.Int64
	done     chan struct{} // closed when all messages have arrived, or time is over
	over     atomic.Bool   // sessions may end
}

type soaker struct {
	c        *socket.Client
	up, down *auditor
}

// inFlight is how many messages of one direction are on their way at most, so that the
// buffers of the session hold them.
const inFlight = 200

// Over real connections that are reset, ended, half closed, cut in the middle of a
// message, swallowed for longer than the heartbeat, let go late, slowed down, and with
// requests that are made twice: no message is lost, none comes twice, none in another
// order, and no session ends. With -args -soak it takes some minutes.
func TestSessionOverAFaultyNetworkLosesAndRepeatsNothing(t *testing.T) {
	clients, messages, cuts, lasts := 8, 400, 60, 2*time.Second
	if *longSoak {
		clients, messages, cuts, lasts = 200, 5000, 10_000, 150*time.Second
	}
	bound := 4*lasts + 20*time.Second
	s := startSoak(t, clients, messages)
	s.pause = lasts / time.Duration(messages)
	start := time.Now()
	var work sync.WaitGroup
	for _, k := range s.clients {
		work.Go(func() { s.talk(k) })
		work.Go(func() { s.answer(k) })
	}
	rng := rand.New(rand.NewPCG(*firstSeed, 8))
	finished := make(chan struct{})
	go func() { work.Wait(); close(finished) }() // owned by the test, which waits for it
	timeout := time.NewTimer(bound)
	defer timeout.Stop()
	pause := time.NewTicker(lasts / time.Duration(cuts))
	defer pause.Stop()
	for going := true; going; {
		select {
		case <-finished:
			going = false
		case <-timeout.C:
			t.Errorf("not all messages have come in %v", bound)
			going = false
		case <-pause.C:
			if s.cuts.Load() < int64(cuts) {
				s.fault(rng)
			}
		}
	}
	close(s.done)
	s.proxy.SetDown(false)
	<-finished
	s.end()
	var up, down account
	for i, k := range s.clients {
		u, d := k.up.settle(), k.down.settle()
		for _, x := range []struct {
			a   account
			who string
			sum *account
		}{{u, "up", &up}, {d, "down", &down}} {
			if x.a.duplicates+x.a.reorders+x.a.losses > 0 {
				t.Errorf("client %d, %s: %+v", i, x.who, x.a)
			}
			x.sum.add(x.a)
		}
	}
	t.Logf("%d clients, %d faults in %v; up %+v; down %+v", clients, s.cuts.Load(), time.Since(start).Round(time.Second), up, down)
}

// end closes everything. What is on its way then, if the time was too short, is reported.
func (s *soak) end() {
	s.over.Store(true)
	for _, k := range s.clients {
		if err := k.c.Close(); err != nil {
			k.up.report(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		s.t.Errorf("Shutdown = %v", err)
	}
}

func (c *account) add(d account) {
	c.sent += d.sent
	c.got += d.got
	c.refused += d.refused
	c.reported += d.reported
	c.duplicates += d.duplicates
	c.reorders += d.reorders
	c.losses += d.losses
}

func startSoak(t *testing.T, clients, messages int) *soak {
	s := &soak{t: t, messages: messages, done: make(chan struct{})}
	s.server = socket.NewServer(socket.WithLogger(nil), socket.WithMaxConcurrency(0),
		socket.WithPingInterval(time.Second), socket.WithPingTimeout(500*time.Millisecond))
	listenServer(s.server, func(c socket.Socket, i int) {
		if k := s.soaker(c); k != nil {
			k.up.receive(i)
		}
	})
	s.server.HandleFunc(socket.EventDisconnect, func(c socket.Socket, reason interface{}) {
		if k := s.soaker(c); k != nil && k.down.report(reason.(error)) && !s.over.Load() {
			t.Errorf("socket of client %s: %v", c.Request().URL.Query().Get("n"), reason)
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: s.server}
	go web.Serve(l) // ends with Close
	if s.proxy, err = faultnet.Listen(l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.end()
		s.proxy.Close()
		web.Close()
	})
	for i := range clients {
		s.clients = append(s.clients, s.newSoaker(i))
	}
	for _, k := range s.clients {
		if err := k.c.Connect(); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// soaker returns the client of a socket.
func (s *soak) soaker(c socket.Socket) *soaker {
	var i int
	if _, err := fmt.Sscan(c.Request().URL.Query().Get("n"), &i); err != nil || i >= len(s.clients) {
		return nil
	}
	return s.clients[i]
}

func (s *soak) newSoaker(i int) *soaker {
	picks := rand.New(rand.NewPCG(*firstSeed, uint64(i)))
	tr := &switching{pick: func(n int) socket.SessionTransport {
		url := fmt.Sprintf("://%s/socket?n=%d", s.proxy.Addr(), i)
		if picks.IntN(2) == 0 {
			return transport.NewLongPollingTransport("http"+url, transport.WithTimeout(3*time.Second))
		}
		return transport.NewWebSocketTransport("ws"+url, transport.WithReadTimeout(2*time.Second))
	}}
	k := &soaker{up: newAuditor(), down: newAuditor()}
	k.c = socket.NewClient(tr, socket.WithReconnectAttempts(0), socket.WithReconnectDelay(20*time.Millisecond),
		socket.WithMaxReconnectDelay(200*time.Millisecond), socket.WithConnectTimeout(3*time.Second))
	k.down.listen(k.c)
	k.c.On(socket.EventError, func(data interface{}) {
		if err := data.(error); k.up.report(err) && !s.over.Load() {
			s.t.Errorf("client %d: %v", i, err)
		}
	})
	return k
}

// room waits until a direction has room for one message more, and reports false at the
// end of the time.
func (s *soak) room(a *auditor, sent int) bool {
	for sent-a.received() >= inFlight {
		select {
		case <-s.done:
			return false
		case <-time.After(2 * time.Millisecond):
		}
	}
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// talk sends all messages of a client, and waits until they have come.
func (s *soak) talk(k *soaker) {
	for n := range s.messages {
		if !s.room(k.up, n) {
			return
		}
		time.Sleep(s.pause)
		event, data := sized(k.up.next(), n%7*n%50)
		for {
			err := k.c.Send(event, data)
			if err == nil {
				break
			}
			if !errors.Is(err, socket.ErrBufferFull) && !errors.Is(err, socket.ErrTimeout) {
				s.t.Errorf("Send = %v", err)
				return
			}
			if !s.room(k.up, 0) {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	s.drain(k.up)
}

// answer is talk for the server.
func (s *soak) answer(k *soaker) {
	id := k.c.ID()
	for n := range s.messages {
		if !s.room(k.down, n) {
			return
		}
		time.Sleep(s.pause)
		c, ok := s.server.GetSocket(id)
		if !ok {
			s.t.Errorf("the socket of a client is gone")
			return
		}
		event, data := sized(k.down.next(), n%7*n%50)
		if err := c.Send(event, data); err != nil {
			s.t.Errorf("Socket.Send = %v", err)
			return
		}
	}
	s.drain(k.down)
}

// drain waits until all messages of a direction have come.
func (s *soak) drain(a *auditor) {
	for a.received() < s.messages {
		select {
		case <-s.done:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// fault lets something happen to one connection, or to new ones.
func (s *soak) fault(rng *rand.Rand) {
	conns := s.proxy.Conns()
	if len(conns) == 0 {
		return
	}
	c := conns[rng.IntN(len(conns))]
	s.cuts.Add(1)
	switch rng.IntN(12) {
	case 0, 1, 2:
		c.Reset()
	case 3, 4:
		c.Finish()
	case 5:
		c.HalfClose()
	case 6, 7, 8:
		c.ResetAfter(rng.IntN(600), rng.IntN(2) == 0)
	case 9:
		c.Hold()
		// Longer than the heartbeat: what is in it arrives after the client is back.
		time.AfterFunc(time.Duration(2500+rng.IntN(1000))*time.Millisecond, c.Release)
	case 10:
		shapes := []faultnet.Shape{{}, {}, {Chunk: 1}, {Delay: 20 * time.Millisecond}, {BytesPerSecond: 64 << 10}}
		s.proxy.SetShape(shapes[rng.IntN(len(shapes))])
		c.Reset()
	case 11:
		s.proxy.Double()
		c.Reset()
	}
}
