package distributed

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// A supervisor that was given up as a zombie may still spawn.
func TestSpawnUnderAParentThatHasEndedEndsTheChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNode("n", WithLogger(nil))
		take := func(p *Process, m any) error { return m.(error) }
		parent, _ := Spawn(n, take)
		boom := errors.New("boom")
		child, _ := Spawn(n, take, withParent(&parent.a.Process), WithTrapExit())
		parent.Send(boom)
		synctest.Wait()
		if child.a.reason != boom {
			t.Errorf("the child of a parent that ends trapped its exit: %v", child.a.reason)
		}
		child, _ = Spawn(n, take, withParent(&parent.a.Process), WithTrapExit())
		synctest.Wait()
		if child.a.reason != ErrProcessNotFound || n.Len() != 0 {
			t.Errorf("the child goes on without a parent: %v", child.a.reason)
		}
	})
}

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
		if reason := r.a.node.await(t.Context(), &r.a.Process, 0); reason != ErrProcessNotFound {
			t.Errorf("reason %v", reason)
		}
	})
}
