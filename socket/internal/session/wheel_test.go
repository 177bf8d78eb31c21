package session_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
)

func fired(w *session.Wheel, now time.Duration) (names []string) {
	w.Advance(now, func(e *session.Entry) { names = append(names, e.Owner.(string)) })
	return names
}

func wantFired(t *testing.T, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("fired %v, want %v", got, want)
	}
}

func TestWheelFiresInOrderAndNeverEarly(t *testing.T) {
	w := session.NewWheel(session.WheelOptions{})
	a, b, c := session.Entry{Owner: "a"}, session.Entry{Owner: "b"}, session.Entry{Owner: "c"}
	w.Add(&c, 3*sec)
	w.Add(&a, sec)
	w.Add(&b, sec+1) // the next tick
	wantFired(t, fired(w, sec-1))
	wantFired(t, fired(w, sec), "a")
	wantFired(t, fired(w, sec+sec/8-1))
	wantFired(t, fired(w, 10*sec), "b", "c")
	if w.Len() != 0 || a.Waiting() || w.Next() != session.Never {
		t.Errorf("Len %d, Waiting %v, Next %v after all fired", w.Len(), a.Waiting(), w.Next())
	}
}

func TestWheelAddMovesAndRemoveTakesOut(t *testing.T) {
	w := session.NewWheel(session.WheelOptions{})
	a, b := session.Entry{Owner: "a"}, session.Entry{Owner: "b"}
	w.Add(&a, sec)
	w.Add(&a, 5*sec)
	w.Add(&b, sec)
	if w.Len() != 2 {
		t.Errorf("Len = %d, want 2", w.Len())
	}
	if !w.Remove(&b) || w.Remove(&b) {
		t.Error("Remove does not tell whether the entry was there")
	}
	wantFired(t, fired(w, 4*sec))
	wantFired(t, fired(w, 5*sec), "a")

	w.Add(&a, 7*sec)
	w.Add(&a, session.Never)
	if a.Waiting() || w.Len() != 0 {
		t.Error("an entry at Never is in the wheel")
	}
}

func TestWheelPastMeansNextTick(t *testing.T) {
	w := session.NewWheel(session.WheelOptions{Tick: sec})
	fired(w, 100*sec)
	for _, at := range []time.Duration{-5, 0, 100 * sec} {
		e := session.Entry{Owner: "late"}
		w.Add(&e, at)
		if w.Next() != 101*sec {
			t.Errorf("at %v: Next = %v", at, w.Next())
		}
		w.Remove(&e)
	}
	e := session.Entry{Owner: "late"}
	w.Add(&e, 0)
	wantFired(t, fired(w, 100*sec+sec/2))
	wantFired(t, fired(w, 101*sec), "late")
}

func TestWheelBigJumps(t *testing.T) {
	w := session.NewWheel(session.WheelOptions{Tick: sec, Slots: 8})
	entries := make([]session.Entry, 100)
	for i := range entries {
		w.Add(&entries[i], time.Duration(i+1)*sec)
	}
	n := 0
	count := func(*session.Entry) { n++ }
	w.Advance(50*sec, count)
	if n != 50 || w.Len() != 50 {
		t.Errorf("a jump of 50 s fires %d, leaves %d", n, w.Len())
	}
	w.Advance(10*sec, count) // back
	if n != 50 {
		t.Error("going back in time fires")
	}
	w.Advance(session.Never, count) // 292 years
	if n != 100 || w.Len() != 0 {
		t.Errorf("a jump to the end of time fires %d, leaves %d", n, w.Len())
	}
	w.Add(&entries[0], 0)
	if w.Next() != session.Never && w.Next() < 0 {
		t.Errorf("Next at the end of time = %v", w.Next())
	}
}

func TestWheelCallbackMayAddAndRemove(t *testing.T) {
	w := session.NewWheel(session.WheelOptions{Tick: sec, Slots: 4})
	var again, victim, other, fresh session.Entry
	rounds := 0
	w.Add(&again, 2*sec)
	w.Add(&victim, 2*sec) // fires behind again, in the same slot
	w.Add(&other, 2*sec)
	w.Advance(9*sec, func(e *session.Entry) {
		switch e {
		case &again:
			rounds++
			w.Add(&again, 2*sec) // has passed: the next Advance
			w.Remove(&victim)
			w.Add(&fresh, 3*sec) // so has this
			w.Add(&other, 30*sec)
		default:
			t.Errorf("fired %p (victim %p, other %p, fresh %p)", e, &victim, &other, &fresh)
		}
	})
	if rounds != 1 || w.Len() != 3 || w.Next() != 10*sec {
		t.Errorf("rounds %d, Len %d, Next %v", rounds, w.Len(), w.Next())
	}
	n := 0
	w.Advance(10*sec, func(*session.Entry) { n++ })
	if n != 2 {
		t.Errorf("the next Advance fires %d, want again and fresh", n)
	}
}

func TestWheelSurvivesAPanic(t *testing.T) {
	w := session.NewWheel(session.WheelOptions{Tick: sec})
	entries := make([]session.Entry, 5)
	for i := range entries {
		w.Add(&entries[i], sec)
	}
	func() {
		defer func() { recover() }()
		w.Advance(sec, func(*session.Entry) { panic("handler") })
	}()
	if w.Len() != 4 || w.Next() != 2*sec {
		t.Errorf("Len %d, Next %v after the panic", w.Len(), w.Next())
	}
	n := 0
	w.Advance(2*sec, func(*session.Entry) { n++ })
	if n != 4 || w.Len() != 0 {
		t.Errorf("the next Advance fires %d, leaves %d; want the 4 left over", n, w.Len())
	}
}

func TestWheelNextIsNeverTooLate(t *testing.T) {
	w := session.NewWheel(session.WheelOptions{Tick: sec, Slots: 8})
	var e session.Entry
	w.Add(&e, 100*sec)
	for wakeups := 1; ; wakeups++ {
		now := w.Next()
		if now > 100*sec {
			t.Fatalf("Next = %v, the entry is due at 100s", now)
		}
		done := false
		w.Advance(now, func(*session.Entry) { done = true })
		if done {
			if now != 100*sec || wakeups > 13 {
				t.Errorf("fired at %v after %d wake-ups, want 100s and one a revolution", now, wakeups)
			}
			return
		}
	}
}

func TestWheelEntryIsSmall(t *testing.T) {
	if size := reflect.TypeFor[session.Entry]().Size(); size > 40 {
		t.Errorf("an entry takes %d bytes", size)
	}
	if size := reflect.TypeFor[session.Heartbeat]().Size(); size > 48 {
		t.Errorf("a heartbeat takes %d bytes", size)
	}
}

// model is the obvious wheel: it looks at everything.
type model struct {
	now  int64
	tick time.Duration
	due  map[int]int64
}

func (m *model) add(i int, at time.Duration) {
	m.due[i] = max(int64((at+m.tick-1)/m.tick), m.now+1)
}

// trace runs random operations against a wheel and the model side by side. next
// draws a number below its argument.
func trace(t *testing.T, slots, steps int, next func(n int) int) {
	const entries = 24
	tick := 10 * time.Millisecond
	w := session.NewWheel(session.WheelOptions{Tick: tick, Slots: slots})
	m := &model{tick: tick, due: make(map[int]int64)}
	es := make([]session.Entry, entries)
	for i := range es {
		es[i].Owner = i
	}
	now := time.Duration(0)
	mutate := func(pending map[int]bool) {
		i := next(entries)
		if next(3) == 0 {
			_, there := m.due[i]
			if got := w.Remove(&es[i]); got != there {
				t.Fatalf("Remove(%d) = %v, want %v", i, got, there)
			}
			delete(m.due, i)
		} else {
			at := now + time.Duration(next(3*slots+4)-3)*tick/2
			w.Add(&es[i], at)
			m.add(i, max(at, 0))
		}
		delete(pending, i)
	}
	for range steps {
		switch next(3) {
		case 0, 1:
			mutate(nil)
		case 2:
			jump := next(2 * slots)
			if next(20) == 0 {
				jump *= 50
			}
			now += time.Duration(jump) * tick / 3
			start := m.now
			m.now = max(m.now, int64(now/tick))
			pending := make(map[int]bool)
			for i, at := range m.due {
				if at <= m.now {
					pending[i] = true
				}
			}
			last := int64(0)
			w.Advance(now, func(e *session.Entry) {
				i := e.Owner.(int)
				if !pending[i] {
					t.Fatalf("entry %d fires at tick %d, due at %d", i, m.now, m.due[i])
				}
				if at := m.due[i]; at < last && m.now-start <= int64(slots) {
					t.Fatalf("entry %d of tick %d fires behind tick %d", i, at, last)
				} else {
					last = at
				}
				delete(pending, i)
				delete(m.due, i)
				for range next(3) {
					mutate(pending)
				}
			})
			if len(pending) != 0 {
				t.Fatalf("at tick %d entries %v did not fire", m.now, pending)
			}
		}
		if w.Len() != len(m.due) {
			t.Fatalf("Len = %d, want %d", w.Len(), len(m.due))
		}
		soonest := session.Never
		for _, at := range m.due {
			soonest = min(soonest, time.Duration(at)*tick)
		}
		if got := w.Next(); got > soonest || (got == session.Never) != (len(m.due) == 0) {
			t.Fatalf("Next = %v, the soonest entry is due at %v", got, soonest)
		}
	}
}

func TestWheelAgainstModel(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 9))
		trace(t, 1+rng.IntN(12), 400, rng.IntN)
	}
}

func FuzzWheel(f *testing.F) {
	f.Add(uint8(3), []byte("\x00\x05\x01\x03\x02\x08\x02\x01\x01\x02"))
	f.Add(uint8(0), []byte("many ways lead through one slot"))
	f.Fuzz(func(t *testing.T, slots uint8, ops []byte) {
		i := 0
		trace(t, 1+int(slots%12), len(ops), func(n int) int {
			if len(ops) == 0 {
				return 0
			}
			i++
			return (int(ops[i%len(ops)]) + i/len(ops)) % n
		})
	})
}

func TestWheelDoesNotAllocate(t *testing.T) {
	w := session.NewWheel(session.WheelOptions{})
	var e session.Entry
	now := time.Duration(0)
	fire := func(e *session.Entry) { w.Add(e, now+25*sec) }
	w.Add(&e, 0)
	if n := testing.AllocsPerRun(1000, func() {
		now += sec / 8
		w.Advance(now, fire)
		w.Remove(&e)
		w.Add(&e, now+sec)
	}); n != 0 {
		t.Errorf("%v allocations a round", n)
	}
}
