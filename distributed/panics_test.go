package distributed_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/kleeedolinux/socket.go/distributed"
)

func TestWhatMakesNoSensePanicsAndStartsNothing(t *testing.T) {
	n := newNode(t)
	nothing := func(*distributed.Process, int) error { return nil }
	idles := func(context.Context, distributed.ProcessID, *distributed.Node, interface{}) error { return nil }
	for what, f := range map[string]func(){
		"Spawn":                          func() { distributed.Spawn[int](n, nil) },
		"SpawnHandler":                   func() { distributed.SpawnHandler[int](n, nil) },
		"SpawnProcess":                   func() { n.SpawnProcess(nil) },
		"SpawnProcessWithID":             func() { n.SpawnProcessWithID("a", nil) },
		"Monitor":                        func() { n.Monitor(nil) },
		"WatchGroup":                     func() { n.WatchGroup("g", nil) },
		"NewSupervisor":                  func() { distributed.NewSupervisor(distributed.SupervisorSpec{ID: "a"}, nil) },
		"WithLink":                       func() { distributed.Spawn(n, nothing, distributed.WithLink(nil)) },
		"WithTrapExit":                   func() { distributed.Spawn(n, nothing, distributed.WithTrapExit()) },
		"WithMailbox":                    func() { distributed.Spawn(n, nothing, distributed.WithMailbox(-1, distributed.RejectNew)) },
		"ProcessOptions with a bad size": func() { n.SpawnProcessWithOptions(idles, distributed.ProcessOptions{MailboxSize: -1}) },
	} {
		func() {
			defer func() {
				if v := fmt.Sprint(recover()); len(v) < 12 || v[:12] != "distributed:" {
					t.Errorf("%s: %v", what, v)
				}
			}()
			f()
		}()
	}
	if st := n.Stats(); st.Processes != 0 || st.Spawned != 0 {
		t.Errorf("%+v", st)
	}
}
