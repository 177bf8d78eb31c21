package main

import (
	"cmp"
	"maps"
	"slices"
)

// room is who is in a room and what was last said there. Its hub guards it.
type room struct {
	name    string
	members map[string]string // socket id -> name
	history []message         // in the order of seq
	bytes   int               // of text in history
	used    int64             // seq of the last event
}

func newRoom(name string) *room {
	return &room{name: name, members: make(map[string]string)}
}

// remember keeps a message and drops the oldest ones beyond the limits.
func (r *room) remember(m message) {
	r.history = append(r.history, m)
	r.bytes += len(m.Text)
	drop := 0
	for len(r.history)-drop > maxHistory || r.bytes > maxHistoryBytes {
		r.bytes -= len(r.history[drop].Text)
		drop++
	}
	r.history = slices.Delete(r.history, 0, drop)
}

// knows reports whether the history has a message with this ref.
func (r *room) knows(ref string) bool {
	return ref != "" && slices.ContainsFunc(r.history, func(m message) bool { return m.Ref == ref })
}

// list returns the members in the order of their names.
func (r *room) list() []member {
	list := make([]member, 0, len(r.members))
	for _, id := range slices.Sorted(maps.Keys(r.members)) {
		list = append(list, member{UserID: id, Name: r.members[id]})
	}
	slices.SortStableFunc(list, func(a, b member) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
