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

// Pending returns how much is left of the requests of a Client, a Socket, or all sockets
// of a Server: 0 when none is under way.
func Pending(of any) (n int) {
	count := func(r *requests) {
		r.mu.Lock()
		defer r.mu.Unlock()
		n += len(r.waiting) + int(r.count.Load()) + r.beside
	}
	switch of := of.(type) {
	case *Client:
		count(&of.requests)
	case *Server:
		for _, c := range of.sockets.appendAll(nil) {
			n += Pending(c)
		}
	case Socket:
		if r := of.(*conn).asked.Load(); r != nil {
			count(r)
		}
	}
	return n
}

// Slow closes a socket as one that does not read.
func Slow(s Socket) { s.(*conn).tooSlow() }

// RetryIn returns how long a client stays away after a connection that has ended with err.
func RetryIn(err error) time.Duration { return retryIn(err) }
