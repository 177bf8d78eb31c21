package distributed

import (
	"errors"
	"log/slog"
	"math/rand/v2"

	"github.com/kleeedolinux/socket.go/distributed/internal/restart"
)

// restart starts c again, whose process has ended, or which could not be started, with all
// that the strategy says; or gives up.
func (h *supervisor) restart(c *child, ended PID, reason error) error {
	p := h.process
	if !h.window.Add(p.node.now()) {
		err := &GiveUpError{p.ID(), c.spec.ID, reason, h.window.Max, h.window.Period}
		p.node.gaveUp.Add(1)
		h.log(slog.LevelError, "distributed: supervisor gives up", c, reason)
		return err
	}
	if p.node.events.watched.Load() {
		p.node.tellRestart(p, ended, reason)
	}
	c.restarts++
	h.restarts.Add(1)
	h.plan(c, true)
	h.stopSiblings(c)
	b := restart.Backoff(c.spec.Backoff)
	if b.Min == 0 {
		h.startAgain(c)
		return nil
	}
	w := c.waits
	if w.began != 0 && p.node.now()-w.began >= b.Max {
		w.n = 0
	}
	w.began = 0
	turn := c.turn
	w.delay = SendAfter(p, b.Delay(w.n, rand.Float64()), h.self(), order(orderFunc(func(h *supervisor) error {
		if c.turn == turn {
			h.stopSiblings(c) // somebody may have started one meanwhile
			h.startAgain(c)
		}
		return nil
	})))
	w.n++
	return nil
}

// siblings returns the first child that is started again with c.
func (h *supervisor) siblings(c *child) (from, behind *child) {
	switch h.spec.Strategy {
	case OneForAll:
		return h.children.first, nil
	case RestForOne:
		return c, nil
	}
	return c, c.next
}

// stopSiblings stops those that are started again with c.
func (h *supervisor) stopSiblings(c *child) {
	from, behind := h.siblings(c)
	if behind != nil || from == h.children.last {
		return // it is alone
	}
	for x := h.children.last; ; x = x.prev {
		last := x == from // which may be forgotten
		if x != c {
			h.stop(x)
		}
		if last {
			return
		}
	}
}

// startAgain starts c and those that are started again with it. At the first that cannot be
// started it is tried again, once the supervisor has looked at what else it is asked to do.
func (h *supervisor) startAgain(c *child) {
	p := h.process
	for x, behind := h.siblings(c); x != behind; x = x.next {
		if x.process != nil {
			continue
		}
		if p.Err() != nil {
			return // it has to end, and stops those that were started
		}
		err := h.start(x)
		switch {
		case err == nil:
			h.log(slog.LevelInfo, "distributed: child started again", x, nil)
		case h.ignored(x, err):
		default:
			h.tryAgain(x, err)
			return
		}
	}
}

// tryAgain has x, which could not be started, started again later.
func (h *supervisor) tryAgain(x *child, err error) {
	if p := h.process; p.node.stopping.Load() {
		h.plan(x, false) // nothing is started any more, and that is no fault of the child's
		return
	}
	h.log(slog.LevelError, "distributed: child not started", x, err)
	h.plan(x, true)
	turn := x.turn
	Cast(h.self(), order(orderFunc(func(h *supervisor) error {
		if x.turn == turn {
			return h.restart(x, PID{}, err)
		}
		return nil
	})))
}

// ignored reports whether a child was not started because there was nothing to start, and
// keeps it as one that does not run.
func (h *supervisor) ignored(c *child, err error) bool {
	if !errors.Is(err, ErrIgnore) {
		return false
	}
	h.plan(c, false)
	h.children.forgetProcess(c)
	if c.spec.Restart == Temporary || h.simple() {
		h.children.remove(c)
	}
	return true
}
