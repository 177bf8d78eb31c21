package socket

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
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
// once. It never waits for a slow client: one whose queue is full is closed with
// the code of a slow consumer (1013), and so never sees a gap. Only a burst that
// fills queues faster than any client reads is slowed down, by a tenth of a
// second at most.
//
// data is not retained. The error is a *[MessageError] when it cannot be encoded;
// then nothing was sent. Clients that cannot be reached are no error.
func (s *Server) Broadcast(event Event, data interface{}) error {
	return s.broadcast(event, data, func(a *audience) { a.conns = s.sockets.appendAll(a.conns) })
}

// BroadcastToRoom is [Server.Broadcast] to the members of one room.
func (s *Server) BroadcastToRoom(room string, event Event, data interface{}) error {
	return s.broadcast(event, data, func(a *audience) { a.conns = s.rooms.appendMembers(a.conns, room) })
}

// BroadcastToRooms is [Server.Broadcast] to the members of several rooms. A
// socket in more than one of them gets one copy.
func (s *Server) BroadcastToRooms(rooms []string, event Event, data interface{}) error {
	return s.broadcast(event, data, func(a *audience) {
		for _, room := range rooms {
			a.conns = s.rooms.appendMembers(a.conns, room)
		}
		if len(rooms) > 1 {
			a.conns = unique(a.conns)
		}
	})
}

// BroadcastParallel is [Server.Broadcast] with the writes spread over several
// goroutines, as many as there are processors. It returns when every copy is
// written or queued. It is worth its while for thousands of sockets.
func (s *Server) BroadcastParallel(event Event, data interface{}) error {
	m, err := prepare(event, data)
	if err != nil {
		return err
	}
	a := audiences.Get().(*audience)
	defer a.free()
	a.conns = s.sockets.appendAll(a.conns)
	const chunk = 64
	workers := min(runtime.GOMAXPROCS(0), (len(a.conns)+chunk-1)/chunk)
	if workers <= 1 {
		s.sendAll(m, a.conns)
		return nil
	}
	var next atomic.Int64
	work := func() {
		for {
			end := int(next.Add(chunk))
			start := end - chunk
			if start >= len(a.conns) {
				return
			}
			s.sendAll(m, a.conns[start:min(end, len(a.conns))])
		}
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	return nil
}

func (s *Server) broadcast(event Event, data interface{}, gather func(*audience)) error {
	m, err := prepare(event, data)
	if err != nil {
		return err
	}
	a := audiences.Get().(*audience)
	defer a.free()
	gather(a)
	s.sendAll(m, a.conns)
	return nil
}

// burstGrace is how long a broadcast waits at most for clients that keep up with
// any ordinary rate, but not with a burst of broadcasts from one goroutine.
const burstGrace = 100 * time.Millisecond

// sendAll queues m for every one of conns. A client whose queue is full is closed
// as a slow consumer, with two exceptions. Where the queue has gone from half to
// full within burstGrace it is we who are fast; and once in a second it may be the
// whole machine that was slow. Such clients get burstGrace, all together, to read
// half of what waits for them: as fast as that they can take any burst, and slower
// ones do not hold up the others for more than once.
func (s *Server) sendAll(m *transport.PreparedMessage, conns []*conn) {
	var behind []*conn
	for _, c := range conns {
		switch c.sendShared(m) {
		case refusedInBurst:
			behind = append(behind, c)
		case refused:
			if s.patience.allow(time.Now()) {
				behind = append(behind, c)
			} else {
				c.tooSlow()
			}
		}
	}
	if len(behind) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), burstGrace)
	defer cancel()
	for _, c := range behind {
		for c.halfFull() && c.link.wait(ctx) == nil {
		}
		c.halfAt.Store(0)
		if c.halfFull() || c.sendShared(m) != sent {
			c.tooSlow()
		}
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
