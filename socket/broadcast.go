package socket

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// audience is the list of sockets that a broadcast walks. It is pooled.
type audience struct{ conns []*conn }

// Shared by all servers of the process.
var audiences = sync.Pool{New: func() any { return new(audience) }}

func (a *audience) free() {
	clear(a.conns)
	a.conns = a.conns[:0]
	audiences.Put(a)
}

// Broadcast sends an event to every socket. The message is encoded and framed
// once, and messages that are broadcast at about the same time leave in one write to
// each socket. It is sent as far as the order of calls is concerned when Broadcast
// returns: what is sent to one of the sockets afterwards arrives after it.
//
// It never waits for a slow client: one whose queue is full is closed with the code
// of a slow consumer (1013), and so never sees a gap. Only a burst that fills queues
// faster than any client reads is slowed down, by a tenth of a second at most.
//
// data is not retained. The error is a *[MessageError] when it cannot be encoded;
// then nothing was sent. Clients that cannot be reached are no error.
func (s *Server) Broadcast(event Event, data interface{}) error {
	return s.broadcast(event, data, target{all: true})
}

// BroadcastToRoom is [Server.Broadcast] to the members of one room.
func (s *Server) BroadcastToRoom(room string, event Event, data interface{}) error {
	return s.broadcast(event, data, target{room: room})
}

// BroadcastToRooms is [Server.Broadcast] to the members of several rooms. A
// socket in more than one of them gets one copy.
func (s *Server) BroadcastToRooms(rooms []string, event Event, data interface{}) error {
	return s.broadcast(event, data, target{rooms: append(make([]string, 0, len(rooms)), rooms...)})
}

// BroadcastParallel is [Server.Broadcast] that returns when every copy is written,
// or queued where the client takes no more. Like those of every broadcast to many
// sockets, the writes are spread over as many goroutines as there are processors.
func (s *Server) BroadcastParallel(event Event, data interface{}) error {
	err := s.Broadcast(event, data)
	if err == nil {
		s.fanout.wait() // for the round that may have begun before
		s.fanout.wait()
	}
	return err
}

func (s *Server) broadcast(event Event, data interface{}, to target) error {
	return s.broadcastUnder(Policy{}, event, data, to)
}

// receivers appends the sockets that messages are for to dst. Those who watch the rooms
// are told of the messages; nil: there are none to be told of.
func (s *Server) receivers(dst []*conn, to target, messages *transport.PreparedBatch) []*conn {
	switch {
	case to.narrow != nil:
		return to.narrow.receivers(s, dst, to, messages)
	case to.all:
		return s.sockets.appendAll(dst)
	case to.rooms == nil:
		return s.rooms.appendMembers(dst, to.room, messages)
	}
	for i, room := range to.rooms {
		if messages != nil && slices.Contains(to.rooms[:i], room) {
			continue // they are told once
		}
		dst = s.rooms.appendMembers(dst, room, messages)
	}
	if len(to.rooms) > 1 {
		dst = unique(dst)
	}
	return dst
}

// burstGrace is how long a broadcast waits at most for clients that keep up with
// any ordinary rate, but not with a burst of broadcasts.
const burstGrace = 100 * time.Millisecond

// longHalf is how long a client's queue may be more than half full before it counts as
// slow without a doubt: it is not the machine that was slow for a moment.
const longHalf = time.Second

// catchUp decides about the sockets whose queue was full. They are closed as slow
// consumers, with two exceptions. Where the queue has gone from half to full within
// burstGrace it is we who are fast; and within longHalf it may, once in a second, be
// the whole machine that was slow. Such clients get burstGrace, all together, to read
// until all has room that waits for them: as fast as that they can take any burst, and
// slower ones do not hold up the others for more than once.
func (f *fanout) catchUp() {
	f.commit.Lock()
	waiting := make([]*conn, 0, len(f.behind))
	var slow []eviction
	for c, b := range f.behind {
		if b.verdict == refusedInBurst || b.verdict == refused && f.server.patience.allow(time.Now()) {
			waiting = append(waiting, c)
		} else {
			slow = append(slow, f.evict(c, b, b.batch.Messages()))
		}
	}
	f.commit.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), burstGrace)
	defer cancel()
	for _, c := range waiting {
		for again := true; again; {
			for c.halfFull() && c.link.wait(ctx) == nil {
			}
			var e *eviction
			if e, again = f.resume(c, !c.halfFull()); e != nil {
				slow = append(slow, *e)
			}
		}
	}
	if len(slow) > 0 {
		go closeAll(slow) // owned by f: ends when they are refused
	}
}

// eviction is a socket that no broadcast waits for any more.
type eviction struct {
	c     *conn
	large int // size of a message that it cannot be sent, bytes; 0: it is slow
}

// evict lets broadcasts pass a socket by that is to be closed, and will not be sent those of
// rest. It is called with the lock of commits held.
func (f *fanout) evict(c *conn, b *latecomer, rest []*transport.PreparedMessage) eviction {
	delete(f.behind, c)
	c.shut = true
	f.miss(c, rest...)
	if h := c.hold.Load(); h != nil {
		h.release()
	}
	e := eviction{c: c}
	if b.verdict == unsendable {
		e.large = len(b.refused[0].Payload())
	}
	return e
}

// resume lets a socket that was behind have what was kept for it, as much as it can take if it
// is ready. It evicts one that can take nothing. If it has taken some, there is to be another
// time.
func (f *fanout) resume(c *conn, ready bool) (e *eviction, again bool) {
	f.commit.Lock()
	b := f.behind[c]
	rest := b.batch.Messages()
	taken := 0
	if ready {
		c.halfAt.Store(0)
		taken, b.verdict = c.stage(&b.batch)
		rest = rest[taken:]
		b.refused = rest
	}
	switch {
	case ready && b.verdict == sent:
		f.miss(c, rest...) // none but when it has ended
		delete(f.behind, c)
		c.behind.Store(false)
		if h := c.hold.Load(); h != nil {
			f.feed(h)
		}
	case taken > 0 && b.verdict != unsendable:
		again = true
		b.batch = transport.PreparedBatch{}
		b.batch.Append(rest...)
	default:
		evicted := f.evict(c, b, rest)
		e = &evicted
	}
	f.commit.Unlock()
	if e == nil {
		c.link.flush()
	}
	return e, again
}

// closeAll closes sockets a few at a time, since thousands may have to be closed at
// once: those that read are not to wait meanwhile.
func closeAll(evicted []eviction) {
	const rounds, least, pause = 64, 8, time.Millisecond
	few := max(least, len(evicted)/rounds)
	for i, e := range evicted {
		if i > 0 && i%few == 0 {
			time.Sleep(pause)
		}
		if e.large > 0 {
			e.c.tooLarge(e.large)
		} else {
			e.c.tooSlow()
		}
		e.c.behind.Store(false)
	}
}

// patience is the time that broadcasts wait for clients that were slow already.
type patience struct {
	mu   sync.Mutex // guards last
	last time.Time  // when they began to wait
}

// allow reports whether there is time for a client: burstGrace in each second.
func (p *patience) allow(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch since := now.Sub(p.last); {
	case since < burstGrace:
		return true // the others wait too
	case since < time.Second:
		return false
	}
	p.last = now
	return true
}

// unique returns conns without repetitions, in place, in the order of the first
// occurrences.
func unique(conns []*conn) []*conn {
	seen := make(map[*conn]struct{}, len(conns))
	kept := conns[:0]
	for _, c := range conns {
		if _, ok := seen[c]; !ok {
			seen[c] = struct{}{}
			kept = append(kept, c)
		}
	}
	clear(conns[len(kept):])
	return kept
}
