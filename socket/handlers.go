package socket

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// handlers are functions by event. Messages look them up without a lock; adding
// one copies the map, which happens a few times at start.
type handlers[H any] struct {
	mu sync.Mutex // guards changes
	m  atomic.Pointer[map[Event][]H]
}

// get returns the handlers of an event in the order they were added.
func (h *handlers[H]) get(event Event) []H {
	m := h.m.Load()
	if m == nil {
		return nil
	}
	return (*m)[event]
}

func (h *handlers[H]) add(event Event, f H) {
	h.change(func(m map[Event][]H) { m[event] = append(slices.Clip(m[event]), f) })
}

func (h *handlers[H]) remove(event Event) {
	h.change(func(m map[Event][]H) { delete(m, event) })
}

func (h *handlers[H]) change(f func(map[Event][]H)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := make(map[Event][]H)
	if old := h.m.Load(); old != nil {
		m = maps.Clone(*old)
	}
	f(m)
	h.m.Store(&m)
}

// serverHandler is a handler of a [Server]. An error is that of the data, which
// was not what the handler takes.
type serverHandler func(s Socket, m *incoming) error

// clientHandler is a handler of a [Client], or of a single [Socket].
type clientHandler func(m *incoming) error

// Handle registers a handler whose data is a T. The data of each message is
// decoded into a new T as [encoding/json] does it; data that is missing or null
// is the zero value. When decoding fails, neither this handler nor those added
// after it are called for the message, and [EventError] gets a *[MessageError].
// Built-in events give their data if it is a T, and the zero value otherwise: T is
// error for [EventDisconnect], and []byte for the binary messages of
// [EventMessage]. In all else Handle is [Server.HandleFunc].
func Handle[T any](s *Server, event Event, handler func(Socket, T)) {
	if handler == nil {
		panic("socket: Handle: nil handler")
	}
	s.handlers.add(event, func(sock Socket, m *incoming) error {
		v, err := decodeAs[T](m)
		if err != nil {
			return err
		}
		handler(sock, v)
		return nil
	})
}

// On registers a handler of the client whose data is a T, in the way of
// [Handle]. In all else it is [Client.On].
func On[T any](c *Client, event Event, handler func(T)) {
	if handler == nil {
		panic("socket: On: nil handler")
	}
	c.handlers.add(event, typedHandler(handler))
}

func typedHandler[T any](handler func(T)) clientHandler {
	return func(m *incoming) error {
		v, err := decodeAs[T](m)
		if err != nil {
			return err
		}
		handler(v)
		return nil
	}
}

func anyHandler(handler func(interface{})) clientHandler {
	return func(m *incoming) error {
		v, err := m.decode()
		if err != nil {
			return err
		}
		handler(v)
		return nil
	}
}
