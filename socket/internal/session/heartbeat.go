package session

import "time"

// Defaults of [HeartbeatOptions].
const (
	DefaultPingInterval = 25 * time.Second
	DefaultPingTimeout  = 5 * time.Second
)

// HeartbeatOptions says how long a peer may be silent.
type HeartbeatOptions struct {
	// Interval is the silence after which the peer is pinged. Zero means
	// [DefaultPingInterval], a negative value switches the heartbeat off.
	Interval time.Duration

	// Timeout is the time that the peer has to say anything after that. Zero
	// means [DefaultPingTimeout]; with a negative value it is pinged but never
	// declared dead.
	Timeout time.Duration
}

// Beat is what a [Heartbeat] wants done.
type Beat uint8

const (
	// Idle means that there is nothing to do.
	Idle Beat = iota
	// Ping means that the peer must be asked for a sign of life.
	Ping
	// Dead means that the peer was silent for too long.
	Dead
)

// String returns "idle", "ping" or "dead".
func (b Beat) String() string {
	switch b {
	case Ping:
		return "ping"
	case Dead:
		return "dead"
	}
	return "idle"
}

// Heartbeat watches over one peer. Any traffic counts as life. A peer that sent
// nothing for Interval gets a ping, and one that sent nothing for Interval +
// Timeout is dead.
//
// The first ping does not wait for silence: it comes at a random phase of the
// first interval, so that peers who all connected in one moment, and all said
// hello in the next, are not all pinged in one moment for ever after.
//
// A pause of our own process (a suspended laptop, a stopped process) is not held
// against the peer. While an answer is awaited, Advance asks to be called four
// times in a timeout; a call that comes much too late (by a quarter of the
// timeout, at least by a second) shows that it was we who slept. Then the peer
// is pinged again and gets a full timeout.
type Heartbeat struct {
	interval, timeout time.Duration
	seen              time.Duration // the last sign of life
	asked             time.Duration // when the last ping went out
	deadline          time.Duration // when Advance has something to do, at the earliest
	stage             stage
}

type stage uint8

const (
	starting stage = iota // before the first ping
	quiet                 // no answer is awaited
	waiting               // pinged, and nothing came back so far
	dead
)

// NewHeartbeat returns a heartbeat for a peer that was alive at now. The caller
// draws phase evenly from [0, 1).
func NewHeartbeat(o HeartbeatOptions, now time.Duration, phase float64) Heartbeat {
	if o.Interval == 0 {
		o.Interval = DefaultPingInterval
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultPingTimeout
	}
	h := Heartbeat{interval: o.Interval, timeout: o.Timeout, seen: now, deadline: Never}
	if o.Interval > 0 {
		h.deadline = later(now, time.Duration(fraction(phase)*float64(o.Interval)))
	}
	return h
}

// Seen records that the peer was heard of at the given moment. A moment before
// the last one changes nothing, so that a connection may note traffic in an
// atomic of its own and hand its value over just before Advance.
func (h *Heartbeat) Seen(at time.Duration) { h.seen = max(h.seen, at) }

// Deadline returns when Advance must be called, [Never] if it need not be. It
// does not move when traffic is seen: Advance finds out and moves it then, which
// is why Seen costs nothing.
func (h *Heartbeat) Deadline() time.Duration { return h.deadline }

// Advance returns what is to be done at now and sets the next deadline. A call
// before the deadline does nothing. After [Dead] it returns Dead for ever.
func (h *Heartbeat) Advance(now time.Duration) Beat {
	if h.stage == dead {
		return Dead
	}
	if now < h.deadline {
		return Idle
	}
	switch {
	case h.stage == starting:
		return h.ping(now)
	case h.stage == waiting && h.seen < h.asked: // an answer can come in the same moment
		return h.await(now)
	}
	h.stage = quiet
	h.deadline = later(h.seen, h.interval)
	if now < h.deadline {
		return Idle
	}
	return h.ping(now)
}

func (h *Heartbeat) ping(now time.Duration) Beat {
	h.asked = now
	if h.timeout < 0 {
		h.stage = quiet
		h.deadline = later(now, h.interval)
		return Ping
	}
	h.stage = waiting
	// The earliest moment at which an answer would lead to the next ping comes
	// before the first check if the first ping came early in its interval.
	h.deadline = min(later(h.silent(), h.step()), later(now, h.interval))
	return Ping
}

// await decides about a peer that has not answered.
func (h *Heartbeat) await(now time.Duration) Beat {
	if now-h.deadline > max(h.step(), time.Second) {
		return h.ping(now) // it was we who slept
	}
	end := later(h.silent(), h.timeout)
	if now >= end {
		h.stage = dead
		h.deadline = Never
		return Dead
	}
	next := h.silent()
	if now >= next {
		next += (now - next) / h.step() * h.step()
	}
	h.deadline = min(later(next, h.step()), end)
	return Idle
}

// silent returns the moment from which the timeout counts.
func (h *Heartbeat) silent() time.Duration { return max(h.asked, later(h.seen, h.interval)) }

// step is the time between two looks at a peer that owes an answer.
func (h *Heartbeat) step() time.Duration { return max(h.timeout/4, 1) }

// later returns at + d, at most [Never].
func later(at, d time.Duration) time.Duration {
	if at > Never-d {
		return Never
	}
	return at + d
}
