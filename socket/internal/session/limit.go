package session

import "math"

// bound resolves a limit: zero is the default, a negative value no bound.
func bound(limit, def int) int {
	switch {
	case limit == 0:
		return def
	case limit < 0:
		return math.MaxInt
	}
	return limit
}
