package distributed

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Process is a process as its own handler sees it. It is a [context.Context] that ends
// when the process has to: when it is told to exit, is killed, or ends by itself;
// [context.Cause] is the reason. Its methods are for the handler and for goroutines that
// [Process.Go] has started; everybody else uses the [Node], and [Ref].
type Process struct {
	mu        sync.Mutex // guards the fields below, and the mailbox of body
	state     state
	trapped   bool // exits come as messages
	killed    bool
	zombie    bool      // it was killed, and its handler has not returned
	finishing bool      // its end is being told
	id        ProcessID // as the handler knows it; "" until somebody asks
	reason    error     // why it has to end, or has ended
	watches   *watch    // others that want to know when it ends: calls and monitors
	kin       *kin      // nil until it is needed
	stats     stats

	node   *Node
	serial uint64
	body   body   // what is known about messages of their type
	loop   func() // body.run; nil before the first message; guarded by mu

	// What the handler must look at before the next message: flagExit and others.
	flags atomic.Uint32

	budget  uint16 // messages in one go
	lenient bool   // an error of the handler does not end it
	deep    bool   // its handler needs more stack than a goroutine begins with
}

// stats are what is counted of a process, besides its messages. They are guarded by
// Process.mu.
type stats struct {
	errors uint32
	rate   float32       // messages per second, over the last window
	since  time.Duration // when the window began, on the node's clock
	at     uint64        // messages handled then
	busy   time.Duration // in the handler
	began  time.Duration // when the goroutine did that runs now; 0: none does
	active time.Duration // when the last message had been handled
}

type state uint8

const (
	idle    state = iota // it has no goroutine, and nothing to do
	running              // it has one
	ending               // nothing more is taken
	dead                 // everybody has been told
)

// The flags of a process.
const (
	flagExit    = 1 << iota // it has to end
	flagSignals             // others than messages wait
	flagSenders             // senders wait for room
)

// body is the part of a process that knows the type of its messages. Those methods that
// say so are called with mu held.
type body interface {
	run()
	pushAny(ctx context.Context, m any) error // nil: without waiting
	callAny(ctx context.Context, w *waiter, m any) error
	handlerOf() any
	stash() bool
	unstash()

	takesSignal(s any) bool
	signal(s any) (reason error, over bool) // see signal
	before() uint64                         // how many messages have come; with mu held
	setDue(n uint64)                        // how many come before the first signal; with mu held

	handled() uint64 // messages whose handler has begun

	waiting() int // messages that wait; with mu held
	free() int    // how many more may; with mu held
	drop() int    // forgets the messages that wait; with mu held
	admit()       // takes messages of senders that wait, as many as there is room for; with mu held

	whenFull() Overflow // what becomes of a message for which there is no room
}

// extras are what many processes never need.
type extras struct {
	names    []ProcessID
	watching *watch          // its monitors
	signals  []signal        // that wait, the oldest first
	senders  []*sender       // that wait for room, the first first
	ctx      context.Context // nil, and cancel, until somebody asks
	cancel   context.CancelCauseFunc
	timers   map[*Timer]struct{}
	helpers  int           // goroutines of Go
	helped   chan struct{} // closed when the last of them has ended; nil: nobody waits
	grace    *time.Timer   // makes it a zombie
	groups   *memberships  // nil: none
	atKill   func()        // tells a supervisor that it was killed; nil: it does not matter
	atEnd    map[any]func()
}

// extra returns the extras, which are made if there are none. It is called with mu held.
func (p *Process) extra() *extras {
	k := p.needKin()
	if k.more == nil {
		k.more = new(extras)
	}
	return k.more
}

// more returns the extras, nil if there are none. It is called with mu held.
func (p *Process) more() *extras {
	if p.kin == nil {
		return nil
	}
	return p.kin.more
}

// PID returns the process as one that no other is ever taken for.
func (p *Process) PID() PID { return PID{p.node.identity, p.serial} }

// ID returns the name under which the process was spawned, or else its unique id.
func (p *Process) ID() ProcessID {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ident()
}

// ident is ID with mu held.
func (p *Process) ident() ProcessID {
	if p.id == "" {
		p.id = uniqueID(p.serial, p.node.identity.creation)
	}
	return p.id
}

// Node returns the node that the process runs on.
func (p *Process) Node() *Node { return p.node }

// Self returns the process whose handler was given ctx, or a context made from it; nil if
// there is none.
func Self(ctx context.Context) *Process {
	p, _ := ctx.Value(selfKey{}).(*Process)
	return p
}

type selfKey struct{}

// Deadline is that of [context.Context]: there is none.
func (p *Process) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done is that of [context.Context].
func (p *Process) Done() <-chan struct{} { return p.context().Done() }

// Err is that of [context.Context].
func (p *Process) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reason != nil {
		return context.Canceled
	}
	return nil
}

// Value is that of [context.Context].
func (p *Process) Value(key any) any {
	if key == (selfKey{}) {
		return p
	}
	return p.context().Value(key) // which is how package context finds the cause
}

// context returns the context behind the process, which is made when somebody asks.
func (p *Process) context() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	x := p.extra()
	if x.ctx == nil {
		x.ctx, x.cancel = context.WithCancelCause(context.Background())
		if p.reason != nil {
			x.cancel(p.reason)
		}
	}
	return x.ctx
}

// TrapExit sets whether exits of linked processes, and requests to exit, come as an [Exit]
// instead of ending the process. The exit of the supervisor that has started it ends it
// all the same, and nothing helps against [Node.Kill]. It panics if the process has no way
// to take an Exit.
func (p *Process) TrapExit(on bool) {
	if on && !p.body.takesSignal(Exit{}) {
		panic("distributed: TrapExit: the process has no HandleExit")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trapped = on
}

// Stash puts the message that is being handled aside until [Process.Unstash]. What is put
// aside counts for the bound of the mailbox. It panics outside of Handle, for a second time
// for one message, and for a [Down] or an [Exit].
func (p *Process) Stash() {
	if !p.body.stash() {
		panic("distributed: Stash: no message is being handled")
	}
}

// Unstash lets the messages that were put aside be handled next, in the order in which
// they came. Only the handler may call it.
func (p *Process) Unstash() { p.body.unstash() }

// wake has the process look at what there is to do. It is called with mu held; the caller
// starts what it returns, if that is not nil, as a goroutine once mu is free.
func (p *Process) wake() func() {
	if p.state != idle {
		return nil
	}
	p.state = running
	if p.loop == nil {
		p.loop = p.body.run
	}
	return p.loop
}

// attend does what there is to do before the next message. The handler ends with the
// reason that it returns, if ok is false.
func (p *Process) attend(popped uint64) (reason error, ok bool) {
	for {
		p.mu.Lock()
		if p.flags.Load()&flagExit != 0 {
			reason := p.reason
			p.mu.Unlock()
			return reason, false
		}
		p.body.admit()
		s, due := p.nextSignal(popped)
		p.mu.Unlock()
		if !due {
			return nil, true
		}
		if reason, over := p.body.signal(s); over {
			return reason, false
		}
	}
}

// failed judges an error of the handler, and reports whether the process ends with it.
func (p *Process) failed(err error) bool {
	if !p.lenient || ordered(err) {
		return true
	}
	p.mu.Lock()
	p.stats.errors++
	p.mu.Unlock()
	p.node.log.Error("distributed: handler", "node", p.node.identity.name, "process", p.ID(), "err", err)
	return false
}
