package distributed

import "time"

// GroupsLeft returns how many groups a node remembers.
func GroupsLeft(n *Node) (left int) {
	for i := range n.groups {
		s := &n.groups[i]
		s.mu.Lock()
		left += len(s.m)
		s.mu.Unlock()
	}
	return left
}

// AwaitGroupWatchers waits until all watchers of a group have been told everything.
func AwaitGroupWatchers(n *Node, name string) {
	s := n.groups.shard(groupName{joined, name})
	for range 10000 {
		s.mu.Lock()
		busy := false
		for _, w := range s.m[groupName{joined, name}].watchers {
			busy = busy || w.running
		}
		s.mu.Unlock()
		if !busy {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
