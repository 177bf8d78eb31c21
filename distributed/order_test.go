package distributed_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

// What one process sends to another comes in order, across all kinds of signals.
func TestSignalsOfOneProcessComeInTheirOrder(t *testing.T) {
	tests := []struct {
		name string
		do   func(p *distributed.Process, to *subject, third *subject)
		want string
	}{
		{"messages", func(p *distributed.Process, to, third *subject) {
			sendAll(t, to.ref, 1, 2, 3)
		}, "[1 2 3]"},
		{"a message, an exit, a message", func(p *distributed.Process, to, third *subject) {
			sendAll(t, to.ref, 1)
			p.Exit(to.ID(), errBoom)
			sendAll(t, to.ref, 2)
		}, "[1 exit:boom 2]"},
		{"messages, then its own end: by a monitor", func(p *distributed.Process, to, third *subject) {
			sendAll(t, to.ref, 1, 2)
			p.Exit(p.ID(), errBoom)
		}, "[1 2 down:boom]"},
		{"messages, then its own end: by a link", func(p *distributed.Process, to, third *subject) {
			p.Node().Exit(third.ID(), distributed.ErrKilled)
			p.Link(to.ID())
			sendAll(t, to.ref, 1, 2)
			p.Exit(p.ID(), errBoom)
		}, "[1 2 exit:boom down:boom]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *distributed.Node) {
				from, to, third := spawn(t, n), spawn(t, n, distributed.WithTrapExit()), spawn(t, n)
				to.does(t, func(p *distributed.Process) { p.Monitor(from.ID()) })
				release := to.hold(t) // everything queues up
				from.does(t, func(p *distributed.Process) { test.do(p, to, third) })
				release()
				to.wantNotes(t, test.name, test.want)
			})
		})
	}
}

// An exit that is trapped comes behind all that was sent before it; so does a Down.
func TestTrappedExitsAndDownsComeBehindWhatWasSentBefore(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		s, other := spawn(t, n, distributed.WithTrapExit()), spawn(t, n)
		s.does(t, func(p *distributed.Process) { p.Monitor(other.ID()); p.Link(other.ID()) })
		release := s.hold(t)
		want := make([]any, 0, 2000)
		for i := range 1000 {
			sendAll(t, s.ref, i)
			want = append(want, i)
		}
		n.Exit(s.ID(), errBoom)
		other.ends(t, fails)
		for i := range 1000 {
			sendAll(t, s.ref, 1000+i)
		}
		release()
		synctest.Wait()
		kinds := 0
		var got []any
		for i, m := range s.notes {
			if _, ok := m.(int); ok {
				got = append(got, m)
			} else if kinds++; i < 1000 || i > 1002 {
				t.Errorf("%T is handled as number %d", m, i)
			}
		}
		for i := range 1000 {
			want = append(want, 1000+i)
		}
		if kinds != 3 || !slices.Equal(got, want) {
			t.Errorf("%d signals, messages in order: %v", kinds, slices.Equal(got, want))
		}
	})
}

func TestMessagesOfEachSenderStayInOrder(t *testing.T) {
	n := newNode(t, distributed.WithMailboxSize(1<<30))
	const senders, each = 16, 10000
	last, got := make([]int, senders), 0
	done := make(chan struct{})
	r, _ := distributed.Spawn(n, func(p *distributed.Process, m [2]int) error {
		if m[1] != last[m[0]]+1 {
			t.Errorf("sender %d: %d after %d", m[0], m[1], last[m[0]])
			return errBoom
		}
		last[m[0]] = m[1]
		if got++; got == senders*each {
			close(done)
		}
		return nil
	})
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			for j := range each {
				if err := r.Send([2]int{i, j + 1}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	<-done
	n.Stop()
}

func TestMessageIsHandledAtMostOnceAndOneToAProcessThatHasEndedNotAtAll(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		s := spawn(t, n, distributed.WithName("s"))
		sendAll(t, s.ref, 1)
		s.wantNotes(t, "once", "[1]")
		pid := s.PID().ID()
		s.ends(t, fails)
		for name, err := range map[string]error{
			"Ref.Send":         s.ref.Send(2),
			"Send to the name": n.Send("s", 2),
			"Send to the id":   n.Send(pid, 2),
			"SendContext":      s.ref.SendContext(t.Context(), 2),
			"zero Ref":         distributed.Ref[int]{}.Send(2),
			"nobody":           n.Send("#", 2),
		} {
			if err != distributed.ErrProcessNotFound {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := n.Send("s@elsewhere", 1); err != distributed.ErrNoConnection {
			t.Errorf("another node: %v", err)
		}
		s.wantNotes(t, "after the end", "[]")
	})
}

// panics is a handler that does.
func panics(*distributed.Process) error { panic(errBoom) }

// Terminate has returned, and the name is free, when anybody is told of the end.
func TestTerminateHasReturnedAndNamesAreFreeBeforeAnybodyIsTold(t *testing.T) {
	for name, end := range map[string]func(n *distributed.Node, s *subject){
		"an error": func(n *distributed.Node, s *subject) { s.ref.Send(do(fails)) },
		"a panic": func(n *distributed.Node, s *subject) {
			s.ref.Send(do(panics))
		},
		"an exit":   func(n *distributed.Node, s *subject) { n.Exit("a", errBoom) },
		"a helper":  func(n *distributed.Node, s *subject) { s.Go(hangAndFail) },
		"a link":    func(n *distributed.Node, s *subject) { n.Send("linked", do(fails)) },
		"a request": func(n *distributed.Node, s *subject) { s.Exit("a", errBoom) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *distributed.Node) {
				s, w, l := spawn(t, n, distributed.WithName("a")), spawn(t, n), spawn(t, n, distributed.WithTrapExit())
				spawn(t, n, distributed.WithName("linked"), distributed.WithLink(s.Process))
				n.Register("b", "a")
				n.LinkProcesses("a", l.ID())
				other := spawn(t, n, distributed.WithName("other"))
				var over time.Time
				var count atomic.Int32
				s.onEnd = func() {
					time.Sleep(time.Minute)
					for _, name := range []distributed.ProcessID{"a", "b"} {
						if _, ok := n.Whereis(name); !ok {
							t.Errorf("the name %s is free while it terminates", name)
						}
						if err := n.Send(name, 1); err != distributed.ErrProcessNotFound {
							t.Errorf("Send while it terminates: %v", err)
						}
					}
					over = time.Now()
				}
				told := func(m any) {
					if over.IsZero() || over != time.Now() {
						t.Errorf("told %v, Terminate returned at %v", m, over)
					}
					for _, name := range []distributed.ProcessID{"a", "b", s.PID().ID()} {
						if pid, ok := n.Whereis(name); ok && pid == s.PID() {
							t.Errorf("%s is still there when %T comes", name, m)
						}
					}
					if err := n.Register("a", "other"); err != nil && err != distributed.ErrNameTaken {
						t.Error(err)
					}
					if pid, _ := n.Whereis("a"); pid != other.PID() {
						t.Errorf("the name cannot be used again when %T comes", m)
					}
					count.Add(1)
				}
				w.on, l.on = told, told
				w.does(t, func(p *distributed.Process) { p.Monitor("a") })
				go func() {
					if err := n.Wait(t.Context(), "a"); errorOf(err) == "" || over.IsZero() {
						t.Errorf("Wait returned %v before Terminate", err)
					}
				}()
				synctest.Wait()
				end(n, s)
				time.Sleep(time.Hour)
				synctest.Wait()
				if count.Load() != 2 || len(s.ended) != 1 {
					t.Errorf("%d were told, Terminate was called %d times", count.Load(), len(s.ended))
				}
			})
		})
	}
}
