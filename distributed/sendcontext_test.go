package distributed_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

// full is a process whose mailbox is full of zeros until release is called.
func full(t *testing.T, n *distributed.Node, size int, opts ...distributed.SpawnOption) (s *subject, release func()) {
	t.Helper()
	s = spawn(t, n, append(opts, distributed.WithMailbox(size, distributed.RejectNew))...)
	release = s.hold(t)
	for range size {
		sendAll(t, s.ref, 0)
	}
	return s, release
}

func TestSendersThatWaitForRoomHaveTheirTurnInOrder(t *testing.T) {
	for range 50 {
		inBubble(t, func(t *testing.T, n *distributed.Node) {
			s, release := full(t, n, 2)
			want := []any{0, 0}
			for i := 1; i <= 30; i++ {
				go s.ref.SendContext(context.Background(), i)
				synctest.Wait() // it waits
				want = append(want, i)
			}
			release()
			synctest.Wait()
			if !slices.Equal(s.notes, want) {
				t.Errorf("handled %v", s.notes)
			}
		})
	}
}

// Whoever comes when others wait does not take the room that is for them.
func TestSendDoesNotOvertakeSendersThatWait(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		s := spawn(t, n, distributed.WithMailbox(1, distributed.RejectNew))
		var errs []error
		s.ref.Send(do(func(p *distributed.Process) error { time.Sleep(time.Second); return nil }))
		synctest.Wait()
		s.ref.Send(do(func(p *distributed.Process) error {
			errs = append(errs, n.Send(p.ID(), "overtakes")) // there is room for one, which 1 has
			time.Sleep(time.Second)
			return nil
		}))
		synctest.Wait()
		if len(errs) != 0 {
			t.Fatal("too early")
		}
		go s.ref.SendContext(context.Background(), 1)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if len(errs) != 1 || errs[0] != distributed.ErrMailboxFull {
			t.Errorf("Send = %v", errs)
		}
		s.wantNotes(t, "handled", "[1]")
	})
}

func TestSendContextThatIsCancelledSendsNothingAndHoldsNobodyUp(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		s, release := full(t, n, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var errs [3]error
		for i := range errs {
			use := t.Context()
			if i == 1 {
				use = ctx
			}
			go func() { errs[i] = s.ref.SendContext(use, i+1) }()
			synctest.Wait()
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if errs[1] != context.DeadlineExceeded {
			t.Errorf("the one whose time is up got %v", errs[1])
		}
		release()
		synctest.Wait()
		if s.got() != "[0 1 3]" || errs[0] != nil || errs[2] != nil {
			t.Errorf("errors %v", errs)
		}
	})
}

func TestSendContextToAProcessThatEndsReturnsAtOnce(t *testing.T) {
	for _, kill := range []bool{false, true} {
		inBubble(t, func(t *testing.T, n *distributed.Node) {
			s, _ := full(t, n, 1)
			var errs [5]error
			for i := range errs {
				go func() { errs[i] = n.SendContext(t.Context(), s.ID(), i) }()
			}
			synctest.Wait()
			start := time.Now()
			n.Exit(s.ID(), map[bool]error{false: errBoom, true: distributed.ErrKilled}[kill])
			synctest.Wait()
			for _, err := range errs {
				if err != distributed.ErrProcessNotFound || time.Since(start) != 0 {
					t.Errorf("SendContext = %v after %v", err, time.Since(start))
				}
			}
			if d := n.Stats().Dropped; d != 1 {
				t.Errorf("dropped %d: those that waited have not been sent", d)
			}
		})
	}
}

func TestSendContextToItselfWithAFullMailboxIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		s := spawn(t, n, distributed.WithMailbox(1, distributed.RejectNew))
		s.does(t, func(p *distributed.Process) {
			if err := n.SendContext(p, p.ID(), 1); err != nil {
				t.Error(err)
			}
			ctx, cancel := context.WithCancel(p)
			defer cancel()
			if err := n.SendContext(ctx, p.ID(), 2); err != distributed.ErrCallingSelf {
				t.Error(err)
			}
		})
		s.wantNotes(t, "handled", "[1]")
	})
}

func TestSendersThatWaitBehindStashedMessagesGoOnWhenThoseAreHandled(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		d := new(door)
		victim := spawn(t, n)
		d.on = func(p *distributed.Process, m any) error { p.Monitor(victim.ID()); d.on = nil; return nil }
		r, _ := distributed.SpawnHandler[any](n, d, distributed.WithMailbox(2, distributed.RejectNew))
		sendAll(t, r, "monitor")
		synctest.Wait()
		sendAll(t, r, 1)
		synctest.Wait()
		sendAll(t, r, 2)
		synctest.Wait()
		var err error
		go func() { err = r.SendContext(t.Context(), 3) }()
		synctest.Wait()
		victim.ends(t, fails)
		d.wants(t, "down", 1, 2, 3)
		if err != nil {
			t.Error(err)
		}
	})
}

// Free-running: nobody who waits for room is forgotten, and what each sends stays in order.
func TestNoSenderThatWaitsForRoomIsForgotten(t *testing.T) {
	for name, opt := range map[string]distributed.SpawnOption{
		"RejectNew":  distributed.WithMailbox(2, distributed.RejectNew),
		"KeepLatest": distributed.WithKeepLatest(2, func(m any) any { return m }),
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			const senders, each = 8, 1000
			last, got := make(map[int]int), 0
			done := make(chan struct{})
			r, err := distributed.Spawn(n, func(p *distributed.Process, m [2]int) error {
				if m[1] != last[m[0]]+1 {
					t.Errorf("sender %d: %d after %d", m[0], m[1], last[m[0]])
				}
				last[m[0]] = m[1]
				if got++; got == senders*each {
					close(done)
				}
				return nil
			}, opt)
			if err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			for i := range senders {
				all.Go(func() {
					for j := range each {
						m, err := [2]int{i, j + 1}, context.DeadlineExceeded
						if j%4 == i%4 { // these do not wait for long, and then try again
							ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+j%7)*20*time.Microsecond)
							err = r.SendContext(ctx, m)
							cancel()
						}
						if err == context.DeadlineExceeded {
							err = r.SendContext(t.Context(), m)
						}
						if err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			<-done
			n.Stop()
		})
	}
}
