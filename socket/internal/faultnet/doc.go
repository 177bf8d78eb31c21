// Package faultnet is a TCP proxy that does to connections what networks and the boxes in
// them do: it resets and ends them, in the middle of a message too, swallows what is
// sent, lets it arrive late, slows it down, and makes a request twice. It is for tests
// over real sockets; package memnet is for those in virtual time.
//
//	p, err := faultnet.Listen(server)
//	…
//	for _, c := range p.Conns() {
//		c.Reset()
//	}
//
// All methods may be called from any goroutine. A [Proxy] has a goroutine that accepts,
// and two for each connection, which end with Close.
package faultnet
