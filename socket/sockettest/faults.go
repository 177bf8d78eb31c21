package sockettest

import (
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
)

// Faults make the network bad, for one client ([Client.Faults], [Browser.Faults])
// or for everybody ([Network.Faults]). They may be called at any time and from any
// goroutine. What was sent just before may be on its way still: [synctest.Wait] lets it
// arrive. A client over long polling has several connections at once: a fault hits each
// of them.
type Faults struct {
	n *Network
	l *line // nil: everybody
}

// Faults returns the faults of all connections there are and will be.
func (n *Network) Faults() *Faults { return &Faults{n, nil} }

// line is how one client, or everybody, reaches the server. Network.mu guards it.
type line struct {
	name     string
	down     error // what dialling fails with; nil: it works
	bad      bool  // there are connections that nobody answers on
	delay    time.Duration
	rate     int // of reading, bytes per second; 0: no limit
	sent     int // CutAfter for the next connection; negative: none
	received int // CutAfterReceived for the next connection; negative: none
	repeat   int // how many POSTs reach the server twice
}

func newLine(name string) line { return line{name: name, sent: -1, received: -1} }

// greet makes a new connection what the line says.
func (l *line) greet(c *memnet.Conn) {
	if l.delay > 0 {
		c.Delay(l.delay)
	}
	if l.rate > 0 {
		c.SlowReads(l.rate)
	}
	if l.sent >= 0 {
		c.CutAfter(l.sent)
		l.sent = -1
	}
	if l.received >= 0 {
		c.Peer().CutAfter(l.received)
		l.received = -1
	}
}

// line returns what the faults are remembered in. It is called with mu held.
func (f *Faults) line() *line {
	if f.l == nil {
		return &f.n.all
	}
	return f.l
}

// conns returns the connections that the faults hit. It is called with mu held.
func (f *Faults) conns() []*memnet.Conn {
	var conns []*memnet.Conn
	for _, u := range f.n.users {
		if f.l == nil || u.line == f.l {
			conns = append(conns, u.conn)
		}
	}
	return conns
}

// each changes the line, and all of its connections.
func (f *Faults) each(change func(l *line), fault func(c *memnet.Conn)) {
	f.n.mu.Lock()
	defer f.n.mu.Unlock()
	change(f.line())
	for _, c := range f.conns() {
		fault(c)
	}
}

// Cut breaks the connections there are: both ends read what has arrived and then
// find the connection reset. The client may connect again at once.
func (f *Faults) Cut() {
	f.n.mu.Lock()
	defer f.n.mu.Unlock()
	f.cut()
}

// cut is called with mu held.
func (f *Faults) cut() {
	f.line().bad = false
	for _, c := range f.conns() {
		c.Cut()
		delete(f.n.users, c.LocalAddr().String())
	}
}

// CutAfter breaks the connections there are behind the nth byte that the client
// sends from now on on each of them. Where there is none, it holds for the next one.
func (f *Faults) CutAfter(n int) {
	f.n.mu.Lock()
	defer f.n.mu.Unlock()
	conns := f.conns()
	for _, c := range conns {
		c.CutAfter(n)
	}
	if len(conns) == 0 {
		f.line().sent = n
	}
}

// CutAfterReceived is [Faults.CutAfter] for the bytes that the server sends.
func (f *Faults) CutAfterReceived(n int) {
	f.n.mu.Lock()
	defer f.n.mu.Unlock()
	conns := f.conns()
	for _, c := range conns {
		c.Peer().CutAfter(n)
	}
	if len(conns) == 0 {
		f.line().received = n
	}
}

// Down cuts the connections there are and makes every attempt to connect fail with
// err until [Faults.Up]. nil means that the network cannot be reached (ENETDOWN).
func (f *Faults) Down(err error) {
	f.n.mu.Lock()
	defer f.n.mu.Unlock()
	f.refuse(err)
	f.cut()
}

// Refuse is [Faults.Down] without the cut: the connections there are go on.
func (f *Faults) Refuse(err error) {
	f.n.mu.Lock()
	defer f.n.mu.Unlock()
	f.refuse(err)
}

// refuse is called with mu held.
func (f *Faults) refuse(err error) {
	if err == nil {
		err = errDown
	}
	f.line().down = err
}

// Up ends [Faults.Down] and [Faults.Refuse]. What [Network.Down] has said for
// everybody holds for each client, too, until [Network.Up].
func (f *Faults) Up() {
	f.n.mu.Lock()
	defer f.n.mu.Unlock()
	f.line().down = nil
}

// Stall makes black holes of the connections there are: nothing arrives in either
// direction, not even the news that an end has closed. What is sent is kept until
// [Faults.Resume].
func (f *Faults) Stall() {
	f.each(func(l *line) { l.bad = true }, (*memnet.Conn).Stall)
}

// Resume ends [Faults.Stall]: all that was sent meanwhile arrives, in its order.
func (f *Faults) Resume() {
	f.each(func(l *line) { l.bad = false }, (*memnet.Conn).Resume)
}

// HalfOpen breaks the connections there are for the client only, which may connect
// again at once. The server is told nothing: to it they are black holes, as when a
// phone changes its network.
func (f *Faults) HalfOpen() {
	f.n.mu.Lock()
	defer f.n.mu.Unlock()
	for _, c := range f.conns() {
		c.Vanish()
	}
}

// Delay makes everything that is sent from now on arrive d later, in each direction
// and in its order, on the connections there are and on later ones. Zero, the
// default: at once.
func (f *Faults) Delay(d time.Duration) {
	f.each(func(l *line) { l.delay = d }, func(c *memnet.Conn) { c.Delay(d) })
}

// SlowReader makes the client read no more than this number of bytes in a second on
// each connection, now and later. A connection holds 64 KiB on its way, so the server
// feels it behind that. Zero, the default: no limit.
func (f *Faults) SlowReader(bytesPerSecond int) {
	f.each(func(l *line) { l.rate = bytesPerSecond }, func(c *memnet.Conn) { c.SlowReads(bytesPerSecond) })
}

// DuplicatePosts makes each of the next n requests by which a client over long polling
// sends messages reach the server twice, as when a proxy repeats what was not
// answered in time. The client gets the second answer. It does nothing to WebSocket.
func (f *Faults) DuplicatePosts(n int) {
	f.n.mu.Lock()
	defer f.n.mu.Unlock()
	f.line().repeat = n
}

// leave ends what would keep a client from leaving: connections that nobody answers
// on are cut, the others work without delay.
func (f *Faults) leave() {
	f.n.mu.Lock()
	defer f.n.mu.Unlock()
	if f.l.bad || f.n.all.bad {
		f.cut()
	}
	for _, c := range f.conns() {
		c.Delay(0)
		c.SlowReads(0)
	}
}
