package netpoll

// Watcher is what a watched descriptor belongs to.
type Watcher interface {
	// Ready is called when something has arrived since the last call, or may
	// have. It is told once of what came at once: the watcher must read until
	// nothing is left. A read that brings less than it has room for shows that, as
	// one does that brings nothing, until thorough is true in a call. From then on
	// only the latter does, or the end: the peer sends no more, the connection has
	// failed, or there is urgent data, at which reads stop short.
	//
	// Calls for one watcher can overlap, and one can come late, after Remove has
	// returned.
	Ready(thorough bool)
}
