package socket

import "time"

// Sockets returns all sockets of a server.
func Sockets(s *Server) []Socket {
	var all []Socket
	for _, c := range s.sockets.appendAll(nil) {
		all = append(all, c)
	}
	return all
}

// RoomCount returns how many rooms a server keeps.
func RoomCount(s *Server) int {
	n := 0
	for i := range s.rooms.shards {
		shard := &s.rooms.shards[i]
		shard.mu.Lock()
		n += len(shard.rooms)
		shard.mu.Unlock()
	}
	return n
}

// MemoryUsed returns what is counted against the memory budget of s.
func MemoryUsed(s *Server) int64 { return s.budget.Used() }

// FanoutBusy reports whether something was published and has not been written.
func FanoutBusy(s *Server) bool {
	s.fanout.mu.Lock()
	defer s.fanout.mu.Unlock()
	return s.fanout.load != load{} || len(s.fanout.log) > 0
}

// Cut ends the connection of a socket as if it had been lost.
func Cut(s Socket) {
	if l, ok := s.(*conn).link.(*sessionLink); ok {
		l.cut()
	}
}

// Behind returns how many messages a server's fan-out keeps for sockets whose queue is
// full.
func Behind(s *Server) (n int) {
	s.fanout.commit.Lock()
	defer s.fanout.commit.Unlock()
	for _, b := range s.fanout.behind {
		n += len(b.batch.Messages())
	}
	return n
}

// RetryIn returns how long a client stays away after a connection that has ended with err.
func RetryIn(err error) time.Duration { return retryIn(err) }
