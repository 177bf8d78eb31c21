package distributed_test

import (
	"testing"

	"github.com/kleeedolinux/socket.go/distributed"
)

// A Down that came before messages that are dropped is not handled late, or never.
func TestDropOldestKeepsTheDownBetweenItsMessages(t *testing.T) {
	for name, test := range map[string]struct {
		before, after int
		want          string
	}{
		"nothing is dropped":           {1, 2, "[0 down:distributed: no such process 1 2]"},
		"what came before is dropped":  {3, 1, "[1 2 down:distributed: no such process 3]"},
		"what came after is dropped":   {0, 5, "[down:distributed: no such process 2 3 4]"},
		"of both something is dropped": {2, 4, "[down:distributed: no such process 3 4 5]"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *distributed.Node) {
				s := spawn(t, n, distributed.WithMailbox(3, distributed.DropOldest))
				s.ref.Send(do(func(p *distributed.Process) error {
					for i := range test.before {
						s.ref.Send(i)
					}
					p.Monitor("nobody")
					for i := range test.after {
						s.ref.Send(test.before + i)
					}
					return nil
				}))
				s.wantNotes(t, name, test.want)
				want := uint64(max(test.before+test.after-3, 0))
				if got := n.Stats().Dropped; got != want {
					t.Errorf("dropped %d, want %d", got, want)
				}
			})
		})
	}
}
