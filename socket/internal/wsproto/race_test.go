//go:build race

package wsproto_test

// raceEnabled grants hostile headers more time.
const raceEnabled = true
