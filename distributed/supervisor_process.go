package distributed

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/kleeedolinux/socket.go/distributed/internal/restart"
)

// supervisor is the Handler of a supervisor's process, in one of its lives.
type supervisor struct {
	spec *SupervisorSpec // checked, and never changed
	root bool            // it has no supervisor

	// Set by Init.
	process *Process
	options []SpawnOption // for each child
	killed  context.Context

	starting atomic.Pointer[Process] // the child that is being started
	restarts atomic.Uint64           // of children, ever
	awaited  awaited
	asked    sync.Pool // of *question[ProcessID] that startAnother has answered

	// The goroutine's own.
	children children
	window   restart.Window
}

func newSupervisor(spec *SupervisorSpec) *supervisor {
	return &supervisor{
		spec:     spec,
		children: children{byID: make(map[ProcessID]*child), rows: make(map[uint64]*childRow)},
		window:   restart.Window{Max: max(spec.MaxRestarts, 0), Period: spec.RestartPeriod},
	}
}

// ownMailbox is the mailbox of a supervisor. It has no bound of its own: in it are what
// callers wait for, one for each of them, and restarts, one for each child.
func ownMailbox(o *spawnOptions) {
	WithMailbox(math.MaxInt32, RejectNew)(o)
	o.deep = true
}

// atSupervisorEnd is the key of the hook of a supervisor.
type atSupervisorEnd struct{}

// Init starts the children.
func (h *supervisor) Init(p *Process) error {
	h.process = p
	h.options = []SpawnOption{withParent(p), withSpawned(func(c *Process) { h.starting.Store(c) })}
	killed, kill := context.WithCancel(context.Background())
	h.killed = killed
	p.mu.Lock()
	x := p.extra()
	x.atKill = kill
	if p.killed {
		kill()
	}
	if x.atEnd == nil {
		x.atEnd = make(map[any]func())
	}
	x.atEnd[atSupervisorEnd{}] = func() { h.gone(); kill() }
	p.mu.Unlock()
	if h.root {
		p.node.mu.Lock()
		p.node.roots = append(p.node.roots, p)
		p.node.mu.Unlock()
	}
	if h.simple() {
		return nil
	}
	for i := range h.spec.Processes {
		c := newChild(&h.spec.Processes[i])
		h.children.add(c)
		if err := h.startFirst(c); err != nil {
			h.Terminate(p, err)
			return err
		}
	}
	return nil
}

// startFirst starts a child for the first time, unless the supervisor has to end.
func (h *supervisor) startFirst(c *child) error {
	if h.process.Err() != nil {
		return &StartError{h.process.ID(), c.spec.ID, context.Cause(h.process)}
	}
	_, err := h.startNow(c)
	return err
}

// Handle does what somebody asks for.
func (h *supervisor) Handle(p *Process, o order) error {
	return o.obey(h)
}

// HandleExit is told of the end of a child. What else a process is told that traps exits is
// of no interest to a supervisor.
func (h *supervisor) HandleExit(p *Process, e Exit) error {
	c := h.children.bySerial(e.From.serial)
	if c == nil || c.process == nil || c.process.PID() != e.From {
		return nil
	}
	reason, ended := c.process.fate()
	if !ended {
		return nil // it only asks its supervisor to exit
	}
	c.process = nil
	switch restart.Decide(restart.Kind(c.spec.Restart), ordered(reason)) {
	case restart.Restart:
		return h.restart(c, e.From, reason)
	case restart.Keep:
		h.children.forgetProcess(c)
		if h.simple() {
			h.children.remove(c)
		}
	case restart.Forget:
		h.children.remove(c)
	}
	if c.spec.Significant && restart.Auto(h.spec.AutoShutdown).Ends(true, h.significant()) {
		return fmt.Errorf("distributed: supervisor %s: the significant child %q has ended: %w", p.ID(), c.spec.ID, ErrShutdown)
	}
	return nil
}

// Terminate stops all children, the last first.
func (h *supervisor) Terminate(*Process, error) {
	if h.simple() {
		h.endAll()
		return
	}
	for c := h.children.last; c != nil && h.killed.Err() == nil; c = c.prev {
		h.stop(c)
	}
}

// gone runs at the very end of the supervisor, before anybody is told of it. Only if it was
// killed are there children left: they are killed too, and awaited, so that whoever starts
// the supervisor again does not meet them.
func (h *supervisor) gone() {
	p := h.process
	if n := p.node; h.root {
		n.mu.Lock()
		if i := slices.Index(n.roots, p); i >= 0 {
			n.roots = slices.Delete(n.roots, i, i+1)
		}
		n.mu.Unlock()
	}
	p.mu.Lock()
	left := p.linked(nil)
	p.mu.Unlock()
	left = slices.DeleteFunc(left, func(q *Process) bool { return !q.childOf(p) })
	for _, q := range left {
		q.told(p, p.PID(), ErrKilled, byRequest)
	}
	for _, q := range left {
		_ = p.node.await(context.Background(), q, 0) // a zombie at the latest
	}
}

// childOf reports whether q is the supervisor of p.
func (p *Process) childOf(q *Process) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.parent() == q
}

// simple reports whether the children have a template.
func (h *supervisor) simple() bool { return h.spec.Strategy == SimpleOneForOne }

// self is the supervisor as others see it.
func (h *supervisor) self() Ref[order] { return Ref[order]{h.process.body.(*actor[order])} }

// significant reports whether a significant child has not ended for good.
func (h *supervisor) significant() bool {
	for c := h.children.first; c != nil; c = c.next {
		if c.spec.Significant && (c.process != nil || c.restarting) {
			return true
		}
	}
	return false
}

// starts reports whether the supervisor is waiting for p to be started, or for one that
// starts it.
func (h *supervisor) starts(p *Process) bool {
	for {
		p.mu.Lock()
		parent := p.parent()
		p.mu.Unlock()
		if parent == nil {
			return false
		}
		above, ok := parent.body.handlerOf().(*supervisor)
		if !ok || above.starting.Load() != p {
			return false
		}
		if above == h {
			return true
		}
		p = parent
	}
}

// find returns the child of an ID, or that a process is or was, nil if there is none.
func (h *supervisor) find(id ProcessID) *child {
	if c := h.children.byID[id]; c != nil {
		return c
	}
	address, node, remote := strings.Cut(string(id), "@")
	self := h.process.node.identity
	if !strings.HasPrefix(address, "#") || remote && node != self.name {
		return nil
	}
	serial, ok := parseUnique(address, self.creation)
	if !ok {
		return nil
	}
	return h.children.bySerial(serial)
}

// findStopped returns a child that does not run and is not about to.
func (h *supervisor) findStopped(id ProcessID) (*child, error) {
	c := h.find(id)
	switch {
	case c == nil:
		return nil, ErrChildNotFound
	case h.simple():
		return nil, ErrFromTemplate
	case c.process != nil:
		return nil, ErrChildRunning
	case c.restarting:
		return nil, ErrChildRestarting
	}
	return c, nil
}

// startChild is that of Supervisor.
func (h *supervisor) startChild(p ProcessSpec) (ProcessID, error) {
	var spec *ProcessSpec
	var err error
	if h.simple() {
		spec, err = h.spec.after(&h.spec.Processes[0], p)
	} else {
		spec, err = h.spec.child(p, false)
	}
	if err != nil {
		return "", err
	}
	return h.startNew(spec)
}

// startAnother is startChild for one just like the template, which is most often wanted.
func (h *supervisor) startAnother() (ProcessID, error) {
	if h.simple() && h.spec.Processes[0].kinds() == 1 {
		return h.startNew(&h.spec.Processes[0])
	}
	return h.startChild(ProcessSpec{})
}

// startNew starts a child that is the last one from now on.
func (h *supervisor) startNew(spec *ProcessSpec) (ProcessID, error) {
	if spec.ID != "" && h.children.byID[spec.ID] != nil {
		return "", ErrChildExists
	}
	c := newChild(spec)
	h.children.add(c)
	id, err := h.startNow(c)
	if err != nil {
		h.children.remove(c)
	}
	return id, err
}

// startNow starts a child because somebody wants it to, and returns its address.
func (h *supervisor) startNow(c *child) (ProcessID, error) {
	err := h.start(c)
	switch {
	case err == nil:
		return c.process.ID(), nil
	case h.ignored(c, err):
		return "", nil
	}
	return "", &StartError{h.process.ID(), c.spec.ID, err}
}

// info is what others are told of a child.
func (c *child) info() ChildInfo {
	i := ChildInfo{ID: c.spec.ID, State: ChildStopped, IsSupervisor: c.spec.Supervisor != nil, Restarts: c.restarts}
	switch {
	case c.process != nil:
		i.State, i.Process, i.PID = ChildRunning, c.process.ID(), c.process.PID()
	case c.restarting:
		i.State = ChildRestarting
	}
	return i
}

// log logs something about a child, of which err is the reason, nil if there is none.
func (h *supervisor) log(level slog.Level, message string, c *child, err error) {
	p := h.process
	log := p.node.log
	if !log.Enabled(context.Background(), level) {
		return
	}
	attrs := []any{"node", p.node.identity.name, "supervisor", p.ID(), "child", c.spec.ID}
	if c.process != nil {
		attrs = append(attrs, "process", c.process.ID())
	}
	if err != nil {
		attrs = append(attrs, "err", err)
	}
	log.Log(context.Background(), level, message, attrs...)
}
