package distributed_test

import (
	"slices"
	"testing"
	"testing/synctest"

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

func TestMailboxesExactlyAtTheirBound(t *testing.T) {
	const size = 40 // more than one block of messages
	byTens := func(m any) any { return m.(int) % 10 }
	tests := []struct {
		name    string
		opt     distributed.SpawnOption
		want    func() []any
		err     error // of what is too many
		dropped uint64
		ends    error
	}{
		{"RejectNew", distributed.WithMailbox(size, distributed.RejectNew), numbers(0, size), distributed.ErrMailboxFull, 0, nil},
		{"DropNewest", distributed.WithMailbox(size, distributed.DropNewest), numbers(0, size), nil, 5, nil},
		{"DropOldest", distributed.WithMailbox(size, distributed.DropOldest), numbers(5, size+5), nil, 5, nil},
		{
			"EndReceiver", distributed.WithMailbox(size, distributed.EndReceiver), numbers(0, 0),
			distributed.ErrMailboxFull, size, distributed.ErrMailboxFull,
		},
		{
			"KeepLatest, other keys", distributed.WithKeepLatest(size, func(m any) any { return m }), numbers(0, size),
			distributed.ErrMailboxFull, 0, nil,
		},
		{"KeepLatest, ten keys", distributed.WithKeepLatest(10, byTens), numbers(35, 45), nil, 35, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *distributed.Node) {
				goOn := make(chan struct{})
				var got []any
				r, err := distributed.Spawn(n, func(p *distributed.Process, m int) error {
					if m < 0 {
						<-goOn
						return nil
					}
					got = append(got, m)
					return nil
				}, test.opt)
				if err != nil {
					t.Fatal(err)
				}
				if err := r.Send(-1); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				for i := range size {
					if err := r.Send(i); err != nil {
						t.Fatalf("Send %d of %d: %v", i+1, size, err)
					}
				}
				for i := range 5 {
					err := r.Send(size + i)
					if test.ends != nil && i > 0 && err == distributed.ErrProcessNotFound {
						continue
					}
					if err != test.err {
						t.Errorf("Send %d of %d = %v, want %v", size+i+1, size, err, test.err)
					}
				}
				close(goOn)
				synctest.Wait()
				slices.SortFunc(got, func(a, b any) int { // KeepLatest keeps the places
					if test.dropped == 35 {
						return a.(int) - b.(int)
					}
					return 0
				})
				if !slices.Equal(got, test.want()) {
					t.Errorf("handled %v", got)
				}
				if d := n.Stats().Dropped; d != test.dropped {
					t.Errorf("dropped %d, want %d", d, test.dropped)
				}
				if _, alive := n.Whereis(r.PID().ID()); alive != (test.ends == nil) {
					t.Errorf("alive: %v", alive)
				}
			})
		})
	}
}

// numbers returns the numbers from one to before another.
func numbers(from, to int) func() []any {
	return func() (all []any) {
		for i := from; i < to; i++ {
			all = append(all, i)
		}
		return all
	}
}

// The newest of a key takes the place of the one that waits, and loses it when that has
// been handled.
func TestKeepLatestKeepsThePlaceOfTheFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		s := spawn(t, n, distributed.WithKeepLatest(10, func(m any) any {
			if i, ok := m.(int); ok {
				return i % 10
			}
			return "do"
		}))
		release := s.hold(t)
		sendAll(t, s.ref, 1, 2, 11, 3, 12, 21)
		release()
		s.wantNotes(t, "handled", "[21 12 3]")
		sendAll(t, s.ref, 31)
		s.wantNotes(t, "once it is handled", "[31]")
	})
}
