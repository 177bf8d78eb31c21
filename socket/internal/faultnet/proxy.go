package faultnet

import (
	"net"
	"slices"
	"sync"
	"time"
)

// Proxy passes connections on to one address. Make it with [Listen].
type Proxy struct {
	target   string
	listener net.Listener
	work     sync.WaitGroup

	mu     sync.Mutex // guards the fields below
	conns  []*Conn
	shape  Shape
	down   bool
	twice  bool
	closed bool
}

// Shape is how a connection passes on what it is given. The zero value does so at once.
type Shape struct {
	Chunk          int           // bytes that are written at a time; 0: as they come
	Delay          time.Duration // before each chunk
	BytesPerSecond int           // 0: no limit
}

// Listen returns a proxy for a target address, which listens on a free port of the
// loopback interface.
func Listen(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{target: target, listener: l}
	p.work.Go(p.accept)
	return p, nil
}

// Addr returns the address that clients connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close resets all connections, and waits until nothing is left of them.
func (p *Proxy) Close() {
	_ = p.listener.Close() // fails only when it is closed already
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	for _, c := range p.Conns() {
		c.Reset()
	}
	p.work.Wait()
}

// SetShape sets how connections that are made from now on pass on what they are given.
func (p *Proxy) SetShape(s Shape) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shape = s
}

// SetDown has new connections reset at once.
func (p *Proxy) SetDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

// Double has the first request of the next connection made on a second one too, as a
// proxy does that believes it to be lost.
func (p *Proxy) Double() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.twice = true
}

// Conns returns the connections that there are, the oldest first.
func (p *Proxy) Conns() []*Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.conns)
}

// accept owns the listener.
func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.work.Go(func() { p.open(client.(*net.TCPConn)) })
	}
}

// open connects a client with the target.
func (p *Proxy) open(client *net.TCPConn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		reset(client)
		return
	}
	c := newConn(p, client, server.(*net.TCPConn))
	p.mu.Lock()
	refused := p.down || p.closed
	c.shape = p.shape
	c.twice, p.twice = p.twice && !refused, p.twice && refused
	if !refused {
		p.conns = append(p.conns, c)
		p.work.Go(func() { c.pump(&c.up) })
		p.work.Go(func() { c.pump(&c.down) })
	}
	p.mu.Unlock()
	if refused {
		c.Reset()
	}
}

// forget is told that a connection has ended.
func (p *Proxy) forget(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = slices.DeleteFunc(p.conns, func(d *Conn) bool { return c == d })
}
