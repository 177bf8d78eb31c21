package distributed_test

import (
	"runtime"
	"slices"
	"testing"

	"github.com/kleeedolinux/socket.go/distributed"
)

// After Unlink has returned no exit comes, also not of a process that is just about to tell
// of its end. The test needs real time: the moment is short.
func TestUnlinkMeansThatNoExitComesLater(t *testing.T) {
	for name, unlink := range map[string]func(n *distributed.Node, mine, other distributed.ProcessID, p *distributed.Process){
		"Unlink": func(n *distributed.Node, mine, other distributed.ProcessID, p *distributed.Process) { p.Unlink(other) },
		"UnlinkProcesses": func(n *distributed.Node, mine, other distributed.ProcessID, p *distributed.Process) {
			n.UnlinkProcesses(mine, other)
		},
		"UnlinkProcesses, vv": func(n *distributed.Node, mine, other distributed.ProcessID, p *distributed.Process) {
			n.UnlinkProcesses(other, mine)
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			var many []*distributed.Process // that are linked too, so that it takes a while to tell them all
			for range 100 {
				many = append(many, spawn(t, n, distributed.WithTrapExit()).Process)
			}
			wrong := 0
			for range 60 {
				unlinked, late := false, false // the handler's own
				me := spawn(t, n, distributed.WithTrapExit())
				me.on = func(m any) {
					switch m.(type) {
					case string:
						unlinked = true
					case distributed.Exit:
						late = unlinked
					}
				}
				other, _ := distributed.Spawn(n, func(p *distributed.Process, m error) error { return m })
				id := other.PID().ID()
				n.LinkProcesses(me.ID(), id)
				for _, p := range many {
					n.LinkProcesses(p.ID(), id)
				}
				other.Send(errBoom)
				for _, there := n.Whereis(id); there; _, there = n.Whereis(id) {
					runtime.Gosched()
				}
				unlink(n, me.ID(), id, me.Process)
				me.ref.Send("it has returned") // handled after what has come before
				for n.Len() > len(many)+1 {
					runtime.Gosched()
				}
				me.ref.Send(do(func(*distributed.Process) error { return errBoom }))
				for n.Len() > len(many) {
					runtime.Gosched()
				}
				if late {
					wrong++
				}
			}
			n.Stop()
			if wrong > 0 {
				t.Errorf("%d of 60 exits came after that", wrong)
			}
		})
	}
}

func TestLinks(t *testing.T) {
	const noproc = "distributed: no such process"
	tests := []struct {
		name string
		// a traps exits and b does not; both run what they have to do one after the other.
		run    func(t *testing.T, n *distributed.Node, a, b *subject)
		notes  string // of a
		reason error  // of b
	}{
		{
			name: "a link is for both: b tells a",
			run: func(t *testing.T, n *distributed.Node, a, b *subject) {
				a.does(t, func(p *distributed.Process) { p.Link(b.ID()) })
				b.ends(t, fails)
			},
			notes: "[exit:boom]", reason: errBoom,
		},
		{
			name: "a link is for both: a tells b",
			run: func(t *testing.T, n *distributed.Node, a, b *subject) {
				a.does(t, func(p *distributed.Process) { p.Link(b.ID()) })
				a.ends(t, fails)
			},
			notes: "[]", reason: errBoom,
		},
		{
			name: "linked twice is told once",
			run: func(t *testing.T, n *distributed.Node, a, b *subject) {
				a.does(t, func(p *distributed.Process) { p.Link(b.ID()); p.Link(b.ID()) })
				b.does(t, func(p *distributed.Process) { p.Link(a.ID()) })
				n.LinkProcesses(a.ID(), b.ID())
				b.ends(t, fails)
			},
			notes: "[exit:boom]", reason: errBoom,
		},
		{
			name: "linked twice is unlinked by one",
			run: func(t *testing.T, n *distributed.Node, a, b *subject) {
				a.does(t, func(p *distributed.Process) { p.Link(b.ID()); p.Link(b.ID()); p.Unlink(b.ID()) })
				b.ends(t, fails)
			},
			notes: "[]", reason: errBoom,
		},
		{
			name: "the other may unlink",
			run: func(t *testing.T, n *distributed.Node, a, b *subject) {
				a.does(t, func(p *distributed.Process) { p.Link(b.ID()) })
				b.does(t, func(p *distributed.Process) { p.Unlink(a.ID()) })
				b.ends(t, fails)
			},
			notes: "[]", reason: errBoom,
		},
		{
			name: "unlink, then link, is linked",
			run: func(t *testing.T, n *distributed.Node, a, b *subject) {
				a.does(t, func(p *distributed.Process) { p.Link(b.ID()); p.Unlink(b.ID()); p.Link(b.ID()) })
				b.ends(t, fails)
			},
			notes: "[exit:boom]", reason: errBoom,
		},
		{
			name: "an exit that has come before the unlink is still handled",
			run: func(t *testing.T, n *distributed.Node, a, b *subject) {
				a.does(t, func(p *distributed.Process) { p.Link(b.ID()) })
				release := a.hold(t)
				b.ends(t, fails)
				n.UnlinkProcesses(a.ID(), b.ID())
				release()
			},
			notes: "[exit:boom]", reason: errBoom,
		},
		{
			name: "a link to a process that has ended tells noproc",
			run: func(t *testing.T, n *distributed.Node, a, b *subject) {
				b.ends(t, fails)
				a.does(t, func(p *distributed.Process) { p.Link(b.PID().ID()); p.Link("nobody") })
			},
			notes: "[exit:" + noproc + " exit:" + noproc + "]", reason: errBoom,
		},
		{
			name: "a link to a process that has ended ends one that does not trap",
			run: func(t *testing.T, n *distributed.Node, a, b *subject) {
				a.ends(t, fails)
				b.does(t, func(p *distributed.Process) { p.Link(a.PID().ID()) })
			},
			notes: "[]", reason: distributed.ErrProcessNotFound,
		},
		{
			name: "a link to another node tells noconnection",
			run: func(t *testing.T, n *distributed.Node, a, b *subject) {
				a.does(t, func(p *distributed.Process) { p.Link("x@elsewhere") })
			},
			notes: "[exit:distributed: no connection to the node]",
		},
		{
			name: "a link to itself is none",
			run: func(t *testing.T, n *distributed.Node, a, b *subject) {
				b.does(t, func(p *distributed.Process) { p.Link(b.ID()) })
				n.LinkProcesses(b.ID(), b.ID())
			},
			notes: "[]",
		},
		{
			name: "a normal end does nothing to one that does not trap",
			run: func(t *testing.T, n *distributed.Node, a, b *subject) {
				n.LinkProcesses(a.ID(), b.ID())
				a.ends(t, func(*distributed.Process) error { return distributed.ErrNormal })
			},
			notes: "[]",
		},
		{
			name: "a normal end is told to one that traps",
			run: func(t *testing.T, n *distributed.Node, a, b *subject) {
				n.LinkProcesses(a.ID(), b.ID())
				b.ends(t, func(*distributed.Process) error { return distributed.ErrNormal })
			},
			notes: "[exit:normal]", reason: distributed.ErrNormal,
		},
		{
			name: "killed, told by a link, can be trapped",
			run: func(t *testing.T, n *distributed.Node, a, b *subject) {
				n.LinkProcesses(a.ID(), b.ID())
				n.Kill(b.ID())
			},
			notes: "[exit:killed]", reason: distributed.ErrKilled,
		},
		{
			name: "killed, told by a link, ends one that does not trap",
			run: func(t *testing.T, n *distributed.Node, a, b *subject) {
				n.LinkProcesses(a.ID(), b.ID())
				n.Kill(a.ID())
			},
			notes: "[]", reason: distributed.ErrKilled,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *distributed.Node) {
				a, b := spawn(t, n, distributed.WithTrapExit()), spawn(t, n)
				test.run(t, n, a, b)
				a.wantNotes(t, "the one that traps", test.notes)
				if b.reason() != test.reason {
					t.Errorf("the other has ended with %v, want %v", b.reason(), test.reason)
				}
			})
		})
	}
}

// fails ends a process.
func fails(*distributed.Process) error { return errBoom }

func TestManyLinksAreToldOnceEach(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		hub := spawn(t, n, distributed.WithTrapExit())
		var all []*subject
		for range 50 {
			s := spawn(t, n, distributed.WithTrapExit())
			n.LinkProcesses(hub.ID(), s.ID())
			n.LinkProcesses(s.ID(), hub.ID())
			all = append(all, s)
		}
		for i, s := range all[:25] {
			n.UnlinkProcesses(s.ID(), hub.ID())
			if i%2 == 0 {
				n.LinkProcesses(s.ID(), hub.ID())
			}
		}
		hub.ends(t, fails)
		for i, s := range all {
			want := "[exit:boom]"
			if i < 25 && i%2 == 1 {
				want = "[]"
			}
			s.wantNotes(t, "one of many", want)
		}
	})
}

func TestExitAndDownNameTheProcessAlsoIfItHasEndedBefore(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		gone, s := spawn(t, n), spawn(t, n, distributed.WithTrapExit())
		pid := gone.PID()
		gone.ends(t, fails)
		s.does(t, func(p *distributed.Process) {
			p.Link(pid.ID())
			p.Monitor(pid.ID())
			p.Link("nobody")
			p.Monitor("nobody")
		})
		var got []distributed.PID
		for _, m := range s.notes {
			switch m := m.(type) {
			case distributed.Exit:
				got = append(got, m.From)
			case distributed.Down:
				got = append(got, m.PID)
			}
		}
		if want := []distributed.PID{pid, pid, {}, {}}; !slices.Equal(got, want) {
			t.Errorf("from %v, want %v", got, want)
		}
	})
}

// Who is linked to a process that is just about to tell of its end, and links to it again,
// is told why it has ended, and not that there is none. The test needs real time: the moment
// is short.
func TestLinkToOneThatItIsLinkedToDoesNotHideItsReason(t *testing.T) {
	n := newNode(t)
	var many []*distributed.Process // that are linked too, so that it takes a while to tell them all
	for range 100 {
		many = append(many, spawn(t, n, distributed.WithTrapExit()).Process)
	}
	for range 60 {
		told := make(chan error, 2)
		me := spawn(t, n, distributed.WithTrapExit())
		me.on = func(m any) {
			if e, ok := m.(distributed.Exit); ok {
				told <- e.Reason
			}
		}
		other, _ := distributed.Spawn(n, func(p *distributed.Process, m error) error { return m })
		id := other.PID().ID()
		for _, p := range many {
			n.LinkProcesses(p.ID(), id)
		}
		n.LinkProcesses(me.ID(), id)
		other.Send(errBoom)
		for _, there := n.Whereis(id); there; _, there = n.Whereis(id) {
			runtime.Gosched()
		}
		me.Process.Link(id)
		if reason := <-told; reason != errBoom {
			t.Errorf("told %v first, want %v", reason, errBoom)
		}
	}
}
