//go:build !race

package transport_test

// raceEnabled makes floods smaller.
const raceEnabled = false
