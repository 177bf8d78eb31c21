package socket

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// middleware are functions around what a server's handlers do. Connections and messages
// look them up without a lock, and find nothing where there are none.
type middleware struct {
	mu       sync.Mutex // guards changes
	connects atomic.Pointer[[]func(Socket) error]
	events   atomic.Pointer[[]func(Socket, Event, func())]
}

// UseConnect adds a function that each new connection has to pass, in the order in which
// they were added: before its connect handlers, before a broadcast can reach it, and
// before the client knows that it is connected. It may wait, look at [Socket.Request],
// set values, add handlers and join rooms.
//
// The first error ends the connection, and neither connect nor disconnect handlers run.
// The client is told the code, the reason and the verdict of a [DisconnectReason], if the
// error is or wraps one, and for any other error the code 1008 and a fixed reason. A
// [Client] comes back after 1008, as after every close; RetryNever keeps it away. Other
// than the HTTP status of [WithAuthenticator], the close code can be read by a page in a
// browser.
//
// A client that goes on with its session passes through nothing again. UseConnect
// functions can be added at any time and cannot be removed. UseConnect panics when f is
// nil.
func (s *Server) UseConnect(f func(s Socket) error) {
	if f == nil {
		panic("socket: UseConnect: nil function")
	}
	addTo(&s.middleware.mu, &s.middleware.connects, f)
}

// UseEvent adds a function around the handlers of each message: next runs the functions
// that were added later and then the handlers; a message for which it is not called is
// dropped, and its handlers do not run. So it can measure, log, authorise, and limit.
// It sees messages that have a name without a handler, too, and [EventMessage] for those
// that have no name; the library's own events and malformed messages it does not see.
//
// It runs where the handlers run: one at a time for one socket. next must be called
// before f returns and on its goroutine; a second call does nothing. A panic is that of a
// handler. UseEvent functions can be added at any time and cannot be removed. UseEvent
// panics when f is nil.
func (s *Server) UseEvent(f func(s Socket, event Event, next func())) {
	if f == nil {
		panic("socket: UseEvent: nil function")
	}
	addTo(&s.middleware.mu, &s.middleware.events, f)
}

// addTo adds f to a list that others read at any time.
func addTo[F any](mu *sync.Mutex, list *atomic.Pointer[[]F], f F) {
	mu.Lock()
	defer mu.Unlock()
	var fs []F
	if old := list.Load(); old != nil {
		fs = slices.Clone(*old)
	}
	fs = append(fs, f)
	list.Store(&fs)
}

// passes reports whether a connection that nobody knows yet may go on, and ends it if it
// may not.
func (s *Server) passes(c *conn) bool {
	list := s.middleware.connects.Load()
	if list == nil {
		return true
	}
	var refused *DisconnectReason
	passed := make(chan struct{})
	// On a goroutine of its own, so that a function that ends its goroutine does not
	// end that of the request, which has a connection to look after.
	go func() {
		defer close(passed)
		c.guard(EventConnect, func() {
			for _, f := range *list {
				if err := f(c); err != nil {
					s.log.Debug("socket: connection refused", "conn", c.id, "err", err)
					refused = refusalReason(err)
				}
				if refused != nil || !c.IsConnected() {
					return
				}
			}
		})
	}()
	<-passed
	if refused != nil {
		c.disconnectFor(*refused)
	}
	return c.IsConnected()
}

// refusalReason is the reason for the client whose connection was refused with err. It
// panics for one that is impossible, as long as that is the application's panic.
func refusalReason(err error) *DisconnectReason {
	r := DisconnectReason{Code: transport.StatusPolicyViolation, Reason: "the connection was refused"}
	errors.As(err, &r)
	r.check()
	return &r
}

// guard calls f, whose panic is that of a handler of the event.
func (c *conn) guard(event Event, f func()) {
	done := false
	defer func() {
		if !done {
			c.panicked(event, newPanicError(recover()))
		}
	}()
	f()
	done = true
}

// dispatch runs what there is to run for a message.
func (c *conn) dispatch(m *incoming) {
	if list := c.server.middleware.events.Load(); list != nil {
		c.through(*list, m)
		return
	}
	c.callWithAny(m)
}

// through runs the functions of a list, and behind them the handlers.
func (c *conn) through(list []func(Socket, Event, func()), m *incoming) {
	var at passage
	defer func() {
		if at != passageOver {
			// A handler that has ended its goroutine was reported.
			if p := recover(); p != nil || at != passageInside {
				c.panicked(m.event, newPanicError(p))
			}
		}
	}()
	at.run(c, list, m)
	at = passageOver
}

// passage is where a message is among the functions around its handlers.
type passage uint8

const (
	passageOutside passage = iota
	passageInside          // its handlers run
	passageOver
)

func (at *passage) run(c *conn, list []func(Socket, Event, func()), m *incoming) {
	if len(list) == 0 {
		*at = passageInside
		c.callWithAny(m)
		*at = passageOutside
		return
	}
	var used atomic.Bool // also by a call that comes too late: m is somebody else's then
	defer used.Store(true)
	list[0](c, m.event, func() {
		if used.CompareAndSwap(false, true) {
			at.run(c, list[1:], m)
		}
	})
}
