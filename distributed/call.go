package distributed

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// waiter is one who waits for a process: for its reply, and for its end. Waiters are used
// again; gen tells one use from the next.
type waiter struct {
	watch watch
	ready chan struct{} // gets a value when done
	timer *time.Timer   // ends the wait; nil before the first time

	mu   sync.Mutex // guards the fields below
	gen  uint64
	done bool
	err  error
}

// waiter returns a waiter that waits for nothing yet.
func (n *Node) waiter(target *Process) *waiter {
	w, _ := n.waiters.Get().(*waiter)
	if w == nil {
		w = &waiter{ready: make(chan struct{}, 1)}
	}
	w.watch = watch{target: target, waiter: w}
	return w
}

// begin returns the number of a new wait.
func (w *waiter) begin() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gen++
	w.done, w.err = false, nil
	return w.gen
}

// finish ends the wait of a number, unless it has ended: store is called before.
func (w *waiter) finish(gen uint64, err error, store func()) bool {
	w.mu.Lock()
	if w.gen != gen || w.done {
		w.mu.Unlock()
		return false
	}
	if store != nil {
		store()
	}
	w.done, w.err = true, err
	w.mu.Unlock()
	w.ready <- struct{}{} // has room: nobody else has finished this wait
	return true
}

// fail ends the wait there is.
func (w *waiter) fail(err error) {
	w.mu.Lock()
	gen := w.gen
	w.mu.Unlock()
	w.finish(gen, err, nil)
}

// wait waits for the end of the wait, or of ctx, or of a time if it is not 0. Then the
// waiter is not to be used any more.
func (w *waiter) wait(ctx context.Context, timeout time.Duration) error {
	// Most often what is waited for needs no more than to be scheduled.
	if runtime.Gosched(); len(w.ready) > 0 {
		timeout = 0
	}
	if timeout > 0 {
		if w.timer == nil {
			w.timer = time.AfterFunc(timeout, func() { w.fail(ErrTimeout) })
		} else {
			w.timer.Reset(timeout)
		}
	}
	if done := ctx.Done(); done == nil {
		<-w.ready
	} else {
		select {
		case <-w.ready:
		case <-done:
			w.fail(ctx.Err()) // unless there is a result meanwhile
			<-w.ready
		}
	}
	w.mu.Lock()
	err := w.err
	w.gen++ // nobody can reply any more
	w.mu.Unlock()
	stopped := timeout <= 0 || w.timer.Stop()
	p := w.watch.target
	p.mu.Lock()
	mine := w.watch.linked
	w.watch.detach()
	p.mu.Unlock()
	if stopped && mine { // else somebody may be about to end this wait
		w.watch = watch{}
		p.node.waiters.Put(w)
	}
	return err
}

// From is who waits for a reply to a message, and where the message goes that a [Call]
// makes. It may be kept and used later, by any goroutine, once: the first reply counts.
type From[R any] struct {
	w   *waiter
	gen uint64
	dst *R
}

// Reply answers, and reports whether somebody still waits: a late reply is dropped.
func (f From[R]) Reply(r R) bool {
	return f.w != nil && f.w.finish(f.gen, nil, func() { *f.dst = r })
}

// Fail answers with an error, which the caller gets in a [CallError].
func (f From[R]) Fail(err error) bool {
	return f.w != nil && f.w.finish(f.gen, err, nil)
}

// Call sends a process the message that ask makes, and waits for the reply to the From in
// it: until ctx ends, or if that has no deadline for the [WithCallTimeout] of the node. If
// the process ends before, Call returns at once, with the reason. A process that calls
// another passes itself as ctx, and then cannot call itself. The error is a *[CallError].
func Call[M, R any](ctx context.Context, to Ref[M], ask func(From[R]) M) (R, error) {
	var none R
	a := to.a
	if a == nil {
		return none, &CallError{Err: ErrProcessNotFound}
	}
	dst := new(R)
	w := a.node.waiter(&a.Process)
	m := ask(From[R]{w, w.begin(), dst})
	if err := a.call(ctx, w, m, a.node.opts.callTimeout); err != nil {
		return none, &CallError{Process: a.ID(), Err: err}
	}
	return *dst, nil
}

// call sends m and waits for the end of w, for a time if that is positive and ctx has no
// deadline.
func (a *actor[M]) call(ctx context.Context, w *waiter, m M, timeout time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if Self(ctx) == &a.Process {
		return ErrCallingSelf
	}
	a.mu.Lock()
	if a.state >= ending {
		a.mu.Unlock()
		return ErrProcessNotFound
	}
	if !a.room() {
		// A call is never dropped: its caller would wait in vain.
		if a.policy.overflow == EndReceiver {
			return a.overflow(m)
		}
		a.mu.Unlock()
		return ErrMailboxFull
	}
	w.watch.attach()
	loop := a.add(m, w)
	a.mu.Unlock()
	if loop != nil {
		go loop() // owned by a: ends when there is nothing left to do
	}
	if _, ok := ctx.Deadline(); ok {
		timeout = 0
	}
	return w.wait(ctx, timeout)
}

// Request is the message of a [Node.Call]. Who handles it replies.
type Request struct {
	Message interface{}
	From[interface{}]
}

// Call sends a process a [Request] with a message, and waits for the reply: see the
// function [Call]. The error is a *[CallError].
func (n *Node) Call(ctx context.Context, to ProcessID, m interface{}) (interface{}, error) {
	p, err := n.find(to)
	if err != nil {
		return nil, &CallError{Process: to, Err: err}
	}
	var reply interface{}
	w := n.waiter(p)
	r := Request{m, From[interface{}]{w, w.begin(), &reply}}
	if err := p.body.callAny(ctx, w, r); err != nil {
		return nil, &CallError{Process: to, Err: err}
	}
	return reply, nil
}

// callAny is that of body.
func (a *actor[M]) callAny(ctx context.Context, w *waiter, v any) error {
	m, ok := v.(M)
	if !ok {
		return ErrMessageType
	}
	return a.call(ctx, w, m, a.node.opts.callTimeout)
}

// Wait waits until a process has ended, and returns its reason; [ErrProcessNotFound] if
// there is none, and the error of ctx if that ends before. It never returns nil: a process
// that has done what it was there for ends with [ErrNormal], see [errors.Is]. Messages that the process has
// sent before may still wait where they were sent to.
func (n *Node) Wait(ctx context.Context, id ProcessID) error {
	p, err := n.find(id)
	if err != nil {
		return err
	}
	return n.await(ctx, p, 0)
}

// await is Wait for a process, which gives up after a time too if that is not 0.
func (n *Node) await(ctx context.Context, p *Process, within time.Duration) error {
	w := n.waiter(p)
	w.begin()
	p.mu.Lock()
	there := w.watch.attach()
	reason := p.reason
	p.mu.Unlock()
	if !there {
		return reason
	}
	return w.wait(ctx, within)
}
