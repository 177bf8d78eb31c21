package socket

// Admissions returns how many connections are being made whose authenticator was asked.
func Admissions(s *Server) int {
	s.admissions.mu.Lock()
	defer s.admissions.mu.Unlock()
	return len(s.admissions.pending)
}

// IdentityCount returns for how many identities a server keeps sockets.
func IdentityCount(s *Server) (n int) {
	for i := range s.identities.shards {
		shard := &s.identities.shards[i]
		shard.mu.Lock()
		n += len(shard.rooms)
		shard.mu.Unlock()
	}
	return n
}
