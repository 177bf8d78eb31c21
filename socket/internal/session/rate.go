package session

import "time"

// Rate is a token bucket: it allows so many events in a second, and a burst of
// twice as many after a rest. The zero value allows everything.
type Rate struct {
	perSecond float64
	tokens    float64
	last      time.Duration
}

// NewRate returns a full bucket at the given moment. Zero and less allow
// everything.
func NewRate(perSecond int, now time.Duration) Rate {
	n := float64(max(perSecond, 0))
	return Rate{perSecond: n, tokens: 2 * n, last: now}
}

// Allow takes n events at the given moment and reports whether they were within
// the rate. Those that were not are not counted. A moment before the last one is
// taken for the last one. More than a burst at once is allowed when the bucket is
// full, and has to be made up for afterwards: otherwise a single large thing
// would never pass.
func (r *Rate) Allow(now time.Duration, n int) bool {
	if r.perSecond <= 0 {
		return true
	}
	burst := 2 * r.perSecond
	if now > r.last {
		r.tokens = min(burst, r.tokens+r.perSecond*(now-r.last).Seconds())
		r.last = now
	}
	if float64(n) > r.tokens && r.tokens < burst {
		return false
	}
	r.tokens -= float64(n)
	return true
}
