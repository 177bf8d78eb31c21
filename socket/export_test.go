package socket

// Sockets returns all sockets of a server.
func Sockets(s *Server) []Socket {
	var all []Socket
	for _, c := range s.sockets.appendAll(nil) {
		all = append(all, c)
	}
	return all
}
