// Package fuzz throws bytes, HTTP requests and whole sessions at live servers
// and clients, through the public interface of the module and over connections
// in memory. It holds tests only.
//
// Each input runs in a bubble of testing/synctest: time is virtual, so timeouts
// are part of what is tried, a deadlock or a goroutine that is left over fails
// the run, and nothing depends on how fast the machine is. What a server or a
// client makes of the input is compared with what a second, simple reading of
// the same input says. README.md tells how to run the targets.
//
// The targets for single parsers stand beside the packages that hold them.
package fuzz
