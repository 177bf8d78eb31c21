package distributed_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

// wantInTree fails unless a line of the tree begins with a name and goes on with words,
// once nothing goes on any more.
func (s *stage) wantInTree(name, words string) {
	s.Helper()
	synctest.Wait()
	var out bytes.Buffer
	s.n.WriteTree(&out)
	for line := range strings.Lines(out.String()) {
		if f := strings.Fields(strings.TrimLeft(line, "│├└─ ")); len(f) > 0 && f[0] == name {
			if got := strings.Join(f[1:], " "); !strings.HasPrefix(got, words) {
				s.Errorf("%s: %q, want %q", name, got, words)
			}
			return
		}
	}
	if words != "" {
		s.Errorf("no line about %s in\n%s", name, out.String())
	}
}

func TestTreeShowsAChildThatIsAboutToBeStartedAgain(t *testing.T) {
	onStage(t, func(s *stage) {
		slow := func(p *distributed.ProcessSpec) { p.Backoff.Min = time.Minute }
		unnamed := func(p *distributed.ProcessSpec) { p.Anonymous = true }
		sup := s.start(distributed.OneForOne, s.child("a", slow), s.child("b", slow), s.child("c", transient),
			s.child("d", slow, unnamed))
		if _, err := sup.StartChild(s.ctx, s.child("late", slow)); err != nil {
			t.Fatal(err)
		}
		children, err := sup.WhichChildren(s.ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []distributed.ProcessID{"a", "late", children[3].Process} {
			s.end(c, errBoom)
			time.Sleep(10 * time.Second) // of which only the last restart may be one too many in a while
		}
		s.end("c", distributed.ErrNormal)
		s.wantInTree("a", "restarting")
		s.wantInTree("late", "restarting")
		s.wantInTree("d", "restarting")
		s.wantInTree("b", "*distributed_test.actor, idle")
		s.wantInTree("c", "not running")
		if err := sup.TerminateChild(s.ctx, "a"); err != nil {
			t.Error(err)
		}
		s.wantInTree("a", "not running")
		time.Sleep(time.Minute)
		s.wantInTree("a", "not running")
		s.wantInTree("late", "*distributed_test.actor, idle")
		s.wantInTree("d", "")
		if _, err := sup.RestartChild(s.ctx, "a"); err != nil {
			t.Error(err)
		}
		s.wantInTree("a", "*distributed_test.actor, idle")
	})
}
