package main

import "github.com/kleeedolinux/socket.go/distributed"

// maxHistory is how many messages of a room are kept.
const maxHistory = 100

// store is the process that keeps what was said in one room. It does nothing else, so that
// there is nothing to crash it.
type store struct {
	lives    int // of the room's process
	messages []message
}

// toStore is a message to a store.
type toStore interface{ reach(s *store) }

func (s *store) Handle(_ *distributed.Process, m toStore) error {
	m.reach(s)
	return nil
}

// load asks for what is there, for a process of the room that begins.
type load struct{ distributed.From[history] }

func (m load) reach(s *store) {
	s.lives++
	m.Reply(history{Life: s.lives, Messages: append([]message(nil), s.messages...)})
}

// keep hands over a message.
type keep struct {
	message
	distributed.From[bool]
}

func (m keep) reach(s *store) {
	s.messages = append(s.messages, m.message)
	if n := len(s.messages) - maxHistory; n > 0 {
		s.messages = append([]message(nil), s.messages[n:]...)
	}
	m.Reply(true)
}
