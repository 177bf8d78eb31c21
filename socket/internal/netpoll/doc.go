// Package netpoll tells network connections when they can be read, without a
// goroutine, a buffer or a thread for any that waits.
//
// A [Poller] is given the descriptor of a connection by [Poller.Add] and calls
// its [Watcher] whenever bytes have arrived or the peer has closed, until
// [Poller.Remove]. A watched connection that waits costs 24 bytes here.
//
// The calls are made in place, on a goroutine that finds several connections
// readable at once and goes from one to the next. A watcher may block all the
// same, for as long as it likes: before the first call a second goroutine is made
// ready, which takes over the rest, and the waiting, as soon as the first gives up
// its processor or another processor is free. So what never blocks costs one
// goroutine for many connections, and what blocks holds up nobody.
//
// [Detach] makes the connection itself cost little while it waits: it takes the
// descriptor away from package net and the runtime's poller.
//
// On Linux the descriptors are in an epoll set of the package's own, and the set
// itself waits in the runtime's network poller, so no thread is blocked.
// Elsewhere [Supported] is false, and connections keep a goroutine each.
package netpoll
