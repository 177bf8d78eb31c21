package memnet

import (
	"sync"
	"time"
)

// deadline is a point in time for one direction of one end. The zero value
// never passes. It is guarded by the mutex of the link.
type deadline struct {
	alarm *alarm
}

// alarm is one setting of a deadline. A later setting replaces the whole value,
// so that a timer which was too late to stop marks nothing that counts.
type alarm struct {
	at    time.Time
	timer *time.Timer
	fired bool
}

// set makes at the deadline; waiters on cond look at it again when it passes.
func (d *deadline) set(at time.Time, cond *sync.Cond) {
	d.clear()
	if at.IsZero() {
		return
	}
	a := &alarm{at: at}
	d.alarm = a
	wait := time.Until(at)
	if wait <= 0 {
		a.fired = true
		cond.Broadcast()
		return
	}
	a.timer = time.AfterFunc(wait, func() {
		cond.L.Lock()
		a.fired = true
		cond.Broadcast()
		cond.L.Unlock()
	})
}

func (d *deadline) clear() {
	if d.alarm != nil && d.alarm.timer != nil {
		d.alarm.timer.Stop()
	}
	d.alarm = nil
}

// passed reads the clock too: a goroutine that wakes at the very instant of the
// deadline must not depend on whether the timer ran before it.
func (d *deadline) passed() bool {
	return d.alarm != nil && (d.alarm.fired || time.Until(d.alarm.at) <= 0)
}
