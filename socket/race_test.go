//go:build race

package socket_test

// raceEnabled says that the race detector is at work.
const raceEnabled = true

// fewSeeds is how many random schedules are tried unless somebody says how many.
const fewSeeds = 20
