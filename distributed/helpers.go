package distributed

import (
	"context"
	"runtime/debug"
	"time"
)

// Go runs f as a goroutine that belongs to the process: its ctx ends with it, it is waited
// for before Terminate, and an error or a panic of it ends the process, with that as the
// reason. It does nothing if the process ends already.
func (p *Process) Go(f func(ctx context.Context) error) {
	p.mu.Lock()
	if p.state >= ending {
		p.mu.Unlock()
		return
	}
	p.extra().helpers++
	p.mu.Unlock()
	go p.help(f) // owned by p, which waits for it at its end
}

func (p *Process) help(f func(context.Context) error) {
	returned := false
	var err error
	defer func() {
		if !returned {
			err = &PanicError{Value: recover(), Stack: debug.Stack()}
		}
		p.mu.Lock()
		var loop func()
		if err != nil {
			loop = p.condemn(err)
		}
		x := p.more()
		if x.helpers--; x.helpers == 0 && x.helped != nil {
			close(x.helped)
		}
		p.mu.Unlock()
		if loop != nil {
			go loop() // owned by p: ends with it
		}
	}()
	err = f(p)
	returned = true
}

// awaitHelpers waits for all goroutines of Go.
func (p *Process) awaitHelpers() {
	p.mu.Lock()
	x := p.more()
	if x == nil || x.helpers == 0 {
		p.mu.Unlock()
		return
	}
	x.helped = make(chan struct{})
	p.mu.Unlock()
	<-x.helped
}

// Timer sends a message later.
type Timer struct {
	p *Process // that it belongs to
	t *time.Timer
}

// Stop keeps the timer from sending, and reports whether it has: false means that the last
// message has been sent, or that it was stopped before.
func (t *Timer) Stop() bool {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	return t.remove()
}

// remove takes the timer from its process, and reports whether it was there. It is called
// with the process's mu held.
func (t *Timer) remove() bool {
	x := t.p.more()
	if _, ok := x.timers[t]; !ok {
		return false
	}
	delete(x.timers, t)
	t.t.Stop()
	return true
}

// SendAfter sends m to a process after a time, unless p ends before, to which the timer
// belongs. A process that sends to itself has a timeout:
//
//	self, err := distributed.RefOf[message](p)
//	…
//	r.retry = distributed.SendAfter(p, time.Second, self, message{retry: true})
func SendAfter[M any](p *Process, d time.Duration, to Ref[M], m M) *Timer {
	t := &Timer{p: p}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keep(t, d, func() {
		p.mu.Lock()
		mine := t.remove()
		p.mu.Unlock()
		if mine {
			Cast(to, m)
		}
	})
	return t
}

// SendEvery sends m to a process again and again, each time after d, until p ends or the
// timer is stopped. A message for which the mailbox has no room is left out. It panics if d
// is not positive.
func SendEvery[M any](p *Process, d time.Duration, to Ref[M], m M) *Timer {
	if d <= 0 {
		panic("distributed: SendEvery: the time is not positive")
	}
	t := &Timer{p: p}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keep(t, d, func() {
		p.mu.Lock()
		_, mine := p.more().timers[t]
		if mine {
			t.t.Reset(d)
		}
		p.mu.Unlock()
		if mine {
			Cast(to, m)
		}
	})
	return t
}

// keep starts a timer that belongs to the process, unless that has ended. It is called
// with mu held.
func (p *Process) keep(t *Timer, d time.Duration, f func()) {
	x := p.extra()
	if p.finishing {
		return
	}
	if x.timers == nil {
		x.timers = make(map[*Timer]struct{})
	}
	x.timers[t] = struct{}{}
	t.t = time.AfterFunc(d, f)
}

// SendAfter sends m after a time to the process that is at an address then, see
// [Node.Send]. stop keeps it from being sent, and reports whether it has.
func (n *Node) SendAfter(d time.Duration, to ProcessID, m interface{}) (stop func() bool) {
	return time.AfterFunc(d, func() {
		_ = n.Send(to, m) // nobody is there who could be told
	}).Stop
}
