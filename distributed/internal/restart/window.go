package restart

import "time"

// Unlimited is a Max that is never passed.
const Unlimited = int(^uint(0) >> 1)

// Window counts restarts: not more than Max may fall into any time of the length Period.
type Window struct {
	Max    int
	Period time.Duration

	times []time.Duration // of the restarts within the last period, the oldest first
}

// Add counts a restart at now, and reports whether it is one that may still be. Restarts
// that are a Period old count, and older ones do not. now never goes back.
func (w *Window) Add(now time.Duration) bool {
	if w.Max == Unlimited {
		return true
	}
	old := 0
	for old < len(w.times) && w.times[old] < now-w.Period {
		old++
	}
	w.times = append(w.times[old:], now)
	return len(w.times) <= w.Max
}
