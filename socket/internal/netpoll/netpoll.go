package netpoll

// Watcher is what a watched descriptor belongs to.
type Watcher interface {
	// Ready is called when something has arrived since the last call, or may
	// have. It is told once of what came at once: the watcher must read until
	// nothing is left, or a read brings less than it has room for. hangup says that
	// the peer will send no more, or that the connection has failed; it may come
	// together with the last bytes, and is not repeated.
	//
	// Calls for one watcher can overlap, and one can come late, after Remove has
	// returned.
	Ready(hangup bool)
}
