package session

import (
	"math"
	"time"
)

// Defaults of [BackoffOptions].
const (
	DefaultBackoffBase = time.Second
	DefaultBackoffMax  = 30 * time.Second
)

// BackoffOptions says how long to wait between attempts.
type BackoffOptions struct {
	// Base is the longest wait before the first attempt; every further attempt
	// doubles it. Zero and less mean [DefaultBackoffBase].
	Base time.Duration

	// Max bounds every wait, also when it is less than Base. Zero and less mean
	// [DefaultBackoffMax].
	Max time.Duration

	// Attempts is the number of attempts until the backoff gives up. Zero and
	// less mean that it never does.
	Attempts int
}

// Backoff paces the attempts to reach a peer again: exponential with full
// jitter, so that the clients of a server that restarts do not come back in one
// moment. A wait is drawn evenly between a tenth of the base and the present
// ceiling. The tenth is there because full jitter in its pure form also draws
// waits near zero, and a client which is refused at once must not hammer.
type Backoff struct {
	base, max time.Duration
	ceiling   time.Duration // of the next wait
	attempts  int
	made      int
}

// NewBackoff returns a backoff before its first attempt.
func NewBackoff(o BackoffOptions) Backoff {
	if o.Base <= 0 {
		o.Base = DefaultBackoffBase
	}
	if o.Max <= 0 {
		o.Max = DefaultBackoffMax
	}
	b := Backoff{base: min(o.Base, o.Max), max: o.Max, attempts: max(o.Attempts, 0)}
	b.Reset()
	return b
}

// Next counts an attempt and returns how long to wait before it. The caller
// draws random evenly from [0, 1). Next returns false when all attempts are used
// up, and goes on doing so until Reset.
func (b *Backoff) Next(random float64) (time.Duration, bool) {
	if b.attempts > 0 && b.made >= b.attempts {
		return 0, false
	}
	if b.made < math.MaxInt {
		b.made++
	}
	floor := b.base / 10
	wait := floor + time.Duration(fraction(random)*float64(b.ceiling-floor))
	wait = min(wait, b.ceiling)
	// Doubling what is at most half of the maximum cannot overflow.
	if b.ceiling <= b.max/2 {
		b.ceiling *= 2
	} else {
		b.ceiling = b.max
	}
	return wait, true
}

// Attempts returns the number of attempts since the last Reset.
func (b *Backoff) Attempts() int { return b.made }

// Reset starts again after a success.
func (b *Backoff) Reset() {
	b.made = 0
	b.ceiling = b.base
}

// fraction brings a random number of a careless caller into [0, 1).
func fraction(f float64) float64 {
	switch {
	case !(f > 0): // also NaN
		return 0
	case f >= 1:
		return math.Nextafter(1, 0)
	}
	return f
}
