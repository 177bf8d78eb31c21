package main

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What clients send.
const (
	eventEnter = "enter" // entry
	eventSay   = "say"   // saying
	eventCrash = "crash" // what: "room" or "store"
)

// What they are sent.
const (
	eventRooms     = "rooms"     // their names, to one who has connected
	eventHistory   = "history"   // history, to one who has come
	eventPeople    = "people"    // people, when somebody comes or goes
	eventChat      = "chat"      // message
	eventCrashed   = "crashed"   // the name of the room whose process has crashed
	eventRestarted = "restarted" // history
	eventError     = "refused"   // a text
)

// entry is a wish to be in a room, and in no other.
type entry struct {
	Room string `json:"room"`
	Name string `json:"name"`
}

// saying is something that a client says. Ref is what nobody else gives to anything.
type saying struct {
	Text string `json:"text"`
	Ref  string `json:"ref"`
}

// message is what was said.
type message struct {
	Seq  int    `json:"seq"` // counts those of a room
	From string `json:"from"`
	Name string `json:"name"`
	Text string `json:"text"`
	Ref  string `json:"ref"`
	At   int64  `json:"at"` // Unix time in ms
}

// history is what a process of a room tells of it.
type history struct {
	Room     string    `json:"room"`
	You      string    `json:"you,omitempty"` // the id of the socket
	Life     int       `json:"life"`          // which process of the room it is, since there is the store
	Messages []message `json:"messages"`
}

// people is who is in a room.
type people struct {
	Room  string   `json:"room"`
	Names []string `json:"names"`
}

const (
	maxName = 24
	maxText = 500
	maxRef  = 64
)

// clean returns a text of people as others may see it.
func clean(what, s string, longest int) (string, error) {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' {
			return -1
		}
		return r
	}, s))
	switch {
	case s == "":
		return "", errors.New(what + " is empty")
	case utf8.RuneCountInString(s) > longest:
		return "", fmt.Errorf("%s has more than %d characters", what, longest)
	}
	return s, nil
}
