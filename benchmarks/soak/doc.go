// Command soak holds connections to a server for a while, and watches what they
// cost: memory, goroutines, descriptors, latency. It is for leaks and for what
// only time brings to light.
//
//	go run ./benchmarks/soak                                # half a minute
//	go run ./benchmarks/soak -duration 1h -conns 15000 -every 1m -svg soak.svg
//
// The server is in this process, alone, so that what is measured is the server's.
// The clients are in another one. All of them join a room; some are active and
// send an event ten times a second, which comes back; a room at a time gets a
// message, ten times a second; and some leave all the time and others come for
// them.
//
// At the end all clients leave. The exit status is 1 when a connection was lost
// that should not have been, when events did not come back, or when goroutines,
// descriptors or sockets are left over.
package main
