package pollhttp

// list is a doubly linked list of sessions. A session is in one list at most;
// its links are its own, so that nothing is allocated.
type list struct {
	front, back *Session
}

// links are a session's place in a list.
type links struct {
	in         *list
	prev, next *Session
}

// push puts s at the end of the list.
func (l *list) push(s *Session) {
	if s.links.in != nil {
		panic("BUG: pollhttp: a session is in two lists")
	}
	s.links = links{in: l, prev: l.back}
	if l.back != nil {
		l.back.links.next = s
	} else {
		l.front = s
	}
	l.back = s
}

// remove takes s out of the list, if it is in it.
func (l *list) remove(s *Session) {
	if s.links.in != l {
		return
	}
	if s.links.prev != nil {
		s.links.prev.links.next = s.links.next
	} else {
		l.front = s.links.next
	}
	if s.links.next != nil {
		s.links.next.links.prev = s.links.prev
	} else {
		l.back = s.links.prev
	}
	s.links = links{}
}
