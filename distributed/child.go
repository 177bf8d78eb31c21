package distributed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"
)

// child is what a supervisor knows of one. It is the supervisor's goroutine's own.
type child struct {
	spec       *ProcessSpec
	process    *Process // nil: it does not run
	serial     uint64   // of the process, or of its last one; 0: the supervisor does not look for it
	prev, next *child   // in the order of their start

	restarting bool
	turn       uint32 // changes when it starts or is stopped, so that a restart that was planned before is not done
	restarts   int
	waits      *waits // nil: its spec has no Backoff
}

// waits are those of a child before it is started again.
type waits struct {
	delay *Timer        // until the restart; nil: there is none
	n     int           // in a row
	began time.Duration // when it was started, on the node's clock; 0: it was not since it has ended
}

func newChild(spec *ProcessSpec) *child {
	c := &child{spec: spec}
	if spec.Backoff.Min > 0 {
		c.waits = new(waits)
	}
	return c
}

// children are those of one supervisor.
type children struct {
	first, last *child
	n           int
	byID        map[ProcessID]*child
	rows        map[uint64]*childRow // by the serial numbers of their processes without the last bits
	spare       *childRow            // was emptied last; nil: none
	latest      *childRow            // was added to last, and is in rows; nil: none
	latestKey   uint64               // its key
}

// childRow are the children whose processes have serial numbers in a row, as those have that
// are started one after the other. Each would cost a place in a map otherwise; one that is
// alone in its row costs as much memory again as the child itself.
type childRow struct {
	all [childRowLen]*child
	n   int
}

const childRowLen = 8 // a power of two

// bySerial returns the child whose process has or had a serial number, nil if there is none.
func (l *children) bySerial(serial uint64) *child {
	if w := l.rows[serial/childRowLen]; w != nil {
		return w.all[serial%childRowLen]
	}
	return nil
}

// add makes c the last child.
func (l *children) add(c *child) {
	if c.prev = l.last; c.prev != nil {
		c.prev.next = c
	} else {
		l.first = c
	}
	l.last = c
	l.n++
	if c.spec.ID != "" {
		l.byID[c.spec.ID] = c
	}
}

// remove forgets c, which remains what it is for who goes from one child to the next.
func (l *children) remove(c *child) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		l.first = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		l.last = c.prev
	}
	l.n--
	if c.spec.ID != "" {
		delete(l.byID, c.spec.ID)
	}
	l.forgetProcess(c)
}

// forgetProcess has c not be found any more by the process that it had.
func (l *children) forgetProcess(c *child) {
	if c.serial == 0 {
		return
	}
	key := c.serial / childRowLen
	w := l.rows[key]
	w.all[c.serial%childRowLen] = nil
	if w.n--; w.n == 0 {
		delete(l.rows, key)
		l.spare = w
		if l.latest == w {
			l.latest = nil
		}
	}
	c.serial = 0
}

// setProcess notes that c runs.
func (l *children) setProcess(c *child, p *Process) {
	l.forgetProcess(c)
	c.process, c.serial = p, p.serial
	key := p.serial / childRowLen
	w := l.latest
	if w == nil || l.latestKey != key {
		w = l.row(key)
		l.latest, l.latestKey = w, key
	}
	w.all[p.serial%childRowLen] = c
	w.n++
	if c.waits != nil {
		c.waits.began = p.node.now()
	}
}

// row returns the row of a key, which is made if there is none.
func (l *children) row(key uint64) *childRow {
	w := l.rows[key]
	if w == nil {
		if w = l.spare; w == nil {
			w = new(childRow)
		}
		l.spare = nil
		l.rows[key] = w
	}
	return w
}

// plan notes whether a restart of c is on its way. One that was before is not any more.
func (h *supervisor) plan(c *child, restart bool) {
	c.turn++
	if c.restarting != restart && c.spec.ID != "" {
		h.awaited.set(c.spec.ID, restart)
	}
	c.restarting = restart
	if w := c.waits; w != nil && w.delay != nil {
		w.delay.Stop()
		w.delay = nil
	}
}

// start starts c, which does not run. [ErrIgnore] means that there is nothing to start.
func (h *supervisor) start(c *child) error {
	h.starting.Store(nil) // what a StartFunc has done later than it may
	id, err := h.spawn(c.spec)
	p := h.starting.Swap(nil)
	if err != nil {
		if p != nil {
			h.end(c, p, BrutalKill) // it has started, and then something else went wrong
		}
		return err
	}
	if p == nil || id != "" && id != p.ID() && id != p.PID().ID() {
		if p, err = h.adopt(id); err != nil {
			return err
		}
	}
	h.children.setProcess(c, p)
	h.plan(c, false)
	return nil
}

// spawn starts a process. Its id is "" where nobody but us can have used the options. What
// of the application's runs in it may panic.
func (h *supervisor) spawn(spec *ProcessSpec) (id ProcessID, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	opts := h.options
	if spec.ID != "" && !spec.Anonymous {
		opts = append(opts[:len(opts):len(opts)], WithName(spec.ID))
	}
	if len(spec.Options) > 0 {
		opts = append(opts[:len(opts):len(opts)], spec.Options...)
	}
	n := h.process.node
	switch {
	case spec.Function != nil:
		_, err = SpawnHandler[interface{}](n, spec.Function, opts...)
	case spec.Service != nil:
		s := &service{run: spec.Service}
		var r Ref[*service]
		if r, err = SpawnHandler(n, s, opts...); err == nil {
			r.a.Go(s.serve)
		}
	case spec.Supervisor != nil:
		opts = append(opts[:len(opts):len(opts)], ownMailbox, WithTrapExit())
		_, err = SpawnHandler(n, newSupervisor(spec.Supervisor), opts...)
	default:
		if id, err = spec.Start(n, opts...); err == nil && id == "" {
			err = errors.New("distributed: StartFunc: neither an address nor an error")
		}
	}
	return id, err
}

// adopt makes a process a child that was started without the options.
func (h *supervisor) adopt(id ProcessID) (*Process, error) {
	p, err := h.process.node.find(id)
	if err != nil {
		return nil, err
	}
	if p == h.process {
		return nil, fmt.Errorf("distributed: StartFunc: %s is the supervisor", id)
	}
	p.mu.Lock()
	k := p.needKin()
	foreign := k.parent != nil && k.parent != h.process
	if !foreign {
		k.parent = h.process
	}
	p.mu.Unlock()
	if foreign {
		return nil, fmt.Errorf("distributed: StartFunc: %s is the child of another supervisor", id)
	}
	if !link(p, h.process) {
		return nil, ErrProcessNotFound
	}
	return p, nil
}

// stop ends the process of c, if it has one, and the supervisor forgets it if it is
// temporary, or has a template.
func (h *supervisor) stop(c *child) {
	h.plan(c, false)
	if p := c.process; p != nil {
		h.end(c, p, c.spec.Shutdown)
		c.process = nil
	}
	h.children.forgetProcess(c)
	if c.spec.Restart == Temporary || h.simple() {
		h.children.remove(c)
	}
}

// end has a process end and waits for it, unless the supervisor is killed. It is killed if
// it does not within a time. A monitor would not do better than to look at the process: what
// a child does to its link to the supervisor does not matter.
func (h *supervisor) end(c *child, p *Process, within time.Duration) {
	if within != BrutalKill {
		h.tell(p, ErrShutdown)
		if reason, ended := h.await(p, within); ended {
			h.report(c, p, reason)
			return
		}
		if h.killed.Err() != nil {
			return
		}
		h.log(slog.LevelWarn, "distributed: child did not end in time", c, nil)
	}
	h.tell(p, ErrKilled)
	h.await(p, Infinity)
}

// endAll is end for all children at the same time.
func (h *supervisor) endAll() {
	node := h.process.node
	told := 0
	for c := h.children.last; c != nil; c = c.prev {
		h.plan(c, false)
		if c.process == nil {
			continue
		}
		if c.spec.Shutdown == BrutalKill {
			h.tell(c.process, ErrKilled)
		} else {
			h.tell(c.process, ErrShutdown)
		}
		if told++; told%256 == 0 {
			runtime.Gosched() // so that those that can end do, and do not pile up as goroutines
		}
	}
	// All have been told, so that it does not matter in which order they are waited for.
	began := node.now()
	for c := h.children.last; c != nil; c = c.prev {
		within := c.spec.Shutdown
		if c.process == nil || within == BrutalKill {
			continue
		}
		if within != Infinity {
			within = max(within-(node.now()-began), 0)
		}
		if reason, ended := h.await(c.process, within); ended {
			h.report(c, c.process, reason)
			c.process = nil
		} else if h.killed.Err() == nil {
			h.log(slog.LevelWarn, "distributed: child did not end in time", c, nil)
			h.tell(c.process, ErrKilled)
		}
	}
	for c := h.children.last; c != nil; c = c.prev {
		if c.process != nil {
			h.await(c.process, Infinity)
			c.process = nil
		}
	}
}

// tell tells a process to exit.
func (h *supervisor) tell(p *Process, reason error) {
	p.told(h.process, h.process.PID(), reason, byRequest)
}

// await waits until a process has ended, for a time or until the supervisor is killed.
func (h *supervisor) await(p *Process, within time.Duration) (reason error, ended bool) {
	if reason, ended = p.fate(); ended || within == 0 {
		return reason, ended
	}
	if within == Infinity {
		within = 0
	}
	_ = p.node.await(h.killed, p, within) // whatever has ended the wait: it is looked at now
	return p.fate()
}

// fate returns the reason of a process that has ended, which is after its names are free.
func (p *Process) fate() (reason error, ended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reason, p.state == dead
}

// report logs that a child that was stopped has ended with another reason of its own.
func (h *supervisor) report(c *child, p *Process, reason error) {
	if s, ok := p.body.handlerOf().(*service); ok && s.late != nil && ordered(reason) {
		reason = s.late
	}
	if !ordered(reason) {
		h.log(slog.LevelWarn, "distributed: child ended otherwise when it was stopped", c, reason)
	}
}

// service is the Handler of a child that is a goroutine.
type service struct {
	run  func(ctx context.Context) error
	late error // of run, after it was told to return
}

// Handle is never called: nobody has a message of that type.
func (*service) Handle(*Process, *service) error { return nil }

// serve runs the service, and ends its process.
func (s *service) serve(ctx context.Context) error {
	err := reasonOf(s.run(ctx))
	if ctx.Err() != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.Cause(ctx)) {
		s.late = err
	}
	return err
}
