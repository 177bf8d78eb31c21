package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// What the chat keeps at most.
const (
	maxHistory      = 50        // messages per room
	maxHistoryBytes = 128 << 10 // of text per room
	maxRooms        = 128       // rooms, those included that only have a history
	maxMembers      = 200       // people per room
	maxRoomsEach    = 16        // rooms per person
	maxRoomsListed  = 50        // in the answer to rooms
)

var (
	errNotMember    = errors.New("you are not in this room")
	errRoomFull     = fmt.Errorf("this room is full: it holds %d people", maxMembers)
	errTooManyRooms = errors.New("there are too many rooms open already")
	errTooManyJoins = fmt.Errorf("nobody can be in more than %d rooms at once", maxRoomsEach)
)

// hub is all that the chat knows: rooms, their members and their histories. It
// knows no connections: those who change it send on what it returns.
type hub struct {
	now func() time.Time

	mu     sync.Mutex // guards the fields below
	seq    int64      // number of the last event
	rooms  map[string]*room
	people map[string]*person // by socket id; those who are in a room
}

type person struct {
	name  string // that of the last join
	rooms []string
}

func newHub(now func() time.Time) *hub {
	return &hub{
		now: now,
		// Numbers start from the clock, so that they go on growing when the server
		// is started anew while clients remember the numbers from before.
		seq:    now().UnixMicro(),
		rooms:  make(map[string]*room),
		people: make(map[string]*person),
	}
}

// join makes id a member of a room, or changes its name there. It returns the
// history and the members for id, and the news for the whole room.
func (h *hub) join(id, roomName, name string) ([]message, members, presence, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, p := h.rooms[roomName], h.people[id]
	_, inside := h.memberName(r, id)
	switch {
	case inside:
	case p != nil && len(p.rooms) >= maxRoomsEach:
		return nil, members{}, presence{}, errTooManyJoins
	case r != nil && len(r.members) >= maxMembers:
		return nil, members{}, presence{}, errRoomFull
	case r == nil && !h.makeSpace():
		return nil, members{}, presence{}, errTooManyRooms
	}
	if r == nil {
		r = newRoom(roomName)
		h.rooms[roomName] = r
	}
	if p == nil {
		p = &person{name: guestName(id)}
		h.people[id] = p
	}
	if name != "" {
		p.name = name
	}
	if !inside {
		p.rooms = append(p.rooms, roomName)
	}
	r.members[id] = p.name
	news := h.presence(r, id, p.name)
	list := members{Room: roomName, Seq: news.Seq, You: id, Members: r.list()}
	return slices.Clone(r.history), list, news, nil
}

// leave ends a membership. It returns the news for those who stay.
func (h *hub) leave(id, roomName string) (presence, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.remove(id, roomName)
}

// leaveAll ends all memberships of id.
func (h *hub) leaveAll(id string) []presence {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.people[id]
	if p == nil {
		return nil
	}
	var news []presence
	for _, roomName := range slices.Clone(p.rooms) {
		if gone, ok := h.remove(id, roomName); ok {
			news = append(news, gone)
		}
	}
	return news
}

// say adds a message to a room. It reports false when the room has it already.
func (h *hub) say(id string, req chatRequest) (message, bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[req.Room]
	name, inside := h.memberName(r, id)
	if !inside {
		return message{}, false, errNotMember
	}
	if r.knows(req.Ref) {
		return message{}, false, nil
	}
	m := message{
		Room:   req.Room,
		Seq:    h.next(r),
		UserID: id,
		Name:   name,
		Text:   req.Text,
		Ref:    req.Ref,
		At:     h.now().UnixMilli(),
	}
	r.remember(m)
	return m, true, nil
}

// nameIn returns the name that id goes by in a room.
func (h *hub) nameIn(id, roomName string) (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.memberName(h.rooms[roomName], id)
}

// open returns the rooms that somebody is in, the fullest first.
func (h *hub) open() []openRoom {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]openRoom, 0, len(h.rooms))
	for _, r := range h.rooms {
		if len(r.members) > 0 {
			list = append(list, openRoom{Room: r.name, Members: len(r.members)})
		}
	}
	slices.SortFunc(list, func(a, b openRoom) int {
		return cmp.Or(cmp.Compare(b.Members, a.Members), cmp.Compare(a.Room, b.Room))
	})
	return list[:min(len(list), maxRoomsListed)]
}

// The methods below are called with mu held.

func (h *hub) memberName(r *room, id string) (string, bool) {
	if r == nil {
		return "", false
	}
	name, ok := r.members[id]
	return name, ok
}

func (h *hub) next(r *room) int64 {
	h.seq++
	r.used = h.seq
	return h.seq
}

func (h *hub) presence(r *room, id, name string) presence {
	return presence{Room: r.name, Seq: h.next(r), UserID: id, Name: name, At: h.now().UnixMilli()}
}

func (h *hub) remove(id, roomName string) (presence, bool) {
	r := h.rooms[roomName]
	name, inside := h.memberName(r, id)
	if !inside {
		return presence{}, false
	}
	delete(r.members, id)
	p := h.people[id]
	p.rooms = slices.DeleteFunc(p.rooms, func(name string) bool { return name == roomName })
	if len(p.rooms) == 0 {
		delete(h.people, id)
	}
	news := h.presence(r, id, name)
	if len(r.members) == 0 && len(r.history) == 0 {
		delete(h.rooms, roomName)
	}
	return news, true
}

// makeSpace makes sure that one more room fits: of those that only have a
// history, the one that was used longest ago is forgotten.
func (h *hub) makeSpace() bool {
	if len(h.rooms) < maxRooms {
		return true
	}
	var oldest *room
	for _, r := range h.rooms {
		if len(r.members) == 0 && (oldest == nil || r.used < oldest.used) {
			oldest = r
		}
	}
	if oldest == nil {
		return false
	}
	delete(h.rooms, oldest.name)
	return true
}

// guestName is for those who join without a name.
func guestName(id string) string { return "guest " + id[:min(4, len(id))] }
