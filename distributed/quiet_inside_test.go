package distributed

import "testing"

// The test keeps a process further down from ending: Exit does not get there.
func TestExitOfAnIdleProcessWithManyBehindItReturnsAfterAFewEnds(t *testing.T) {
	n := NewNode("n", WithLogger(nil))
	var all []Ref[int]
	for i := range 100 {
		r, err := Spawn(n, func(*Process, int) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, r); i > 0 {
			n.LinkProcesses(r.ID(), all[i-1].ID())
		}
	}
	id := all[0].ID()
	stuck := all[quietEnds+1].a
	stuck.mu.Lock()
	n.Exit(id, ErrShutdown)
	stuck.mu.Unlock()
	n.Stop()
	if left := n.Len(); left != 0 {
		t.Errorf("%d processes are left", left)
	}
}

// Whoever ends a process quietly has looked at its reason: for another one there could be
// something to log.
func TestProcessThatIsKilledWhileItEndsQuietlyHasEndedForTheFirstReason(t *testing.T) {
	n := NewNode("n", WithLogger(nil))
	r, err := Spawn(n, func(*Process, int) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	p := &r.a.Process
	p.mu.Lock()
	left := p.sentence(ErrShutdown)
	p.mu.Unlock()
	if err := n.Kill(r.ID()); err != nil {
		t.Errorf("Kill: %v", err)
	}
	if left.do(); p.reason != ErrShutdown || p.state != dead || n.Stats().Crashed != 0 {
		t.Errorf("state %d, reason %v", p.state, p.reason)
	}
}

// What is told to many, or has much to give up, is not done by whoever tells it to exit.
func TestIdleProcessThatHasMuchToDoAtItsEndHasAGoroutineForIt(t *testing.T) {
	for name, many := range map[string]func(p *Process, others []Ref[int]){
		"monitors of it": func(p *Process, others []Ref[int]) {
			for _, r := range others {
				w := &watch{target: p, watcher: &r.a.Process, live: true}
				p.mu.Lock()
				w.attach()
				p.mu.Unlock()
			}
		},
		"monitors": func(p *Process, others []Ref[int]) {
			for _, r := range others {
				w := &watch{target: &r.a.Process, watcher: p, live: true}
				p.mu.Lock()
				w.after = p.extra().watching
				p.more().watching = w
				p.mu.Unlock()
			}
		},
		"links": func(p *Process, others []Ref[int]) {
			for _, r := range others {
				link(p, &r.a.Process)
			}
		},
		"children": func(p *Process, others []Ref[int]) {
			r, err := Spawn(p.node, func(*Process, int) error { return nil }, withParent(p))
			if err != nil {
				t.Fatal(r, err)
			}
		},
		"names": func(p *Process, others []Ref[int]) {
			for _, r := range others {
				p.register("name " + r.ID())
			}
		},
		"a group": func(p *Process, others []Ref[int]) { p.JoinGroup("g") },
	} {
		t.Run(name, func(t *testing.T) {
			n := NewNode("n", WithLogger(nil))
			var all []Ref[int]
			for range quietMost + 2 {
				r, err := Spawn(n, func(*Process, int) error { return nil })
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, r)
			}
			p := &all[0].a.Process
			if p.mu.Lock(); !p.hasLittle() {
				t.Error("it has much to do to begin with")
			}
			p.mu.Unlock()
			many(p, all[1:])
			if p.mu.Lock(); p.hasLittle() {
				t.Error("it has little to do")
			}
			p.mu.Unlock()
		})
	}
}
