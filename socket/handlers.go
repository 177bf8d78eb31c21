package socket

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// handlers are functions by event. Messages look them up without a lock; adding
// one copies the map, which happens a few times at start.
type handlers struct {
	mu sync.Mutex // guards changes
	m  atomic.Pointer[map[Event][]*handler]
}

// handler is a function that takes an event, or returns an error when the data
// is not what it takes. The Socket is nil on a client.
type handler struct {
	event Event // that it was added for
	call  func(s Socket, m *incoming) error
}

// get returns the handlers of an event in the order they were added.
func (h *handlers) get(event Event) []*handler {
	m := h.m.Load()
	if m == nil {
		return nil
	}
	return (*m)[event]
}

// name returns the name of an event as a string. It is one that is there already
// where the event has handlers.
func (h *handlers) name(event []byte) Event {
	if m := h.m.Load(); m != nil {
		if hs := (*m)[string(event)]; len(hs) > 0 {
			return hs[0].event
		}
	}
	return string(event)
}

func (h *handlers) add(event Event, f *handler) {
	f.event = event
	h.change(func(m map[Event][]*handler) { m[event] = append(slices.Clip(m[event]), f) })
}

// remove removes one handler of an event, clear all of them.
func (h *handlers) remove(event Event, f *handler) {
	h.change(func(m map[Event][]*handler) {
		kept := slices.DeleteFunc(slices.Clone(m[event]), func(g *handler) bool { return g == f })
		if m[event] = kept; len(kept) == 0 {
			delete(m, event)
		}
	})
}

func (h *handlers) clear(event Event) {
	h.change(func(m map[Event][]*handler) { delete(m, event) })
}

func (h *handlers) change(f func(map[Event][]*handler)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := make(map[Event][]*handler)
	if old := h.m.Load(); old != nil {
		m = maps.Clone(*old)
	}
	f(m)
	h.m.Store(&m)
}

// owner is told what goes wrong in its handlers.
type owner interface {
	report(err error)
	panicked(event Event, err *PanicError)
}

// callEach calls handlers in turn. One that takes other data, panics, or ends its
// goroutine does not keep the others from running.
func callEach(o owner, hs []*handler, s Socket, m *incoming) {
	done := false
	defer func() {
		if !done {
			defer callEach(o, hs, s, m)
			o.panicked(m.event, newPanicError(recover()))
		}
	}()
	for len(hs) > 0 {
		h := hs[0]
		hs = hs[1:]
		if err := h.call(s, m); err != nil {
			o.report(&MessageError{Event: m.event, Err: err})
		}
	}
	done = true
}

// Handle registers a handler whose data is a T. The data of each message is
// decoded into a new T as [encoding/json] does it; data that is missing or null
// is the zero value. When decoding fails, this handler is not called for the
// message, and [EventError] gets a *[MessageError]; the others of the event are.
// Built-in events give their data if it is a T, and the zero value otherwise: T is
// error for [EventDisconnect], and []byte for the binary messages of
// [EventMessage]. In all else Handle is [Server.HandleFunc].
func Handle[T any](s *Server, event Event, handler func(Socket, T)) {
	if handler == nil {
		panic("socket: Handle: nil handler")
	}
	s.handlers.add(event, typedHandler(handler))
}

// On registers a handler of the client whose data is a T, in the way of
// [Handle]. In all else it is [Client.On].
func On[T any](c *Client, event Event, handler func(T)) {
	if handler == nil {
		panic("socket: On: nil handler")
	}
	c.handlers.add(event, typedHandler(func(_ Socket, v T) { handler(v) }))
}

func typedHandler[T any](f func(Socket, T)) *handler {
	return &handler{call: func(s Socket, m *incoming) error {
		v, err := decodeAs[T](m)
		if err != nil {
			return err
		}
		f(s, v)
		return nil
	}}
}

func anyHandler(f func(Socket, interface{})) *handler {
	return &handler{call: func(s Socket, m *incoming) error {
		v, err := m.decode()
		if err != nil {
			return err
		}
		f(s, v)
		return nil
	}}
}
