package session_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
)

const (
	sec      = time.Second
	interval = 25 * sec
	timeout  = 5 * sec
)

// watch calls Advance exactly at each deadline until the given moment and
// returns what happened beside Idle.
func watch(h *session.Heartbeat, until time.Duration) (log []event) {
	for h.Deadline() <= until {
		now := h.Deadline()
		if beat := h.Advance(now); beat != session.Idle {
			log = append(log, event{now, beat})
		}
	}
	return log
}

type event struct {
	at   time.Duration
	beat session.Beat
}

func wantEvents(t *testing.T, got []event, want ...event) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("event %d: %v, want %v", i, got[i], want[i])
		}
	}
}

func TestHeartbeatSilentPeerIsDeadAfterIntervalAndTimeout(t *testing.T) {
	for _, phase := range []float64{0.001, 0.04, 0.2, 0.5, 0.9, highest} {
		start := 1000 * sec
		h := session.NewHeartbeat(session.HeartbeatOptions{}, start, phase)
		first := start + time.Duration(phase*float64(interval))
		wantEvents(t, watch(&h, 1e6*sec),
			event{first, session.Ping},
			event{start + interval + timeout, session.Dead})
	}
}

func TestHeartbeatTimeoutRunsFromThePing(t *testing.T) {
	h := session.NewHeartbeat(session.HeartbeatOptions{}, 0, 0.4)
	wantEvents(t, watch(&h, 10*sec), event{10 * sec, session.Ping})
	h.Seen(10*sec + sec/10) // the pong
	h.Seen(60 * sec)        // the last words
	wantEvents(t, watch(&h, 1e6*sec),
		event{60*sec + interval, session.Ping},
		event{60*sec + interval + timeout, session.Dead})
}

func TestHeartbeatAnyTrafficCountsAsLife(t *testing.T) {
	h := session.NewHeartbeat(session.HeartbeatOptions{}, 0, 0.5)
	var log []event
	for now := sec; now < 1000*sec; now += 10 * sec {
		log = append(log, watch(&h, now)...)
		h.Seen(now)
	}
	wantEvents(t, log, event{interval / 2, session.Ping}) // the first, at its phase
}

func TestHeartbeatPingsOnlyAfterSilence(t *testing.T) {
	h := session.NewHeartbeat(session.HeartbeatOptions{}, 0, 0)
	watch(&h, 0)
	h.Seen(sec / 10)
	h.Seen(20 * sec)
	wantEvents(t, watch(&h, 45*sec), event{45 * sec, session.Ping})
}

// Peers that connect in one moment, and speak in the next, must not be pinged
// in one moment for ever after.
func TestHeartbeatPhaseSpreadsPings(t *testing.T) {
	const peers = 10000
	rng := rand.New(rand.NewPCG(3, 4))
	perSecond := make(map[time.Duration]int)
	for range peers {
		h := session.NewHeartbeat(session.HeartbeatOptions{}, 0, rng.Float64())
		h.Seen(sec / 100)
		for h.Deadline() < 200*sec {
			now := h.Deadline()
			if h.Advance(now) == session.Ping {
				perSecond[now/sec]++
				h.Seen(now + sec/20)
			}
		}
	}
	for s := range 200 * sec / sec {
		if got := perSecond[s]; got > 2*peers/25 {
			t.Errorf("second %d: %d pings, want about %d", s, got, peers/25)
		}
	}
}

// A process that was stopped comes back: every peer gets a full timeout, and the
// one that answers lives.
func TestHeartbeatForgivesOurOwnPause(t *testing.T) {
	const hour = time.Hour
	for _, tt := range []struct {
		name   string
		paused time.Duration // when the process stops; the ping is due at 25 s
	}{
		{"before the ping", 24 * sec},
		{"right after the ping", 25 * sec},
		{"in the middle of the timeout", 27 * sec},
		{"just before the end of the timeout", 30*sec - 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := session.NewHeartbeat(session.HeartbeatOptions{}, 0, highest)
			watch(&h, tt.paused)
			back := tt.paused + hour
			if beat := h.Advance(back); beat != session.Ping {
				t.Fatalf("after the pause: %v, want ping", beat)
			}
			answering := h
			wantEvents(t, watch(&h, 1e6*sec), event{back + timeout, session.Dead})

			answering.Seen(back + timeout - 1)
			wantEvents(t, watch(&answering, back+timeout+20*sec))
		})
	}
}

// The ticks of a wheel come late by a little all the time. That is no pause.
func TestHeartbeatToleratesCoarseTicks(t *testing.T) {
	for _, o := range []session.HeartbeatOptions{
		{Interval: 25 * sec, Timeout: 5 * sec},
		{Interval: 100 * time.Millisecond, Timeout: 50 * time.Millisecond},
		{Interval: 10, Timeout: 3},
	} {
		tick := sec / 8
		h := session.NewHeartbeat(o, 0, 0.3)
		died := session.Never
		for now := tick; now < 1000*sec; now += tick {
			if h.Deadline() <= now && h.Advance(now) == session.Dead {
				died = now
				break
			}
		}
		want := o.Interval + o.Timeout
		if died < want || died > want+3*tick {
			t.Errorf("%+v: dead at %v, want %v and at most three ticks", o, died, want)
		}
	}
}

func TestHeartbeatEarlyAdvanceDoesNothing(t *testing.T) {
	h := session.NewHeartbeat(session.HeartbeatOptions{}, 100*sec, 0.5)
	before := h
	for _, now := range []time.Duration{0, 100 * sec, 100*sec + interval/2 - 1} {
		if beat := h.Advance(now); beat != session.Idle || h != before {
			t.Errorf("Advance(%v) = %v, changed %v", now, beat, h != before)
		}
	}
}

func TestHeartbeatStaleSeenChangesNothing(t *testing.T) {
	h := session.NewHeartbeat(session.HeartbeatOptions{}, 100*sec, 0)
	h.Seen(200 * sec)
	before := h
	h.Seen(150 * sec)
	if h != before {
		t.Error("an older moment was recorded")
	}
}

func TestHeartbeatDeadStaysDead(t *testing.T) {
	h := session.NewHeartbeat(session.HeartbeatOptions{}, 0, 0)
	watch(&h, 1000*sec)
	h.Seen(31 * sec)
	for _, now := range []time.Duration{0, 31 * sec, 1e9 * sec} {
		if beat := h.Advance(now); beat != session.Dead {
			t.Errorf("Advance(%v) = %v after death", now, beat)
		}
	}
	if h.Deadline() != session.Never {
		t.Errorf("Deadline = %v, want Never", h.Deadline())
	}
}

func TestHeartbeatOff(t *testing.T) {
	h := session.NewHeartbeat(session.HeartbeatOptions{Interval: -1}, 0, 0.5)
	if h.Deadline() != session.Never || h.Advance(1e9*sec) != session.Idle {
		t.Error("a heartbeat that is off wants something")
	}
}

func TestHeartbeatWithoutTimeoutOnlyPings(t *testing.T) {
	h := session.NewHeartbeat(session.HeartbeatOptions{Timeout: -1}, 0, highest)
	log := watch(&h, 10000*sec)
	if len(log) < 399 {
		t.Errorf("%d pings in 10000 s of silence, want one each 25 s", len(log))
	}
	for _, e := range log {
		if e.beat != session.Ping {
			t.Fatalf("%v at %v", e.beat, e.at)
		}
	}
}

func TestHeartbeatExtremes(t *testing.T) {
	for _, o := range []session.HeartbeatOptions{
		{Interval: math.MaxInt64, Timeout: math.MaxInt64},
		{Interval: 1, Timeout: math.MaxInt64},
		{Interval: math.MaxInt64, Timeout: 1},
		{Interval: 1, Timeout: 1},
	} {
		for _, start := range []time.Duration{0, 1, math.MaxInt64 - 10} {
			h := session.NewHeartbeat(o, start, math.NaN())
			for range 10 {
				if d := h.Deadline(); d < start {
					t.Fatalf("%+v from %v: deadline %v", o, start, d)
				} else if d != session.Never {
					h.Advance(d)
				}
			}
		}
	}
}

// Whatever happens when: a peer is never declared dead that was heard of within
// interval + timeout, nor before it had a ping and its timeout; and a silent one
// is, if Advance is called in time.
func FuzzHeartbeat(f *testing.F) {
	f.Add([]byte{0x01, 0x40, 0x80, 0xff, 0x13}, uint8(7))
	f.Add([]byte{0xff, 0xff, 0xff, 0xfe, 0xfe}, uint8(200))
	f.Fuzz(func(t *testing.T, ops []byte, phase uint8) {
		o := session.HeartbeatOptions{Interval: 20 * sec, Timeout: 4 * sec}
		h := session.NewHeartbeat(o, 0, float64(phase)/256)
		var now, seen, asked time.Duration
		asked = -1
		advance := func() bool {
			due := h.Deadline()
			beat := h.Advance(now)
			switch {
			case beat == session.Dead:
				if silence := now - seen; silence < o.Interval+o.Timeout {
					t.Fatalf("dead after %v of silence", silence)
				}
				if asked < seen || now-asked < o.Timeout {
					t.Fatalf("dead at %v, pinged at %v, seen at %v", now, asked, seen)
				}
				return false
			case beat == session.Ping:
				asked = now
			}
			if now >= due && h.Deadline() <= now {
				t.Fatalf("Advance(%v) leaves the deadline at %v", now, h.Deadline())
			}
			return true
		}
		for _, op := range ops {
			step := time.Duration(op>>2) * sec / 4
			switch op & 3 {
			case 0: // time passes, we are asleep
				now += step
			case 1: // the peer says something
				now += step
				seen = now
				h.Seen(now)
			case 2: // time passes and we are awake
				for end := now + step; h.Deadline() <= end; {
					now = max(now, h.Deadline())
					if !advance() {
						return
					}
				}
				now += step
			case 3: // an Advance at any moment
				if !advance() {
					return
				}
			}
		}
		// Awake from here on, and silence: it ends within a bounded time.
		end := now + 2*(o.Interval+o.Timeout) + 8*o.Timeout
		for h.Deadline() <= end {
			now = max(now, h.Deadline())
			if !advance() {
				return
			}
		}
		t.Fatalf("silent since %v, still not dead at %v", seen, end)
	})
}
