package poll

import "time"

// Lifetime says when a session is dead. A session lives while one of its
// requests is in flight and for Expiry after the last one; once it closes, for
// Linger at most. The zero Lifetime has begun at no time: use Start.
type Lifetime struct {
	// Expiry is how long a client may stay away between two requests.
	Expiry time.Duration
	// Linger is how long a closing session waits for its last poll.
	Linger time.Duration

	requests int
	closing  bool
	since    time.Time // when the last request ended, or the closing began
}

// Start begins the life of a session.
func (l *Lifetime) Start(now time.Time) { l.since = now }

// Begin counts a request that came in.
func (l *Lifetime) Begin() { l.requests++ }

// End counts a request that was answered.
func (l *Lifetime) End(now time.Time) {
	l.requests--
	if !l.closing {
		l.since = now
	}
}

// Close starts the linger time. Requests no longer lengthen the life.
func (l *Lifetime) Close(now time.Time) {
	if !l.closing {
		l.closing, l.since = true, now
	}
}

// Requests returns how many requests are in flight.
func (l *Lifetime) Requests() int { return l.requests }

// Idle reports whether no request is in flight.
func (l *Lifetime) Idle() bool { return l.requests == 0 }

// Closing reports whether the linger time runs.
func (l *Lifetime) Closing() bool { return l.closing }

// Dead reports whether the session's time is over at now.
func (l *Lifetime) Dead(now time.Time) bool {
	if l.closing {
		return now.Sub(l.since) >= l.Linger
	}
	return l.requests == 0 && now.Sub(l.since) >= l.Expiry
}
