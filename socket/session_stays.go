package socket

import "github.com/kleeedolinux/socket.go/socket/internal/session"

// stays reports whether a session has to stay on the connection that it has, although its
// client, which has everything up to message last, offers another: what the client still
// needs is not all kept, and only on its way over the old one. The client is given another
// session. It may stay with this one, as it does when it has only looked whether a better
// transport works. If it does not, this session is over as soon as its connection is, which
// sessionExtra.left says until something is heard of the client. It is called with mu held.
func (l *sessionLink) stays(last uint64) bool {
	if l.current() == nil || l.out.Resume(last) != session.ErrGap {
		return false
	}
	l.extra().left = true
	return true
}

// mayHaveLeft reports whether the client may have begun another session. It is called with
// mu held.
func (l *sessionLink) mayHaveLeft() bool { return l.more != nil && l.more.left }
