package socket_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// Schedules that have failed once; plainSeeds did when nothing was sent under policies.
var (
	plainSeeds = []uint64{1754, 12619, 28371, 34705, 36527, 400549, 400985}
	badSeeds   = []uint64{186, 400402}
)

// Any schedule of sends, broadcasts and faults: every message arrives once and in order,
// or its sender is told. The faults are networks that break, are down or swallow
// everything, old connections whose bytes arrive after new ones were made, requests that
// a proxy makes twice, clients that stand still, slow handlers, messages about as large
// as the buffers, broadcasts under policies, changes between WebSocket and long polling, and an end by either side.
//
// With -args -seeds N -seed S, N schedules are tried from S on.
func TestSessionRandomSchedulesLoseAndRepeatNothing(t *testing.T) {
	seeds := slices.Concat(plainSeeds, badSeeds)
	for i := range uint64(*seedCount) {
		seeds = append(seeds, *firstSeed+i)
	}
	for _, seed := range seeds {
		ok := t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newSchedule(t, seed).play() })
		})
		if !ok {
			t.Errorf("to see it again: go test ./socket -run TestSessionRandomSchedules -args -seeds 1 -seed %d", seed)
		}
	}
}

// window is how long a session is kept without a connection that is not to end.
const window = 15 * time.Minute

// schedule is one server and a few clients, and what happens to them.
type schedule struct {
	t       *testing.T
	seed    uint64
	rng     *rand.Rand
	e       *env
	server  *socket.Server
	clients []*player
	large   bool // messages may pass the buffers: sessions may end
	slow    atomic.Int64
	over    atomic.Bool // the end has come
	apart   int         // how often volatile was called
	ghosts  *auditor    // of what is sent to sockets that nobody knows of

	apartRng  *rand.Rand // of underPolicies; nil: there is none of it
	volatiles bool       // some of it is volatile
}

// player is one client.
type player struct {
	s        *schedule
	lane     *lane
	c        *socket.Client
	up, down *auditor
	apart    apart
	ended    atomic.Bool  // it has been told that its session is over
	id       atomic.Value // of its socket, a string
}

func newSchedule(t *testing.T, seed uint64) *schedule {
	s := &schedule{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 6)), e: newEnv(t, websocket), ghosts: newAuditor()}
	s.apartRng, s.volatiles = newApartRng(seed)
	s.large = s.rng.IntN(4) == 0
	opts := []socket.ServerOption{socket.WithPingInterval(5 * time.Second), socket.WithPingTimeout(2 * time.Second)}
	if s.large {
		opts = append(opts, socket.WithSessionBuffer(16<<10, 64), socket.WithMaxMessageSize(20<<10))
	} else {
		// Faults without a pause keep a client away for longer than the default now and then.
		opts = append(opts, socket.WithSessionWindow(window))
	}
	if s.large && s.rng.IntN(2) == 0 {
		opts = append(opts, socket.WithSendQueue(0, 32)) // who is stalled may be taken for slow
	}
	s.server = s.e.serve(opts...)
	s.server.HandleFunc(socket.EventConnect, func(c socket.Socket, _ interface{}) { c.Join("room") })
	s.server.HandleFunc(socket.EventDisconnect, func(c socket.Socket, reason interface{}) {
		p, err, down := s.player(c), reason.(error), s.down(c)
		if down.report(err) && down == p.down {
			p.ended.Store(true)
			if !s.large && !s.over.Load() {
				s.t.Errorf("seed %d, socket of client %s: %v", s.seed, p.name(), err)
			}
		}
	})
	listenServer(s.server, func(c socket.Socket, i int) {
		if d := time.Duration(s.slow.Load()); d > 0 {
			time.Sleep(d)
		}
		s.player(c).up.receive(i)
	})
	for i := range 1 + s.rng.IntN(3) {
		s.clients = append(s.clients, s.newPlayer(i))
	}
	return s
}

// player returns the client that a socket belongs to.
func (s *schedule) player(c socket.Socket) *player {
	for _, p := range s.clients {
		if c.Request().URL.Query().Get("n") == p.name() {
			return p
		}
	}
	return nil
}

// down returns who follows what is sent to a socket. A copy of a request that comes too
// late makes one that nobody knows of: what is sent to it is lost, and the server is told.
func (s *schedule) down(c socket.Socket) *auditor {
	p := s.player(c)
	if !s.large && c.ID() != p.id.Load() {
		return s.ghosts
	}
	return p.down
}

func (p *player) name() string {
	for i, other := range p.s.clients {
		if other == p {
			return fmt.Sprint(i)
		}
	}
	return ""
}

func (s *schedule) newPlayer(n int) *player {
	p := &player{s: s, lane: &lane{e: s.e}, up: newAuditor(), down: newAuditor()}
	picks := rand.New(rand.NewPCG(s.seed, 7+uint64(n)))
	tr := &switching{pick: func(int) socket.SessionTransport {
		if picks.IntN(2) == 0 {
			return transport.NewLongPollingTransport(fmt.Sprint("http://server/socket?n=", n), transport.WithDialContext(p.lane.dial), transport.WithTimeout(8*time.Second))
		}
		return transport.NewWebSocketTransport(fmt.Sprint("ws://server/socket?n=", n), transport.WithDialContext(p.lane.dial), transport.WithReadTimeout(8*time.Second))
	}}
	opts := []socket.ClientOption{socket.WithReconnectAttempts(0), socket.WithReconnectDelay(100 * time.Millisecond), socket.WithMaxReconnectDelay(2 * time.Second)}
	if s.large {
		opts = append(opts, socket.WithClientSessionBuffer(16<<10, 64))
	}
	p.c = socket.NewClient(tr, opts...)
	p.down.listen(p.c)
	p.apart.listen(p.c)
	p.c.On(socket.EventError, func(data interface{}) {
		if err := data.(error); p.up.report(err) {
			p.ended.Store(true)
			if !s.large && !s.over.Load() {
				s.t.Errorf("seed %d, client %d: %v", s.seed, n, err)
			}
		}
	})
	return p
}

func (s *schedule) play() {
	defer s.e.end()
	for _, p := range s.clients {
		defer p.c.Close()
		if err := p.c.Connect(); err != nil {
			s.t.Fatal(err)
		}
	}
	s.e.settle()
	for _, p := range s.clients {
		p.id.Store(p.c.ID())
	}
	for range 100 {
		s.step(s.clients[s.rng.IntN(len(s.clients))])
	}
	s.slow.Store(0)
	for _, p := range s.clients {
		p.lane.setDown(false)
		p.lane.thaw()
		if s.rng.IntN(2) == 0 {
			p.lane.let()
		}
	}
	time.Sleep(time.Minute)
	s.e.settle()
	for i, p := range s.clients {
		who := fmt.Sprintf("seed %d, client %d", s.seed, i)
		if p.ended.Load() {
			if !s.large {
				s.t.Errorf("%s: the session ended", who)
			}
			continue
		}
		p.up.wantWhole(s.t, who+", to the server")
		p.down.wantWhole(s.t, who+", to the client")
		p.apart.want(s.t, who, true)
		if p.c.ID() != p.id.Load() || !p.c.IsConnected() {
			s.t.Errorf("%s: the socket was %s and is %s", who, p.id.Load(), p.c.ID())
		}
		if m, ok := s.server.GetSocket(p.c.ID()); ok {
			wantSameNumbers(s.t, p.c, m, who)
		}
	}
	s.finish()
	for i, p := range s.clients {
		who := fmt.Sprintf("seed %d, client %d, in the end", s.seed, i)
		p.up.want(s.t, who+", to the server")
		p.down.want(s.t, who+", to the client")
		p.apart.want(s.t, who, false)
	}
	s.ghosts.want(s.t, fmt.Sprintf("seed %d, to sockets that nobody knows of", s.seed))
}

// step lets one thing happen.
func (s *schedule) step(p *player) {
	pause := func(ms int) { time.Sleep(time.Duration(s.rng.IntN(ms)) * time.Millisecond) }
	switch s.rng.IntN(18) {
	case 0:
		p.lane.cut()
	case 1:
		p.lane.setDown(true)
		p.lane.cut()
		pause(20_000)
		p.lane.setDown(false)
	case 2:
		p.lane.stall(s.rng.IntN(2) == 0)
		pause(12_000)
	case 3:
		p.lane.let()
	case 4:
		p.lane.double(s.rng.IntN(2) == 0)
		p.lane.cut()
	case 5: // the client stands still, as a process that is stopped
		p.lane.freeze()
		p.lane.stall(true)
		time.Sleep(30 * time.Second)
		p.lane.let()
		p.lane.thaw()
	case 6:
		s.volatile(p)
		if s.large {
			break // the handlers of a session that has ended may go on beside those of the next
		}
		s.slow.Store(int64(s.rng.IntN(3)) * int64(s.rng.IntN(400)) * int64(time.Millisecond))
	case 7, 8:
		s.volatile(p)
		pause(3000)
	case 9, 10, 11, 12:
		for range s.rng.IntN(6) {
			p.send(s.more())
		}
	case 13:
		for range s.rng.IntN(40) {
			p.send(0)
		}
	default:
		for range s.rng.IntN(6) {
			s.broadcast(s.more())
		}
	}
}

// more is how much larger than a number a message is.
func (s *schedule) more() int {
	switch {
	case s.rng.IntN(8) > 0:
		return 0
	case s.large:
		return s.rng.IntN(18 << 10)
	}
	return s.rng.IntN(2 << 10)
}

func (p *player) send(more int) {
	i := p.up.next()
	if err := p.c.Send(sized(i, more)); err != nil {
		p.up.refuse(i)
		if !p.s.large {
			p.s.t.Errorf("seed %d: Send = %v", p.s.seed, err)
		}
	}
}

// broadcast sends a message to all clients that are members, or to one of them by Send.
func (s *schedule) broadcast(more int) {
	members := s.server.In("room")
	if len(members) == 0 {
		return
	}
	if s.rng.IntN(2) == 0 {
		m := members[s.rng.IntN(len(members))]
		down := s.down(m)
		i := down.next()
		if err := m.Send(sized(i, more)); err != nil {
			down.refuse(i)
			if !s.large {
				s.t.Errorf("seed %d: Socket.Send = %v", s.seed, err)
			}
		}
		synctest.Wait() // if it was too much, the socket is gone
		return
	}
	for _, m := range members { // their numbers differ
		down := s.down(m)
		i := down.next()
		m.Join("one")
		if len(s.server.In("one")) == 0 {
			down.refuse(i) // it has ended since: nobody is sent anything
			continue
		}
		event, data := sized(i, more)
		s.server.BroadcastToRoom("one", event, data)
		m.Leave("one")
		if socket.Reaped(m) {
			down.refuse(i) // its handlers are being called in this moment, and may not know
		}
		synctest.Wait() // if it was too much, the socket is gone
	}
}

// volatile sends messages both ways that are not of the session, and that nobody counts,
// and some under policies.
func (s *schedule) volatile(p *player) {
	s.apart++
	for range s.apart % 4 {
		event, data := "nobody's", interface{}(s.apart)
		p.c.SendVolatile(event, data)
		for _, m := range s.server.In("room") {
			m.SendVolatile(event, data)
		}
	}
	s.underPolicies()
}

// finish ends it all in one of several ways, with messages on their way. What is lost
// then was told to somebody.
func (s *schedule) finish() {
	s.over.Store(true)
	offline := s.rng.IntN(2) == 0
	for _, p := range s.clients {
		if offline {
			p.lane.setDown(true)
			p.lane.cut()
		}
		for range s.rng.IntN(6) {
			p.send(0)
		}
	}
	for range s.rng.IntN(6) {
		s.broadcast(0)
	}
	if s.rng.IntN(2) == 0 {
		time.Sleep(time.Duration(s.rng.IntN(1000)) * time.Millisecond)
	}
	how := s.rng.IntN(3)
	switch how {
	case 0:
		for _, c := range socket.Sockets(s.server) {
			c.Close()
		}
	case 1:
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
		defer cancel()
		if err := s.server.Shutdown(ctx); err != nil {
			s.t.Errorf("seed %d: Shutdown = %v", s.seed, err)
		}
	}
	if how < 2 {
		time.Sleep(10 * time.Second) // the clients find out
	}
	for _, p := range s.clients {
		p.up.report(p.c.Close())
	}
	time.Sleep(window + time.Minute) // what the server keeps is over
	s.e.settle()
}
