package distributed

// task is what is left to do for a process that was told something, once no lock is held.
type task struct {
	loop  func()   // to be a goroutine; nil: none
	quiet *Process // ends quietly; nil: none does
}

// do does it.
func (t task) do() {
	if t.loop != nil {
		go t.loop() // owned by its process: ends when there is nothing left to do
	} else if t.quiet != nil {
		endQuietly(t.quiet)
	}
}

// A process that has nothing to do ends quietly: whoever tells it to exit does what its own
// goroutine would do, which would be most of what the end costs. That is possible where
// nothing of the application's runs and nothing waits, and where little is to be done, so that
// whoever calls Exit may hold locks of its own and is not kept.
const (
	quietMost = 8  // of each sort of what is to be done at one end
	quietEnds = 16 // of processes that are linked, before the others get a goroutine
)

// endsQuietly reports whether the process, which has been given a reason to end, does so
// quietly. Then it takes nothing any more, and the caller sees to its end once mu is free. It
// is called with mu held.
func (p *Process) endsQuietly() bool {
	if p.state != idle || p.terminates() || !p.hasLittle() || p.node.logs && !ordered(p.reason) {
		return false
	}
	p.finishing = true
	p.close()
	return true
}

// hasLittle reports whether little is to be done at the end of an idle process, and nothing
// that could wait. It is called with mu held.
func (p *Process) hasLittle() bool {
	n := 0
	for w := p.watches; w != nil; w = w.next {
		if n++; n > quietMost {
			return false
		}
	}
	if p.kin == nil {
		return true
	}
	if l := p.kin.links; l != nil && (l.below != nil || l.many != nil) {
		return false
	}
	x := p.kin.more
	if x == nil {
		return true
	}
	n = len(x.names) + len(x.timers) + len(x.senders)
	for w := x.watching; w != nil && n <= quietMost; w = w.after {
		n++
	}
	return n <= quietMost && x.helpers == 0 && len(x.atEnd) == 0
}

// endQuietly ends a process, and those that end quietly because it has: one after the other,
// as many as they are, and not one within the end of another. No lock is held.
func endQuietly(p *Process) {
	p.mu.Lock()
	all := p.tellAll(p.reason, nil)
	for ends := 1; len(all) > 0; ends++ {
		if ends == quietEnds {
			rest := all
			go func() { // owned by those processes: ends with them
				for len(rest) > 0 {
					rest = endNext(rest)
				}
			}()
			return
		}
		all = endNext(all)
	}
}

// endNext ends one of those that end quietly, and returns those that are left.
func endNext(all []*Process) []*Process {
	last := len(all) - 1
	p := all[last]
	all[last] = nil
	p.mu.Lock()
	return p.tellAll(p.reason, all[:last])
}
