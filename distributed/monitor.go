package distributed

// MonitorRef is one monitor. MonitorRefs can be compared.
type MonitorRef struct{ w *watch }

// watch is the wish of somebody to know when a process ends: a monitor of a process, or a
// call that waits for its reply.
type watch struct {
	target  *Process  // nil: there was none
	watcher *Process  // nil: waiter
	waiter  *waiter   // of a call; nil: watcher
	id      ProcessID // as the target was named

	prev, next *watch // among those of the target; guarded by its mu
	linked     bool   // it is among them; guarded by its mu

	live          bool   // its Down has not come; guarded by the watcher's mu
	before, after *watch // among those of the watcher; guarded by its mu
	reason        error  // of the Down that has come; guarded by the watcher's mu until then
}

// attach has the target tell of its end, and reports false if it has ended. It is called
// with the target's mu held.
func (w *watch) attach() bool {
	p := w.target
	if p.state == dead {
		return false
	}
	w.prev, w.next, w.linked = nil, p.watches, true
	if w.next != nil {
		w.next.prev = w
	}
	p.watches = w
	return true
}

// detach ends that. It is called with the target's mu held.
func (w *watch) detach() {
	if !w.linked {
		return
	}
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		w.target.watches = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	}
	w.prev, w.next, w.linked = nil, nil, false
}

// Monitor has the process told when another ends, by a [Down]: at once, with the reason
// [ErrProcessNotFound], if there is none. All messages that the other has sent before are
// handled before the Down. Several monitors of one process are told each; a monitor of a
// name is one of the process that has it now. It panics if the handler has no way to take
// a Down.
//
// A process that is being started again has no name for a while: who monitors a name again as
// soon as its Down comes gets a Down at once each time until then. It waits a little before,
// for example with [SendAfter].
//
// [Node.Monitor] is another thing: it tells of the events of all processes of a node.
func (p *Process) Monitor(id ProcessID) MonitorRef {
	if !p.body.takesSignal(Down{}) {
		panic("distributed: Monitor: the process has no HandleDown")
	}
	w := &watch{watcher: p, id: id, live: true}
	target, err := p.node.find(id)
	w.target = target
	p.mu.Lock()
	if p.state == dead {
		p.mu.Unlock()
		return MonitorRef{w}
	}
	x := p.extra()
	w.after = x.watching
	if w.after != nil {
		w.after.before = w
	}
	x.watching = w
	p.mu.Unlock()
	if err == nil {
		target.mu.Lock()
		if !w.attach() {
			err = ErrProcessNotFound
		}
		target.mu.Unlock()
	}
	if err != nil {
		w.fire(err)
	}
	return MonitorRef{w}
}

// Demonitor ends a monitor, also if its [Down] waits to be handled, and reports whether
// there is none to come: false means that it has been handled, or that the monitor is
// another process's.
func (p *Process) Demonitor(ref MonitorRef) bool {
	w := ref.w
	if w == nil || w.watcher != p {
		return false
	}
	p.mu.Lock()
	live := w.live
	if live {
		w.leave()
	} else {
		live = p.forgetDown(ref)
	}
	p.mu.Unlock()
	if w.target != nil {
		w.target.mu.Lock()
		w.detach()
		w.target.mu.Unlock()
	}
	return live
}

// leave takes a monitor out of those of its watcher. It is called with the watcher's mu
// held.
func (w *watch) leave() {
	w.live = false
	if w.before != nil {
		w.before.after = w.after
	} else {
		w.watcher.more().watching = w.after
	}
	if w.after != nil {
		w.after.before = w.before
	}
	w.before, w.after = nil, nil
}

// down is the Down that has come.
func (w *watch) down() Down {
	d := Down{Monitor: MonitorRef{w}, Process: w.id, Reason: w.reason}
	if w.target != nil {
		d.PID = w.target.PID()
	} else {
		d.PID = w.watcher.node.pidOf(w.id)
	}
	return d
}

// fire tells of the end of the target. It is called with no mu held.
func (w *watch) fire(reason error) {
	if w.waiter != nil {
		w.waiter.fail(reason)
		return
	}
	p := w.watcher
	p.mu.Lock()
	if !w.live {
		p.mu.Unlock()
		return
	}
	w.leave()
	w.reason = reason
	loop := p.notify(w)
	p.mu.Unlock()
	if loop != nil {
		go loop() // owned by p: ends when there is nothing left to do
	}
}
