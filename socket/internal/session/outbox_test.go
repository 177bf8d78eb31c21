package session_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
)

// add keeps a message as those do who own an Outbox.
func add(o *session.Outbox, text string, f session.Form, size int) uint64 {
	b := o.Begin(len(text))
	if b == nil {
		o.Move(session.NewRoom(max(o.Wants(len(text)), 64)))
		b = o.Begin(len(text))
	}
	return o.Add(append(b, text...), f, size)
}

// nobody is for those who do not want a room back.
func nobody(*session.Room) {}

// message is one as a model keeps it.
type message struct {
	n     uint64
	text  string
	form  session.Form
	size  int
	apart bool
}

// messages is a list of some that lie elsewhere.
type messages struct{ of []message }

func (l *messages) Message(i int) ([]byte, session.Form, int) {
	return []byte(l.of[i].text), l.of[i].form, l.of[i].size
}

// TestOutboxKeepsExactlyWhatIsNotAcknowledged compares an Outbox with a slice, over random
// sequences of what can be done to it, messages of all sizes, and rooms that go from one Outbox
// to the next. The bytes are counted to where they begin at 0 again.
func TestOutboxKeepsExactlyWhatIsNotAcknowledged(t *testing.T) {
	var spare []*session.Room
	for seed := range uint64(500) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var o session.Outbox
		var model []message
		var last, acked uint64
		list, listed := &messages{}, 0
		grown := 0
		free := func(r *session.Room) {
			if r != nil {
				if _, apart := r.Holds(); apart > 0 {
					t.Fatalf("seed %d: a room that is given back holds %d messages", seed, apart)
				}
				r.Trim()
				spare = append(spare, r)
			}
		}
		room := func(size int) *session.Room {
			for i, r := range spare {
				if r.Size() >= size {
					spare = append(spare[:i], spare[i+1:]...)
					return r
				}
			}
			r := session.NewRoom(max(size, 64) + rng.IntN(50))
			r.SetSum(^uint32(0) - uint32(rng.IntN(2000)))
			return r
		}
		longest := []int{20, 100, 1000}[rng.IntN(3)]
		adds := 2 + rng.IntN(3)
		for step := range 600 {
			switch what := rng.IntN(5 + adds); {
			case what == 0: // as much as is there, or a part, or what is not there
				n := uint64(rng.IntN(int(last) + 2))
				if rng.IntN(2) == 0 {
					n = last - uint64(rng.IntN(len(model)+1))
				}
				err := o.Ack(n, free)
				if want := error(nil); n > last {
					want = session.ErrAck
					if err != want {
						t.Fatalf("seed %d: Ack(%d) of %d = %v, want ErrAck", seed, n, last, err)
					}
					break
				}
				if err != nil {
					t.Fatalf("seed %d: Ack(%d) = %v", seed, n, err)
				}
				acked = max(acked, n)
				for len(model) > 0 && model[0].n <= n {
					model = model[1:]
				}
			case what == 1:
				if ok := o.Drop(); ok != (len(model) > 0) {
					t.Fatalf("seed %d: Drop = %v", seed, ok)
				}
				model = model[min(1, len(model)):]
			case what == 2 && len(model) > 0 && acked < last:
				o.Undo()
				last--
				model = model[:len(model)-1]
			case what == 3 && rng.IntN(3) == 0:
				r := o.Shrink()
				if r != nil && len(model) > 0 {
					t.Fatalf("seed %d: Shrink gives a room up with %d messages", seed, len(model))
				}
				free(r)
			case what == 4 && rng.IntN(2) == 0:
				m := message{last + 1, fmt.Sprint("apart ", seed, step), session.Form(rng.IntN(256)), rng.IntN(100), true}
				if n := o.AddApart([]byte(m.text), m.form, m.size); n != m.n {
					t.Fatalf("seed %d: AddApart = %d, want %d", seed, n, m.n)
				}
				last, model = m.n, append(model, m)
			case what == 4:
				// A list that goes on where the last one was left off, most often.
				if rng.IntN(3) == 0 || listed == len(list.of) {
					list, listed = &messages{}, 0
					for i := range 1 + rng.IntN(40) {
						list.of = append(list.of, message{0, fmt.Sprint("listed ", seed, step, i), session.Form(rng.IntN(256)), rng.IntN(100), true})
					}
				}
				count, size := rng.IntN(len(list.of)-listed+1), 0
				for i, m := range list.of[listed:][:count] {
					m.n = last + 1 + uint64(i)
					size += m.size
					model = append(model, m)
				}
				o.AddList(list, listed, count, size)
				listed += count
				last += uint64(count)
			default:
				text := bytes.Repeat([]byte{byte(step)}, rng.IntN(longest))
				m := message{last + 1, string(text), session.Form(rng.IntN(256)), len(text) + rng.IntN(2), false}
				most := len(text) + rng.IntN(64)
				b := o.Begin(most)
				if b == nil {
					grown++
					free(o.Move(room(o.Wants(most))))
					b = o.Begin(most)
				}
				if b == nil || len(b) != 0 || cap(b) < most {
					t.Fatalf("seed %d: %d of %d bytes for a message", seed, cap(b), most)
				}
				if rng.IntN(4) == 0 { // all that there is may be taken
					text = bytes.Repeat([]byte{byte(step)}, min(cap(b), 2*longest))
					m.text, m.size = string(text), len(text)
				}
				if n := o.Add(append(b, text...), m.form, m.size); n != m.n {
					t.Fatalf("seed %d: Add = %d, want %d", seed, n, m.n)
				}
				last, model = m.n, append(model, m)
			}
			size := 0
			for _, m := range model {
				size += m.size
			}
			if o.Len() != len(model) || o.Bytes() != size || o.Last() != last || o.Acked() != acked ||
				o.Dropped() != int(last-acked)-len(model) {
				t.Fatalf("seed %d, step %d: keeps %d messages, %d bytes, up to %d, %d acknowledged; want %d, %d, %d, %d",
					seed, step, o.Len(), o.Bytes(), o.Last(), o.Acked(), len(model), size, last, acked)
			}
			from, want := uint64(0), model
			if rng.IntN(2) == 0 && len(model) > 0 {
				i := rng.IntN(len(model))
				from, want = model[i].n, model[i:]
			}
			for n, k := range o.From(from) {
				if len(want) == 0 || n != want[0].n || string(k.B) != want[0].text || k.Form != want[0].form || k.Apart != want[0].apart {
					t.Fatalf("seed %d, step %d: message %d is %q, %v; want the first of %+v", seed, step, n, k.B, k, want)
				}
				want = want[1:]
			}
			if len(want) > 0 {
				t.Fatalf("seed %d, step %d: %d messages are missing", seed, step, len(want))
			}
		}
		free(o.Reset())
		if grown > 100 {
			t.Errorf("seed %d: moved %d times", seed, grown)
		}
	}
}

// TestOutboxResumesWithoutAGapOrSaysSo tries every number that the other end can name.
func TestOutboxResumesWithoutAGapOrSaysSo(t *testing.T) {
	for dropped := range 6 {
		for acked := range uint64(6) {
			for n := range uint64(8) {
				var o session.Outbox
				for i := range 5 {
					add(&o, fmt.Sprint(i+1), 0, 1)
				}
				if err := o.Ack(acked, nobody); err != nil {
					t.Fatal(err)
				}
				for range max(dropped-int(acked), 0) {
					o.Drop()
				}
				gone := max(uint64(dropped), acked) // the newest that is not there
				var want error
				switch {
				case n > 5:
					want = session.ErrAck
				case n < acked, n < gone:
					want = session.ErrGap
				}
				if err := o.Resume(n); err != want {
					t.Errorf("%d dropped, %d acked: Resume(%d) = %v, want %v", dropped, acked, n, err, want)
				}
				if want != nil {
					continue
				}
				next := n
				for m, k := range o.From(n + 1) {
					if next++; m != next || string(k.B) != fmt.Sprint(m) {
						t.Errorf("%d dropped, %d acked: after Resume(%d) comes %d, want %d", dropped, acked, n, m, next)
					}
				}
				if next != 5 {
					t.Errorf("%d dropped, %d acked: Resume(%d) ends with %d", dropped, acked, n, next)
				}
			}
		}
	}
}

// TestOutboxIsFullBeyondItsLimits counts both limits, and lets one large message be.
func TestOutboxIsFullBeyondItsLimits(t *testing.T) {
	l := session.NewOutboxLimits(100, 3)
	var o session.Outbox
	for i, tt := range []struct {
		size int
		full bool
	}{{1000, false}, {1, true}} {
		add(&o, "", 0, tt.size)
		if o.Full(&l) != tt.full {
			t.Errorf("after %d messages: Full = %v", i+1, !tt.full)
		}
	}
	o.Drop()
	for range 2 {
		if add(&o, "", 0, 33); o.Full(&l) {
			t.Error("three messages of less than 100 bytes are too many")
		}
	}
	if add(&o, "", 0, 33); !o.Full(&l) {
		t.Error("four messages are not too many")
	}
	if l = session.NewOutboxLimits(-1, -1); o.Full(&l) {
		t.Error("there is no limit, and it is full")
	}
}

// TestOutboxHoldsNothingWhenAllIsAcknowledged looks at the memory of a connection that
// has become idle, by what a further message costs.
func TestOutboxHoldsNothingWhenAllIsAcknowledged(t *testing.T) {
	var o session.Outbox
	allocs := testing.AllocsPerRun(10, func() {
		for range 1000 {
			add(&o, "x", 0, 1)
		}
		o.Ack(o.Last(), nobody)
	})
	if allocs == 0 {
		t.Error("the ring of a thousand messages is kept")
	}
}

// TestOutboxAllocatesNothingWhenMessagesComeAndGo keeps a few messages at a time, as a
// busy connection does, and looks at what shrinking one costs afterwards.
func TestOutboxAllocatesNothingWhenMessagesComeAndGo(t *testing.T) {
	var o session.Outbox
	round := func() {
		for range 64 {
			add(&o, "x", 0, 1)
		}
		o.Ack(o.Last(), nobody)
	}
	if allocs := testing.AllocsPerRun(10, round); allocs != 0 {
		t.Errorf("64 messages that come and go take %v allocations", allocs)
	}
	allocs := testing.AllocsPerRun(10, func() {
		o.Shrink()
		round()
	})
	if allocs == 0 {
		t.Error("the ring is kept by one that has shrunk")
	}
	add(&o, "x", 0, 1)
	o.Shrink()
	if o.Len() != 1 || o.Bytes() != 1 {
		t.Error("shrinking drops what is kept")
	}
}

// TestOutboxAsksWhenThreeEighthsOfItsRoomAreTaken, with limits of all kinds: the other end does not
// know them, and must acknowledge long before they are reached.
func TestOutboxAsksWhenThreeEighthsOfItsRoomAreTaken(t *testing.T) {
	for _, tt := range []struct {
		bytes, messages int
		first           uint64 // number of the first message of 100 bytes that asks; 0: none of 10,000
	}{
		{0, 0, 416},
		{-1, -1, 0},
		{-1, 64, 32},
		{-1, 1, 32},
		{8 << 10, -1, 32},
		{64 << 10, -1, 256},
	} {
		var out session.Outbox
		var first uint64
		l := session.NewOutboxLimits(tt.bytes, tt.messages)
		for first == 0 && out.Last() < 10_000 {
			if n := add(&out, "", 0, 100); out.Asks(n, &l) {
				first = n
			}
		}
		if first != tt.first {
			t.Errorf("%d bytes, %d messages: message %d asks first, want %d", tt.bytes, tt.messages, first, tt.first)
		}
	}
}

// TestOutboxReturnsItsRoomWhenALargeOneIsEmpty, and a small one when it is shrunk, so that what
// others need next is memory that is there.
func TestOutboxReturnsItsRoomWhenALargeOneIsEmpty(t *testing.T) {
	for _, tt := range []struct {
		size, messages int
		large          bool
	}{{64, 1, false}, {16 << 10, 1, false}, {32 << 10, 1, true}, {1 << 10, 512, false}, {1 << 10, 513, true}} {
		var o session.Outbox
		room := session.NewRoom(tt.size)
		o.Move(room)
		for range tt.messages {
			add(&o, "x", 0, 1)
		}
		var freed []*session.Room
		free := func(r *session.Room) { freed = append(freed, r) }
		if o.Ack(uint64(tt.messages)-1, free); len(freed) > 0 {
			t.Errorf("%+v: the room is given up with a message in it", tt)
		}
		if o.Ack(uint64(tt.messages), free); (len(freed) > 0) != tt.large {
			t.Errorf("%+v: %d rooms are given up", tt, len(freed))
		}
		if r := o.Shrink(); (r == nil) != tt.large || r != nil && r != room {
			t.Errorf("%+v: shrinking gives up %p, the room is %p", tt, r, room)
		}
		if kept, apart := room.Holds(); kept > 0 || apart > 0 {
			t.Errorf("%+v: the room holds %d messages, %d of them apart", tt, kept, apart)
		}
	}
}

// shared is a list of one message again and again.
type shared struct{ b []byte }

func (s *shared) Message(int) ([]byte, session.Form, int) { return s.b, 0, len(s.b) }

// TestOutboxDoesNotCopyWhatLiesApart, which thousands keep at a time, and gives it up when it is
// acknowledged.
func TestOutboxDoesNotCopyWhatLiesApart(t *testing.T) {
	var o session.Outbox
	p := []byte("shared")
	o.AddList(&shared{p}, 0, 40, 40*len(p))
	for n, k := range o.All() {
		if &k.B[0] != &p[0] || !k.Apart {
			t.Fatalf("message %d is a copy", n)
		}
	}
	room := session.NewRoom(64)
	o.Move(room)
	if o.Ack(30, nobody); o.Bytes() != 10*len(p) {
		t.Errorf("%d bytes are kept, want %d", o.Bytes(), 10*len(p))
	}
	if kept, apart := room.Holds(); kept != 10 || apart != 10 {
		t.Errorf("the room keeps %d messages and refers to %d, want 10", kept, apart)
	}
}
