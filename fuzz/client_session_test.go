package fuzz

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
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// The first bytes of the steps of a script of [FuzzClientSession].
const (
	clientSends = iota
	clientJoins
	clientLeaves
	clientIsCut      // its connections are reset
	clientIsCutLater // when some more bytes have passed
	clientStalls     // its connections carry nothing more, until they are given up or heal
	clientHeals
	clientIsKicked
	clientIsRefused // the next attempts to connect fail
	clientRestarts  // Close and Connect
	clientBursts    // many sends at once
	serverTells
	serverSends
	timePasses
	allSettles
	clientSendsVolatile // what is not of the session
	serverSendsVolatile
	clientSteps
)

var clientSessionSeeds = []struct {
	name   string
	script []byte
}{
	{"no trouble", []byte{clientSends, 0, clientSends, 1, serverTells, 0, clientJoins, 0, clientJoins, 4, clientLeaves, 0, clientBursts, 1, allSettles, 0}},
	{"cuts", []byte{clientJoins, 0, clientSends, 0, clientIsCut, 0, clientSends, 0, timePasses, 8, serverTells, 0, clientIsCut, 0, clientIsCut, 1, allSettles, 0}},
	{"cuts in the middle", []byte{clientIsCutLater, 20, clientBursts, 0, clientIsCutLater, 21, clientBursts, 1, timePasses, 8, clientIsCutLater, 40, serverTells, 0, serverSends, 0, allSettles, 0}},
	{"stalls", []byte{clientStalls, 0, clientBursts, 0, serverTells, 0, timePasses, 12, clientHeals, 0, clientStalls, 1, timePasses, 4, clientHeals, 1, allSettles, 0}},
	{"kicks and refusals", []byte{clientIsRefused, 12, clientIsKicked, 0, clientSends, 0, timePasses, 8, clientIsRefused, 13, clientIsCut, 1, allSettles, 0}},
	{"volatile messages in between", []byte{clientSends, 0, clientSendsVolatile, 0, clientSends, 0, serverTells, 0, serverSendsVolatile, 0, serverTells, 0, clientIsCut, 0,
		clientSends, 0, serverTells, 0, timePasses, 8, clientSendsVolatile, 8, serverSendsVolatile, 8, clientIsCutLater, 20, clientBursts, 0, clientSendsVolatile, 4, serverTells, 0,
		timePasses, 8, clientSends, 0, clientIsCut, 0, allSettles, 0}},
	{"restarts", []byte{clientJoins, 8, clientRestarts, 0, clientSends, 0, clientIsRefused, 4, clientRestarts, 0, clientRestarts, 0, allSettles, 0}},
}

// FuzzClientSession lets two clients of the module work with a live server over
// connections that are cut, stall and fail. Nobody is told anything twice or out
// of order, connects and disconnects alternate, and when the trouble is over all
// are connected, in their rooms, and hear each other.
func FuzzClientSession(f *testing.F) {
	for i, s := range clientSessionSeeds {
		f.Add(s.script, byte(i))
		f.Add(s.script, byte(i)^1)
	}
	f.Fuzz(func(t *testing.T, script []byte, options byte) {
		if len(script) > 200 {
			return
		}
		bounded(t, bounds{memory: 256 << 20, perByte: 64 << 10, time: ordinary.time}, len(script), func(t *testing.T) {
			newTroubled(t, options).play(script)
		})
	})
}

// troubled is a server and two clients.
type troubled struct {
	t       *testing.T
	live    *live
	clients [2]*trying

	mu   sync.Mutex       // guards the fields below
	told map[string][]int // by socket: the numbers that came, and whose they are
	all  map[[2]int]bool  // every number of every client that came
}

// trying is a client and what has happened to it.
type trying struct {
	t      *testing.T
	world  *troubled
	number int
	client *socket.Client
	sent   int // numbers given out
	told   int // of the server

	mu       sync.Mutex // guards the fields below
	log      []string
	heard    []int // numbers of the server
	conns    []*end
	refuse   int
	cutAfter int // bytes until the next connection is cut
	outgoing bool
	stalled  bool
}

// numbered is the data of the event n.
type numbered struct{ Client, N int }

func newTroubled(t *testing.T, options byte) *troubled {
	w := &troubled{t: t, live: newLive(), told: make(map[string][]int), all: make(map[[2]int]bool)}
	s := w.live.server
	socket.Handle(s, "join", func(c socket.Socket, room string) {
		if err := c.Join(room); err != nil {
			t.Errorf("Join = %v", err)
		}
	})
	socket.Handle(s, "leave", func(c socket.Socket, room string) { c.Leave(room) })
	socket.Handle(s, "n", func(c socket.Socket, n numbered) { w.got(c.ID(), n) })
	for i := range w.clients {
		c := &trying{t: t, world: w, number: i}
		var tr socket.Transport = transport.NewWebSocketTransport("ws://fuzz/socket", transport.WithDialContext(c.dial), transport.WithCompression(options&4 != 0))
		if options>>i&1 != 0 {
			tr = transport.NewLongPollingTransport("http://fuzz/socket", transport.WithDialContext(c.dial))
		}
		opts := []socket.ClientOption{socket.WithReconnectAttempts(0)}
		if options&8 != 0 {
			opts = append(opts, socket.WithBatchSend(3, 10*time.Millisecond))
		}
		c.client = socket.NewClient(tr, opts...)
		c.listen()
		w.clients[i] = c
	}
	return w
}

// got is the server's handler.
func (w *troubled) got(id string, n numbered) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if last := w.told[id]; len(last) > 0 && last[len(last)-1] >= n.N {
		w.t.Errorf("client %d: message %d came after %v", n.Client, n.N, last)
	}
	w.told[id] = append(w.told[id], n.N)
	if key := [2]int{n.Client, n.N}; w.all[key] {
		w.t.Errorf("client %d: message %d came twice", n.Client, n.N)
	} else {
		w.all[key] = true
	}
}

func (c *trying) listen() {
	note := func(what string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if last := len(c.log) - 1; last >= 0 && c.log[last] == what || last < 0 && what != "connect" {
			c.t.Errorf("client %d was told %q after %q", c.number, what, c.log)
		}
		c.log = append(c.log, what)
	}
	c.client.On(socket.EventConnect, func(any) { note("connect") })
	c.client.On(socket.EventDisconnect, func(any) { note("disconnect") })
	socket.On(c.client, "told", func(n int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if last := len(c.heard) - 1; last >= 0 && c.heard[last] >= n {
			c.t.Errorf("client %d heard %d after %v", c.number, n, c.heard)
		}
		c.heard = append(c.heard, n)
	})
}

// dial is the network of a client, with its troubles.
func (c *trying) dial(context.Context, string, string) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse > 0 {
		c.refuse--
		return nil, syscall.ECONNREFUSED
	}
	e := c.world.live.listener.dial()
	if c.cutAfter > 0 {
		e.CutAfter(c.cutAfter, c.outgoing)
		c.cutAfter = 0
	}
	if c.stalled {
		e.Stall()
	}
	c.conns = append(c.conns, e)
	return e, nil
}

// each does something to all connections of a client.
func (c *trying) each(do func(e *end)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.conns {
		do(e)
	}
}

func (c *trying) send(n int) {
	err := c.client.Send("n", numbered{c.number, n})
	var ce *socket.ConnectionError
	if err != nil && !errors.As(err, &ce) {
		c.t.Errorf("Send = %v", err)
	}
}

// step plays one step of a script.
func (w *troubled) step(op, arg byte) {
	c, how := w.clients[arg&1], int(arg>>2)
	room := roomNames[how&3]
	switch op % clientSteps {
	case clientSends:
		c.sent++
		c.send(c.sent)
	case clientJoins:
		_ = c.client.Join(room) // fails without a connection, and is made up for
	case clientLeaves:
		_ = c.client.Leave(room) // the same
	case clientIsCut:
		c.each(func(e *end) { e.Cut() })
	case clientIsCutLater:
		outgoing := arg&2 != 0
		c.each(func(e *end) { e.CutAfter(1+how*how, outgoing) })
		c.mu.Lock()
		c.cutAfter, c.outgoing = 1+how*how, outgoing
		c.mu.Unlock()
	case clientStalls, clientHeals:
		c.mu.Lock()
		c.stalled = op%clientSteps == clientStalls
		c.mu.Unlock()
		if op%clientSteps == clientStalls {
			c.each(func(e *end) { e.Stall() })
		} else {
			c.each(func(e *end) { e.Resume() })
		}
	case clientIsKicked:
		if s, ok := w.live.server.GetSocket(c.client.ID()); ok {
			_ = s.Close() // never fails
		}
	case clientIsRefused:
		c.mu.Lock()
		c.refuse += how % 4
		c.mu.Unlock()
	case clientRestarts:
		_ = c.client.Close() // it may not be connected
		if c.client.Connect() != nil {
			w.settle(c)
		}
	case clientBursts:
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				_ = c.client.Join(room) // the same
			})
		}
		for range 10 {
			c.sent++
			c.send(c.sent)
		}
		group.Wait()
	case serverTells, serverSends:
		for _, c := range w.clients {
			c.told++
		}
		if err := w.live.server.Broadcast("told", w.clients[0].told); err != nil {
			w.t.Errorf("Broadcast = %v", err)
		}
	case clientSendsVolatile:
		for range 1 + how%4 {
			_ = c.client.SendVolatile("v", how) // it may be dropped
		}
	case serverSendsVolatile:
		if s, ok := w.live.server.GetSocket(c.client.ID()); ok {
			for range 1 + how%4 {
				_, _ = s.SendVolatile("v", how) // the same
			}
		}
		if err := w.live.server.Under(socket.Volatile()).Broadcast("v", how); err != nil {
			w.t.Errorf("Broadcast = %v", err)
		}
	case timePasses:
		time.Sleep([...]time.Duration{time.Millisecond, time.Second, 10 * time.Second, time.Minute}[how%4])
	case allSettles:
		w.settle(nil)
	}
}

// settle ends all trouble, and checks that all are connected again and agree. A
// client that is closed is connected first.
func (w *troubled) settle(closed *trying) {
	for _, c := range w.clients {
		c.mu.Lock()
		c.stalled, c.refuse, c.cutAfter = false, 0, 0
		c.mu.Unlock()
		c.each(func(e *end) {
			e.CutAfter(0, true)
			e.CutAfter(0, false)
			e.Resume()
		})
	}
	if closed != nil {
		if err := closed.client.Connect(); err != nil {
			w.t.Fatalf("client %d: Connect = %v without any trouble", closed.number, err)
		}
	}
	// A silent connection is found out, and the pauses between attempts end.
	time.Sleep(3 * time.Minute)
	for _, c := range w.clients {
		if !c.client.IsConnected() {
			w.t.Fatalf("client %d is not connected again", c.number)
		}
		c.sent++
		c.send(c.sent)
		c.told++
	}
	if err := w.live.server.Broadcast("told", w.clients[0].told); err != nil {
		w.t.Errorf("Broadcast = %v", err)
	}
	time.Sleep(5 * time.Second)
	synctest.Wait()
	if n := w.live.server.Count(); n != len(w.clients) {
		w.t.Fatalf("%d connections are counted, want %d", n, len(w.clients))
	}
	for _, c := range w.clients {
		id := c.client.ID()
		want := c.client.Rooms()
		got := w.live.server.RoomsOf(id)
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			w.t.Fatalf("client %d is in %q, want %q", c.number, got, want)
		}
		w.mu.Lock()
		last := w.told[id]
		w.mu.Unlock()
		if len(last) == 0 || last[len(last)-1] != c.sent {
			w.t.Fatalf("client %d: the server was told %v, want %d at the end", c.number, last, c.sent)
		}
		c.mu.Lock()
		heard := c.heard
		log := c.log
		c.mu.Unlock()
		if len(heard) == 0 || heard[len(heard)-1] != c.told {
			w.t.Fatalf("client %d heard %v, want %d at the end", c.number, heard, c.told)
		}
		if log[len(log)-1] != "connect" {
			w.t.Fatalf("client %d was told %q, want a connect at the end", c.number, log)
		}
	}
}

// play plays a script, and ends everything.
func (w *troubled) play(script []byte) {
	defer w.live.stop(w.t)
	for _, c := range w.clients {
		if err := c.client.Connect(); err != nil {
			w.t.Fatalf("Connect = %v", err)
		}
	}
	for i := 0; i+1 < len(script); i += 2 {
		w.step(script[i], script[i+1])
	}
	w.settle(nil)
	for _, c := range w.clients {
		if err := c.client.Close(); err != nil {
			w.t.Errorf("Close = %v", err)
		}
		if err := c.client.Send("n", nil); !errors.Is(err, socket.ErrConnectionClosed) {
			w.t.Errorf("Send after Close = %v", err)
		}
		synctest.Wait()
		if log := c.log; log[len(log)-1] != "disconnect" {
			w.t.Errorf("client %d was told %q, want a disconnect at the end", c.number, log)
		}
	}
}
