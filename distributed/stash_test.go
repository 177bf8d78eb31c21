package distributed_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/kleeedolinux/socket.go/distributed"
)

// door handles ints once it is open; until then it puts them aside.
type door struct {
	open bool
	got  []any
	on   func(p *distributed.Process, m any) error
}

func (d *door) Handle(p *distributed.Process, m any) error {
	if d.on != nil {
		return d.on(p, m)
	}
	switch m {
	case "open":
		d.open = true
		p.Unstash()
	case "close":
		d.open = false
	case "fail":
		return errBoom
	default:
		if !d.open {
			p.Stash()
			return nil
		}
	}
	d.got = append(d.got, m)
	return nil
}

func (d *door) HandleDown(p *distributed.Process, down distributed.Down) error {
	d.open = true
	d.got = append(d.got, "down")
	p.Unstash()
	return nil
}

func (d *door) wants(t *testing.T, want ...any) {
	t.Helper()
	synctest.Wait()
	if !slices.Equal(d.got, want) {
		t.Errorf("handled %v, want %v", d.got, want)
	}
	d.got = nil
}

func sendAll(t *testing.T, to distributed.Ref[any], messages ...any) {
	t.Helper()
	for _, m := range messages {
		if err := to.Send(m); err != nil {
			t.Errorf("Send(%v) = %v", m, err)
		}
	}
}

func TestStashedMessagesAreHandledNextInTheOrderInWhichTheyCame(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		d := new(door)
		r, _ := distributed.SpawnHandler[any](n, d)
		sendAll(t, r, 1, 2, 3, "open", 4, "close", 5, "open", 6)
		d.wants(t, "open", 1, 2, 3, 4, "close", "open", 5, 6)
		// While those put aside are handled, some are put aside again.
		d.open = false
		sendAll(t, r, 1, 2, 3)
		synctest.Wait()
		seen := 0
		d.on = func(p *distributed.Process, m any) error {
			if m == "go" {
				p.Unstash()
				return nil
			}
			if seen++; seen == 1 || seen == 2 {
				p.Stash()
				return nil
			}
			if seen == 3 {
				p.Unstash() // 1 and 2, which come after 3
			}
			d.got = append(d.got, m)
			return nil
		}
		sendAll(t, r, "go", 4)
		d.wants(t, 3, 1, 2, 4)
	})
}

func TestDownIsHandledBehindTheMessagesBeforeItAndUnstashes(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		for _, size := range []int{1, 2, 100} {
			d := new(door)
			r, _ := distributed.SpawnHandler[any](n, d, distributed.WithMailbox(size, distributed.RejectNew))
			victim := spawn(t, n)
			d.on = func(p *distributed.Process, m any) error { p.Monitor(victim.ID()); d.on = nil; return nil }
			sendAll(t, r, "monitor")
			synctest.Wait()
			sendAll(t, r, 1)
			synctest.Wait()
			victim.ends(t, fails)
			d.wants(t, "down", 1)
		}
	})
}

func TestStashTwiceOrOutsideOfAMessagePanics(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		times := 0
		var panicked any
		w := &watcher{on: func(p *distributed.Process, m any) error {
			if times++; times > 1 {
				p.Exit(p.ID(), distributed.ErrNormal)
				return nil
			}
			p.Stash()
			func() {
				defer func() { panicked = recover() }()
				p.Stash()
			}()
			p.Unstash()
			return nil
		}}
		r, _ := distributed.SpawnHandler[any](n, w)
		r.Send(1)
		synctest.Wait()
		if panicked == nil || times != 2 {
			t.Errorf("panic %v, handled %d times: a message must not become two", panicked, times)
		}
		_, err := distributed.SpawnHandler[any](n, initHandler{init: func(p *distributed.Process) error { p.Stash(); return nil }})
		if got := errorOf(err); got != "panic distributed: Stash: no message is being handled" {
			t.Errorf("Stash in Init: %s", got)
		}
	})
}

func TestStashedMessagesCountForTheBoundAndAreDroppedAtTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, n *distributed.Node) {
		d := new(door)
		r, _ := distributed.SpawnHandler[any](n, d, distributed.WithMailbox(3, distributed.RejectNew))
		for i := range 3 {
			sendAll(t, r, i)
			synctest.Wait()
		}
		if err := r.Send("open"); err != distributed.ErrMailboxFull {
			t.Errorf("Send when three are put aside of three = %v", err)
		}
		n.Exit(r.ID(), errBoom)
		synctest.Wait()
		if got := n.Stats().Dropped; got != 3 {
			t.Errorf("dropped %d, want 3", got)
		}
	})
}
