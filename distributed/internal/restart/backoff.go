package restart

import "time"

// Backoff says how long to wait before a restart: Min at first, and twice as long each
// time, up to Max. The zero Backoff does not wait.
type Backoff struct{ Min, Max time.Duration }

// Delay returns the wait before a restart that so many others came before. random is from
// [0, 1); the wait is between half and all of what it would be without.
func (b Backoff) Delay(before int, random float64) time.Duration {
	d := b.Min
	for ; before > 0 && d > 0 && d < b.Max; before-- {
		if d > b.Max/2 {
			d = b.Max
			break
		}
		d *= 2
	}
	return d - time.Duration(random*float64(d/2))
}
