package distributed

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"
)

// Handler handles the messages of a process, one at a time and in order. It may block: then
// its process waits, and no other. Nil means that the process goes on; any error ends it,
// and is the reason. A panic ends it too, and nothing else. If the process has been told to
// exit meanwhile, it ends with the reason for that, whatever Handle returns.
//
// A Handler may have more methods: those of [Initializer], [DownHandler], [ExitHandler],
// [RoomHandler] and [Terminator].
type Handler[M any] interface {
	Handle(p *Process, m M) error
}

// HandlerFunc is a function as a [Handler].
type HandlerFunc[M any] func(p *Process, m M) error

// Handle calls f.
func (f HandlerFunc[M]) Handle(p *Process, m M) error { return f(p, m) }

// Initializer is a [Handler] that does something before its first message. Whoever spawns
// the process waits for it, and gets its error, with which the process ends.
type Initializer interface {
	Init(p *Process) error
}

// DownHandler is a [Handler] of a process that has monitors.
type DownHandler interface {
	HandleDown(p *Process, d Down) error
}

// ExitHandler is a [Handler] of a process that traps exits, see [Process.TrapExit].
type ExitHandler interface {
	HandleExit(p *Process, e Exit) error
}

// Terminator is a [Handler] that does something at the end of its process, whatever the
// reason is but [ErrKilled]. Nobody is told of the end before it has returned, and the
// names of the process are still taken. As a context the process has ended.
type Terminator interface {
	Terminate(p *Process, reason error)
}

// actor is a process that takes messages of one type.
//
// What senders change for each message is at one end of it, with mu at the beginning of
// Process, and what the goroutine changes is at the other: where a sender and the goroutine
// run on different processors, each has its own cache lines.
type actor[M any] struct {
	kind   *kind[M]
	policy *policy

	// Guarded by mu.
	rare   *rare[M] // nil until it is needed
	seen   uint64   // begun, as it was when somebody with mu held last looked
	pushed uint64   // messages that have come to be handled
	queue  mailbox[M]

	Process

	handler Handler[M]
	due     atomic.Uint64 // how many messages come before the first signal that waits
	begun   atomic.Uint64 // messages whose handler has begun; the goroutine changes it

	// The goroutine's own.
	current *M    // that is being handled
	left    int32 // messages until others have their turn
	linger  linger
}

// supervised is an actor together with what the child of a supervisor always has.
type supervised[M any] struct {
	actor actor[M]
	kin   kin
}

// rare is what many processes never need of what knows the type.
type rare[M any] struct {
	held    M          // that is being handled, if the policy is to take one by one; the goroutine's
	aside   []M        // put aside by Stash
	again   []M        // to be handled next
	putBack int        // length of both; guarded by Process.mu
	latest  map[any]*M // waiting messages by key; guarded by Process.mu
	keys    []any      // of the waiting messages, the oldest first; guarded by Process.mu
}

// run handles what there is, and returns when there is nothing left.
func (a *actor[M]) run() {
	returned := false
	defer func() {
		if !returned {
			// Of a goroutine that is ended by runtime.Goexit there is nothing to recover.
			a.end(&PanicError{Value: recover(), Stack: debug.Stack()}, true)
		}
	}()
	if a.deep {
		growStack(0)
	}
	reason, over := a.serve()
	returned = true
	if over {
		a.end(reason, true)
	}
}

// growStack makes the stack of a new goroutine as big as that of a supervisor is going to be,
// which starts children on it: to copy it later, with all that is on it then, would be a
// fifth of what the start of a child costs (BenchmarkSupervisedSpawn).
//
//go:noinline
func growStack(i int) byte {
	var space [2048]byte
	return space[i]
}

// serve is run that leaves the end to its caller.
func (a *actor[M]) serve() (reason error, over bool) {
	a.left = int32(a.budget)
	for {
		if a.flags.Load() != 0 {
			if reason, ok := a.attend(a.begun.Load()); !ok {
				return reason, true
			}
		}
		one, b, from, to, rests := a.take()
		switch {
		case rests:
			return nil, false
		case a.linger.now:
			runtime.Gosched()
		case one != nil:
			if err, over := a.handle(one); over {
				return err, true
			}
		case b != nil:
			if err, over := a.handleAll(b, from, to); over {
				return err, true
			}
		}
	}
}

// take takes messages out of the queue, into the hand: one, or all those in blocks. If
// there is nothing to do at all, the goroutine is to end, or to linger.
func (a *actor[M]) take() (one *M, b *block[M], from, to int, rests bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = a.begun.Load()
	a.queue.giveBack()
	// Senders that wait for room do so until there is some, which is when it is awake.
	if a.queue.n == 0 && a.flags.Load()&^flagSenders == 0 && (a.rare == nil || len(a.rare.again) == 0) {
		if a.stats.began != 0 {
			first := a.stats.active == 0
			a.stats.rest(a.node.now(), a.handled())
			if a.linger.begin(first) {
				return nil, nil, 0, 0, false
			}
		}
		a.linger.inVain()
		a.state = idle
		return nil, nil, 0, 0, true
	}
	if a.stats.began == 0 {
		a.stats.wake(a.node.now(), a.handled())
	}
	a.linger.paid()
	switch f := a.flags.Load(); {
	case f&flagExit != 0 || f&flagSignals != 0 && a.due.Load() <= a.seen:
		// It has come since serve has looked, and what waits may have come after it.
	case a.queue.n == 0:
	case a.policy.single:
		a.begun.Add(1)
		return a.pop(), nil, 0, 0, false
	default:
		if one = a.queue.lend(); one != nil {
			a.begun.Add(1)
			return one, nil, 0, 0, false
		}
		b, from, to = a.queue.take()
	}
	return nil, b, from, to, false
}

// linger is what a goroutine does that has nothing left to do: it lets others run once
// before it ends, as one of them may be about to send something, and a new goroutine costs
// more, and more still where the stack has to grow again. Where that was in vain it does so
// less and less often. It is the goroutine's own.
type linger struct {
	now  bool
	skip uint8 // so many rests are without, the next time that it is in vain
	left uint8 // so many are from now on
}

// begin reports whether it is to linger now.
func (l *linger) begin(first bool) bool {
	if l.now = l.left == 0 && !first; !l.now && l.left > 0 {
		l.left--
	}
	return l.now
}

// inVain ends it, with nothing to do.
func (l *linger) inVain() {
	if l.now {
		l.now, l.skip = false, min(2*l.skip+1, 63)
		l.left = l.skip
	}
}

// paid ends it, with something to do.
func (l *linger) paid() {
	if l.now {
		l.now, l.skip = false, 0
	}
}

// pop takes one message out of a queue of which any message may be dropped, so that none
// must be in hand. It is called with mu held.
func (a *actor[M]) pop() *M {
	r := a.rare
	if len(r.keys) > 0 {
		delete(r.latest, r.keys[0])
		r.keys = r.keys[1:]
	}
	r.held = a.queue.pop(a.kind)
	return &r.held
}

// handleAll handles the messages in hand, in blocks: see mailbox.take.
func (a *actor[M]) handleAll(b *block[M], from, to int) (reason error, over bool) {
	for ; b != nil; from = 0 {
		others, end := b.rest(to)
		if reason, over := a.handleBlock(b, from, end); over {
			return reason, true
		}
		a.kind.free(b)
		b = others
	}
	return nil, false
}

// handleBlock handles the messages of one block.
func (a *actor[M]) handleBlock(b *block[M], from, to int) (reason error, over bool) {
	var zero M
	for i := from; i < to; i++ {
		begun := a.begun.Load()
		if f := a.flags.Load(); f != 0 && (f&^flagSignals != 0 || a.due.Load() <= begun) {
			if reason, ok := a.attend(begun); !ok {
				return reason, true
			}
		}
		a.begun.Store(begun + 1)
		err, over := a.handle(&b.m[i])
		if over {
			return err, true
		}
		b.m[i] = zero
	}
	return nil, false
}

// handle handles one message, and those that its handler wants to have again.
func (a *actor[M]) handle(m *M) (reason error, over bool) {
	a.current = m
	err := a.handler.Handle(&a.Process, *m)
	a.current = nil
	if err != nil && a.failed(err) {
		return err, true
	}
	if a.rare != nil && len(a.rare.again) > 0 {
		if err, over := a.handleAgain(); over {
			return err, true
		}
	}
	if a.left--; a.left <= 0 {
		a.left = int32(a.budget)
		runtime.Gosched()
	}
	return nil, false
}

// handleAgain handles messages that were put aside, and were counted when they came first.
func (a *actor[M]) handleAgain() (reason error, over bool) {
	r := a.rare
	for len(r.again) > 0 {
		if a.flags.Load()&flagExit != 0 {
			reason, ok := a.attend(0)
			return reason, !ok
		}
		m := r.again[0]
		r.again = r.again[1:]
		a.countAside(-1)
		a.current = &m
		err := a.handler.Handle(&a.Process, m)
		a.current = nil
		if err != nil && a.failed(err) {
			return err, true
		}
	}
	r.again = nil
	return nil, false
}

// countAside counts messages that are put aside or are to be handled again.
func (a *actor[M]) countAside(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rare.putBack += n
}

// stash is that of body.
func (a *actor[M]) stash() bool {
	if a.current == nil {
		return false
	}
	r := a.needRare()
	r.aside = append(r.aside, *a.current)
	a.current = nil // once
	a.countAside(1)
	return true
}

// unstash is that of body.
func (a *actor[M]) unstash() {
	if r := a.rare; r != nil && len(r.aside) > 0 {
		r.again, r.aside = append(r.aside, r.again...), nil
	}
}

// needRare returns rare. Only the goroutine makes it, with mu held; it reads it without.
func (a *actor[M]) needRare() *rare[M] {
	if a.rare == nil {
		a.mu.Lock()
		a.rare = new(rare[M])
		a.mu.Unlock()
	}
	return a.rare
}

// signal is that of body.
func (a *actor[M]) signal(s any) (reason error, over bool) {
	err := a.handleSignal(s)
	if err != nil && a.failed(err) {
		return err, true
	}
	if a.rare != nil && len(a.rare.again) > 0 {
		return a.handleAgain()
	}
	return nil, false
}

// handleSignal handles a signal.
func (a *actor[M]) handleSignal(s any) error {
	h := any(a.handler)
	switch v := s.(type) {
	case *watch:
		d := v.down()
		if h, ok := h.(DownHandler); ok {
			return h.HandleDown(&a.Process, d)
		}
		s = d
	case Exit:
		if h, ok := h.(ExitHandler); ok {
			return h.HandleExit(&a.Process, v)
		}
	case RoomEvent:
		return h.(RoomHandler).HandleRoom(&a.Process, v)
	}
	if m, ok := s.(M); ok {
		return a.handler.Handle(&a.Process, m)
	}
	return nil
}

// takesSignal is that of body.
func (a *actor[M]) takesSignal(s any) bool {
	switch s.(type) {
	case Down:
		if _, ok := any(a.handler).(DownHandler); ok {
			return true
		}
	case Exit:
		if _, ok := any(a.handler).(ExitHandler); ok {
			return true
		}
	case RoomEvent:
		if _, ok := any(a.handler).(RoomHandler); ok {
			return true
		}
	}
	_, ok := s.(M)
	return ok
}

// before is that of body.
func (a *actor[M]) before() uint64 { return a.pushed }

// setDue is that of body.
func (a *actor[M]) setDue(n uint64) { a.due.Store(n) }

// waiting is that of body.
func (a *actor[M]) waiting() int {
	a.seen = a.begun.Load()
	return a.mayWait()
}

// mayWait is how many messages wait, or did when somebody last looked at begun: so many at
// most. It is called with mu held.
func (a *actor[M]) mayWait() int {
	n := int(a.pushed - a.seen)
	if a.rare != nil {
		n += a.rare.putBack
	}
	return n
}

// drop is that of body.
func (a *actor[M]) drop() int {
	n := a.waiting()
	a.pushed = a.seen
	a.queue.clear(a.kind)
	return n
}

// handled is that of body.
func (a *actor[M]) handled() uint64 { return a.begun.Load() }

// handlerOf is that of body.
func (a *actor[M]) handlerOf() any { return a.handler }
