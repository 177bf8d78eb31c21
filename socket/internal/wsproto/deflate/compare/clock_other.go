//go:build !linux

package main

import "time"

var began = time.Now()

// threadTime is the time of a clock on the wall: a machine that does other things
// beside makes the figures worthless.
func threadTime() time.Duration { return time.Since(began) }
