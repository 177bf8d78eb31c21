package main

import "encoding/json"

// The events beside those that package socket defines.
const (
	eventJoin       = "join"
	eventLeave      = "leave"
	eventChat       = "chat"
	eventTyping     = "typing"
	eventRooms      = "rooms"
	eventHistory    = "history"
	eventMembers    = "members"
	eventUserJoined = "userJoined"
	eventUserLeft   = "userLeft"
	eventError      = "error"
)

// A joinRequest asks to enter a room, or to go by another name in it. It is an
// object, or the name of the room alone.
type joinRequest struct {
	Room string `json:"room"`
	Name string `json:"name"`
}

// UnmarshalJSON reads an object or a string.
func (r *joinRequest) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &r.Room)
	}
	type object joinRequest // without this method
	return json.Unmarshal(b, (*object)(r))
}

// A chatRequest is a message for a room. Ref is the sender's own mark on it: it
// comes back with the message, and a second request with the ref of a message
// that the room still has is dropped. So a client may repeat what it does not
// know to have arrived.
type chatRequest struct {
	Room string `json:"room"`
	Text string `json:"text"`
	Ref  string `json:"ref,omitempty"`
}

// A typingRequest says that its sender is writing, or no longer.
type typingRequest struct {
	Room   string `json:"room"`
	Typing bool   `json:"typing"`
}

// A message is something that was said in a room.
type message struct {
	Room   string `json:"room"`
	Seq    int64  `json:"seq"`
	UserID string `json:"userId"`
	Name   string `json:"name"`
	Text   string `json:"text"`
	Ref    string `json:"ref,omitempty"`
	At     int64  `json:"at"` // milliseconds since 1970
}

// A history is a part of what was said before one came, oldest first. Several of
// them, and then members, answer a join.
type history struct {
	Room     string    `json:"room"`
	Messages []message `json:"messages"`
}

// A members is the list of who is in a room, as of Seq.
type members struct {
	Room    string   `json:"room"`
	Seq     int64    `json:"seq"`
	You     string   `json:"you"`
	Members []member `json:"members"`
}

type member struct {
	UserID string `json:"userId"`
	Name   string `json:"name"`
}

// A presence says that somebody came, took another name, or left.
type presence struct {
	Room   string `json:"room"`
	Seq    int64  `json:"seq"`
	UserID string `json:"userId"`
	Name   string `json:"name"`
	At     int64  `json:"at"`
}

// A typing is a typingRequest as the room hears of it.
type typing struct {
	Room   string `json:"room"`
	UserID string `json:"userId"`
	Name   string `json:"name"`
	Typing bool   `json:"typing"`
}

// An openRoom is a room that somebody is in.
type openRoom struct {
	Room    string `json:"room"`
	Members int    `json:"members"`
}

// A problem tells a client which of its events was refused, and why.
type problem struct {
	Event   string `json:"event"`
	Room    string `json:"room,omitempty"`
	Ref     string `json:"ref,omitempty"`
	Message string `json:"message"`
}
