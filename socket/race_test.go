//go:build race

package socket_test

// stride is how many bytes lie between two places at which a connection is cut:
// a few conversations, since the race detector makes each of them slow.
const stride = 29

// raceEnabled says that the race detector is at work.
const raceEnabled = true

// fewSeeds is how many random schedules are tried unless somebody says how many.
const fewSeeds = 20
