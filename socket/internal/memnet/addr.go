package memnet

// Addr is the address of one end of a connection or of a [Listener]. It has the
// shape host:port, so that code which splits a remote address works.
type Addr string

// Network returns "mem".
func (a Addr) Network() string { return "mem" }

// String returns the address as it was given.
func (a Addr) String() string { return string(a) }
