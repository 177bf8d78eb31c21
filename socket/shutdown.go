package socket

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

const goingAway = "the server is shutting down"

// Shutdown ends the server: it refuses new connections with HTTP status 503,
// sends every client what is queued for it and a close message (code 1001, going
// away), and waits until all have gone and their disconnect handlers have run.
// When ctx ends first, it closes the connections that are left and returns the
// error of ctx. It may be called again, and from several goroutines. Called from
// a handler it waits for that handler too, and so for the end of ctx.
//
// It does not stop the http.Server, whose own Shutdown does not know of WebSocket
// connections, and waits for long polls: call both, this one first or both at once, for
// example through [http.Server.RegisterOnShutdown].
func (s *Server) Shutdown(ctx context.Context) error { return s.ShutdownOver(ctx, 0) }

// ShutdownOver is [Server.Shutdown] that lets the clients go one after the other, in
// random order and evenly over a time, so that they do not all come to the next server in
// one moment. Until its turn a client is served as ever; one whose session has no
// connection ends at once. ctx should have more time than that.
//
// Each client is told when to come back: the close reason is retry-in=N, with a number of
// milliseconds of its own, see [WithReturnDelay]. A [Client] obeys it. Requests for new
// connections get a Retry-After of their own. With a spread of zero and less all clients
// go at once.
func (s *Server) ShutdownOver(ctx context.Context, spread time.Duration) error {
	gone := s.leave(spread)
	s.sendOff(ctx, max(spread, 0), gone)
	if gone != nil && !ended(ctx, gone) {
		for _, c := range s.sockets.appendAll(nil) {
			c.link.closeNow()
		}
		return ctx.Err()
	}
	s.pulse.wait()
	return nil
}

// WithReturnDelay sets after what time a client that [Server.Shutdown] or
// [Server.ShutdownOver] lets go is to come back, evenly at random between least and most:
// as long as a restart takes, where the same process comes back, and then for as long as
// it takes to serve everybody again. Default: not said by Shutdown; between 100 ms and the
// spread, or 1 s if that is more, by ShutdownOver. Zero for both means the default.
// [NewServer] panics for a negative value, and when most is less than least.
func WithReturnDelay(least, most time.Duration) ServerOption {
	return func(o *serverOptions) {
		if least < 0 || most < least {
			panic("socket: WithReturnDelay: the times are negative or in the wrong order")
		}
		o.returns = span{least, most}
	}
}

// span is a time between two others.
type span struct{ least, most time.Duration }

// draw returns a time from the span.
func (s span) draw() time.Duration {
	return s.least + time.Duration(rand.Float64()*float64(s.most-s.least))
}

// leaving is what clients are told that are sent off.
type leaving struct {
	until   time.Time // when the last has been
	returns span      // after what time they are to come back; zero: it is not said
}

// leave refuses new connections from now on, and returns what is closed when the last of
// those there are is gone; nil if there is none.
func (s *Server) leave(spread time.Duration) (gone <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := leaving{until: time.Now().Add(max(spread, 0)), returns: s.opts.returns}
	if l.returns == (span{}) && spread > 0 {
		l.returns = span{100 * time.Millisecond, max(spread, time.Second)}
	}
	if !s.closing || l.until.Before(s.leaving.until) {
		s.leaving = l
	}
	s.closing = true
	if s.count == 0 {
		return nil
	}
	if s.gone == nil {
		s.gone = make(chan struct{})
	}
	return s.gone
}

// goodbye returns the reason that a client is told.
func (s *Server) goodbye() string {
	s.mu.Lock()
	returns := s.leaving.returns
	s.mu.Unlock()
	if returns == (span{}) {
		return goingAway
	}
	return retryInPrefix + strconv.FormatInt(returns.draw().Milliseconds(), 10)
}

// retryAfter returns after how many seconds a client that is refused may try again.
func (s *Server) retryAfter() string {
	s.mu.Lock()
	l, closing := s.leaving, s.closing
	s.mu.Unlock()
	if !closing {
		return "5"
	}
	if l.returns == (span{}) {
		l.returns = span{time.Second, 9 * time.Second}
	}
	wait := max(time.Until(l.until), 0) + l.returns.draw()
	return strconv.FormatInt(int64(wait/time.Second)+1, 10)
}

// sendOff closes all sockets, over a time, unless ctx ends or all are gone before.
func (s *Server) sendOff(ctx context.Context, spread time.Duration, gone <-chan struct{}) {
	all := s.sockets.appendAll(nil)
	if spread > 0 {
		all = slices.DeleteFunc(all, func(c *conn) bool {
			l, ok := c.link.(*sessionLink)
			away := ok && l.current() == nil
			if away {
				c.close(transport.StatusGoingAway, goingAway)
			}
			return away
		})
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	}
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i, c := range all {
		turn := time.Duration(float64(spread) * float64(i) / float64(len(all)))
		if wait := turn - time.Since(began); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-gone:
				return
			case <-ctx.Done():
				return
			}
		}
		c.close(transport.StatusGoingAway, s.goodbye())
	}
}

// ended waits for something to end, and reports false when ctx ends first.
func ended(ctx context.Context, something <-chan struct{}) bool {
	select {
	case <-something:
		return true
	default:
	}
	select {
	case <-something:
		return true
	case <-ctx.Done():
		return false
	}
}
