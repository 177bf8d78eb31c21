package distributed

import (
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
