//go:build race

package envelope_test

// raceEnabled makes exhaustive tests of sequential code smaller.
const raceEnabled = true
