package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func newTestHub() *hub {
	start := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	return newHub(func() time.Time { return start })
}

func mustJoin(t *testing.T, h *hub, id, room, name string) ([]message, members, presence) {
	t.Helper()
	past, list, news, err := h.join(id, room, name)
	if err != nil {
		t.Fatalf("join(%q, %q, %q): %v", id, room, name, err)
	}
	return past, list, news
}

func mustSay(t *testing.T, h *hub, id string, req chatRequest) message {
	t.Helper()
	m, fresh, err := h.say(id, req)
	if err != nil || !fresh {
		t.Fatalf("say(%q, %+v) = _, %v, %v", id, req, fresh, err)
	}
	return m
}

func TestHistoryIsTheLastFiftyMessages(t *testing.T) {
	h := newTestHub()
	mustJoin(t, h, "a", "lobby", "ann")
	for i := range 60 {
		mustSay(t, h, "a", chatRequest{Room: "lobby", Text: fmt.Sprint(i)})
	}
	past, _, _ := mustJoin(t, h, "b", "lobby", "bob")
	if len(past) != maxHistory || past[0].Text != "10" || past[maxHistory-1].Text != "59" {
		t.Errorf("history has %d messages, from %q to %q; want 50, from 10 to 59",
			len(past), past[0].Text, past[len(past)-1].Text)
	}
}

func TestHistoryIsBoundedInBytes(t *testing.T) {
	h := newTestHub()
	mustJoin(t, h, "a", "lobby", "ann")
	for range maxHistory {
		mustSay(t, h, "a", chatRequest{Room: "lobby", Text: strings.Repeat("😀", maxText)})
	}
	r := h.rooms["lobby"]
	if r.bytes > maxHistoryBytes || len(r.history)*maxText*4 != r.bytes {
		t.Errorf("history of %d messages counts %d bytes, limit %d", len(r.history), r.bytes, maxHistoryBytes)
	}
}

func TestNumbersGrowOverAllEvents(t *testing.T) {
	h := newTestHub()
	_, list, joined := mustJoin(t, h, "a", "lobby", "ann")
	said := mustSay(t, h, "a", chatRequest{Room: "lobby", Text: "hi"})
	left, _ := h.leave("a", "lobby")
	if list.Seq != joined.Seq || !slices.IsSorted([]int64{joined.Seq, said.Seq, left.Seq}) || said.Seq == left.Seq {
		t.Errorf("numbers: list %d, joined %d, said %d, left %d", list.Seq, joined.Seq, said.Seq, left.Seq)
	}
}

func TestRepeatedRefIsSaidOnce(t *testing.T) {
	h := newTestHub()
	mustJoin(t, h, "a", "lobby", "ann")
	req := chatRequest{Room: "lobby", Text: "hi", Ref: "r1"}
	mustSay(t, h, "a", req)
	h.leaveAll("a")
	mustJoin(t, h, "a2", "lobby", "ann")
	if _, fresh, err := h.say("a2", req); fresh || err != nil {
		t.Errorf("the same ref again: fresh %v, error %v; want false, nil", fresh, err)
	}
}

func TestOnlyMembersSpeak(t *testing.T) {
	h := newTestHub()
	mustJoin(t, h, "a", "lobby", "ann")
	for _, room := range []string{"lobby", "nowhere"} {
		if _, _, err := h.say("b", chatRequest{Room: room, Text: "hi"}); !errors.Is(err, errNotMember) {
			t.Errorf("say in %q = %v, want %v", room, err, errNotMember)
		}
	}
}

func TestJoinAgainChangesTheName(t *testing.T) {
	h := newTestHub()
	mustJoin(t, h, "a", "lobby", "ann")
	_, list, news := mustJoin(t, h, "a", "lobby", "anna")
	if news.Name != "anna" || len(list.Members) != 1 || list.Members[0].Name != "anna" {
		t.Errorf("second join: news %+v, members %+v", news, list.Members)
	}
	if _, list, _ = mustJoin(t, h, "a", "garden", ""); list.Members[0].Name != "anna" {
		t.Errorf("join without a name goes by %q, want the name from before", list.Members[0].Name)
	}
}

func TestMembersAreSortedByName(t *testing.T) {
	h := newTestHub()
	mustJoin(t, h, "1", "lobby", "zoe")
	mustJoin(t, h, "3", "lobby", "ann")
	_, list, _ := mustJoin(t, h, "2", "lobby", "ann")
	want := []member{{"2", "ann"}, {"3", "ann"}, {"1", "zoe"}}
	if !slices.Equal(list.Members, want) || list.You != "2" {
		t.Errorf("members = %+v for %q, want %+v", list.Members, list.You, want)
	}
}

func TestLimitsOfRooms(t *testing.T) {
	h := newTestHub()
	for i := range maxRoomsEach {
		mustJoin(t, h, "a", fmt.Sprint("room ", i), "ann")
	}
	if _, _, _, err := h.join("a", "one more", "ann"); !errors.Is(err, errTooManyJoins) {
		t.Errorf("join beyond the rooms of one person = %v, want %v", err, errTooManyJoins)
	}
	for i := range maxMembers {
		mustJoin(t, h, fmt.Sprint("m", i), "hall", "m")
	}
	if _, _, _, err := h.join("b", "hall", "bob"); !errors.Is(err, errRoomFull) {
		t.Errorf("join of a full room = %v, want %v", err, errRoomFull)
	}
	mustJoin(t, h, "m7", "hall", "seven") // a member is in already
}

func TestRoomUsedLongestAgoIsForgotten(t *testing.T) {
	h := newTestHub()
	for i := range maxRooms {
		room := fmt.Sprint("room ", i)
		mustJoin(t, h, "a", room, "ann")
		mustSay(t, h, "a", chatRequest{Room: room, Text: "hi"})
		h.leave("a", room)
	}
	mustJoin(t, h, "b", "room 0", "bob") // keeps it in use
	mustJoin(t, h, "b", "new", "bob")
	if len(h.rooms) != maxRooms || h.rooms["room 1"] != nil || h.rooms["room 0"] == nil {
		t.Errorf("%d rooms; room 0 kept: %v, room 1 forgotten: %v",
			len(h.rooms), h.rooms["room 0"] != nil, h.rooms["room 1"] == nil)
	}
}

func TestNoSpaceForARoomWhileAllAreInUse(t *testing.T) {
	h := newTestHub()
	for i := range maxRooms {
		mustJoin(t, h, fmt.Sprint("p", i), fmt.Sprint("room ", i), "p")
	}
	if _, _, _, err := h.join("a", "new", "ann"); !errors.Is(err, errTooManyRooms) {
		t.Errorf("join of a new room = %v, want %v", err, errTooManyRooms)
	}
}

func TestNothingIsKeptOfAnEmptyRoomWithoutHistory(t *testing.T) {
	h := newTestHub()
	mustJoin(t, h, "a", "lobby", "ann")
	mustJoin(t, h, "a", "garden", "ann")
	if news := h.leaveAll("a"); len(news) != 2 || news[0].Room != "lobby" || news[1].Name != "ann" {
		t.Errorf("leaveAll = %+v, want ann's leaving of both rooms", news)
	}
	if len(h.rooms) != 0 || len(h.people) != 0 {
		t.Errorf("left behind: %d rooms, %d people", len(h.rooms), len(h.people))
	}
	if news := h.leaveAll("a"); news != nil {
		t.Errorf("second leaveAll = %+v, want nothing", news)
	}
}

func TestOpenRoomsFullestFirst(t *testing.T) {
	h := newTestHub()
	mustJoin(t, h, "a", "quiet", "ann")
	mustJoin(t, h, "a", "busy", "ann")
	mustJoin(t, h, "b", "busy", "bob")
	mustJoin(t, h, "c", "gone", "cleo")
	mustSay(t, h, "c", chatRequest{Room: "gone", Text: "bye"})
	h.leaveAll("c")
	if got, want := h.open(), []openRoom{{"busy", 2}, {"quiet", 1}}; !slices.Equal(got, want) {
		t.Errorf("open() = %v, want %v", got, want)
	}
}
