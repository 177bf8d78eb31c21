package distributed

import "time"

// AwaitEvents waits until everybody has been told of all events.
func AwaitEvents(n *Node) {
	for range 10000 {
		n.events.mu.Lock()
		running := n.events.running
		n.events.mu.Unlock()
		if !running {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
