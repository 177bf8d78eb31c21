package distributed

import (
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"
)

// TestASenderAndTheGoroutineOfAProcessHaveTheirOwnCacheLines looks at where the fields are
// that either changes for each message, and at how big all is.
func TestASenderAndTheGoroutineOfAProcessHaveTheirOwnCacheLines(t *testing.T) {
	const line = 64
	a := reflect.TypeFor[actor[int]]()
	field := func(name string) reflect.StructField {
		f, ok := a.FieldByName(name)
		if !ok {
			t.Fatalf("no field %s", name)
		}
		return f
	}
	process := field("Process").Offset
	senders := process + field("id").Offset // behind pushed, queue, mu and state
	for _, name := range []string{"seen", "pushed", "queue"} {
		if field(name).Offset >= senders {
			t.Errorf("%s is at %d, not before %d", name, field(name).Offset, senders)
		}
	}
	for _, name := range []string{"mu", "state"} {
		if process+field(name).Offset >= senders {
			t.Errorf("%s is at %d, not before %d", name, process+field(name).Offset, senders)
		}
	}
	for _, name := range []string{"handler", "due", "begun", "current", "left", "linger"} {
		if field(name).Offset < senders+line {
			t.Errorf("%s is at %d, not %d bytes behind %d", name, field(name).Offset, line, senders)
		}
	}
	if field("flags").Offset+process < senders+line {
		t.Errorf("flags are at %d", field("flags").Offset+process)
	}
	if a.Size() > 288 {
		t.Errorf("%d bytes, more than 288, which is what is allocated for as many", a.Size())
	}
}

func TestALoneTypedSendAllocatesNothing(t *testing.T) {
	n := NewNode("n", WithLogger(nil))
	done := make(chan struct{}, 1)
	r, err := Spawn(n, func(*Process, int) error { done <- struct{}{}; return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	if got := testing.AllocsPerRun(1000, func() { Cast(r, 1); <-done }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

// rests has a process rest so many times, and returns how often it lingers.
func (l *linger) rests(n int, paid func(i int) bool) (lingered int) {
	for i := range n {
		switch l.begin(false); {
		case l.now && paid(i):
			lingered++
			l.paid()
		case l.now:
			lingered++
			l.inVain()
		}
	}
	return lingered
}

func TestAProcessLingersAtEachRestWhereThatPaysAndOnceIn64WhereItIsInVain(t *testing.T) {
	var l linger
	if l.begin(true) {
		t.Error("it lingers at its first rest, which may be its last")
	}
	always := func(int) bool { return true }
	never := func(int) bool { return false }
	if got := l.rests(100, always); got != 100 {
		t.Errorf("it lingers at %d of 100 rests that pay", got)
	}
	l.rests(200, never)
	if got := l.rests(6400, never); got != 100 {
		t.Errorf("it lingers at %d of 6400 rests, all in vain", got)
	}
	// One time that pays is enough.
	for l.left > 0 {
		l.rests(1, never)
	}
	if got := l.rests(100, always); got != 100 {
		t.Errorf("it lingers at %d of 100 rests that pay again", got)
	}
}

// TestAProcessThatLingersIsNotBusy has two processes send each other a message, and looks at
// what is counted while there is nothing left to do.
func TestAProcessThatLingersIsNotBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNode("n", WithLogger(nil))
		defer n.Stop()
		var ping, pong Ref[int]
		ping, _ = Spawn(n, func(_ *Process, m int) error {
			time.Sleep(time.Second)
			Cast(pong, m)
			return nil
		})
		pong, _ = Spawn(n, func(_ *Process, m int) error {
			if m > 0 {
				Cast(ping, m-1)
			}
			return nil
		})
		Cast(ping, 9)
		time.Sleep(time.Hour)
		synctest.Wait()
		for _, c := range []struct {
			r    Ref[int]
			busy time.Duration
		}{{ping, 10 * time.Second}, {pong, 0}} {
			i, err := n.Info(c.r.ID())
			if err != nil || i.Handled != 10 || i.Busy != c.busy || i.BusyFor != 0 || i.State != StateIdle {
				t.Errorf("%v, handled %d, busy %v for %v, %s; want busy %v", err, i.Handled, i.Busy, i.BusyFor, i.State, c.busy)
			}
		}
	})
}

// TestAnExitComesBeforeAMessageThatWasSentAfterIt sends both to a process that is about to
// rest, which it does when it has nothing to do.
func TestAnExitComesBeforeAMessageThatWasSentAfterIt(t *testing.T) {
	n := NewNode("n", WithLogger(nil))
	defer n.Stop()
	h := &exitOrder{done: make(chan struct{}, 1)}
	r, err := SpawnHandler(n, h, WithTrapExit())
	if err != nil {
		t.Fatal(err)
	}
	pid := r.PID().ID()
	for i := range 20_000 {
		Cast(r, i)
		for range i % 64 {
			_ = r.PID() // a little later each time
		}
		if err := n.Exit(pid, errors.New("so many")); err != nil {
			t.Fatal(err)
		}
		Cast(r, -1)
		<-h.done
	}
	if h.wrong > 0 {
		t.Errorf("a message has overtaken an exit %d times", h.wrong)
	}
}

type exitOrder struct {
	exits, wrong int
	done         chan struct{}
}

func (h *exitOrder) Handle(_ *Process, m int) error {
	if m < 0 {
		if h.exits != 1 {
			h.wrong++
		}
		h.exits--
		h.done <- struct{}{}
	}
	return nil
}

func (h *exitOrder) HandleExit(*Process, Exit) error { h.exits++; return nil }
