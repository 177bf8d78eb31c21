package distributed_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

// An exit acts when it comes, as in Erlang. A handler that sees its context end may return
// what it likes.
func TestExitThatHasComeIsTheReasonWhateverTheHandlerReturns(t *testing.T) {
	for name, after := range map[string]func(p *distributed.Process) error{
		"nil":                    func(p *distributed.Process) error { return nil },
		"the error of its ctx":   func(p *distributed.Process) error { return p.Err() },
		"the cause of its ctx":   func(p *distributed.Process) error { return context.Cause(p) },
		"an error":               fails,
		"normal":                 func(p *distributed.Process) error { return distributed.ErrNormal },
		"a panic":                func(p *distributed.Process) error { panic("x") },
		"another exit meanwhile": func(p *distributed.Process) error { p.Exit(p.ID(), errBoom); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *distributed.Node) {
				s, w := spawn(t, n), spawn(t, n)
				w.does(t, func(p *distributed.Process) { p.Monitor(s.ID()) })
				s.ends(t, func(p *distributed.Process) error { <-p.Done(); return after(p) })
				n.Exit(s.ID(), distributed.ErrShutdown)
				w.wantNotes(t, "monitor", "[down:shutdown]")
				if got := fmt.Sprint(s.ended); got != "[shutdown]" {
					t.Errorf("Terminate got %s", got)
				}
			})
		})
	}
}

func TestUntrappedExitActsAtOnceWithManyMessagesQueued(t *testing.T) {
	for _, how := range []string{"exit", "link", "kill"} {
		inBubble(t, func(t *testing.T, n *distributed.Node) {
			s, other := spawn(t, n), spawn(t, n)
			n.LinkProcesses(s.ID(), other.ID())
			release := s.hold(t)
			const messages = 100_000
			for i := range messages {
				if err := s.ref.Send(i); err != nil {
					t.Fatal(err)
				}
			}
			start := time.Now()
			switch how {
			case "exit":
				n.Exit(s.ID(), errBoom)
			case "kill":
				n.Kill(s.ID())
			case "link":
				other.ends(t, fails)
			}
			synctest.Wait()
			if s.got() != "[]" || time.Since(start) != 0 {
				t.Errorf("%s: messages were handled", how)
			}
			if s.reason() == nil {
				t.Errorf("%s: it has not ended", how)
			}
			if d := n.Stats().Dropped; d != messages {
				t.Errorf("%s: %d messages counted as dropped", how, d)
			}
			release()
		}, distributed.WithMailboxSize(1<<20))
	}
}

func TestReceivingExitSignals(t *testing.T) {
	reasons := map[string]error{"normal": distributed.ErrNormal, "shutdown": distributed.ErrShutdown,
		"killed": distributed.ErrKilled, "boom": errBoom, "nil": nil}
	tests := []struct {
		reason string
		traps  bool
		self   bool   // it asks itself
		notes  string // what it is told
		ends   string // why it ends; "": it does not
	}{
		{"normal", false, false, "[]", ""},
		{"nil", false, false, "[]", ""},
		{"normal", true, false, "[exit:normal]", ""},
		{"normal", false, true, "[]", "normal"},
		{"normal", true, true, "[exit:normal]", ""},
		{"boom", false, false, "[]", "boom"},
		{"boom", true, false, "[exit:boom]", ""},
		{"boom", false, true, "[]", "boom"},
		{"boom", true, true, "[exit:boom]", ""},
		{"shutdown", false, false, "[]", "shutdown"},
		{"shutdown", true, false, "[exit:shutdown]", ""},
		{"killed", false, false, "[]", "killed"},
		{"killed", true, false, "[]", "killed"},
		{"killed", true, true, "[]", "killed"},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s traps=%v self=%v", test.reason, test.traps, test.self), func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *distributed.Node) {
				s, other := spawn(t, n), spawn(t, n)
				s.does(t, func(p *distributed.Process) { p.TrapExit(test.traps) })
				from := other
				if test.self {
					from = s
				}
				from.does(t, func(p *distributed.Process) { p.Exit(s.ID(), reasons[test.reason]) })
				if len(s.notes) == 1 && s.notes[0].(distributed.Exit).From != from.PID() {
					t.Errorf("From is %v", s.notes[0].(distributed.Exit).From)
				}
				s.wantNotes(t, "told", test.notes)
				if got := s.reason(); (got != nil || test.ends != "") && fmt.Sprint(got) != test.ends {
					t.Errorf("ended with %v, want %q", got, test.ends)
				}
			})
		})
	}
}

func TestTrapExitTakesEffectForLaterExits(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		s := spawn(t, n, distributed.WithTrapExit())
		n.Exit(s.ID(), errBoom)
		s.wantNotes(t, "trapped", "[exit:boom]")
		s.does(t, func(p *distributed.Process) { p.TrapExit(false) })
		n.Exit(s.ID(), errBoom)
		if s.reason() != errBoom {
			t.Errorf("ended with %v", s.reason())
		}
	})
}

func TestTrapExitWithoutAWayToTakeAnExitPanics(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		defer func() {
			if recover() == nil {
				t.Error("WithTrapExit: no panic")
			}
		}()
		r, _ := distributed.Spawn(n, func(p *distributed.Process, m int) error {
			defer func() { recover() }()
			p.TrapExit(false)
			p.TrapExit(true)
			t.Error("TrapExit: no panic")
			return nil
		})
		r.Send(1)
		synctest.Wait()
		distributed.Spawn(n, func(p *distributed.Process, m int) error { return nil }, distributed.WithTrapExit())
	})
}
