package main

import (
	"errors"
	"slices"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
	"github.com/kleeedolinux/socket.go/socket"
)

// newChat starts the processes of all rooms, and adds the handlers of the chat to the
// node's server.
func newChat(node *distributed.Node, rooms []string) error {
	all := distributed.SupervisorSpec{ID: "rooms", MaxRestarts: distributed.UnlimitedRestarts}
	for _, name := range rooms {
		all.Processes = append(all.Processes, distributed.ProcessSpec{Supervisor: roomSpec(node, name)})
	}
	if _, err := distributed.NewSupervisor(all, node); err != nil {
		return err
	}
	c := &chat{node: node, rooms: rooms}
	server := node.SocketServer
	socket.Handle(server, eventEnter, c.enter)
	socket.Handle(server, eventCrash, c.crash)
	server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) { _ = s.Send(eventRooms, rooms) })
	// If the room is down the page sends it again when it has come back.
	distributed.Forward(node, eventSay, c.say, func(socket.Socket, saying, error) {})
	return nil
}

// roomSpec is the supervisor of a room: the store first, and the room behind it.
func roomSpec(node *distributed.Node, name string) *distributed.SupervisorSpec {
	return &distributed.SupervisorSpec{
		ID:            distributed.ProcessID("supervisor:" + name),
		Strategy:      distributed.RestForOne,
		MaxRestarts:   20, // by the buttons of people who want to see it happen
		RestartPeriod: 10 * time.Second,
		Processes: []distributed.ProcessSpec{{
			ID:    storeID(name),
			Start: distributed.ChildOf(func() distributed.Handler[toStore] { return new(store) }),
		}, {
			ID:    roomID(name),
			Start: distributed.ChildOf(func() distributed.Handler[toRoom] { return &room{name: name, node: node} }),
			// Long enough to be seen.
			Backoff: distributed.Backoff{Min: 1500 * time.Millisecond, Max: 1500 * time.Millisecond},
		}},
	}
}

// chat is what clients reach.
type chat struct {
	node  *distributed.Node
	rooms []string
}

// enter puts a socket into a room, and out of the one that it was in. The process of the
// room hears of it from the server.
func (c *chat) enter(s socket.Socket, e entry) {
	name, err := clean("the name", e.Name, maxName)
	if err == nil && !slices.Contains(c.rooms, e.Room) {
		err = errors.New("there is no such room")
	}
	if err != nil {
		refuse(s, err)
		return
	}
	for _, old := range s.Rooms() {
		s.Leave(old)
	}
	s.Set("name", name)
	if err := s.Join(e.Room); err != nil {
		refuse(s, err)
	}
}

// say finds the process for what somebody says.
func (c *chat) say(s socket.Socket, m saying) (to distributed.ProcessID, _ toRoom) {
	text, err := clean("the message", m.Text, maxText)
	rooms := s.Rooms()
	switch {
	case err == nil && len(rooms) == 0:
		err = errors.New("enter a room first")
	case err == nil && len(m.Ref) > maxRef:
		err = errors.New("the ref is too long")
	}
	if err != nil {
		refuse(s, err)
		return "", toRoom{}
	}
	m.Text = text
	return roomID(rooms[0]), toRoom{from: s, say: m}
}

// crash has a process of the socket's room crash.
func (c *chat) crash(s socket.Socket, what string) {
	for _, name := range s.Rooms() {
		var err error
		if what == "store" {
			err = c.node.Exit(storeID(name), errors.New("somebody has pressed the button"))
		} else {
			err = c.node.Send(roomID(name), toRoom{from: s, crash: true})
		}
		if err != nil {
			refuse(s, errors.New("it is down already"))
		}
	}
}

// refuse tells a client why something was not done. An error means that it has left.
func refuse(s socket.Socket, err error) { _ = s.Send(eventError, err.Error()) }

// nameOf is how a socket wants to be called.
func nameOf(s socket.Socket) string {
	name, _ := s.Get("name")
	text, _ := name.(string)
	return text
}

// stopped reports whether a process was ended in good order.
func stopped(reason error) bool {
	return errors.Is(reason, distributed.ErrShutdown) || errors.Is(reason, distributed.ErrNormal)
}
