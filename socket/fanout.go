package socket

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// fanout sends messages to many sockets. Publishers that come at about the same
// time commit as a group: each leaves its message in a log, and the goroutine that
// the first has started queues all of them for all their receivers before it writes
// to any. So a burst is one write for each socket, whoever it comes from. There is
// no timer: the goroutine lets those run first that are ready to, which nobody is
// when there is little to do.
//
// What is in the log counts as sent: whoever does something to a socket that a
// message must be seen before, such as sending to it alone or taking it out of a
// room, settles the log first. So the order of calls is the order of arrival.
//
// The lock of commits is taken before mu.
type fanout struct {
	server  *Server
	past    past        // of what is for all sockets
	pending atomic.Bool // something is in the log

	commit sync.Mutex // held while messages are being queued; guards the fields below, and dirty and shut of all sockets
	dirty  []*conn    // that have something queued and not written
	spare  []*conn    // empty, for the next dirty
	behind map[*conn]*latecomer
	missed map[*conn]*session.Outbox // of sockets whose disconnect handlers are to be told
	queued load                      // not written
	feeder feeder

	latest atomic.Pointer[sharedList] // what was kept last that many sessions keep; nil between two bursts

	mu      sync.Mutex // guards the fields below
	log     []post
	empty   []post        // for the next log
	load    load          // not written: in the log, or queued
	running bool          // run is on its way
	round   chan struct{} // closed at the end of run's round; nil when nobody waits
}

// load is an amount of messages.
type load struct{ messages, bytes int }

func (l *load) add(m load) {
	l.messages += m.messages
	l.bytes += m.bytes
}

func (l *load) sub(m load) { l.add(load{-m.messages, -m.bytes}) }

// post are messages with the same receivers, in order.
type post struct {
	to    target
	batch transport.PreparedBatch

	volatiles []*transport.PreparedMessage // the batch as sessions get it that do not keep it, as far as they have; nil: none has
}

// target says who gets a message: the members of rooms, or all.
type target struct {
	room  string
	rooms []string // in place of room, if not nil
	all   bool

	narrow *narrowing // what a Target says beside that; nil: nothing
	rule   *rule      // for those that do not keep up; nil: they are closed
}

func (t target) equal(u target) bool {
	return t.all == u.all && t.room == u.room && t.rooms == nil && u.rooms == nil &&
		t.narrow == nil && u.narrow == nil && t.rule.equal(u.rule)
}

// latecomer is what is kept for a socket whose queue is full, until it is known
// whether it is slow.
type latecomer struct {
	batch   transport.PreparedBatch
	refused []*transport.PreparedMessage // those of it that found no room last time
	verdict verdict                      // of the first of them
}

// The most that is published before publishers wait for it to be written.
const (
	maxUnwrittenMessages = 128
	maxUnwrittenBytes    = 256 << 10
)

// publish sends m. It waits only when it is called faster than sockets can be
// written to.
func (f *fanout) publish(to target, m *transport.PreparedMessage) {
	if f.server.sockets.count.Load() == 0 && f.server.rooms.watches.Load() == 0 {
		return
	}
	var full bool
	if p := f.past.of(to, f.server.rooms); p != nil {
		full = p.add(m, func() bool { return f.add(to, m) })
	} else {
		full = f.add(to, m)
	}
	if full {
		f.wait()
	}
}

// add puts a message into the log, and reports whether too much is unwritten.
func (f *fanout) add(to target, m *transport.PreparedMessage) (full bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if last := len(f.log) - 1; last < 0 || !f.log[last].to.equal(to) {
		f.log = append(f.log, post{to: to})
	}
	f.log[len(f.log)-1].batch.Append(m)
	f.load.add(load{1, len(m.Payload())})
	f.pending.Store(true)
	if !f.running {
		f.running = true
		go f.run() // owned by f: ends when everything is written
	}
	return f.load.messages >= maxUnwrittenMessages || f.load.bytes >= maxUnwrittenBytes
}

// wait waits for the end of run's round, for burstGrace at most: run may be waiting
// for the caller, who may be the handler of the log.
func (f *fanout) wait() {
	f.mu.Lock()
	if !f.running {
		f.mu.Unlock()
		return
	}
	if f.round == nil {
		f.round = make(chan struct{})
	}
	round := f.round
	f.mu.Unlock()
	timer := time.NewTimer(burstGrace)
	defer timer.Stop()
	select {
	case <-round:
	case <-timer.C:
	}
}

// settle queues what is in the log: after it returns, what others do to a socket
// comes after what was published before.
func (f *fanout) settle() {
	if f.pending.Load() {
		f.commit.Lock()
		f.queue()
		f.commit.Unlock()
	}
}

// queue queues all messages of the log for their receivers. It is called with the
// lock of commits held.
func (f *fanout) queue() {
	f.mu.Lock()
	log := f.log
	if len(log) == 0 {
		f.mu.Unlock()
		return
	}
	f.log, f.empty = f.empty, nil
	f.mu.Unlock()
	a := audiences.Get().(*audience)
	watched := f.server.rooms.watches.Load() > 0
	for i := range log {
		p := &log[i]
		var told *transport.PreparedBatch
		if watched {
			told = &p.batch
		}
		for _, m := range p.batch.Messages() {
			f.queued.add(load{1, len(m.Payload())})
		}
		a.conns = f.server.receivers(a.conns[:0], p.to, told)
		for _, c := range a.conns {
			f.stage(c, p)
		}
	}
	a.free()
	clear(log)
	f.mu.Lock()
	f.empty = log[:0]
	f.pending.Store(len(f.log) > 0)
	f.mu.Unlock()
}

// stage queues messages for one socket. It is called with the lock of commits held.
func (f *fanout) stage(c *conn, p *post) {
	if c.shut {
		f.miss(c, p.batch.Messages()...)
		return
	}
	if p.to.rule != nil || c.hold.Load() != nil {
		f.stageUnder(c, p)
		return
	}
	b := &p.batch
	if late := f.behind[c]; late != nil {
		late.batch.Append(b.Messages()...)
		return
	}
	n, verdict := c.stage(b)
	if n > 0 {
		f.mark(c)
	}
	if verdict == sent {
		f.miss(c, b.Messages()[n:]...) // none but when it has ended
		return
	}
	if f.behind == nil {
		f.behind = make(map[*conn]*latecomer)
	}
	late := &latecomer{verdict: verdict}
	late.batch.Append(b.Messages()[n:]...)
	late.refused = late.batch.Messages()
	f.behind[c] = late
	c.behind.Store(true)
}

// run queues and writes until nothing is left.
func (f *fanout) run() {
	// Whoever is ready to publish something does it now.
	runtime.Gosched()
	for f.runRound() {
	}
}

// runRound queues and writes what has been published, and reports whether there may
// be more.
func (f *fanout) runRound() bool {
	f.commit.Lock()
	f.queue()
	conns, done := f.dirty, f.queued
	f.queued = load{}
	if len(conns) > 0 {
		f.dirty, f.spare = f.spare, nil
	}
	for _, c := range conns {
		c.dirty = false
	}
	behind := len(f.behind) > 0
	idle := len(conns) == 0 && !behind && f.rest()
	f.commit.Unlock()
	if idle {
		return false
	}
	if len(conns) > 0 {
		flushAll(conns)
		f.reuse(conns)
	}
	if behind {
		f.catchUp()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.load.sub(done)
	f.endRound()
	return true
}

// reuse keeps the memory of conns for a later round.
func (f *fanout) reuse(conns []*conn) {
	clear(conns)
	f.commit.Lock()
	defer f.commit.Unlock()
	f.spare = conns[:0]
}

// rest ends run, unless something was published meanwhile. It is called with the
// lock of commits held.
func (f *fanout) rest() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.log) > 0 {
		return false
	}
	f.latest.Store(nil)
	f.running, f.load = false, load{}
	f.endRound()
	return true
}

// endRound is called with mu held.
func (f *fanout) endRound() {
	if f.round != nil {
		close(f.round)
		f.round = nil
	}
}

// flushAll writes what is queued for sockets. Many are spread over as many
// goroutines as there are processors.
func flushAll(conns []*conn) {
	const chunk = 64
	workers := min(runtime.GOMAXPROCS(0), (len(conns)+chunk-1)/chunk)
	if workers <= 1 {
		for _, c := range conns {
			c.link.flush()
		}
		return
	}
	var next atomic.Int64
	work := func() {
		for {
			end := int(next.Add(chunk))
			if end-chunk >= len(conns) {
				return
			}
			for _, c := range conns[end-chunk : min(end, len(conns))] {
				c.link.flush()
			}
		}
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}
