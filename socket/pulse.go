package socket

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// pulse is the server's one clock: it pings silent clients, closes dead ones,
// and lets reading go on behind handlers that run for long. One goroutine and
// one timer serve all connections; they are there only while there are any.
type pulse struct {
	server *Server
	step   time.Duration // longest time between two visits of a socket
	start  time.Time

	mu    sync.Mutex // guards the fields below, and entry and held of all beats
	wheel *session.Wheel
	next  time.Duration // when run looks again
	wake  chan struct{} // lets run look again now; nil while it does not run
	ended chan struct{} // closed when run has ended; nil before the first time
	due   []*conn       // reused between rounds
}

// maxStep bounds how long a handler runs before reading goes on behind it.
const maxStep = 5 * time.Second

func (p *pulse) init(s *Server) {
	p.server = s
	p.step = maxStep
	if i := s.opts.pingInterval; i > 0 {
		p.step = min(p.step, max(i/4, time.Millisecond))
	}
	tick := min(session.DefaultWheelTick, max(p.step/4, time.Millisecond))
	if t := s.opts.pingTimeout; t > 0 {
		tick = min(tick, max(t/8, time.Millisecond))
	}
	p.start = time.Now()
	p.wheel = session.NewWheel(session.WheelOptions{Tick: tick})
}

func (p *pulse) now() time.Duration { return time.Since(p.start) }

// add begins to watch over c.
func (p *pulse) add(c *conn) {
	now := p.now()
	c.beat.entry.Owner = c
	p.begin(c, now)
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.schedule(c, now)
	if p.wake == nil {
		p.wake, p.ended = make(chan struct{}, 1), make(chan struct{})
		go p.run(p.wake, p.ended) // owned by p: ends when no socket is left
	} else if at < p.next {
		p.look()
	}
}

// begin starts the heartbeat of a connection.
func (p *pulse) begin(c *conn, now time.Duration) {
	o := &p.server.opts
	h := session.HeartbeatOptions{Interval: o.pingInterval, Timeout: o.pingTimeout}
	if !c.link.beats() {
		h.Interval = -1
	}
	c.beat.heart = session.NewHeartbeat(h, now, rand.Float64())
	c.beat.pinged = now
}

// schedule plans the next visit and returns its time. It is called with mu held.
func (p *pulse) schedule(c *conn, now time.Duration) time.Duration {
	step := p.step
	if !c.link.beats() {
		step = min(step, time.Second) // for the polling engine, which rides along
	}
	at := min(c.beat.heart.Deadline(), now+step)
	if i := p.server.opts.pingInterval; i > 0 && c.link.beats() {
		at = min(at, c.beat.pinged+i)
	}
	p.wheel.Add(&c.beat.entry, at)
	return at
}

// look lets run look again now. It is called with mu held, while run runs.
func (p *pulse) look() {
	select {
	case p.wake <- struct{}{}:
	default: // it has not looked since the last time
	}
}

// wait waits until run has ended. No socket may be left.
func (p *pulse) wait() {
	p.mu.Lock()
	ended := p.ended
	p.mu.Unlock()
	if ended != nil {
		<-ended
	}
}

// remove ends the watch over c.
func (p *pulse) remove(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wheel.Remove(&c.beat.entry)
	c.beat.entry.Owner = nil
	p.server.budget.Add(-c.beat.held)
	c.beat.held = 0
	if p.wheel.Len() == 0 && p.wake != nil {
		p.look()
	}
}

// run visits sockets when their time has come. It owns due and the beats.
func (p *pulse) run(wake, ended chan struct{}) {
	defer close(ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-wake:
		}
		now := p.now()
		p.server.polling.Advance(time.Now())
		p.mu.Lock()
		p.due = p.due[:0]
		p.wheel.Advance(now, func(e *session.Entry) { p.due = append(p.due, e.Owner.(*conn)) })
		due := p.due
		p.mu.Unlock()
		for _, c := range due {
			p.visit(c, now)
		}
		p.mu.Lock()
		for i, c := range due {
			if c.beat.entry.Owner != nil {
				p.schedule(c, now)
			}
			due[i] = nil
		}
		if p.wheel.Len() == 0 {
			p.wake = nil
			p.mu.Unlock()
			return
		}
		p.next = p.wheel.Next()
		wait := p.next - p.now()
		p.mu.Unlock()
		timer.Reset(max(wait, 0))
	}
}

// count measures what waits for a long-polling client, for the memory budget.
func (p *pulse) count(c *conn) {
	const messageCost = 64 // beside its bytes
	bytes, messages := c.link.queued()
	held := int64(bytes + messages*messageCost)
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.beat.entry.Owner != nil {
		p.server.budget.Add(held - c.beat.held)
		c.beat.held = held
	}
}

// visit looks after one socket.
func (p *pulse) visit(c *conn, now time.Duration) {
	b := &c.beat
	l, _ := c.link.(*sessionLink)
	if l != nil {
		l.visit(now)
		if gen := l.generation(); gen != b.gen {
			b.gen = gen
			p.begin(c, now)
		}
	}
	if !c.link.beats() {
		p.count(c)
	}
	if a := c.link.activity(); a != b.last {
		b.last = a
		b.heart.Seen(now)
	}
	// A handler that was running at the last visit and still is keeps its
	// socket from being read: pings would go unanswered, and the peer would seem
	// dead.
	busy, runs, full := c.turn.state()
	if busy && b.wasBusy && runs == b.runs {
		c.turn.handOff(c.link.handOff)
	}
	b.wasBusy, b.runs = busy, runs
	if full {
		b.heart.Seen(now) // it is not read because of us
	}
	// A client that sends need not be asked for a sign of life, but wants one of
	// ours within the interval.
	i := p.server.opts.pingInterval
	ping := i > 0 && c.link.beats() && now-b.pinged >= i
	switch b.heart.Advance(now) {
	case session.Ping:
		ping = true
	case session.Dead:
		if l != nil {
			if l.cut() {
				p.server.log.Info("socket: no sign of life", "conn", c.id, "option", "WithPingTimeout")
			}
			break
		}
		if c.end(&ConnectionError{Op: "heartbeat", Err: ErrTimeout}) {
			p.server.log.Info("socket: no sign of life", "conn", c.id, "option", "WithPingTimeout")
			c.link.refuse(transport.StatusPolicyViolation, "ping timeout")
		}
		return
	}
	if ping {
		b.pinged = now
		c.link.ping()
	}
}
