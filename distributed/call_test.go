package distributed_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

type ask = distributed.From[int]

func asIs(f ask) ask { return f }

// server handles calls with a function.
func server(t *testing.T, n *distributed.Node, handle func(*distributed.Process, ask) error) distributed.Ref[ask] {
	t.Helper()
	r, err := distributed.Spawn(n, handle)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCalls(t *testing.T) {
	errOwn := errors.New("own")
	sleep := func(d time.Duration, err error) func(*distributed.Process, ask) error {
		return func(p *distributed.Process, f ask) error { time.Sleep(d); return err }
	}
	tests := []struct {
		name   string
		handle func(p *distributed.Process, f ask) error
		during func(n *distributed.Node, r distributed.Ref[ask], cancel func()) // a second after the call
		want   error
		after  time.Duration
	}{
		{"a reply", func(p *distributed.Process, f ask) error { f.Reply(7); return nil }, nil, nil, 0},
		{"a refusal", func(p *distributed.Process, f ask) error { f.Fail(errOwn); return nil }, nil, errOwn, 0},
		{"the first reply counts", func(p *distributed.Process, f ask) error {
			if !f.Reply(7) || f.Reply(8) || f.Fail(errOwn) {
				t.Error("the first reply is taken, and no other")
			}
			return nil
		}, nil, nil, 0},
		{"a reply later, by somebody else", func(p *distributed.Process, f ask) error {
			time.AfterFunc(2*time.Second, func() { f.Reply(7) })
			return nil
		}, nil, nil, 2 * time.Second},
		{"a reply just before the end", func(p *distributed.Process, f ask) error { f.Reply(7); return errBoom }, nil, nil, 0},
		{"an end: at once, with its reason", sleep(time.Second, errBoom), nil, errBoom, time.Second},
		{"a normal end", sleep(time.Second, distributed.ErrNormal), nil, distributed.ErrNormal, time.Second},
		{"an exit of a busy process", func(p *distributed.Process, f ask) error { <-p.Done(); return nil },
			func(n *distributed.Node, r distributed.Ref[ask], _ func()) { n.Exit(r.ID(), errBoom) }, errBoom, time.Second},
		{"a kill", func(p *distributed.Process, f ask) error { <-p.Done(); return nil },
			func(n *distributed.Node, r distributed.Ref[ask], _ func()) { n.Kill(r.ID()) }, distributed.ErrKilled, time.Second},
		{"no reply", sleep(0, nil), nil, distributed.ErrTimeout, 5 * time.Second},
		{"no reply until the context ends", sleep(0, nil),
			func(_ *distributed.Node, _ distributed.Ref[ask], cancel func()) { cancel() }, context.Canceled, time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *distributed.Node) {
				r := server(t, n, test.handle)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if test.during != nil {
					time.AfterFunc(time.Second, func() { test.during(n, r, cancel) })
				}
				start := time.Now()
				got, err := distributed.Call(ctx, r, asIs)
				if !errors.Is(err, test.want) || time.Since(start) != test.after || err == nil && got != 7 {
					t.Errorf("Call = %d, %v after %v; want %v after %v", got, err, time.Since(start), test.want, test.after)
				}
				var ce *distributed.CallError
				if err != nil && (!errors.As(err, &ce) || ce.Process != r.ID()) {
					t.Errorf("%v is not a CallError of %s", err, r.ID())
				}
			})
		})
	}
}

func TestCallThatCannotBeMade(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		s := spawn(t, n, distributed.WithMailbox(1, distributed.RejectNew))
		gone := spawn(t, n)
		gone.ends(t, fails)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		call := func(ctx context.Context, to distributed.ProcessID) error { _, err := n.Call(ctx, to, 1); return err }
		want := func(what string, err, want error) {
			t.Helper()
			if !errors.Is(err, want) {
				t.Errorf("%s: %v", what, err)
			}
		}
		_, err := distributed.Call(t.Context(), distributed.Ref[ask]{}, asIs)
		want("zero Ref", err, distributed.ErrProcessNotFound)
		want("nobody", call(t.Context(), "nobody"), distributed.ErrProcessNotFound)
		want("one that has ended", call(t.Context(), gone.PID().ID()), distributed.ErrProcessNotFound)
		want("another node", call(t.Context(), "x@y"), distributed.ErrNoConnection)
		want("a context that has ended", call(ended, s.ID()), context.Canceled)
		other := server(t, n, func(*distributed.Process, ask) error { return nil })
		want("another type", call(t.Context(), other.ID()), distributed.ErrMessageType)
		s.does(t, func(p *distributed.Process) {
			ctx, cancel := context.WithTimeout(p, time.Hour)
			defer cancel()
			want("itself", call(p, p.ID()), distributed.ErrCallingSelf)
			want("itself, by a context made from it", call(ctx, p.ID()), distributed.ErrCallingSelf)
		})
		release := s.hold(t)
		sendAll(t, s.ref, 1)
		want("a full mailbox", call(t.Context(), s.ID()), distributed.ErrMailboxFull)
		release()
	})
}

// A call is a message: too many are too many for a mailbox whose process ends then.
func TestCallToAFullMailboxEndsItsReceiver(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		s := spawn(t, n, distributed.WithMailbox(1, distributed.EndReceiver))
		s.hold(t)
		sendAll(t, s.ref, 1)
		if _, err := n.Call(t.Context(), s.ID(), 1); !errors.Is(err, distributed.ErrMailboxFull) {
			t.Error(err)
		}
		if s.reason() != distributed.ErrMailboxFull {
			t.Errorf("ended with %v", s.reason())
		}
	})
}

func TestLateReplyIsDroppedAndNotTakenForThatOfTheNextCall(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		var kept []ask
		r := server(t, n, func(p *distributed.Process, f ask) error { kept = append(kept, f); return nil })
		for i := range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := distributed.Call(ctx, r, asIs); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			cancel()
			synctest.Wait()
			late := slices.Clone(kept)
			time.AfterFunc(time.Second/2, func() { // while the next call waits
				for _, f := range late {
					if f.Reply(i) {
						t.Error("a late reply was taken")
					}
				}
			})
		}
		time.Sleep(time.Minute)
	})
}

func TestCallOfAProcessThatHasToEndReturns(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		r := server(t, n, func(p *distributed.Process, f ask) error { return nil })
		s := spawn(t, n)
		var err error
		s.does(t, func(p *distributed.Process) { _, err = distributed.Call(p, r, asIs) })
		n.Exit(s.ID(), errBoom)
		synctest.Wait()
		if !errors.Is(err, context.Canceled) || s.reason() != errBoom {
			t.Errorf("the call returned %v, the process ended with %v", err, s.reason())
		}
	})
}

func TestCallsDoNotHoldTheWaitersOfOthersUp(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		r := server(t, n, func(p *distributed.Process, f ask) error { time.Sleep(time.Second); f.Reply(1); return nil })
		start := time.Now()
		var done atomic.Int32
		for range 3 {
			go func() {
				if _, err := distributed.Call(t.Context(), r, asIs); err != nil {
					t.Error(err)
				}
				done.Add(1)
			}()
			synctest.Wait()
		}
		if err := n.Exit(r.ID(), distributed.ErrNormal); err != nil {
			t.Error(err)
		}
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if done.Load() != 3 || time.Since(start) != 4*time.Second {
			t.Errorf("%d calls done", done.Load())
		}
	})
}
