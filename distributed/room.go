package distributed

import (
	"context"
	"encoding/json"
	"slices"
)

// RoomEventKind says what a [RoomEvent] is about.
type RoomEventKind string

// The kinds.
const (
	RoomJoined    RoomEventKind = "joined"    // a socket has become a member
	RoomLeft      RoomEventKind = "left"      // it is no member any more
	RoomBroadcast RoomEventKind = "broadcast" // the room is sent a message
	RoomMissed    RoomEventKind = "missed"    // events were dropped at this place, as many as Missed says
)

// RoomEvent tells a process that has subscribed to a room of the socket server what happens
// in it, see [Node.Subscribe]. A [RoomHandler] gets it, or a Handle that takes it.
type RoomEvent struct {
	Kind RoomEventKind
	Room string

	SocketID string // that has joined or left
	User     string // its identity, "" if it has none
	Reason   error  // why a socket that has left is disconnected; nil if it is connected

	Event  string          // of the message
	Data   json.RawMessage // of the message; others have it too: it must not be changed
	Binary []byte          // in place of Data for a bare binary message

	// Missed is how many events the process was not told before this one, because its
	// mailbox was full.
	Missed int
}

// RoomHandler is a [Handler] of a process that subscribes to rooms, whatever its messages
// are.
type RoomHandler interface {
	HandleRoom(p *Process, e RoomEvent) error
}

// atRoom is the key of a subscription among what ends with its process.
type atRoom string

// Unsubscribe ends a subscription. Events that wait in the mailbox are still handled. It
// does nothing if there is none; the error is [ErrProcessNotFound] or [ErrNoConnection].
func (n *Node) Unsubscribe(id ProcessID, room string) error {
	p, err := n.find(id)
	if err != nil {
		return err
	}
	p.mu.Lock()
	var end func()
	if x := p.more(); x != nil {
		end = x.atEnd[atRoom(room)]
		delete(x.atEnd, atRoom(room))
	}
	p.mu.Unlock()
	if end != nil {
		end()
	}
	return nil
}

// takeRoom makes e the last of what waits, by the policy of the mailbox. The error is
// ErrProcessNotFound or ErrMailboxFull.
func (p *Process) takeRoom(e RoomEvent) error {
	if _, apart := p.body.handlerOf().(RoomHandler); !apart {
		var noWait context.Context
		return p.body.pushAny(noWait, e)
	}
	p.mu.Lock()
	var loop func()
	err := ErrProcessNotFound
	if p.state < ending {
		loop, err = p.notifyRoom(e)
	}
	p.mu.Unlock()
	if loop != nil {
		go loop() // owned by p: ends when there is nothing left to do
	}
	return err
}

// notifyRoom is notify for an event of a room, which counts as a message. It is called with
// mu held.
func (p *Process) notifyRoom(e RoomEvent) (loop func(), err error) {
	x := p.extra()
	if p.body.free() > len(x.signals) {
		return p.notify(e), nil
	}
	switch p.body.whenFull() {
	case DropNewest:
		p.node.dropped.Add(1)
		return nil, nil
	case DropOldest:
		oldest := slices.IndexFunc(x.signals, func(s signal) bool { _, ok := s.s.(RoomEvent); return ok })
		if oldest < 0 {
			break // messages take all the room
		}
		x.signals = slices.Delete(x.signals, oldest, oldest+1)
		p.signalsChanged()
		p.node.dropped.Add(1)
		return p.notify(e), nil
	case EndReceiver:
		return p.condemn(ErrMailboxFull), ErrMailboxFull
	}
	return nil, ErrMailboxFull
}
