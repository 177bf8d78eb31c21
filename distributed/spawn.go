package distributed

import (
	"context"
	"runtime/debug"
)

// Ref is a process that takes messages of type M. A Ref stays that of its process, also
// when that has ended; the zero Ref is that of one that has. Refs can be compared.
type Ref[M any] struct{ a *actor[M] }

// Send is [Node.Send], and the fastest way to send.
func (r Ref[M]) Send(m M) error {
	if r.a == nil {
		return ErrProcessNotFound
	}
	return r.a.push(m)
}

// SendContext is [Node.SendContext].
func (r Ref[M]) SendContext(ctx context.Context, m M) error {
	if r.a == nil {
		return ErrProcessNotFound
	}
	return r.a.pushContext(ctx, m)
}

// ID returns the address of the process, "" for the zero Ref: see [Process.ID].
func (r Ref[M]) ID() ProcessID {
	if r.a == nil {
		return ""
	}
	return r.a.ID()
}

// PID returns the process itself.
func (r Ref[M]) PID() PID {
	if r.a == nil {
		return PID{}
	}
	return r.a.PID()
}

// Cast is [Ref.Send] for those who do not care what becomes of the message.
func Cast[M any](to Ref[M], m M) { _ = to.Send(m) }

// Lookup returns the Ref of the process at an address. The error is [ErrProcessNotFound],
// [ErrNoConnection], or [ErrMessageType] if it takes other messages than M.
func Lookup[M any](n *Node, id ProcessID) (Ref[M], error) {
	p, err := n.find(id)
	if err != nil {
		return Ref[M]{}, err
	}
	return RefOf[M](p)
}

// RefOf returns the Ref of a process. The error is [ErrMessageType] if it takes other
// messages than M.
func RefOf[M any](p *Process) (Ref[M], error) {
	a, ok := p.body.(*actor[M])
	if !ok {
		return Ref[M]{}, ErrMessageType
	}
	return Ref[M]{a}, nil
}

// SpawnOption is a choice for [Spawn] and [SpawnHandler].
type SpawnOption func(*spawnOptions)

type spawnOptions struct {
	name         ProcessID
	policy       *policy // nil: that of the node
	parent       *Process
	spawned      func(*Process) // is given the process before it does anything; nil: nobody asks
	links        []*Process
	priority     Priority
	capabilities []string
	groups       []string
	trap         bool
	lenient      bool
	deep         bool
}

// WithName registers the process under a name before anybody can know of it. Spawning
// fails with [ErrNameTaken] if another process has it, and with [ErrBadName].
func WithName(name ProcessID) SpawnOption { return func(o *spawnOptions) { o.name = name } }

// WithMailbox sets how many messages may wait, and what becomes of those that are too
// many. Default: the [WithMailboxSize] of the node, and [RejectNew]. It panics for a
// negative size; zero means the default.
func WithMailbox(messages int, o Overflow) SpawnOption {
	if o > EndReceiver {
		panic("distributed: WithMailbox: there is no such Overflow")
	}
	messages = size("WithMailbox", messages, 0)
	return func(s *spawnOptions) {
		s.policy = &policy{size: messages, overflow: o, single: o == DropOldest}
	}
}

// WithKeepLatest has a message take the place of one with the same key that waits, which
// is never handled then: of what changes all the time only the latest is of use. Keys must
// be comparable; key is called by senders, also by several at once. As many messages of
// different keys may wait as given, as for [WithMailbox]; one more is refused with
// [ErrMailboxFull].
func WithKeepLatest(messages int, key func(m interface{}) interface{}) SpawnOption {
	if key == nil {
		panic("distributed: WithKeepLatest: nil key")
	}
	messages = size("WithKeepLatest", messages, 0)
	return func(s *spawnOptions) {
		s.policy = &policy{size: messages, key: key, single: true}
	}
}

// WithLink links the new process to another before it does anything: see
// [Node.LinkProcesses]. It panics if p is nil.
func WithLink(p *Process) SpawnOption {
	if p == nil {
		panic("distributed: WithLink: nil process")
	}
	return func(o *spawnOptions) { o.links = append(o.links, p) }
}

// WithTrapExit has the new process trap exits from the beginning: see [Process.TrapExit].
// [SpawnHandler] panics if the handler has no way to take an [Exit].
func WithTrapExit() SpawnOption { return func(o *spawnOptions) { o.trap = true } }

// WithPriority sets the priority. Default: [PriorityNormal].
func WithPriority(p Priority) SpawnOption {
	return func(o *spawnOptions) { o.priority = p }
}

// WithCapabilities says what the process can do, in the application's own words:
// see [Node.Capable].
func WithCapabilities(names ...string) SpawnOption {
	return func(o *spawnOptions) { o.capabilities = append(o.capabilities, names...) }
}

// WithGroups makes the process a member of groups before whoever spawns it can know of it:
// see [Node.JoinGroup].
func WithGroups(names ...string) SpawnOption {
	return func(o *spawnOptions) { o.groups = append(o.groups, names...) }
}

// WithErrorsLogged has an error that Handle returns logged and counted instead of ending
// the process. [ErrNormal] and [ErrShutdown] end it all the same, and so does a panic.
func WithErrorsLogged() SpawnOption { return func(o *spawnOptions) { o.lenient = true } }

// withParent makes a supervisor the one whose exits cannot be trapped, and links it.
func withParent(p *Process) SpawnOption { return func(o *spawnOptions) { o.parent = p } }

// withSpawned has f given the process before it does anything.
func withSpawned(f func(*Process)) SpawnOption { return func(o *spawnOptions) { o.spawned = f } }

// Priority is how many messages a process handles before others have their turn, if it has
// that many. It is advice to a scheduler that may not need it.
type Priority uint8

// The priorities.
const (
	PriorityNormal Priority = iota // 256 messages
	PriorityLow                    // 64
	PriorityHigh                   // 1024
)

func (p Priority) budget() uint16 {
	switch p {
	case PriorityLow:
		return 64
	case PriorityHigh:
		return 1024
	}
	return 256
}

// Spawn starts a process that handles messages with a function. The error is
// [ErrNodeStopped], or that of an option. It panics if handle is nil.
func Spawn[M any](n *Node, handle func(p *Process, m M) error, opts ...SpawnOption) (Ref[M], error) {
	if handle == nil {
		panic("distributed: Spawn: nil function")
	}
	return SpawnHandler(n, HandlerFunc[M](handle), opts...)
}

// SpawnHandler is [Spawn] for a Handler. It waits for Init, if there is one, and returns
// the reason if the process has ended before that has returned nil: its error as a rule, or
// a *[PanicError]. It panics if h is nil, and as its options say.
func SpawnHandler[M any](n *Node, h Handler[M], opts ...SpawnOption) (Ref[M], error) {
	if h == nil {
		panic("distributed: SpawnHandler: nil Handler")
	}
	var o *spawnOptions
	if len(opts) > 0 {
		o = n.optionsOf(opts)
		defer n.freeOptions(o)
	}
	var a *actor[M]
	if o != nil && o.parent != nil {
		s := &supervised[M]{kin: kin{parent: o.parent}}
		a, s.actor.kin = &s.actor, &s.kin
	} else {
		a = new(actor[M])
	}
	a.kind, a.handler = kindOf[M](n), h
	a.node, a.body, a.policy = n, a, &n.opts.mailbox
	a.budget = PriorityNormal.budget()
	if o != nil {
		if err := a.configure(o); err != nil {
			return Ref[M]{}, err
		}
	}
	if err := a.begin(o); err != nil {
		return Ref[M]{}, err
	}
	return Ref[M]{a}, nil
}

// optionsOf returns what the options choose, until freeOptions.
func (n *Node) optionsOf(opts []SpawnOption) *spawnOptions {
	o, _ := n.spawnOptions.Get().(*spawnOptions)
	if o == nil {
		o = new(spawnOptions)
	}
	for _, f := range opts {
		f(o)
	}
	return o
}

// freeOptions takes back what optionsOf has returned.
func (n *Node) freeOptions(o *spawnOptions) {
	*o = spawnOptions{}
	n.spawnOptions.Put(o)
}

// configure follows the options that nobody else needs to know of.
func (a *actor[M]) configure(o *spawnOptions) error {
	if o.name != "" {
		if err := checkName(o.name); err != nil {
			return err
		}
	}
	a.id = o.name
	a.trapped, a.lenient, a.deep = o.trap, o.lenient, o.deep
	a.budget = o.priority.budget()
	if o.policy != nil {
		if a.policy = o.policy; a.policy.size == 0 {
			a.policy.size = a.node.opts.mailbox.size
		}
	}
	if a.policy.single {
		a.rare = new(rare[M])
	}
	if a.policy.key != nil {
		a.rare.latest = make(map[any]*M)
	}
	if o.trap && !a.takesSignal(Exit{}) {
		panic("distributed: WithTrapExit: the handler has no HandleExit")
	}
	return nil
}

// begin makes the process one that others can find, and runs Init. o may be nil.
func (a *actor[M]) begin(o *spawnOptions) error {
	n := a.node
	if !n.enter() {
		return ErrNodeStopped
	}
	a.serial = n.serial.Add(1)
	a.state = running // what comes before all is done waits, a Kill too
	init, slow := a.handler.(Initializer)
	if slow {
		a.stats.wake(n.now(), 0)
	}
	if err := a.appear(o); err != nil {
		n.refused.Add(1)
		n.leave()
		return err
	}
	if n.stopping.Load() {
		a.dismiss() // Shutdown may have looked before
	}
	if o != nil {
		a.enlist(o)
		if p := o.parent; p != nil && !link(&a.Process, p) {
			a.told(p, p.PID(), ErrProcessNotFound, byLink)
		}
		for _, p := range o.links {
			if !link(&a.Process, p) {
				a.told(nil, p.PID(), ErrProcessNotFound, byLink)
			}
		}
	}
	if o != nil && o.spawned != nil {
		o.spawned(&a.Process)
	}
	if !slow {
		a.settle()
		return nil
	}
	w := n.waiter(&a.Process)
	gen := w.begin()
	a.mu.Lock()
	there := w.watch.attach()
	a.mu.Unlock()
	go a.init(init, w, gen) // owned by a: ends when there is nothing left to do
	if !there {
		return ErrKilled // and has been given up already
	}
	return w.wait(context.Background(), 0)
}

// appear lets others find the process. Whoever does waits for mu, so that it cannot end
// before it has begun. o may be nil.
func (p *Process) appear(o *spawnOptions) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o != nil && o.name != "" {
		if err := p.take(o.name); err != nil {
			return err
		}
	}
	n := p.node
	n.registry.add(p)
	if n.events.watched.Load() {
		n.tellLocked(ProcessStarted, p, nil)
	}
	return nil
}

// settle lets the process go, which has nothing to do as a rule.
func (a *actor[M]) settle() {
	a.mu.Lock()
	rests := a.state == running && a.queue.n == 0 && a.flags.Load() == 0
	if rests {
		a.state = idle
	}
	a.mu.Unlock()
	if !rests {
		go a.run() // owned by a: ends when there is nothing left to do
	}
}

// init runs Init, and goes on as run. The spawner waits for w, as which it also learns of
// an end.
func (a *actor[M]) init(h Initializer, w *waiter, gen uint64) {
	returned := false
	defer func() {
		if !returned {
			a.end(&PanicError{Value: recover(), Stack: debug.Stack()}, false)
		}
	}()
	err := h.Init(&a.Process)
	returned = true
	if err != nil {
		a.end(err, false)
		return
	}
	w.finish(gen, nil, nil)
	a.run()
}

// ProcessFunc handles the messages of a process: see [Handler]. ctx is its [Process], and
// ends with it; self is its address. A [Down] and an [Exit] come as messages, and a
// [Request] of a [Node.Call].
type ProcessFunc func(ctx context.Context, self ProcessID, node *Node, msg interface{}) error

// Handle calls f.
func (f ProcessFunc) Handle(p *Process, m interface{}) error { return f(p, p.ID(), p.node, m) }

// ProcessOptions are choices for [Node.SpawnProcessWithOptions]. The zero value has all
// the defaults.
type ProcessOptions struct {
	Priority     Priority
	MailboxSize  int // messages that may wait; zero: the [WithMailboxSize] of the node; negative: a panic
	Capabilities []string
}

// SpawnProcess starts a process and returns its unique id. The error is [ErrNodeStopped]. It
// panics if fn is nil, as the others do that spawn.
func (n *Node) SpawnProcess(fn ProcessFunc) (ProcessID, error) {
	return n.SpawnProcessWithOptions(fn, ProcessOptions{})
}

// SpawnProcessWithID is [Node.SpawnProcess] for a process with a name. The error is
// [ErrNameTaken], [ErrBadName] or [ErrNodeStopped].
func (n *Node) SpawnProcessWithID(id ProcessID, fn ProcessFunc) (ProcessID, error) {
	return n.SpawnProcessWithIDAndOptions(id, fn, ProcessOptions{})
}

// SpawnProcessWithOptions is [Node.SpawnProcess] with options. It panics if MailboxSize is
// negative.
func (n *Node) SpawnProcessWithOptions(fn ProcessFunc, opts ProcessOptions) (ProcessID, error) {
	return n.spawnFunc(fn, opts)
}

// SpawnProcessWithIDAndOptions is [Node.SpawnProcessWithID] with options. It panics if
// MailboxSize is negative.
func (n *Node) SpawnProcessWithIDAndOptions(id ProcessID, fn ProcessFunc, opts ProcessOptions) (ProcessID, error) {
	if err := checkName(id); err != nil {
		return "", err
	}
	return n.spawnFunc(fn, opts, WithName(id))
}

func (n *Node) spawnFunc(fn ProcessFunc, opts ProcessOptions, more ...SpawnOption) (ProcessID, error) {
	if fn == nil {
		panic("distributed: SpawnProcess: nil function")
	}
	more = append(more, WithMailbox(opts.MailboxSize, RejectNew), WithPriority(opts.Priority), WithCapabilities(opts.Capabilities...))
	r, err := SpawnHandler[interface{}](n, fn, more...)
	if err != nil {
		return "", err
	}
	return r.ID(), nil
}
