package distributed_test

import (
	"testing"

	"github.com/kleeedolinux/socket.go/distributed"
)

func TestMonitors(t *testing.T) {
	const noproc = "distributed: no such process"
	monitor := func(s *subject, id distributed.ProcessID, times int) func(p *distributed.Process) {
		return func(p *distributed.Process) {
			for range times {
				p.Monitor(id)
			}
		}
	}
	tests := []struct {
		name string
		run  func(t *testing.T, n *distributed.Node, a, b *subject) // a watches b
		want string
	}{
		{"one monitor is one Down with the reason", func(t *testing.T, n *distributed.Node, a, b *subject) {
			a.does(t, monitor(a, b.ID(), 1))
			b.ends(t, fails)
		}, "[down:boom]"},
		{"three monitors are three Downs", func(t *testing.T, n *distributed.Node, a, b *subject) {
			a.does(t, monitor(a, b.ID(), 3))
			b.ends(t, fails)
		}, "[down:boom down:boom down:boom]"},
		{"a normal end is told too", func(t *testing.T, n *distributed.Node, a, b *subject) {
			a.does(t, monitor(a, b.ID(), 1))
			b.ends(t, func(*distributed.Process) error { return distributed.ErrNormal })
		}, "[down:normal]"},
		{"no process is told at once", func(t *testing.T, n *distributed.Node, a, b *subject) {
			a.does(t, monitor(a, "nobody", 1))
		}, "[down:" + noproc + "]"},
		{"a process that has ended is told at once", func(t *testing.T, n *distributed.Node, a, b *subject) {
			b.ends(t, fails)
			a.does(t, monitor(a, b.PID().ID(), 2))
		}, "[down:" + noproc + " down:" + noproc + "]"},
		{"another node is told as noconnection", func(t *testing.T, n *distributed.Node, a, b *subject) {
			a.does(t, monitor(a, "x@elsewhere", 1))
		}, "[down:distributed: no connection to the node]"},
		{"a monitor is of one direction", func(t *testing.T, n *distributed.Node, a, b *subject) {
			b.does(t, monitor(b, a.ID(), 1))
			b.ends(t, fails)
		}, "[]"},
		{"a monitor of itself tells nobody", func(t *testing.T, n *distributed.Node, a, b *subject) {
			a.does(t, monitor(a, a.ID(), 1))
		}, "[]"},
		{"unlink does not touch monitors", func(t *testing.T, n *distributed.Node, a, b *subject) {
			a.does(t, func(p *distributed.Process) { p.Monitor(b.ID()); p.Link(b.ID()); p.Unlink(b.ID()) })
			b.ends(t, fails)
		}, "[down:boom]"},
		{"a name is resolved once, when the monitor is made", func(t *testing.T, n *distributed.Node, a, b *subject) {
			n.Register("name", b.ID())
			a.does(t, monitor(a, "name", 1))
			n.Unregister("name")
			n.Register("name", a.ID())
			b.ends(t, fails)
		}, "[down:boom]"},
		{"demonitor before the end", func(t *testing.T, n *distributed.Node, a, b *subject) {
			a.does(t, func(p *distributed.Process) {
				first := p.Monitor(b.ID())
				p.Monitor(b.ID())
				if !p.Demonitor(first) || p.Demonitor(first) {
					t.Error("Demonitor is true the first time only")
				}
			})
			b.ends(t, fails)
		}, "[down:boom]"},
		{"demonitor flushes a Down that waits", func(t *testing.T, n *distributed.Node, a, b *subject) {
			a.does(t, func(p *distributed.Process) {
				p.Monitor("nobody")
				ref := p.Monitor("nobody")
				p.Monitor("nobody")
				if !p.Demonitor(ref) {
					t.Error("Demonitor = false, the Down waits")
				}
			})
		}, "[down:" + noproc + " down:" + noproc + "]"},
		{"demonitor after the Down", func(t *testing.T, n *distributed.Node, a, b *subject) {
			var ref distributed.MonitorRef
			a.does(t, func(p *distributed.Process) { ref = p.Monitor(b.ID()) })
			b.ends(t, fails)
			a.does(t, func(p *distributed.Process) {
				if p.Demonitor(ref) || p.Demonitor(distributed.MonitorRef{}) {
					t.Error("Demonitor = true, the Down has been handled")
				}
			})
		}, "[down:boom]"},
		{"demonitor of another's monitor", func(t *testing.T, n *distributed.Node, a, b *subject) {
			var ref distributed.MonitorRef
			a.does(t, func(p *distributed.Process) { ref = p.Monitor(b.ID()) })
			b.does(t, func(p *distributed.Process) {
				if p.Demonitor(ref) {
					t.Error("Demonitor of another's monitor = true")
				}
			})
			b.ends(t, fails)
		}, "[down:boom]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *distributed.Node) {
				a, b := spawn(t, n), spawn(t, n)
				test.run(t, n, a, b)
				a.wantNotes(t, "the one that watches", test.want)
			})
		})
	}
}

func TestProcessThatWatchesAndEndsDropsItsMonitorsSilently(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		a, b := spawn(t, n), spawn(t, n)
		a.does(t, func(p *distributed.Process) { p.Monitor(b.ID()); p.Monitor(b.ID()) })
		b.does(t, func(p *distributed.Process) { p.Monitor(a.ID()) })
		a.ends(t, fails)
		b.wantNotes(t, "b", "[down:boom]")
		b.ends(t, fails)
		if b.reason() != errBoom || a.got() != "[]" {
			t.Errorf("b ended with %v", b.reason())
		}
	})
}

func TestMonitorWithoutAWayToTakeADownPanics(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		w := spawn(t, n)
		r, _ := distributed.Spawn(n, func(p *distributed.Process, m int) error { p.Monitor("x"); return nil })
		w.does(t, func(p *distributed.Process) { p.Monitor(r.ID()) })
		r.Send(1)
		w.wantNotes(t, "its end", "[down:panic: distributed: Monitor: the process has no HandleDown]")
	})
}
