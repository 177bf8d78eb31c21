package socket

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/kleeedolinux/socket.go/socket/internal/envelope"
	"github.com/kleeedolinux/socket.go/socket/internal/session"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// Client is a connection to a server that is made again when it is lost.
//
// Handlers run one at a time and in the order of the messages, on a goroutine of
// the client's; while one runs the connection is still read, up to a bound, so
// pings are answered. All methods may be called from any goroutine and any
// handler, at any time.
type Client struct {
	transport Transport
	opts      clientOptions
	log       *slog.Logger
	handlers  handlers[clientHandler]
	turn      serial

	sending chan struct{} // holds a token; whoever has it may use transport.Send

	mu       sync.Mutex // guards the fields below
	phase    phase
	link     *clientLink // the latest connection; nil before the first
	attempts int         // of the latest reconnection
	rooms    []string
	batch    session.Batch[[]byte]
	timer    *time.Timer // sends a batch that does not fill; nil without batches
}

// phase is where a client is in its life.
type phase uint8

const (
	disconnected phase = iota // before Connect, after Close, after giving up
	connecting                // Connect is at work
	connected
	reconnecting
)

// clientLink is one run of a client, from Connect to Close or to giving up.
type clientLink struct {
	ctx    context.Context // ends with the run
	cancel context.CancelFunc
	done   chan struct{} // closed when the run's goroutine has ended

	closing bool  // Close was called; guarded by Client.mu
	up      bool  // connect was told and disconnect was not; guarded by Client.mu
	reason  error // overrides what Receive says; guarded by Client.mu
}

// NewClient returns a client for a transport, which it alone uses from then on.
// It does nothing before [Client.Connect]. It panics when the transport is nil
// or an option has an impossible value.
func NewClient(t Transport, opts ...ClientOption) *Client {
	if t == nil {
		panic("socket: NewClient: nil transport")
	}
	c := &Client{transport: t, opts: defaultClientOptions(), sending: make(chan struct{}, 1)}
	for _, opt := range opts {
		opt(&c.opts)
	}
	c.log = c.opts.logger
	c.sending <- struct{}{}
	c.batch = session.NewBatch[[]byte](session.BatchOptions{Messages: c.opts.batchSize, Delay: c.opts.batchDelay})
	if z, ok := t.(CompressionTransport); ok && c.opts.compression {
		z.EnableCompression()
	}
	return c
}

// Connect connects to the server. A failure is returned, as a
// *[ConnectionError], and not tried again; a connection that is lost later is
// made again by itself, see [WithReconnectAttempts]. Connect waits for the
// connection, for [WithConnectTimeout] at most, and not for the connect handlers,
// which run on the client's goroutine. A client that was closed or has given up
// can be connected again; for one that is connected or connecting it is an error.
func (c *Client) Connect() error { return c.ConnectContext(context.Background()) }

// ConnectContext is Connect within the bounds of ctx, which has no meaning for
// the connection once it is made.
func (c *Client) ConnectContext(ctx context.Context) error {
	c.mu.Lock()
	if c.phase != disconnected {
		c.mu.Unlock()
		return &ConnectionError{Op: "connect", Err: errors.New("the client is connected or connecting already")}
	}
	c.phase = connecting
	run := &clientLink{done: make(chan struct{})}
	run.ctx, run.cancel = context.WithCancel(context.Background())
	c.link = run
	c.attempts = 0
	c.mu.Unlock()

	stop := context.AfterFunc(ctx, run.cancel)
	err := c.dial(run.ctx)
	stop()
	c.mu.Lock()
	made := err == nil
	switch {
	case ctx.Err() != nil:
		err = errors.Join(ctx.Err(), err)
	case run.ctx.Err() != nil:
		err = errors.Join(ErrConnectionClosed, err) // Close was called meanwhile
	}
	if err != nil {
		c.phase = disconnected
		c.mu.Unlock()
		run.cancel()
		close(run.done)
		if made {
			_ = c.transport.Close() // nobody wants the connection any more
		}
		return &ConnectionError{Op: "connect", Err: err}
	}
	c.phase = connected
	run.up = true
	c.mu.Unlock()
	c.up()
	go c.run(run) // owned by run: ends with it
	return nil
}

func (c *Client) dial(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.opts.connectTimeout)
	defer cancel()
	return c.transport.Connect(ctx)
}

// up is called with every new connection: the rooms are joined again, and then
// the connect handlers run.
func (c *Client) up() {
	for _, room := range c.Rooms() {
		if err := c.Send("join", room); err != nil {
			c.report(err)
		}
	}
	c.turn.spawn(func() { c.call(&incoming{event: EventConnect, kind: builtIn}) })
}

// run reads the connection until it is lost, makes it again, and so on.
func (c *Client) run(run *clientLink) {
	defer close(run.done)
	for {
		err := c.read(run)
		if !c.lost(run, err) {
			return
		}
		if !c.reconnect(run) {
			return
		}
		c.up()
	}
}

// read passes messages to the handlers until there are no more.
func (c *Client) read(run *clientLink) error {
	receive := func() (data []byte, binary bool, err error) {
		data, err = c.transport.Receive()
		return data, false, err
	}
	if t, ok := c.transport.(BinaryTransport); ok {
		receive = t.ReceiveMessage
	}
	for {
		data, binary, err := receive()
		if err != nil {
			return err
		}
		if !c.turn.spawnWithin(run.ctx, len(data), func() { c.handle(run, data, binary) }) {
			return ErrConnectionClosed
		}
	}
}

// lost ends a connection and reports whether there is to be another.
func (c *Client) lost(run *clientLink, err error) bool {
	c.mu.Lock()
	if run.ctx.Err() != nil {
		c.mu.Unlock()
		return false // Close tells of the end
	}
	again := c.opts.reconnectAttempts >= 0
	c.phase = reconnecting
	if !again {
		c.phase = disconnected
	}
	run.up = false
	c.attempts = 0
	if run.reason != nil {
		err, run.reason = run.reason, nil
	}
	c.dropBatch()
	c.mu.Unlock()
	c.turn.spawn(func() {
		c.call(&incoming{event: EventDisconnect, kind: builtIn, value: &ConnectionError{Op: "read", Err: err}})
	})
	if !again {
		_ = c.transport.Close() // it is lost already
	}
	return again
}

// reconnect makes the connection again, and reports whether it did.
func (c *Client) reconnect(run *clientLink) bool {
	backoff := newBackoff(&c.opts)
	var last error
	for {
		wait, ok := backoff.next()
		if !ok {
			break
		}
		if !sleep(run.ctx, wait) {
			return false
		}
		c.mu.Lock()
		c.attempts++
		c.mu.Unlock()
		if last = c.dial(run.ctx); last == nil {
			if c.made(run) {
				return true
			}
			_ = c.transport.Close() // nobody wants the connection any more
		}
		if run.ctx.Err() != nil {
			return false
		}
		c.log.Debug("socket: reconnect", "err", last)
		c.report(&ConnectionError{Op: "reconnect", Err: last})
	}
	c.mu.Lock()
	c.phase = disconnected
	c.mu.Unlock()
	_ = c.transport.Close() // it is lost already
	c.report(&ConnectionError{Op: "reconnect", Err: errors.Join(errGaveUp, last)})
	return false
}

// made records a new connection, unless Close was called meanwhile.
func (c *Client) made(run *clientLink) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if run.ctx.Err() != nil {
		return false
	}
	c.phase = connected
	run.up = true
	return true
}

// errGaveUp is the cause of the last error of a client that stays disconnected.
var errGaveUp = errors.New("all attempts failed (WithReconnectAttempts)")

// handle runs the handlers for a message.
func (c *Client) handle(run *clientLink, data []byte, binary bool) {
	if run.ctx.Err() != nil {
		return
	}
	if binary {
		c.call(&incoming{event: EventMessage, kind: fromBinary, binary: data})
		return
	}
	env, err := envelope.Parse(data)
	if err != nil {
		c.report(&MessageError{Err: invalid("%v", err)})
		return
	}
	m := incoming{event: EventMessage, raw: env.Data}
	if !env.Bare {
		m.event = env.Event()
		if reserved(m.event) {
			c.report(&MessageError{Event: m.event, Err: invalid("the event is reserved")})
			return
		}
	}
	c.call(&m)
}

// call runs all handlers of an event. It must be called from within the turn.
func (c *Client) call(m *incoming) {
	defer func() {
		if v := recover(); v != nil {
			c.panicked(m.event, newPanicError(v))
		}
	}()
	for _, h := range c.handlers.get(m.event) {
		if err := h(m); err != nil {
			c.report(&MessageError{Event: m.event, Err: err})
			return
		}
	}
}

// panicked reports the panic of a handler and gives its connection up, in the
// way of one that was lost.
func (c *Client) panicked(event Event, err *PanicError) {
	merr := &MessageError{Event: event, Err: err}
	c.log.Error("socket: handler panicked", "event", event, "err", err, "stack", string(err.Stack))
	c.mu.Lock()
	open := c.phase == connected
	if open {
		c.link.reason = merr
	}
	c.mu.Unlock()
	if event != EventError {
		c.report(merr)
	}
	if open {
		go c.transport.Close() // it may wait for the server; ends with that
	}
}

// report tells the error handlers of something that no call could return.
func (c *Client) report(err error) {
	c.turn.spawn(func() { c.call(&incoming{event: EventError, kind: builtIn, value: err}) })
}

// Close ends the connection and all attempts to make it again. What is batched
// is sent first, and the transport's Close is waited for, which for the transports
// of this module takes 5 s at most. The disconnect handlers have run when it
// returns, unless a handler is running, for example the one that calls it: then
// they follow. The error, a *[ConnectionError], tells of messages that could not
// be sent; the client is closed all the same. Calls on a client that is not
// connected do nothing.
func (c *Client) Close() error {
	c.mu.Lock()
	run, was := c.link, c.phase
	if was == disconnected || run.closing {
		c.mu.Unlock()
		return nil
	}
	run.closing = true
	if was != connected {
		run.cancel() // with mu held: see made
	}
	c.mu.Unlock()
	if was == connecting {
		return nil // ConnectContext cleans up
	}
	var err error
	if was == connected {
		err = c.flush()
		run.cancel()
		err = errors.Join(err, c.transport.Close())
	}
	<-run.done
	c.mu.Lock()
	c.phase = disconnected
	c.dropBatch()
	tell := run.up
	run.up = false
	c.mu.Unlock()
	if tell {
		c.turn.run(func() { c.call(&incoming{event: EventDisconnect, kind: builtIn, value: ErrConnectionClosed}) })
	}
	if err != nil {
		return &ConnectionError{Op: "close", Err: err}
	}
	return nil
}

// On adds a handler for an event: a built-in one or any name that the server
// sends. Several handlers of one event run in the order they were added. data is
// what [encoding/json] makes of JSON in an interface{}; see the function [On] for
// other types. A handler that is added later misses the messages before. On panics
// when handler is nil.
func (c *Client) On(event Event, handler func(data interface{})) {
	if handler == nil {
		panic("socket: Client.On: nil handler")
	}
	c.handlers.add(event, anyHandler(handler))
}

// Once adds a handler that runs for the next message of an event only. In all
// else it is [Client.On].
func (c *Client) Once(event Event, handler func(data interface{})) {
	if handler == nil {
		panic("socket: Client.Once: nil handler")
	}
	h := anyHandler(handler)
	var once sync.Once
	c.handlers.add(event, func(m *incoming) (err error) {
		once.Do(func() { err = h(m) })
		return err
	})
}

// Off removes all handlers of an event.
func (c *Client) Off(event Event) { c.handlers.remove(event) }

// ID returns the id under which the server knows the connection: that of its
// [Socket]. Each connection has another; without one it is that of the last. It is
// "" before the first connection, and when the transport is no
// [IdentifiedTransport].
func (c *Client) ID() string {
	if t, ok := c.transport.(IdentifiedTransport); ok {
		return t.SocketID()
	}
	return ""
}

// IsConnected reports whether there is a connection at the moment.
func (c *Client) IsConnected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase == connected
}

// ReconnectCount returns how many attempts the latest reconnection has taken so
// far: 0 for the first connection, and in a connect handler after a loss the
// number that it took to get there. The next loss sets it back.
func (c *Client) ReconnectCount() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.attempts
}

// Join records a room and asks the server for membership, by the event "join"
// with the room's name; the server's handler for it decides. Recorded rooms are
// asked for again after a reconnect, before the connect handlers run. Without a
// connection the room is recorded and asked for with the next one. The error is
// that of [Client.Send]; the room is recorded all the same.
func (c *Client) Join(room string) error {
	c.mu.Lock()
	if !slices.Contains(c.rooms, room) {
		c.rooms = append(c.rooms, room)
	}
	open := c.phase == connected
	c.mu.Unlock()
	if !open {
		return nil
	}
	return c.Send("join", room)
}

// Leave forgets a room and tells the server, by the event "leave" with the
// room's name. The error is that of [Client.Send].
func (c *Client) Leave(room string) error {
	c.mu.Lock()
	c.rooms = slices.DeleteFunc(c.rooms, func(r string) bool { return r == room })
	open := c.phase == connected
	c.mu.Unlock()
	if !open {
		return nil
	}
	return c.Send("leave", room)
}

// Rooms returns the recorded rooms in the order of joining, a copy. They are what
// this client has asked for, not what the server has granted.
func (c *Client) Rooms() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string{}, c.rooms...)
}

// InRoom reports whether a room is recorded.
func (c *Client) InRoom(room string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.rooms, room)
}

var (
	_ BatchTransport       = (*transport.WebSocketTransport)(nil)
	_ BinaryTransport      = (*transport.WebSocketTransport)(nil)
	_ CompressionTransport = (*transport.WebSocketTransport)(nil)
	_ IdentifiedTransport  = (*transport.WebSocketTransport)(nil)
	_ BatchTransport       = (*transport.LongPollingTransport)(nil)
	_ BinaryTransport      = (*transport.LongPollingTransport)(nil)
	_ IdentifiedTransport  = (*transport.LongPollingTransport)(nil)
)
