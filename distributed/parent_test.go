package distributed

import (
	"context"
	"testing"
	"testing/synctest"
)

func TestProcessWhoseSupervisorHasEndedEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNode("n", WithLogger(nil))
		sup, err := NewSupervisor(SupervisorSpec{ID: "sup"}, n)
		if err != nil {
			t.Fatal(err)
		}
		if err := sup.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		// A StartFunc that is too slow does this, when its supervisor was killed meanwhile.
		handle := func(*Process, any) error { return nil }
		r, err := Spawn(n, handle, withParent(&sup.ref.a.Process), WithTrapExit())
		if err != nil {
			t.Fatal(err)
		}
		if reason := r.a.node.await(t.Context(), &r.a.Process); reason != ErrProcessNotFound {
			t.Errorf("reason %v", reason)
		}
	})
}
