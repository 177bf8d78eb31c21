package distributed

import "slices"

// signal is a Down, an Exit or a RoomEvent that waits behind the messages that came before it.
type signal struct {
	before uint64 // how many messages ever came before it
	s      any    // the *watch of a Down, which needs no memory of its own
}

// fewSignals is for how many there is room once there have been as many.
const fewSignals = 8

// notify makes s the last of what waits. It is called with mu held; the caller starts what
// it returns, if that is not nil, once mu is free.
func (p *Process) notify(s any) (loop func()) {
	if p.state >= ending {
		return nil
	}
	x := p.extra()
	x.signals = append(x.signals, signal{p.body.before(), s})
	if len(x.signals) == 1 {
		p.body.setDue(x.signals[0].before)
		p.flags.Or(flagSignals)
	}
	return p.wake()
}

// nextSignal takes the first signal out if all messages that came before it, the first so
// many, have been handled. It is called with mu held.
func (p *Process) nextSignal(handled uint64) (s any, due bool) {
	x := p.more()
	if x == nil || len(x.signals) == 0 || x.signals[0].before > handled {
		return nil, false
	}
	s = x.signals[0].s
	if len(x.signals) <= fewSignals {
		x.signals = slices.Delete(x.signals, 0, 1) // so that there is room for others
	} else {
		x.signals = x.signals[1:]
	}
	p.signalsChanged()
	return s, true
}

// signalsChanged is called with mu held when signals were taken out.
func (p *Process) signalsChanged() {
	x := p.more()
	if len(x.signals) == 0 {
		if cap(x.signals) > fewSignals {
			x.signals = nil
		}
		p.flags.And(^uint32(flagSignals))
		return
	}
	p.body.setDue(x.signals[0].before)
}

// forgetDown takes the Down of a monitor out, and reports whether it waited. It is called
// with mu held.
func (p *Process) forgetDown(ref MonitorRef) bool {
	x := p.more()
	if x == nil {
		return false
	}
	for i, s := range x.signals {
		if w, ok := s.s.(*watch); ok && w == ref.w {
			x.signals = append(x.signals[:i:i], x.signals[i+1:]...)
			p.signalsChanged()
			return true
		}
	}
	return false
}

// exitKind is why a process is told to exit.
type exitKind uint8

const (
	byLink    exitKind = iota // a process that it is linked to has ended
	byRequest                 // somebody asks for it
)

// told tells a process to exit. sender is nil if it is not a process that asks, and from
// its PID, or that of one that was not there.
//
// What becomes of it is what Erlang defines: see the documentation of processes in its
// reference manual, "Receiving Exit Signals".
func (p *Process) told(sender *Process, from PID, reason error, kind exitKind) {
	p.mu.Lock()
	t := p.judge(sender, from, reason, kind)
	p.mu.Unlock()
	t.do()
}

// judge is told with mu held. The caller does what it returns once mu is free.
func (p *Process) judge(sender *Process, from PID, reason error, kind exitKind) task {
	mine := sender != nil && p.parent() == sender
	switch {
	case kind == byRequest && endsAs(reason, ErrKilled):
		return p.kill()
	case p.state >= ending:
		return task{}
	case p.trapped && !mine:
		return task{loop: p.notify(Exit{From: from, Reason: reason})}
	case endsAs(reason, ErrNormal) && !mine && sender != p:
		return task{}
	}
	return p.sentence(reason)
}

// sentence is condemn for a process that may end quietly. It is called with mu held; the
// caller does what it returns once mu is free.
func (p *Process) sentence(reason error) task {
	if p.state >= ending || p.reason != nil {
		return task{}
	}
	p.doom(reason)
	if p.endsQuietly() {
		return task{quiet: p}
	}
	return task{loop: p.wake()}
}

// condemn has the process end before it handles anything more. It is called with mu held;
// the caller starts what it returns, if that is not nil, once mu is free.
func (p *Process) condemn(reason error) (loop func()) {
	if p.state >= ending || p.reason != nil {
		return nil
	}
	p.doom(reason)
	return p.wake()
}

// doom gives the process a reason to end, as which it ends as a context. It is called with
// mu held.
func (p *Process) doom(reason error) {
	p.reason = reason
	p.flags.Or(flagExit)
	if x := p.more(); x != nil && x.cancel != nil {
		x.cancel(reason)
	}
}

// Exit tells a process to exit with a reason, as if it were linked to one that has ended.
// If it traps exits it gets an [Exit] and may go on. [ErrNormal] does nothing to others,
// and [ErrKilled] cannot be trapped. The error is [ErrProcessNotFound] or
// [ErrNoConnection].
func (n *Node) Exit(to ProcessID, reason error) error {
	p, err := n.find(to)
	if err != nil {
		return err
	}
	p.told(nil, PID{}, reasonOf(reason), byRequest)
	return nil
}

// Exit is [Node.Exit] with a sender. A process that tells itself to exit does, with
// [ErrNormal] too, once its handler has returned.
func (p *Process) Exit(to ProcessID, reason error) error {
	q, err := p.node.find(to)
	if err != nil {
		return err
	}
	q.told(p, p.PID(), reasonOf(reason), byRequest)
	return nil
}

// reasonOf is reason, which nil is not.
func reasonOf(reason error) error {
	if reason == nil {
		return ErrNormal
	}
	return reason
}

// Kill ends a process whatever it does: nothing more is handled, and whoever is linked to
// it or watches it is told [ErrKilled]. A handler that is running cannot be stopped from
// outside; its context ends, and the process has ended once it returns, or after the
// [WithKillGrace] of the node. It is a zombie then: see [ProcessZombie]. The error is
// [ErrProcessNotFound] or [ErrNoConnection].
func (n *Node) Kill(id ProcessID) error { return n.Exit(id, ErrKilled) }
