package distributed

import "time"

// kill condemns the process in a way that it cannot delay. It is called with mu held; the
// caller does what it returns once mu is free.
func (p *Process) kill() task {
	if p.finishing || p.killed {
		return task{} // its end is being told, and nothing is left that could delay it
	}
	p.killed = true
	p.doom(ErrKilled)
	x := p.more()
	if x != nil && x.atKill != nil {
		x.atKill()
	}
	if p.endsQuietly() {
		return task{quiet: p}
	}
	if p.state != idle || x != nil && x.helpers > 0 {
		x := p.extra()
		x.grace = time.AfterFunc(p.node.opts.killGrace, p.giveUp)
	}
	return task{loop: p.wake()}
}

// giveUp declares a process that was killed to be a zombie: its handler has not returned, or
// a goroutine of Go.
func (p *Process) giveUp() {
	n := p.node
	p.mu.Lock()
	if p.finishing {
		p.mu.Unlock()
		return
	}
	p.finishing, p.zombie = true, true
	n.zombies.Add(1)
	if p.state < ending {
		p.close()
	}
	p.mu.Unlock()
	n.log.Error("distributed: a handler does not return", "node", n.identity.name, "process", p.ID(), "grace", n.opts.killGrace)
	n.tell(ProcessZombie, p, ErrKilled)
	p.mu.Lock()
	p.finish(ErrKilled)
}

// close lets the process take nothing any more, and drops what waits. It is called with mu
// held.
func (p *Process) close() {
	p.state = ending
	if x := p.more(); x != nil {
		for _, s := range x.senders {
			close(s.done)
		}
		x.senders = nil
	}
	p.node.dropped.Add(uint64(p.body.drop()))
}

// end is the death of a process, on its own goroutine. The order is fixed: nothing more is
// taken, goroutines of Go are awaited, the handler terminates if it has ever begun, names
// and whatever else others may want are free, and then everybody is told: those who watch the
// events of the node first.
func (p *Process) end(reason error, began bool) {
	p.mu.Lock()
	if p.zombie {
		p.mu.Unlock()
		p.node.zombies.Add(-1)
		return
	}
	own := reason
	if p.flags.Load()&flagExit == 0 {
		p.doom(reason)
	}
	reason = p.reason // an exit that came before acted when it came
	p.close()
	_, unseen := own.(*PanicError)
	unseen = unseen && own != reason
	if !unseen && p.helpless() && (!began || !p.terminates()) {
		p.finishing = true
		p.finish(reason)
		return
	}
	p.stats.rest(p.node.now(), p.body.handled())
	p.mu.Unlock()
	if unseen {
		p.node.logCrash(p, own) // which nobody is told
	}
	defer p.over(reason) // Terminate may end the goroutine by runtime.Goexit
	if p.awaitHelpers(); began && !p.wasKilled() {
		p.terminate(reason)
	}
}

// helpless reports whether there is no goroutine of Go. It is called with mu held.
func (p *Process) helpless() bool {
	x := p.more()
	return x == nil || x.helpers == 0
}

// terminates reports whether the handler is to be asked to terminate, if it has ever begun.
// It is called with mu held.
func (p *Process) terminates() bool {
	if p.killed {
		return false
	}
	_, ok := p.body.handlerOf().(Terminator)
	return ok
}

// over is the end of a process that does nothing more.
func (p *Process) over(reason error) {
	p.mu.Lock()
	if p.finishing {
		p.mu.Unlock()
		p.node.zombies.Add(-1) // it was killed meanwhile, and given up
		return
	}
	p.finishing = true
	p.finish(reason)
}

func (p *Process) wasKilled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.killed
}

// terminate calls Terminate.
func (p *Process) terminate(reason error) {
	t, ok := p.body.handlerOf().(Terminator)
	if !ok || endsAs(reason, ErrKilled) {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			p.node.log.Error("distributed: Terminate has panicked", "node", p.node.identity.name, "process", p.ID(), "panic", v)
		}
	}()
	t.Terminate(p, reason)
}

// finish is the end of a process from where it is finishing: once. It is called with mu
// held, and gives it up.
func (p *Process) finish(reason error) {
	all := p.tellAll(reason, nil)
	for len(all) > 0 {
		all = endNext(all)
	}
}

// tellAll is finish without the ends of those to whom that is a reason to end and who do so
// quietly: they are appended to all, and end next. It is called with mu held, and gives it
// up.
func (p *Process) tellAll(reason error, all []*Process) []*Process {
	n := p.node
	if x := p.more(); x != nil { // nobody needs more of it from now on
		p.mu.Unlock()
		p.release(x)
		p.mu.Lock()
	}
	if p.killed {
		reason = ErrKilled
	}
	inOrder := ordered(reason)
	p.reason, p.state = reason, dead
	n.died(p, reason, inOrder)
	w := p.watches
	p.watches = nil
	for v := w; v != nil; v = v.next {
		v.linked = false
	}
	k := p.kin
	var supervisor *Process // which most often is the only one
	var others []*Process
	if k != nil {
		if k.above {
			supervisor = k.parent
			k.above = false
		}
		if k.links != nil {
			others = p.linked(nil)
			k.forgetLinks()
		}
	}
	p.mu.Unlock()
	n.registry.remove(p)
	if supervisor != nil {
		all = supervisor.linkEnded(p, k, reason, all)
	}
	for _, q := range others {
		all = q.linkEnded(p, k, reason, all)
	}
	for w != nil {
		next := w.next
		w.prev, w.next = nil, nil
		w.fire(reason)
		w = next
	}
	n.gone(p, reason, inOrder)
	return all
}

// release gives up what others may want to have, and what would outlive the process.
func (p *Process) release(x *extras) {
	p.mu.Lock()
	names, timers, hooks := x.names, x.timers, x.atEnd
	x.names, x.timers, x.atEnd = nil, nil, nil
	if x.grace != nil {
		x.grace.Stop()
	}
	w := x.watching
	x.watching = nil
	for v := w; v != nil; v = v.after {
		v.live = false
	}
	p.mu.Unlock()
	for _, name := range names {
		p.node.registry.free(name, p)
	}
	if len(timers)+len(hooks) > 0 {
		releaseAll(timers, hooks)
	}
	for w != nil {
		after := w.after
		w.before, w.after = nil, nil
		if q := w.target; q != nil {
			q.mu.Lock()
			w.detach()
			q.mu.Unlock()
		}
		w = after
	}
}

// releaseAll is the part of release that few processes need.
func releaseAll(timers map[*Timer]struct{}, hooks map[any]func()) {
	for t := range timers {
		t.t.Stop()
	}
	for _, f := range hooks {
		f()
	}
}

// linkEnded tells the process that q has ended, whose kin are of, if it still knows of the
// link to it. If the process ends for that, and quietly, it is appended to all.
func (p *Process) linkEnded(q *Process, of *kin, reason error, all []*Process) []*Process {
	p.mu.Lock()
	var t task
	if p.kin.remove(q, of, p == of.parent) {
		t = p.judge(q, q.PID(), reason, byLink)
	}
	p.mu.Unlock()
	if t.quiet != nil {
		return append(all, t.quiet)
	}
	t.do()
	return all
}
