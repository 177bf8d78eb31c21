package distributed_test

import (
	"runtime"
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
