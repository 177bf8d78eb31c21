package distributed

import "time"

// kill condemns the process in a way that it cannot delay. It is called with mu held; the
// caller starts what it returns, if that is not nil, once mu is free.
func (p *Process) kill() (loop func()) {
	if p.state == dead || p.killed {
		return nil
	}
	p.killed = true
	p.doom(ErrKilled)
	if x := p.more(); x != nil && x.atKill != nil {
		x.atKill()
	}
	if p.state != idle || p.more() != nil && p.more().helpers > 0 {
		x := p.extra()
		x.grace = time.AfterFunc(p.node.opts.killGrace, p.giveUp)
	}
	return p.wake()
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
	p.stats.rest(p.node.now(), p.body.handled())
	p.mu.Unlock()
	if _, panicked := own.(*PanicError); panicked && own != reason {
		p.node.logCrash(p, own) // which nobody is told
	}
	defer p.over(reason) // Terminate may end the goroutine by runtime.Goexit
	if p.awaitHelpers(); began && !p.wasKilled() {
		p.terminate(reason)
	}
}

// over is the end of a process that does nothing more.
func (p *Process) over(reason error) {
	p.mu.Lock()
	first := !p.finishing
	p.finishing = true
	p.mu.Unlock()
	if !first {
		p.node.zombies.Add(-1) // it was killed meanwhile, and given up
		return
	}
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

// finish is the end of a process from where it is finishing: once.
func (p *Process) finish(reason error) {
	n := p.node
	p.mu.Lock()
	x := p.more() // nobody needs more of it from now on
	p.mu.Unlock()
	if x != nil {
		p.release(x)
	}
	p.mu.Lock()
	if p.killed {
		reason = ErrKilled
	}
	p.reason, p.state = reason, dead
	n.died(p, reason)
	w := p.watches
	p.watches = nil
	for v := w; v != nil; v = v.next {
		v.linked = false
	}
	p.mu.Unlock()
	n.registry.remove(p)
	p.tellLinks(reason)
	for w != nil {
		next := w.next
		w.prev, w.next = nil, nil
		w.fire(reason)
		w = next
	}
	n.gone(p, reason)
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

// tellLinks tells everybody who is linked to the process that it has ended.
func (p *Process) tellLinks(reason error) {
	p.mu.Lock()
	k := p.kin
	if k == nil {
		p.mu.Unlock()
		return
	}
	var supervisor *Process // which most often is the only one
	if k.above {
		supervisor = k.parent
		k.above = false
	}
	var others []*Process
	if k.links != nil {
		others = p.linked(nil)
		k.forgetLinks()
	}
	p.mu.Unlock()
	if supervisor != nil {
		supervisor.linkEnded(p, k, reason)
	}
	for _, q := range others {
		q.linkEnded(p, k, reason)
	}
}

// linkEnded tells the process that q has ended, whose kin are of, if it still knows of the
// link to it.
func (p *Process) linkEnded(q *Process, of *kin, reason error) {
	p.mu.Lock()
	var loop func()
	if p.kin.remove(q, of, p == of.parent) {
		loop = p.judge(q, q.PID(), reason, byLink)
	}
	p.mu.Unlock()
	if loop != nil {
		go loop() // owned by p: ends when there is nothing left to do
	}
}
