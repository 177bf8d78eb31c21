package distributed

import "time"

// ProcessStats are what is counted of a process.
type ProcessStats struct {
	ProcessID       ProcessID
	MessagesTotal   uint64    // whose handler has begun
	MessagesPerSec  float64   // over the last second that it has counted, which is longer while it does not rest
	AvgProcessingMs float64   // time in the handler, per message
	ErrorCount      uint64    // that the handler has returned, see [WithErrorsLogged]
	LastActive      time.Time // when it last had something to do; zero: never
}

// GetProcessStats returns the stats of a process. The error is [ErrProcessNotFound] or
// [ErrNoConnection].
func (n *Node) GetProcessStats(id ProcessID) (ProcessStats, error) {
	p, err := n.find(id)
	if err != nil {
		return ProcessStats{}, err
	}
	return p.statsNow(), nil
}

func (p *Process) statsNow() ProcessStats {
	id, now := p.ID(), p.node.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	s, handled := p.stats, p.body.handled()
	if s.began != 0 {
		s.busy += now - s.began
		s.active = now
	}
	out := ProcessStats{ProcessID: id, MessagesTotal: handled, MessagesPerSec: s.perSecond(now, handled), ErrorCount: uint64(s.errors)}
	if handled > 0 {
		out.AvgProcessingMs = s.busy.Seconds() * 1000 / float64(handled)
	}
	if s.active != 0 {
		out.LastActive = p.node.start.Add(s.active)
	}
	return out
}

// window is the shortest time over which messages per second are counted.
const window = time.Second

// perSecond returns the messages per second. For it and the others, handled is how many
// were ever handled.
func (s *stats) perSecond(now time.Duration, handled uint64) float64 {
	if d := now - s.since; d >= window || s.rate == 0 {
		return float64(handled-s.at) / max(d, window).Seconds()
	}
	return float64(s.rate)
}

// rest ends a time in which messages were handled.
func (s *stats) rest(now time.Duration, handled uint64) {
	s.active = now
	if s.began != 0 {
		s.busy += now - s.began
		s.began = 0
	}
	s.turn(now, handled)
}

// wake begins one. After a long rest it also begins a window, of which that is no part.
func (s *stats) wake(now time.Duration, handled uint64) {
	s.began = now
	if now-s.active < window {
		s.turn(now, handled)
		return
	}
	s.rate, s.since, s.at = 0, now, handled
}

// turn ends the window if it was long enough.
func (s *stats) turn(now time.Duration, handled uint64) {
	if d := now - s.since; d >= window {
		s.rate = float32(float64(handled-s.at) / d.Seconds())
		s.since, s.at = now, handled
	}
}

// NodeStats are what is counted of a node.
type NodeStats struct {
	Processes int    // there are now
	Zombies   int    // that were killed, and whose handlers have not returned
	Spawned   uint64 // ever
	Ended     uint64
	Crashed   uint64 // of those that have ended, with another reason than good order
	GaveUp    uint64 // supervisors whose children have ended too often, see [GiveUpError]
	Dropped   uint64 // messages: they were too many, or their process ended before
	Lost      uint64 // events, see [Node.Monitor]
}

// Stats returns the stats of the node.
func (n *Node) Stats() NodeStats {
	return NodeStats{
		Processes: n.Len(),
		Zombies:   int(n.zombies.Load()),
		Spawned:   n.serial.Load() - n.refused.Load(),
		Ended:     n.ended.Load(),
		Crashed:   n.crashed.Load(),
		GaveUp:    n.gaveUp.Load(),
		Dropped:   n.dropped.Load(),
		Lost:      n.events.lost.Load(),
	}
}
