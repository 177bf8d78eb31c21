package distributed

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Node is where processes live. All of its methods may be called from any goroutine.
type Node struct {
	Bond // the socket server: node.SocketServer

	identity     *identity
	opts         options
	log          *slog.Logger
	logs         bool // log does something
	start        time.Time
	registry     registry
	kinds        sync.Map  // *kind by the reflect.Type of its messages
	waiters      sync.Pool // of *waiter
	spawnOptions sync.Pool // of *spawnOptions, all zero
	groups       groups

	serial  atomic.Uint64 // of the latest process
	refused atomic.Uint64 // serials of those that were not spawned: their names were taken
	count   atomic.Int64  // processes that have not ended
	zombies atomic.Int64
	ended   atomic.Uint64 // processes
	crashed atomic.Uint64 // processes that have ended with another reason than good order
	gaveUp  atomic.Uint64 // supervisors
	dropped atomic.Uint64 // messages: their process had ended, or they were too many

	stopping atomic.Bool
	events   eventBus
	standIns standIns // for sockets

	mu    sync.Mutex    // guards the fields below
	empty chan struct{} // closed when a node that stops has no process left; nil: nobody waits
	roots []*Process    // supervisors that have none, in the order of their start
}

type options struct {
	log         *slog.Logger
	mailbox     policy
	killGrace   time.Duration
	callTimeout time.Duration
	stopTimeout time.Duration
	bond        Bond
}

// Option is a choice for [NewNode].
type Option func(*options)

// Defaults of a node.
const (
	defaultMailbox     = 4096
	defaultKillGrace   = 5 * time.Second
	defaultCallTimeout = 5 * time.Second
	defaultStopTimeout = 10 * time.Second
)

// WithLogger sets where crashes are logged. Default: [slog.Default]; nil: nowhere.
func WithLogger(l *slog.Logger) Option {
	return func(o *options) {
		if l == nil {
			l = slog.New(slog.DiscardHandler)
		}
		o.log = l
	}
}

// WithMailboxSize sets how many messages may wait for a process that has not asked for
// another number. Default: 4096, which is what zero means too; a negative number is
// refused by a panic.
func WithMailboxSize(messages int) Option {
	return func(o *options) { o.mailbox.size = size("WithMailboxSize", messages, defaultMailbox) }
}

// WithKillGrace sets how long a process that was killed is waited for whose handler does
// not return, before it is given up as a zombie. Default: 5 s, which is what zero means
// too; negative: no time at all.
func WithKillGrace(d time.Duration) Option {
	return func(o *options) { o.killGrace = orDefault(d, defaultKillGrace) }
}

// WithCallTimeout sets how long a call waits for its reply whose context has no deadline.
// Default: 5 s, which is what zero means too; negative: for ever.
func WithCallTimeout(d time.Duration) Option {
	return func(o *options) {
		if o.callTimeout = d; d == 0 {
			o.callTimeout = defaultCallTimeout
		}
	}
}

// WithStopTimeout sets how long [Node.Stop] waits before it kills what is left. Default:
// 10 s, which is what zero means too; negative: no time at all.
func WithStopTimeout(d time.Duration) Option {
	return func(o *options) { o.stopTimeout = orDefault(d, defaultStopTimeout) }
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return max(d, 0)
}

func size(option string, messages, otherwise int) int {
	switch {
	case messages < 0:
		panic(fmt.Sprintf("distributed: %s: %d messages", option, messages))
	case messages == 0:
		return otherwise
	}
	return messages
}

// NewNode returns a node without processes. It has no goroutine and needs no end: a node
// that nobody refers to is garbage. It panics for a name that is empty or contains an @.
func NewNode(name string, opts ...Option) *Node {
	if name == "" || strings.Contains(name, "@") {
		panic(fmt.Sprintf("distributed: NewNode: the name %q", name))
	}
	n := &Node{identity: newIdentity(name), start: time.Now(), opts: options{
		log:         slog.Default(),
		mailbox:     policy{size: defaultMailbox},
		killGrace:   defaultKillGrace,
		callTimeout: defaultCallTimeout,
		stopTimeout: defaultStopTimeout,
	}}
	for _, o := range opts {
		o(&n.opts)
	}
	n.log = n.opts.log
	n.logs = n.log.Handler() != slog.DiscardHandler
	n.registry.init()
	n.Bond = n.opts.bond
	n.bind()
	return n
}

// Name returns the name of the node.
func (n *Node) Name() string { return n.identity.name }

// now is the node's clock. It is never 0.
func (n *Node) now() time.Duration { return time.Since(n.start) + 1 }

// Len returns how many processes there are.
func (n *Node) Len() int { return int(n.count.Load()) }

// died is told that a process is dead. It is called with the mu of the process held, so that
// nobody sees it dead before the event is on its way: its supervisor starts another then.
func (n *Node) died(p *Process, reason error, inOrder bool) {
	n.ended.Add(1)
	if !inOrder {
		n.crashed.Add(1)
	}
	if n.events.watched.Load() {
		n.tellLocked(ProcessTerminated, p, reason)
	}
}

// gone is told that everybody has been told that a process has ended.
func (n *Node) gone(p *Process, reason error, inOrder bool) {
	if !inOrder {
		n.logCrash(p, reason)
	}
	n.leave()
}

// enter counts a process in, unless the node stops.
func (n *Node) enter() bool {
	n.count.Add(1)
	if n.stopping.Load() {
		n.leave()
		return false
	}
	return true
}

// leave counts a process out.
func (n *Node) leave() {
	if n.count.Add(-1) > 0 || !n.stopping.Load() {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.empty != nil && n.count.Load() == 0 {
		close(n.empty)
		n.empty = nil
	}
}

// Stop is [Node.Shutdown], which drops the messages that wait, with the [WithStopTimeout] of the node. Called by a process it
// cannot wait for that one: there, use Shutdown with the process as its context.
func (n *Node) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), n.opts.stopTimeout)
	defer cancel()
	_ = n.Shutdown(ctx) // what is left then has been killed
}

// Shutdown ends all processes, without what waits for them: messages that they have not begun
// to handle are dropped. First go the supervisors that have none, with everybody below them,
// the latest first and one after the other; and then the rest, at once. From its call on
// nothing is spawned any more: [ErrNodeStopped]. When ctx ends before they have, those
// left are killed, and its error is returned.
//
// A process may call it, with itself or a context made from it as ctx. It is told to exit
// like all others, which is when its ctx ends: it kills those left and returns to its end.
func (n *Node) Shutdown(ctx context.Context) error {
	n.stopping.Store(true)
	n.mu.Lock()
	roots := slices.Clone(n.roots)
	n.mu.Unlock()
	for i := len(roots) - 1; i >= 0 && ctx.Err() == nil; i-- {
		roots[i].dismiss()
		_ = n.await(ctx, roots[i], 0) // ctx is looked at after the last
	}
	if ctx.Err() == nil {
		for _, p := range n.registry.all(nil) {
			p.dismiss()
		}
	}
	n.mu.Lock()
	if n.count.Load() == 0 {
		n.mu.Unlock()
		return nil
	}
	if n.empty == nil {
		n.empty = make(chan struct{})
	}
	empty := n.empty
	n.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
	}
	for _, p := range n.registry.all(nil) {
		p.told(nil, PID{}, ErrKilled, byRequest)
	}
	return ctx.Err()
}

// dismiss has a process end in good order, trapped or not.
func (p *Process) dismiss() {
	p.mu.Lock()
	t := p.sentence(ErrShutdown)
	p.mu.Unlock()
	t.do()
}
