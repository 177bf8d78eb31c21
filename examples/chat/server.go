package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"time"
	"unicode/utf8"

	"github.com/kleeedolinux/socket.go/socket"
)

// maxHistoryPart is the size of the JSON of one history event. It stays well
// below the 64 KiB that clients accept by default.
const maxHistoryPart = 24 << 10

// chat connects the events of a server with a hub.
type chat struct {
	server *socket.Server
	hub    *hub
	log    *slog.Logger
}

func newChat(server *socket.Server, log *slog.Logger) *chat {
	c := &chat{server: server, hub: newHub(time.Now), log: log}
	socket.Handle(server, eventJoin, c.join)
	socket.Handle(server, eventLeave, c.leave)
	socket.Handle(server, eventChat, c.say)
	socket.Handle(server, eventTyping, c.typing)
	server.HandleFunc(eventRooms, c.rooms)
	server.HandleFunc(socket.EventDisconnect, c.disconnected)
	server.HandleFunc(socket.EventError, c.failed)
	return c
}

func (c *chat) join(s socket.Socket, req joinRequest) {
	room, err := cleanName("room's name", req.Room, maxRoomName)
	if err != nil {
		c.refuse(s, problem{Event: eventJoin, Room: req.Room}, err)
		return
	}
	var name string
	if req.Name != "" {
		if name, err = cleanName("name", req.Name, maxName); err != nil {
			c.refuse(s, problem{Event: eventJoin, Room: room}, err)
			return
		}
	}
	// The room's broadcasts reach the socket before it asks for the history, so
	// that none falls in between. One that is in the history as well has the
	// same number there.
	if err := s.Join(room); err != nil {
		c.refuse(s, problem{Event: eventJoin, Room: room}, err)
		return
	}
	past, list, news, err := c.hub.join(s.ID(), room, name)
	if err != nil {
		s.Leave(room)
		c.refuse(s, problem{Event: eventJoin, Room: room}, err)
		return
	}
	for _, part := range parts(past, maxHistoryPart) {
		c.send(s, eventHistory, history{Room: room, Messages: part})
	}
	c.send(s, eventMembers, list)
	c.tell(room, eventUserJoined, news)
}

func (c *chat) leave(s socket.Socket, req joinRequest) {
	s.Leave(req.Room)
	if news, ok := c.hub.leave(s.ID(), req.Room); ok {
		c.tell(req.Room, eventUserLeft, news)
	}
}

func (c *chat) say(s socket.Socket, req chatRequest) {
	refusal := problem{Event: eventChat, Room: req.Room, Ref: req.Ref}
	if len(req.Ref) > maxRef {
		c.refuse(s, refusal, errors.New("the message's ref is too long"))
		return
	}
	text, err := cleanText(req.Text)
	if err != nil {
		c.refuse(s, refusal, err)
		return
	}
	req.Text = text
	m, fresh, err := c.hub.say(s.ID(), req)
	switch {
	case err != nil:
		c.refuse(s, refusal, err)
	case fresh:
		c.tell(req.Room, eventChat, m)
	}
}

func (c *chat) typing(s socket.Socket, req typingRequest) {
	if name, ok := c.hub.nameIn(s.ID(), req.Room); ok {
		c.tell(req.Room, eventTyping, typing{Room: req.Room, UserID: s.ID(), Name: name, Typing: req.Typing})
	}
}

func (c *chat) rooms(s socket.Socket, _ interface{}) {
	c.send(s, eventRooms, c.hub.open())
}

func (c *chat) disconnected(s socket.Socket, reason interface{}) {
	for _, news := range c.hub.leaveAll(s.ID()) {
		c.tell(news.Room, eventUserLeft, news)
	}
	c.log.Debug("disconnected", "conn", s.ID(), "err", reason)
}

// failed tells a client that its message was not understood. What went wrong in
// a connection is of interest to nobody but the log.
func (c *chat) failed(s socket.Socket, cause interface{}) {
	c.log.Info("client error", "conn", s.ID(), "err", cause)
	if bad, ok := cause.(*socket.MessageError); ok {
		c.refuse(s, problem{Event: bad.Event}, errors.New("this message was not understood"))
	}
}

func (c *chat) refuse(s socket.Socket, p problem, err error) {
	// What was sent here is sent back, but not at any length.
	if len(p.Room) > maxRoomName*utf8.UTFMax {
		p.Room = ""
	}
	if len(p.Ref) > maxRef {
		p.Ref = ""
	}
	p.Message = err.Error()
	c.send(s, eventError, p)
}

// send answers one socket. An error means that the socket is gone, and then its
// disconnect handler does what there is to do.
func (c *chat) send(s socket.Socket, event string, data any) {
	if err := s.Send(event, data); err != nil {
		c.log.Debug("send", "conn", s.ID(), "event", event, "err", err)
	}
}

func (c *chat) tell(room, event string, data any) {
	if err := c.server.BroadcastToRoom(room, event, data); err != nil {
		c.log.Error("broadcast", "room", room, "event", event, "err", err)
	}
}

// parts cuts a list of messages into one or more lists whose JSON is at most
// size bytes long each, as far as no single message is longer than that.
func parts(list []message, size int) [][]message {
	if len(list) == 0 {
		return [][]message{{}}
	}
	var cut [][]message
	start, sum := 0, 0
	for i, m := range list {
		b, _ := json.Marshal(m) // a message is strings and numbers: it has a JSON form
		if sum += len(b) + 1; sum > size && i > start {
			cut = append(cut, list[start:i])
			start, sum = i, len(b)+1
		}
	}
	return append(cut, list[start:])
}
