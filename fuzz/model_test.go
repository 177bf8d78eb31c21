package fuzz

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

// player is one connection of a client that the script of a session moves. It
// knows how messages travel, and nothing of what they mean.
type player interface {
	connect() (id string)              // "" when that failed
	add(text string, shape byte)       // queues a text message; shape says in which form it travels
	addBinary(data string, shape byte) // queues a binary one
	odd(kind byte) (ends bool)         // queues something that a good client does not do
	leave(kind byte)                   // queues a polite end
	cut()                              // after what is queued, the connection breaks
	flush()                            // sends what is queued and takes what there is
	vanish()                           // no sign of life from now on
	pass()                             // called from time to time: gives signs of life
	received() []string                // the messages that have come, in order
	stop()                             // releases everything
}

// world is a live server, its clients, and what must be true of them. Effects of
// one step are concurrent with those of other clients in the same step.
type world struct {
	t      *testing.T
	live   *live
	join   func(w *world) player
	slots  [4]*actor
	actors []*actor // all that have connected, also those that nobody moves any more
	mine   []func() // what the application does in this step
	said   []emission
	tags   int
}

// actor is one connection as the model sees it.
type actor struct {
	name   string
	slot   int
	player player
	id     string

	log    []string // of its handlers
	rooms  []string // in the order of joining
	want   int      // messages that were taken from the player
	todo   []effect // of this step, in order
	open   bool     // it is connected
	cut    bool     // the end came without warning: what came before may be lost
	silent time.Time
}

// effect is what one message of a client leads to on the server.
type effect struct {
	log         []string
	join, leave string
	emission    *emission
	ends        bool // the connection
}

// emission is a message that is sent to sockets.
type emission struct {
	from  *actor   // whose handler sends it; nil: the application
	rooms []string // to their members; nil: see only
	only  *actor   // to this one; nil: to all
	text  string
}

func (w *world) tag(who string) string {
	w.tags++
	return fmt.Sprintf("%s.%d", who, w.tags)
}

// newWorld returns a world whose server has handlers for the script.
func newWorld(t *testing.T, join func(w *world) player, opts ...socket.ServerOption) *world {
	w := &world{t: t, live: newLive(opts...), join: join}
	s := w.live.server
	socket.Handle(s, "join", func(c socket.Socket, room string) {
		w.live.note(c, "join "+room)
		if err := c.Join(room); err != nil {
			w.live.note(c, err.Error())
		}
	})
	socket.Handle(s, "leave", func(c socket.Socket, room string) {
		w.live.note(c, "leave "+room)
		c.Leave(room)
	})
	socket.Handle(s, "say", func(c socket.Socket, v said) {
		w.live.note(c, "say "+v.Tag)
		var err error
		switch len(v.Rooms) {
		case 0:
			err = s.Broadcast("said", v.Tag)
		case 1:
			err = s.BroadcastToRoom(v.Rooms[0], "said", v.Tag)
		default:
			err = s.BroadcastToRooms(v.Rooms, "said", v.Tag)
		}
		if err != nil {
			w.live.note(c, err.Error())
		}
	})
	return w
}

// said is the data of the event say.
type said struct {
	Tag   string
	Rooms []string
}

var roomNames = [4]string{"red", "green", "blue", "a \"room\"\u2028"}

// step plays one step of a script: op chooses what happens, arg to whom and how.
func (w *world) step(op, arg byte) {
	slot, how := int(arg&3), arg>>2
	a := w.slots[slot]
	if a == nil {
		switch op % 24 {
		case 17:
			w.flush()
		case 18:
			w.sleep(how)
		default:
			w.connect(slot)
		}
		return
	}
	room := roomNames[how&3]
	switch op % 24 {
	case 0, 1:
		tag := w.tag(a.name) + strings.Repeat("x", int(how>>4)*300)
		a.player.add(envelopeOf("echo", tag), how)
		w.do(a, effect{log: []string{entry("echo", tag)}, emission: &emission{from: a, only: a, text: envelopeOf("echo", tag)}})
	case 2:
		tag := w.tag(a.name)
		a.player.addBinary(tag, how)
		w.do(a, effect{log: []string{entry(socket.EventMessage, []byte(tag))}})
	case 3, 4:
		a.player.add(envelopeOf("join", room), how>>2)
		w.do(a, effect{log: []string{"join " + room}, join: room})
	case 5:
		a.player.add(envelopeOf("leave", room), how>>2)
		w.do(a, effect{log: []string{"leave " + room}, leave: room})
	case 6, 7:
		w.say(a, []string{room}, how>>2)
	case 8:
		w.say(a, []string{room, roomNames[how>>2&3]}, how>>4)
	case 9:
		w.say(a, nil, how)
	case 10:
		bad := []struct{ text, event string }{
			{`{"event":"connect"}`, "connect"}, {`{"event":1}`, ""}, {`nope`, ""}, {`{"event":"int","data":"x"}`, "int"},
		}[how&3]
		a.player.add(bad.text, how>>2)
		w.do(a, effect{log: []string{"invalid " + bad.event}})
	case 11:
		a.player.add(envelopeOf("panic", nil), how)
		w.do(a, effect{log: []string{"panic null", "panic in panic"}, ends: true})
	case 12:
		a.player.add(envelopeOf("close", nil), how)
		w.do(a, effect{log: []string{"close null"}, ends: true})
	case 13:
		if a.player.odd(how) {
			w.do(a, effect{ends: true})
		}
	case 14:
		a.player.leave(how)
		w.do(a, effect{ends: true})
	case 15:
		a.player.cut()
		a.cut = true
		w.do(a, effect{ends: true})
		w.flush()
	case 16:
		w.flush()
		a.player.vanish()
		a.silent = time.Now()
		w.slots[slot] = nil
	case 17:
		w.flush()
	case 18:
		w.sleep(how)
	case 19: // the application sends
		tag := w.tag("app")
		w.said = append(w.said, emission{only: a, text: envelopeOf("sent", tag)})
		w.mine = append(w.mine, func() {
			if s, ok := w.live.server.GetSocket(a.id); ok {
				_ = s.Send("sent", tag) // the client may be about to leave
			}
		})
	case 20: // the application broadcasts
		tag := w.tag("app")
		w.said = append(w.said, emission{rooms: []string{room}, text: envelopeOf("said", tag)})
		w.mine = append(w.mine, func() {
			if err := w.live.server.BroadcastToRoom(room, "said", tag); err != nil {
				w.t.Errorf("BroadcastToRoom = %v", err)
			}
		})
	case 21: // the application changes memberships
		w.flush()
		if a.open {
			switch how >> 2 & 3 {
			case 0:
				w.live.server.Leave(a.id, room)
				a.rooms = without(a.rooms, room)
			case 1:
				w.live.server.LeaveAll(a.id)
				a.rooms = nil
			default:
				if err := w.live.server.Join(a.id, room); err != nil {
					w.t.Errorf("Join = %v", err)
				}
				a.rooms = with(a.rooms, room)
			}
		}
		w.check()
	case 22: // the application closes
		w.flush()
		if s, ok := w.live.server.GetSocket(a.id); ok {
			_ = s.Close() // never fails
			_ = s.Close()
		}
		w.do(a, effect{ends: true})
		w.flush()
	case 23:
		a.player.pass()
	}
}

func (w *world) say(a *actor, rooms []string, shape byte) {
	tag := w.tag(a.name)
	text, err := json.Marshal(map[string]any{"event": "say", "data": said{tag, rooms}})
	if err != nil {
		panic(err)
	}
	a.player.add(string(text), shape)
	w.do(a, effect{log: []string{"say " + tag}, emission: &emission{from: a, rooms: rooms, text: envelopeOf("said", tag)}})
}

// do adds an effect to what a client has under way.
func (w *world) do(a *actor, e effect) {
	a.todo = append(a.todo, e)
	if len(a.todo) >= 40 {
		w.flush()
	}
}

func (w *world) connect(slot int) {
	w.flush()
	w.tags++
	a := &actor{name: fmt.Sprintf("%c%d", 'a'+slot, w.tags), slot: slot, player: w.join(w), log: []string{"connect"}}
	w.actors = append(w.actors, a)
	if a.id = a.player.connect(); a.id == "" {
		w.t.Fatal("no connection could be made")
	}
	a.open = true
	w.slots[slot] = a
	synctest.Wait()
	w.check()
}

// sleep lets time pass.
func (w *world) sleep(how byte) {
	w.flush()
	steps := [4]int{1, 2, 4, 12}[how&3]
	for range steps {
		for _, a := range w.actors {
			if a.open && a.silent.IsZero() {
				a.player.pass()
			}
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
	}
	time.Sleep(8 * time.Second) // the same
	synctest.Wait()
	w.check()
}

// forget looks after those that are silent: the heartbeat's interval and timeout
// are over after 30 s, and some time later that must have been noticed.
func (w *world) forget() {
	for _, a := range w.actors {
		if !a.open || a.silent.IsZero() {
			continue
		}
		log := w.live.logOf(a.id)
		there := log[len(log)-1] != "disconnect"
		switch absent := time.Since(a.silent); {
		case absent < 30*time.Second && !there:
			w.t.Fatalf("%s was given up after %v", a.name, absent)
		case absent > time.Minute && there:
			w.t.Fatalf("%s is still there after %v", a.name, absent)
		}
		if !there {
			w.close(a)
		}
	}
}

// close is the end of a connection in the model.
func (w *world) close(a *actor) {
	a.open = false
	a.rooms = nil
	a.log = append(a.log, "disconnect")
	if w.slots[a.slot] == a {
		w.slots[a.slot] = nil
	}
}

// flush lets everything happen that was begun, and looks at what came of it.
func (w *world) flush() {
	var group sync.WaitGroup
	for _, a := range w.actors {
		if w.slots[a.slot] == a {
			group.Go(a.player.flush)
		}
	}
	mine := w.mine
	w.mine = nil
	group.Go(func() {
		for _, f := range mine {
			f()
		}
	})
	group.Wait()
	synctest.Wait()
	for _, a := range w.actors {
		if w.slots[a.slot] == a {
			a.player.flush() // over long polling: takes what came of the others
		}
	}
	time.Sleep(8 * time.Second) // a closing handshake that is not answered is over
	synctest.Wait()
	w.settle()
	w.check()
}

// settle applies the effects of the step and compares the messages that came.
func (w *world) settle() {
	before := make(map[*actor][]string)
	changed := make(map[*actor][]string) // rooms that it has joined or left
	ended := make(map[*actor]bool)
	for _, a := range w.actors {
		before[a] = slices.Clone(a.rooms)
		for _, e := range a.todo {
			changed[a] = append(changed[a], e.join, e.leave)
			ended[a] = ended[a] || e.ends
		}
	}
	type expected struct {
		emission
		must map[*actor]bool // who gets it for sure; others in the map may get it
	}
	var sources [][]expected
	add := func(from *actor, list []emission, own func(i int) []string) {
		var out []expected
		for i, e := range list {
			x := expected{e, make(map[*actor]bool)}
			for _, a := range w.actors {
				if !a.open {
					continue
				}
				must, may := true, true
				switch {
				case e.only != nil:
					must, may = e.only == a, e.only == a
				case e.rooms == nil:
				case a == from:
					must = intersect(e.rooms, own(i))
					may = must
				default:
					must = intersect(e.rooms, before[a])
					may = must || intersect(e.rooms, changed[a])
					must = must && !intersect(e.rooms, changed[a])
				}
				if may {
					x.must[a] = must && (!ended[a] || a == from)
				}
			}
			out = append(out, x)
		}
		sources = append(sources, out)
	}
	add(nil, w.said, nil)
	w.said = nil
	for _, a := range w.actors {
		var list []emission
		var rooms [][]string
		over := false
		for _, e := range a.todo {
			if over {
				break // what is behind the end is not taken
			}
			a.log = append(a.log, e.log...)
			a.rooms = with(a.rooms, e.join)
			a.rooms = without(a.rooms, e.leave)
			if e.emission != nil {
				list = append(list, *e.emission)
				rooms = append(rooms, slices.Clone(a.rooms))
			}
			over = e.ends
		}
		add(a, list, func(i int) []string { return rooms[i] })
	}

	for _, a := range w.actors {
		got := a.player.received()
		news := got[a.want:]
		a.want = len(got)
		for _, source := range sources {
			i := 0
			for _, x := range source {
				must, may := x.must[a]
				n := slices.Index(news[i:], x.text)
				switch {
				case n >= 0 && !may:
					w.t.Fatalf("%s got %.100q, which was not for it", a.name, x.text)
				case n >= 0:
					news = slices.Delete(slices.Clone(news), i+n, i+n+1)
					i += n
				case must && !ended[a] && a.silent.IsZero() && (x.from == nil || !x.from.cut):
					w.t.Fatalf("%s did not get %.100q in its place of %.500q", a.name, x.text, got)
				}
			}
		}
		if len(news) > 0 {
			w.t.Fatalf("%s got %.500q, which nobody has sent to it now", a.name, news)
		}
	}
	for _, a := range w.actors {
		a.todo = nil
		if a.open && ended[a] {
			w.close(a)
		}
	}
}

// check compares the server with the model.
func (w *world) check() {
	w.t.Helper()
	w.forget()
	open := 0
	members := make(map[string][]string)
	for _, a := range w.actors {
		log := w.live.logOf(a.id)
		if a.cut && !a.open {
			// What was on its way when it broke may be lost, but nothing in between.
			n := len(log) - 1
			if n < 0 || log[n] != "disconnect" || n > len(a.log) || !slices.Equal(log[:n], a.log[:n]) {
				w.t.Fatalf("the handlers of %s were told %q, want the beginning of %q and a disconnect", a.name, log, a.log)
			}
		} else if !slices.Equal(log, a.log) {
			w.t.Fatalf("the handlers of %s were told %q, want %q", a.name, log, a.log)
		}
		if got := w.live.server.RoomsOf(a.id); !slices.Equal(got, a.rooms) {
			w.t.Fatalf("%s is in %q, want %q", a.name, got, a.rooms)
		}
		// One that is silent may be on its way out.
		if _, ok := w.live.server.GetSocket(a.id); ok != a.open && (ok || a.silent.IsZero()) {
			w.t.Fatalf("%s: connected = %t, want %t", a.name, ok, a.open)
		}
		if a.open {
			open++
		}
		for _, room := range a.rooms {
			members[room] = append(members[room], a.id)
		}
	}
	if got := w.live.server.Count(); got != open {
		w.t.Fatalf("%d connections are counted, want %d", got, open)
	}
	for _, room := range roomNames {
		var got []string
		for _, s := range w.live.server.In(room) {
			got = append(got, s.ID())
		}
		slices.Sort(got)
		members[room] = slices.DeleteFunc(members[room], func(id string) bool {
			_, ok := w.live.server.GetSocket(id) // In tells of connected ones only
			return !ok
		})
		slices.Sort(members[room])
		if !slices.Equal(got, members[room]) {
			w.t.Fatalf("in %q are %q, want %q", room, got, members[room])
		}
	}
}

// play plays a script and ends everything.
func (w *world) play(script []byte) {
	defer func() {
		for _, a := range w.actors {
			a.player.stop()
		}
	}()
	defer w.live.stop(w.t)
	for i := 0; i+1 < len(script); i += 2 {
		w.step(script[i], script[i+1])
	}
	w.flush()
}

func with(list []string, s string) []string {
	if s == "" || slices.Contains(list, s) {
		return list
	}
	return append(slices.Clone(list), s)
}

func without(list []string, s string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(e string) bool { return e == s })
}

func intersect(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
