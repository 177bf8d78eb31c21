package socket

import (
	"context"
	"errors"
	"maps"
	"net"
	"sync"
	"sync/atomic"
)

// HandleRequest registers what answers the clients' requests of an event: its result is
// the reply. The data of a request is decoded into a new Req as by [Handle]; what does
// not fit is answered with [CodeInvalidData] and reported under [EventError].
//
// An error that is or wraps a *[ReplyError] is told to the client as it is. Any other is
// told as [CodeInternal] without its text, and reported under [EventError], as is a
// result that cannot be encoded. A panic too, which closes the socket like that of any
// handler. The context ends with the socket.
//
// Requests are handled in their place among all messages, as by the handlers of
// [Server.HandleFunc], and one at a time with them. There is one exception, without
// which two ends that ask each other would wait for ever: while a handler runs, and a
// Call of its socket that began meanwhile has no reply, the client's requests are
// answered at once, beside the handler and beside each other.
//
// An event has one responder, and its other handlers do not see requests: HandleRequest
// panics when there is one already, when respond is nil, and for events that the library
// tells itself. Responders can be added at any time and cannot be removed.
func HandleRequest[Req, Resp any](s *Server, event Event, respond func(ctx context.Context, s Socket, req Req) (Resp, error)) {
	if respond == nil {
		panic("socket: HandleRequest: nil function")
	}
	s.responders.add("HandleRequest", event, newResponder(respond))
}

// OnRequest registers what answers the server's requests of an event, in the way of
// [HandleRequest]. The context ends when the client is closed or gives up. A reply whose
// request came over an earlier connection, or within an earlier session if there are
// sessions, is dropped. [Client.Off] removes the responder.
func OnRequest[Req, Resp any](c *Client, event Event, respond func(ctx context.Context, req Req) (Resp, error)) {
	if respond == nil {
		panic("socket: OnRequest: nil function")
	}
	c.responders.add("OnRequest", event, newResponder(func(ctx context.Context, _ Socket, req Req) (Resp, error) {
		return respond(ctx, req)
	}))
}

// responder answers the requests of one event.
type responder struct {
	event   Event
	respond func(ctx context.Context, s Socket, m *incoming) (any, error)
}

func newResponder[Req, Resp any](respond func(context.Context, Socket, Req) (Resp, error)) *responder {
	return &responder{respond: func(ctx context.Context, s Socket, m *incoming) (any, error) {
		req, err := decodeAs[Req](m)
		if err != nil {
			return nil, &dataError{err}
		}
		return respond(ctx, s, req)
	}}
}

// responders are those of one end. Requests look them up without a lock; adding one
// copies the map, which happens a few times at start.
type responders struct {
	mu sync.Mutex // guards changes
	m  atomic.Pointer[map[Event]*responder]
}

// get returns what answers requests of an event, nil if nothing does.
func (r *responders) get(event []byte) *responder {
	m := r.m.Load()
	if m == nil {
		return nil
	}
	return (*m)[string(event)]
}

func (r *responders) add(caller string, event Event, f *responder) {
	if reserved(event) || event == EventError {
		panic("socket: " + caller + ": the event is reserved")
	}
	f.event = event
	r.change(func(m map[Event]*responder) {
		if m[event] != nil {
			panic("socket: " + caller + ": the event has a responder already")
		}
		m[event] = f
	})
}

func (r *responders) remove(event Event) {
	r.change(func(m map[Event]*responder) { delete(m, event) })
}

func (r *responders) change(f func(map[Event]*responder)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := make(map[Event]*responder)
	if old := r.m.Load(); old != nil {
		m = maps.Clone(*old)
	}
	f(m)
	r.m.Store(&m)
}

// request is one of the other end.
type request struct {
	number uint64
	data   []byte
	by     *responder // nil: nothing answers it
	owner  owner      // of by
	send   func(Event, *encoded) error
}

// answer answers a request, on behalf of s and within ctx.
func (q *request) answer(ctx context.Context, s Socket) {
	if q.by == nil {
		_ = q.reply(nil, errUnknownEvent) // nobody's failure
		return
	}
	h := &handler{event: q.by.event, call: func(s Socket, m *incoming) error {
		answered := false
		defer func() {
			if !answered { // it panics, or ends its goroutine, which is reported
				_ = q.reply(nil, errInternal)
			}
		}()
		data, err := q.by.respond(ctx, s, m)
		failed := q.reply(data, err)
		answered = true
		var told *ReplyError
		if err != nil && !errors.As(err, &told) {
			return err
		}
		return failed
	}}
	callEach(q.owner, []*handler{h}, s, &incoming{event: q.by.event, raw: q.data})
}

// reply sends the reply. One that cannot be sent is replaced by an error.
func (q *request) reply(data any, err error) error {
	var event Event
	if q.by != nil {
		event = q.by.event
	}
	m, err := encodeReply(q.number, data, err)
	if err == nil {
		err = q.send(event, m)
	}
	if err == nil || errors.Is(err, net.ErrClosed) {
		return nil // the end of the connection is told elsewhere
	}
	if m, e := encodeReply(q.number, nil, errInternal); e == nil {
		_ = q.send(event, m) // err says enough
	}
	return err
}
