package main

import (
	"slices"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
	"github.com/kleeedolinux/socket.go/socket"
)

// room is the process of one room.
type room struct {
	name string
	node *distributed.Node

	// What it knows, in each of its lives anew.
	store   distributed.Ref[toStore]
	life    int
	history []message
	people  map[string]string // name by the id of the socket
}

// toRoom is something that a client wants of its room.
type toRoom struct {
	from  socket.Socket
	say   saying
	crash bool
}

// The names of the processes of a room.
func roomID(name string) distributed.ProcessID  { return distributed.ProcessID("room:" + name) }
func storeID(name string) distributed.ProcessID { return distributed.ProcessID("store:" + name) }

// Init asks the server who is there, and the store what was said.
func (r *room) Init(p *distributed.Process) error {
	members, err := p.SubscribeRoom(r.name)
	if err != nil {
		return err
	}
	if r.store, err = distributed.Lookup[toStore](r.node, storeID(r.name)); err != nil {
		return err
	}
	past, err := distributed.Call(p, r.store, func(f distributed.From[history]) toStore { return load{f} })
	if err != nil {
		return err
	}
	r.life, r.history = past.Life, past.Messages
	r.people = make(map[string]string)
	for _, s := range members {
		r.people[s.ID()] = nameOf(s)
	}
	if len(members) > 0 {
		r.tell(eventRestarted, r.all())
	}
	return nil
}

// all is what there is to tell of the room.
func (r *room) all() history {
	return history{Room: r.name, Life: r.life, Messages: append([]message{}, r.history...)}
}

// HandleRoom is told who comes and goes.
func (r *room) HandleRoom(_ *distributed.Process, e distributed.RoomEvent) error {
	switch e.Kind {
	case distributed.RoomJoined:
		s, err := r.node.Socket(e.SocketID)
		if err != nil {
			return nil // it has left already, which is told next
		}
		if member, ok := r.node.SocketServer.GetSocket(e.SocketID); ok {
			r.people[e.SocketID] = nameOf(member)
		}
		all := r.all()
		all.You = e.SocketID
		_ = s.Send(eventHistory, all) // or it has left by now
	case distributed.RoomLeft:
		delete(r.people, e.SocketID)
	default:
		return nil // what the room says itself
	}
	names := make([]string, 0, len(r.people))
	for _, name := range r.people {
		names = append(names, name)
	}
	slices.Sort(names)
	r.tell(eventPeople, people{r.name, names})
	return nil
}

// Handle says what somebody says to everybody, once the store has it.
func (r *room) Handle(p *distributed.Process, m toRoom) error {
	if m.crash {
		panic("somebody has pressed the button")
	}
	known := func(old message) bool { return m.say.Ref != "" && old.Ref == m.say.Ref }
	if slices.ContainsFunc(r.history, known) {
		return nil
	}
	said := message{
		Seq: 1, From: m.from.ID(), Name: nameOf(m.from), Text: m.say.Text, Ref: m.say.Ref, At: time.Now().UnixMilli(),
	}
	if n := len(r.history); n > 0 {
		said.Seq = r.history[n-1].Seq + 1
	}
	if _, err := distributed.Call(p, r.store, func(f distributed.From[bool]) toStore { return keep{said, f} }); err != nil {
		return err
	}
	if r.history = append(r.history, said); len(r.history) > maxHistory {
		r.history = r.history[1:]
	}
	r.tell(eventChat, said)
	return nil
}

// Terminate tells everybody of a crash. What it was is of interest to the log only.
func (r *room) Terminate(_ *distributed.Process, reason error) {
	if !stopped(reason) {
		r.tell(eventCrashed, r.name)
	}
}

// tell tells all members. What is told can always be encoded.
func (r *room) tell(event string, data any) {
	_ = r.node.SocketServer.BroadcastToRoom(r.name, event, data)
}
