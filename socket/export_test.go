package socket

import (
	"bytes"
	"time"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

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

// SessionNumbers returns the numbers of the last messages of its session that a Socket or a
// Client has sent, and that have come to it.
func SessionNumbers(of any) (sent, came uint64) {
	if c, ok := of.(*Client); ok {
		s := &c.session
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.out.Last(), s.in.Last()
	}
	l, ok := of.(*conn).link.(*sessionLink)
	if !ok {
		return 0, 0
	}
	l.lock()
	defer l.unlock()
	return l.out.Last(), l.in.Last()
}

// SessionDropped returns how many messages a Socket or a Client has sent that are neither
// acknowledged nor kept.
func SessionDropped(of any) int {
	if c, ok := of.(*Client); ok {
		s := &c.session
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.out.Dropped()
	}
	l := of.(*conn).link.(*sessionLink)
	l.lock()
	defer l.unlock()
	return l.out.Dropped()
}

// Numbers are what a message of a session says about numbers.
type Numbers struct {
	Seq, Ack uint64
	Said     bool // there is a seq
	Alone    bool // there is nothing else
}

// ParseNumbers returns the numbers of a message and what is left, which lies in p.
func ParseNumbers(typ transport.MessageType, p []byte) (Numbers, []byte, error) {
	var n heading
	rest, err := p, error(nil)
	if !saysNothing(typ, p) {
		n, rest, err = parseNumbers(typ, p)
	}
	return Numbers{n.seq, n.ack, n.said, n.alone}, rest, err
}

// ParseSpelled is ParseNumbers for a text as if it were spelled in a way of its own.
func ParseSpelled(p []byte) (Numbers, []byte, error) {
	n, rest, err := spelledNumbers(p)
	return Numbers{n.seq, n.ack, n.said, n.alone}, rest, err
}

// AppendNumbers puts numbers in front of a message.
func AppendNumbers(n Numbers, typ transport.MessageType, p []byte) []byte {
	v := numbers{seq: n.Seq, ack: n.Ack, said: n.Said}
	if v.silent(typ) {
		return bytes.Clone(p)
	}
	return append(v.appendHead(nil, typ), p[headless(typ):]...)
}

// Missed returns for how many sockets a server's fan-out keeps messages that their disconnect
// handlers are to be told of.
func Missed(s *Server) int {
	s.fanout.commit.Lock()
	defer s.fanout.commit.Unlock()
	return len(s.fanout.missed)
}

// Reaped reports whether it is settled what the disconnect handlers of a socket are told.
func Reaped(s Socket) bool {
	c := s.(*conn)
	c.server.fanout.commit.Lock()
	defer c.server.fanout.commit.Unlock()
	return c.reaped
}
