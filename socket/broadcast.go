package socket

import (
	"context"
	"sync"
	"time"
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
	m, err := prepare(event, data)
	if err != nil {
		return err
	}
	s.fanout.publish(to, m)
	return nil
}

// receivers appends the sockets that a message is for to dst.
func (s *Server) receivers(dst []*conn, to target) []*conn {
	switch {
	case to.all:
		return s.sockets.appendAll(dst)
	case to.rooms == nil:
		return s.rooms.appendMembers(dst, to.room)
	}
	for _, room := range to.rooms {
		dst = s.rooms.appendMembers(dst, room)
	}
	if len(to.rooms) > 1 {
		dst = unique(dst)
	}
	return dst
}

// burstGrace is how long a broadcast waits at most for clients that keep up with
// any ordinary rate, but not with a burst of broadcasts.
const burstGrace = 100 * time.Millisecond

// catchUp decides about the sockets whose queue was full. They are closed as slow
// consumers, with two exceptions. Where the queue has gone from half to full within
// burstGrace it is we who are fast; and once in a second it may be the whole machine
// that was slow. Such clients get burstGrace, all together, to read half of what
// waits for them: as fast as that they can take any burst, and slower ones do not
// hold up the others for more than once.
func (f *fanout) catchUp() {
	f.commit.Lock()
	behind := make(map[*conn]bool, len(f.behind))
	for c, b := range f.behind {
		behind[c] = b.verdict == refusedInBurst || b.verdict == refused && f.server.patience.allow(time.Now())
	}
	f.commit.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), burstGrace)
	defer cancel()
	for c, wait := range behind {
		for wait && c.halfFull() && c.link.wait(ctx) == nil {
		}
		f.resume(c, wait && !c.halfFull())
	}
}

// resume lets a socket that was behind have what was kept for it, if it can take
// it, and closes it otherwise.
func (f *fanout) resume(c *conn, ready bool) {
	f.commit.Lock()
	b := f.behind[c]
	delete(f.behind, c)
	n := 0
	if ready {
		c.halfAt.Store(0)
		n, b.verdict = c.stage(&b.batch)
	}
	c.behind.Store(false)
	f.commit.Unlock()
	switch {
	case n == len(b.batch.Messages()) || b.verdict == sent:
		c.link.flush()
	case b.verdict == unsendable:
		c.tooLarge(len(b.batch.Messages()[n].Payload()))
	default:
		c.tooSlow()
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
