package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"slices"
	"strings"
	"sync"

	"github.com/kleeedolinux/socket.go/socket"
)

const (
	maxPending = 32  // messages on their way at once
	maxSeen    = 200 // numbers remembered, to show each message once
)

// terminal is what the terminal client knows of the chat. The client's handlers
// and the loop over the input change it; what they wait for is told by changed.
type terminal struct {
	client *socket.Client
	name   string
	out    *log.Logger // without date and prefix: lines that do not mix

	mu      sync.Mutex        // guards the fields below
	room    string            // where lines are said
	rooms   []string          // all that we want to be in
	ids     map[string]string // room -> our id in it, while we are in
	refusal error             // the answer to the last join, if it was a refusal
	pending []chatRequest     // said, and not yet heard back
	seen    []int64           // numbers of the messages heard last
	leaving bool              // on our own account
	changed chan struct{}     // closed at the next change
}

func newTerminal(client *socket.Client, name string, out io.Writer) *terminal {
	t := &terminal{
		client:  client,
		name:    name,
		out:     log.New(out, "", 0),
		ids:     make(map[string]string),
		changed: make(chan struct{}),
	}
	client.On(socket.EventConnect, func(interface{}) { t.connected() })
	client.On(socket.EventDisconnect, func(interface{}) { t.disconnected() })
	client.On(socket.EventError, t.failed)
	socket.On(client, eventError, t.refused)
	socket.On(client, eventHistory, func(h history) {
		for _, m := range h.Messages {
			t.heard(m)
		}
	})
	socket.On(client, eventMembers, t.entered)
	socket.On(client, eventChat, t.heard)
	socket.On(client, eventUserJoined, func(p presence) { t.noted(p, "joined") })
	socket.On(client, eventUserLeft, func(p presence) { t.noted(p, "left") })
	return t
}

// join goes to a room and waits for the server's answer.
func (t *terminal) join(ctx context.Context, room string) error {
	room, err := cleanName("room's name", room, maxRoomName)
	if err != nil {
		return err
	}
	t.change(func() {
		t.refusal = nil
		if !slices.Contains(t.rooms, room) {
			t.rooms = append(t.rooms, room)
		}
	})
	t.send(eventJoin, joinRequest{Room: room, Name: t.name})
	var refusal error
	err = t.wait(ctx, func() bool {
		refusal = t.refusal
		return refusal != nil || t.ids[room] != ""
	})
	if err = errors.Join(err, refusal); err != nil {
		return err
	}
	t.change(func() { t.room = room })
	return nil
}

// say sends a text to the room. It waits while too much is on its way.
func (t *terminal) say(ctx context.Context, text string) error {
	var req chatRequest
	err := t.wait(ctx, func() bool { return len(t.pending) < maxPending && t.ids[t.room] != "" })
	if err != nil {
		return err
	}
	t.change(func() {
		req = chatRequest{Room: t.room, Text: text, Ref: rand.Text()}
		t.pending = append(t.pending, req)
	})
	t.send(eventChat, req)
	return nil
}

// delivered waits until the server has confirmed everything that was said.
func (t *terminal) delivered(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, deliveryTimeout)
	defer cancel()
	left := 0
	err := t.wait(ctx, func() bool {
		left = len(t.pending)
		return left == 0
	})
	if err != nil {
		return fmt.Errorf("%d messages were not confirmed by the server: %w", left, err)
	}
	return nil
}

// The handlers.

// connected joins all rooms again after a loss. The first time, join does it.
func (t *terminal) connected() {
	if t.client.ReconnectCount() == 0 {
		return
	}
	t.print("* connected again")
	var rooms []string
	t.change(func() { rooms = slices.Clone(t.rooms) })
	for _, room := range rooms {
		t.send(eventJoin, joinRequest{Room: room, Name: t.name})
	}
}

func (t *terminal) disconnected() {
	var leaving bool
	t.change(func() {
		leaving = t.leaving
		clear(t.ids)
	})
	if !leaving {
		t.print("* connection lost, coming back")
	}
}

// failed prints errors, but not each try of the many that a reconnect may take.
func (t *terminal) failed(data interface{}) {
	var lost *socket.ConnectionError
	if err, ok := data.(error); ok && !(errors.As(err, &lost) && lost.Op == "reconnect") {
		t.print("! %v", err)
	}
}

// close leaves the chat.
func (t *terminal) close() error {
	t.change(func() { t.leaving = true })
	return t.client.Close()
}

// entered is the answer to a join. The history came before it, so that what is
// still pending in this room has not arrived and is said again.
func (t *terminal) entered(list members) {
	var again []chatRequest
	t.change(func() {
		t.ids[list.Room] = list.You
		for _, req := range t.pending {
			if req.Room == list.Room {
				again = append(again, req)
			}
		}
	})
	names := make([]string, len(list.Members))
	for i, m := range list.Members {
		names[i] = m.Name
	}
	t.print("* in #%s: %s", list.Room, strings.Join(names, ", "))
	for _, req := range again {
		t.send(eventChat, req)
	}
}

func (t *terminal) heard(m message) {
	var mine, known bool
	t.change(func() {
		mine = t.confirm(m.Ref)
		known = slices.Contains(t.seen, m.Seq)
		t.seen = append(t.seen, m.Seq)
		t.seen = slices.Delete(t.seen, 0, max(0, len(t.seen)-maxSeen))
	})
	if !mine && !known {
		t.print("[#%s] %s: %s", m.Room, m.Name, m.Text)
	}
}

func (t *terminal) noted(p presence, what string) {
	var mine bool
	t.change(func() { mine = t.ids[p.Room] == p.UserID })
	if !mine {
		t.print("* %s %s #%s", p.Name, what, p.Room)
	}
}

func (t *terminal) refused(p problem) {
	if p.Message == "" {
		return // an error of the connection, which the other handler prints
	}
	t.change(func() {
		if p.Event == eventJoin {
			t.refusal = errors.New(p.Message)
			t.rooms = slices.DeleteFunc(t.rooms, func(room string) bool { return room == p.Room })
		}
		t.confirm(p.Ref)
	})
	if p.Event != eventJoin {
		t.print("! %s", p.Message)
	}
}

// confirm takes a message of ours from those on their way. It is called with mu
// held.
func (t *terminal) confirm(ref string) bool {
	i := slices.IndexFunc(t.pending, func(req chatRequest) bool { return req.Ref == ref })
	if i < 0 {
		return false
	}
	t.pending = slices.Delete(t.pending, i, i+1)
	return true
}

// change runs f with mu held and wakes those who wait.
func (t *terminal) change(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
	close(t.changed)
	t.changed = make(chan struct{})
}

// wait returns once cond, which is called with mu held, is true.
func (t *terminal) wait(ctx context.Context, cond func() bool) error {
	for {
		t.mu.Lock()
		ok, changed := cond(), t.changed
		t.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// send sends an event. Without a connection nothing is lost: rooms are joined
// and pending messages said again when there is one.
func (t *terminal) send(event string, data any) {
	err := t.client.Send(event, data)
	if err != nil && !errors.Is(err, socket.ErrConnectionClosed) {
		t.print("! %v", err)
	}
}

// print writes a line. What others wrote must not steer the terminal, nor look
// like a line of its own.
func (t *terminal) print(format string, args ...any) {
	line := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ⏎ ")
	t.out.Print(strings.Map(func(r rune) rune {
		if unprintable(r) {
			return '·'
		}
		return r
	}, line))
}
