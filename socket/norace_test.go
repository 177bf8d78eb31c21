//go:build !race

package socket_test

// stride is how many bytes lie between two places at which a connection is cut.
const stride = 1

// raceEnabled says that the race detector is at work.
const raceEnabled = false

// fewSeeds is how many random schedules are tried unless somebody says how many.
const fewSeeds = 60
