package session

import "time"

// Defaults of [WheelOptions].
const (
	DefaultWheelTick  = time.Second / 8
	DefaultWheelSlots = 256
)

// WheelOptions sizes a [Wheel].
type WheelOptions struct {
	// Tick is the resolution: an entry fires up to one tick late, never early.
	// Zero and less mean [DefaultWheelTick].
	Tick time.Duration

	// Slots is the number of ticks in a revolution. An entry farther away is
	// passed over once in each revolution before its own. Zero and less mean
	// [DefaultWheelSlots]: 32 seconds at the default tick, a little more than
	// the longest heartbeat interval people use.
	Slots int
}

// Wheel is one timer for many deadlines: a hashed timing wheel. Add and Remove
// take constant time and nothing is allocated, because the entries live inside
// the things that wait.
type Wheel struct {
	tick    time.Duration
	now     int64 // the tick up to which entries have fired
	entries int

	// Each slot is the head of a ring of entries. The slot of a tick is its
	// remainder; entries of several revolutions share a slot.
	slots []Entry

	// firing is the ring of the slot that Advance works on. It stands here so
	// that what a panicking callback left of it fires in the next Advance.
	firing Entry
}

// Entry is one deadline in a [Wheel]. It is part of the thing that waits and
// must not be copied while it is in the wheel. The zero value is in no wheel.
type Entry struct {
	// Owner is for the caller, the wheel does not look at it.
	Owner any

	prev, next *Entry
	tick       int64
}

// Waiting reports whether e is in a wheel.
func (e *Entry) Waiting() bool { return e.next != nil }

// NewWheel returns an empty wheel that stands at moment zero.
func NewWheel(o WheelOptions) *Wheel {
	if o.Tick <= 0 {
		o.Tick = DefaultWheelTick
	}
	if o.Slots <= 0 {
		o.Slots = DefaultWheelSlots
	}
	w := &Wheel{tick: o.Tick, slots: make([]Entry, o.Slots)}
	for i := range w.slots {
		w.slots[i].empty()
	}
	w.firing.empty()
	return w
}

// Add makes e fire at the first tick that is not before at. An entry that is in
// the wheel already is moved. A moment that has passed means the next tick, so
// that nothing fires twice in one Advance. [Never] takes e out.
func (w *Wheel) Add(e *Entry, at time.Duration) {
	w.Remove(e)
	if at == Never {
		return
	}
	tick := int64(at / w.tick)
	if at%w.tick > 0 {
		tick++
	}
	e.tick = max(tick, w.now+1)
	w.entries++
	w.slot(e.tick).push(e)
}

// Remove takes e out and reports whether it was in the wheel.
func (w *Wheel) Remove(e *Entry) bool {
	if !e.Waiting() {
		return false
	}
	e.unlink()
	w.entries--
	return true
}

// Len returns the number of entries in the wheel.
func (w *Wheel) Len() int { return w.entries }

// Advance calls fire for every entry whose time has come at now, each taken out
// before. Within a revolution they fire in the order of their ticks; a jump over
// more than that visits every slot once, however far it goes, and gives no
// order. Time that goes backwards is ignored.
//
// From inside, fire may add and remove any entry, its own included: one that it
// removes does not fire any more, one that it adds does not fire before the next
// Advance. It must not call Advance.
func (w *Wheel) Advance(now time.Duration, fire func(*Entry)) {
	target := int64(now / w.tick)
	if target <= w.now {
		return
	}
	from := w.now + 1
	steps := min(target-w.now, int64(len(w.slots)))
	w.now = target // before anything fires: Add counts from here

	w.fire(fire)
	for tick := from; tick < from+steps && w.entries > 0; tick++ {
		w.slot(tick).moveTo(&w.firing)
		w.fire(fire)
	}
}

// fire empties the firing ring. What belongs to a later revolution goes back.
func (w *Wheel) fire(fire func(*Entry)) {
	for w.firing.next != &w.firing {
		e := w.firing.next
		e.unlink()
		if e.tick > w.now {
			w.slot(e.tick).push(e)
			continue
		}
		w.entries--
		fire(e)
	}
}

// Next returns the moment for the next Advance: nothing can fire before it. It
// is [Never] when the wheel is empty. It looks at each slot at most once.
func (w *Wheel) Next() time.Duration {
	if w.entries == 0 {
		return Never
	}
	for i := range int64(len(w.slots)) {
		if s := w.slot(w.now + 1 + i); s.next != s {
			return w.moment(w.now + 1 + i)
		}
	}
	return w.moment(w.now + 1) // left over from a panic
}

func (w *Wheel) moment(tick int64) time.Duration {
	if tick > int64(Never/w.tick) {
		return Never
	}
	return time.Duration(tick) * w.tick
}

func (w *Wheel) slot(tick int64) *Entry { return &w.slots[tick%int64(len(w.slots))] }

// empty makes e the head of an empty ring.
func (e *Entry) empty() { e.prev, e.next = e, e }

// push puts e at the end of the ring of head.
func (head *Entry) push(e *Entry) {
	e.prev, e.next = head.prev, head
	head.prev.next = e
	head.prev = e
}

func (e *Entry) unlink() {
	e.prev.next = e.next
	e.next.prev = e.prev
	e.prev, e.next = nil, nil
}

// moveTo moves a whole ring to an empty head.
func (head *Entry) moveTo(to *Entry) {
	if head.next == head {
		return
	}
	to.prev, to.next = head.prev, head.next
	to.prev.next, to.next.prev = to, to
	head.empty()
}
