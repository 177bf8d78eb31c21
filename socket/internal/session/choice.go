package session

import "time"

// Defaults of [NewChoice].
const (
	DefaultProbeDelay    = 30 * time.Second
	DefaultMaxProbeDelay = 10 * time.Minute
)

// maxStrikes is how many connections in a row may end before they have proven to be good
// until the next way is taken.
const maxStrikes = 3

// Choice says which of several ways to a server a client takes. The first is preferred. A
// way is barred when there is evidence that it does not work where the client is: it has
// failed while a later one worked, or its connections have died young too often. A server
// that is down is no such evidence. Ways before the one in use are tried again from time
// to time, less and less often.
//
// Random numbers are drawn by the caller, evenly from [0, 1).
type Choice struct {
	ways       []way
	first, max time.Duration
	delay      time.Duration // before the next probe
	wait       time.Duration // that was drawn for the next probe
	due        time.Time     // of the next probe; zero: none is wanted
	tested     int           // the way that a probe has led to, until it is good; -1: none
}

// way is what is known about one of them.
type way struct {
	barred  bool
	strikes int
}

// NewChoice returns the choice between n ways, at least one, of which nothing is known.
// first is how long it takes until those before the one in use are tried for the first
// time, and each failure doubles it, up to max; zero and less mean the defaults.
func NewChoice(n int, first, max time.Duration) Choice {
	if first <= 0 {
		first = DefaultProbeDelay
	}
	if max <= 0 {
		max = DefaultMaxProbeDelay
	}
	first = min(first, max)
	return Choice{ways: make([]way, n), first: first, max: max, delay: first, tested: -1}
}

// Order returns the ways in the order in which they are to be tried: those that are
// barred come last, unless it is time to try them again.
func (c *Choice) Order(now time.Time, random float64) []int {
	order := make([]int, 0, len(c.ways))
	due := !c.due.IsZero() && !now.Before(c.due)
	for i, w := range c.ways {
		if due || !w.barred {
			order = append(order, i)
		}
	}
	if due {
		c.Postpone(now, random)
		return order
	}
	for i, w := range c.ways {
		if w.barred {
			order = append(order, i)
		}
	}
	return order
}

// Opened notes that a connection was made over a way, after those in refused had failed
// in a manner that is not explained by a server that is down.
func (c *Choice) Opened(i int, refused []int, now time.Time, random float64) {
	for _, r := range refused {
		c.ways[r].barred = true
	}
	c.tested = -1
	if c.ways[i].barred {
		c.tested = i
	}
	if i > 0 && c.due.IsZero() {
		c.Postpone(now, random)
	}
}

// Moved notes that a probe has led to a connection over a way, which is used from now on.
func (c *Choice) Moved(i int) { c.tested = i }

// Tested reports whether a way is in use because of a probe, and not known to be good yet.
func (c *Choice) Tested(i int) bool { return c.tested == i }

// Died notes that the connection over a way has ended before it had proven to be good.
// After a probe once is enough: there is a way that had worked, and it gets the time until
// the next probe, from now on. The last way that is not barred stays so.
func (c *Choice) Died(i int, now time.Time) {
	w := &c.ways[i]
	w.strikes = min(w.strikes+1, maxStrikes)
	tested := c.tested == i
	c.tested = -1
	if tested {
		c.Failed(now)
	} else if w.strikes < maxStrikes {
		return
	}
	for j := range c.ways {
		if j != i && !c.ways[j].barred {
			w.barred = true
			return
		}
	}
}

// Failed notes that a probe has come to nothing: the time until the next one counts from
// now on.
func (c *Choice) Failed(now time.Time) { c.due = now.Add(c.wait) }

// Proven notes that the connection over a way is good.
func (c *Choice) Proven(i int) {
	c.ways[i] = way{}
	c.tested = -1
	if i == 0 {
		c.due, c.delay = time.Time{}, c.first
	}
}

// Wait returns how long the client that is on way i is to wait before it tries those
// before it; it is not ok when there are none.
func (c *Choice) Wait(i int, now time.Time) (d time.Duration, ok bool) {
	if i == 0 || c.due.IsZero() {
		return 0, false
	}
	return max(c.due.Sub(now), 0), true
}

// Postpone sets the time of the next probe. Up to a quarter more than the delay is drawn,
// so that clients which were sent away together do not come back together.
func (c *Choice) Postpone(now time.Time, random float64) {
	c.wait = c.delay + time.Duration(fraction(random)*float64(c.delay/4))
	c.due = now.Add(c.wait)
	// Doubling what is at most half of the maximum cannot overflow.
	if c.delay <= c.max/2 {
		c.delay *= 2
	} else {
		c.delay = c.max
	}
}
