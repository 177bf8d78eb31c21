package socket

// HandleAny adds a handler for every message of a client, whatever its event: it runs
// after the handlers of the event, and also where there are none. The event is
// [EventMessage] for a message that names none. The library's own events do not come
// here. In all else HandleAny is [Server.HandleFunc].
func (s *Server) HandleAny(handler func(s Socket, event Event, data interface{})) {
	if handler == nil {
		panic("socket: HandleAny: nil handler")
	}
	s.any.add(anyEvent, everyHandler(handler))
}

// OnAny adds a handler for every message of the server, whatever its event: it runs
// after the handlers of the event, and also where there are none. The event is
// [EventMessage] for a message that names none. The library's own events do not come
// here. [Client.Off] does not remove it. OnAny panics when handler is nil.
func (c *Client) OnAny(handler func(event Event, data interface{})) {
	if handler == nil {
		panic("socket: Client.OnAny: nil handler")
	}
	c.any.add(anyEvent, everyHandler(func(_ Socket, event Event, data interface{}) { handler(event, data) }))
}

// anyEvent is the one key of handlers that run whatever the event is.
const anyEvent Event = ""

// everyHandler is anyHandler for a function that wants to know the event.
func everyHandler(f func(Socket, Event, interface{})) *handler {
	return &handler{call: func(s Socket, m *incoming) error {
		v, err := m.decode()
		if err != nil {
			return err
		}
		f(s, m.event, v)
		return nil
	}}
}

// callWithAny runs all handlers of a message, and then those that run whatever it is.
func (c *conn) callWithAny(m *incoming) {
	if every := c.server.any.get(anyEvent); every != nil {
		defer callEach(c, every, c, m)
	}
	c.call(m)
}

// callWithAny runs all handlers of a message, and then those that run whatever it is.
func (c *Client) callWithAny(m *incoming) {
	if every := c.any.get(anyEvent); every != nil {
		defer callEach(c, every, nil, m)
	}
	c.call(m)
}

func (c *conn) Once(event Event, f func(data interface{})) {
	if f == nil {
		panic("socket: Socket.Once: nil handler")
	}
	var h *handler
	h = anyHandler(func(_ Socket, data interface{}) {
		c.own.Load().remove(event, h)
		f(data)
	})
	c.addOwn(event, h)
}

// addOwn adds a handler for events of this client alone.
func (c *conn) addOwn(event Event, h *handler) {
	if c.own.Load() == nil {
		c.own.CompareAndSwap(nil, new(handlers))
	}
	c.own.Load().add(event, h)
}
