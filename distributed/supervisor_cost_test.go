//go:build !race

package distributed

import (
	"context"
	"testing"
)

// Its memory together with that of its supervisor for it, its address, and the places in the
// tables of both, which are for several.
func TestChildOfASupervisorTakesThreeAllocations(t *testing.T) {
	n := NewNode("n", WithLogger(nil))
	sup, err := NewSupervisor(SupervisorSpec{ID: "sup", Strategy: SimpleOneForOne, Processes: []ProcessSpec{{
		Start: func(n *Node, opts ...SpawnOption) (ProcessID, error) {
			r, err := Spawn(n, func(*Process, int) error { return nil }, opts...)
			return r.ID(), err
		},
	}}}, n)
	if err != nil {
		t.Fatal(err)
	}
	got := testing.AllocsPerRun(5000, func() {
		if _, err := sup.StartChild(context.Background(), ProcessSpec{}); err != nil {
			t.Fatal(err)
		}
	})
	if got > 3 {
		t.Errorf("%v allocations", got)
	}
	n.Stop()
}
