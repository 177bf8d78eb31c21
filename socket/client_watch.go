package socket

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/session"
)

const (
	// goodAfter is how long a connection lives before it can count as good. Some
	// proxies let a WebSocket through, and end it as soon as they have looked at it.
	goodAfter = 5 * time.Second

	// answerTime is how long a server may take to answer a ping that decides whether a
	// connection is good, and a probe to end when the connection in use has ended.
	answerTime = 5 * time.Second
)

// watch looks after one connection of a client whose transport is the first of several:
// it finds out whether the connection is good, and then looks from time to time whether a
// better transport works, which it goes over to.
//
// Going over: the handshake over the better transport takes the session along, and the
// server hears nothing from the old connection any more. When the answer has come the old
// one is given up, so that whoever is stuck in it lets go; what it has delivered until then
// counts, and the rest comes over the new one. Whoever holds the token sending sees either
// the old connection or the new one with everything in it that the server does not have.
type watch struct {
	c      *Client
	run    *clientRun
	f      *firstOf
	i      int // of the transport
	t      Transport
	tested bool // a probe has led to it
	opened time.Time

	heard     atomic.Uint32 // messages that have come
	receiving atomic.Bool   // it is being read, and not waiting for a handler

	stop    context.CancelFunc
	done    chan struct{}
	probing atomic.Bool // a handshake over a better transport is under way

	// Owned by look until done is closed:
	good  bool
	moved bool
}

// watch begins to watch a new connection. It returns nil if there is nothing to choose.
func (c *Client) watch(run *clientRun) *watch {
	f := c.several
	if f == nil {
		return nil
	}
	ctx, stop := context.WithCancel(run.ctx)
	w := &watch{c: c, run: run, f: f, opened: time.Now(), stop: stop, done: make(chan struct{})}
	f.mu.Lock()
	w.i = f.use
	w.t = f.all[w.i]
	f.mu.Unlock()
	w.tested = f.tested()
	c.log.Debug("socket: transport in use", "transport", w.i, "tested", w.tested)
	go w.look(ctx) // owned by serve: ends with the connection
	return w
}

// receiver is that of the transport, and notes what comes.
func (w *watch) receiver() func() ([]byte, bool, error) {
	receive := receiver(w.t)
	return func() ([]byte, bool, error) {
		w.receiving.Store(true)
		data, binary, err := receive()
		w.receiving.Store(false)
		if err == nil {
			w.heard.Add(1)
		}
		return data, binary, err
	}
}

func (w *watch) look(ctx context.Context) {
	defer close(w.done)
	if p, ok := w.t.(PingTransport); ok && w.i < len(w.f.all)-1 {
		// At once, so that a black hole is found soon, and again.
		if !w.answers(ctx, p) || !sleep(ctx, goodAfter) || !w.answers(ctx, p) {
			return
		}
		w.prove()
	}
	for {
		w.f.mu.Lock()
		wait, ok := w.f.choice.Wait(w.i, time.Now())
		w.f.mu.Unlock()
		if !ok || !sleep(ctx, wait) || !w.c.session.active() {
			return
		}
		w.f.mu.Lock()
		w.f.choice.Postpone(time.Now(), rand.Float64())
		w.f.mu.Unlock()
		if w.moved = w.probe(ctx); w.moved {
			return
		}
		w.f.mu.Lock()
		w.f.choice.Failed(time.Now())
		w.f.mu.Unlock()
	}
}

// answers reports whether the server does, and gives the connection up if it does not.
func (w *watch) answers(ctx context.Context, p PingTransport) bool {
	for ctx.Err() == nil {
		before := w.heard.Load()
		wait, cancel := context.WithTimeout(ctx, answerTime)
		err := p.Ping(wait)
		if err != nil {
			<-wait.Done() // it may have failed at once, because too much waits to be sent
		}
		cancel()
		switch {
		case err == nil, w.heard.Load() != before:
			return true
		case ctx.Err() != nil:
		case w.receiving.Load():
			w.c.log.Debug("socket: the server does not answer", "transport", w.i, "err", err)
			abort(w.t) // its reader learns of it
			return false
		default:
			sleep(ctx, goodAfter) // the answer waits behind messages that wait for a handler
		}
	}
	return false
}

// prove notes that the connection is good.
func (w *watch) prove() {
	w.good = true
	w.f.mu.Lock()
	w.f.choice.Proven(w.i)
	w.f.mu.Unlock()
}

// probe tries the better transports, and reports whether it has gone over to one.
func (w *watch) probe(ctx context.Context) bool {
	for j, t := range w.f.all[:w.i] {
		s, ok := t.(SessionTransport)
		if !ok || !w.c.session.whole() {
			continue // a change would lose messages
		}
		w.probing.Store(true)
		a, err := w.ask(ctx, s)
		if err == nil {
			if w.c.session.goesOn(a) {
				return w.move(j, s, a)
			}
			_ = s.Close() // it leads to another server, which knows nothing of the session
			err = errors.New("the server does not have the session")
		}
		w.c.log.Debug("socket: a better transport does not work", "transport", j, "err", err)
		if ctx.Err() != nil {
			return false
		}
		w.probing.Store(false)
	}
	return false
}

func (w *watch) ask(ctx context.Context, s SessionTransport) (*session.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, w.c.opts.connectTimeout)
	defer cancel()
	return w.c.session.ask(ctx, s)
}

// move goes over to a transport over which the server goes on with the session. It reports
// false when the client was closed meanwhile.
func (w *watch) move(j int, s SessionTransport, a *session.Answer) bool {
	c := w.c
	abort(w.t)
	select {
	case <-c.sending:
	case <-w.run.ctx.Done():
		_ = s.Close() // nobody wants the connection any more
		return false
	}
	w.f.mu.Lock()
	w.f.use, w.f.opened = j, j
	w.f.choice.Moved(j)
	w.f.mu.Unlock()
	if w.run.ctx.Err() != nil {
		// Close may have closed the old transport: it looks for the one in use after
		// it has ended the run.
		c.sending <- struct{}{}
		_ = s.Close()
		return false
	}
	c.session.answered(a)
	c.carryOn()
	return true
}

// carryOn goes on with the session over a new connection, without a word to the handlers.
// It gives the token back, which the caller holds.
func (c *Client) carryOn() {
	again, lost := c.session.begin()
	go func() { // as in begin; it ends when the transport has taken the messages
		if lost != nil {
			// More was sent meanwhile than is kept: the next connection begins another.
			c.session.end("messages that the server needs are not kept any more")
			c.session.abort()
			c.sending <- struct{}{}
			c.reportLater(lost)
			return
		}
		c.session.confirm()
		err := c.session.sendAgain(again)
		c.sending <- struct{}{}
		if err != nil {
			c.reportLater(err)
		}
	}()
}

// end is told that the connection has ended, and reports whether there is another already:
// a better one, or the transport that was left for this one.
func (w *watch) end(err error) bool {
	if w == nil {
		return false
	}
	disturbed := w.settle()
	c := w.c
	c.mu.Lock()
	ours := w.run.reason != nil
	c.mu.Unlock()
	if w.moved {
		w.run.closes.Wait() // they must not hit the next connection
		if ours {
			c.session.giveUp() // they were meant for whichever there is
		}
		return true
	}
	if w.run.ctx.Err() != nil {
		return false
	}
	if _, pings := w.t.(PingTransport); !pings && w.heard.Load() > 0 && time.Since(w.opened) >= goodAfter {
		w.prove()
	}
	// A server that says why it closes the connection is there, and so is one that breaks
	// the rules.
	died := !w.good && !ours && !final(err)
	if died {
		w.f.mu.Lock()
		w.f.choice.Died(w.i, time.Now())
		w.f.mu.Unlock()
		c.log.Debug("socket: the connection was not good", "transport", w.i, "err", err)
	}
	return (disturbed || died && w.tested) && c.session.active() && c.goBack(w.run)
}

// settle waits for look, for which the connection has ended. A probe is given some time
// for its answer: the server ends the old connection when it takes the session over to the
// new one. It reports whether there was a probe that so may have ended the old one.
func (w *watch) settle() (disturbed bool) {
	if disturbed = w.probing.Load(); disturbed {
		wait := time.NewTimer(answerTime)
		defer wait.Stop()
		select {
		case <-w.done:
		case <-wait.C:
		case <-w.run.ctx.Done():
		}
	}
	w.stop()
	<-w.done
	return disturbed
}

// goBack goes on with the session over the transport that works, after a probe has led to
// one that does not, and tells no handler if it works at once.
func (c *Client) goBack(run *clientRun) bool {
	c.session.abort() // so that whoever is stuck in it lets go
	if !c.takeSending(run, reconnecting) {
		return false
	}
	c.sending <- struct{}{}
	if err := c.dial(run.ctx); err != nil {
		c.log.Debug("socket: the way back does not work", "err", err)
		return false
	}
	if c.several.tested() {
		c.session.abort() // nothing else works either: not without a pause
		return false
	}
	if !c.session.resumes() || !c.takeSending(run, connected) {
		_ = c.transport.Close() // nobody wants the connection
		return false
	}
	c.carryOn()
	return true
}

// takeSending takes the token and sets the phase, unless the run has ended.
func (c *Client) takeSending(run *clientRun, p phase) bool {
	select {
	case <-c.sending:
	case <-run.ctx.Done():
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if run.ctx.Err() != nil {
		c.sending <- struct{}{} // it has room
		return false
	}
	c.phase = p
	return true
}

// Transport returns the transport in use: that of the client or, where that is [FirstOf]
// several, the one of them that the connection is over, or the last one was.
func (c *Client) Transport() Transport {
	if c.several != nil {
		return c.several.current()
	}
	return c.transport
}

// WithProbeDelay sets when a client that is not on the preferred transport of [FirstOf]
// tries the better ones: the first time after first, each next time after twice as long,
// up to longest, each with up to a quarter more at random. Default: 30 s and 10 min; zero
// means the default. It panics for a negative value.
func WithProbeDelay(first, longest time.Duration) ClientOption {
	if first < 0 || longest < 0 {
		panic("socket: WithProbeDelay: negative delay")
	}
	return func(o *clientOptions) { o.probeDelay, o.maxProbeDelay = first, longest }
}
