package socket

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

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
	several   *firstOf // transport, if it is the first of several; else nil
	opts      clientOptions
	log       *slog.Logger
	handlers  handlers
	any       handlers // of OnAny
	turn      serial
	session   clientSession

	responders responders
	requests   requests

	sending chan struct{} // holds a token; whoever has it may use transport.Send

	mu       sync.Mutex // guards the fields below
	phase    phase
	run      *clientRun // the latest; nil before the first
	attempts int        // of the latest reconnection
	rooms    []string
	epoch    uint32 // counts connections that went on with nothing of the one before
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
	c.requests.most = c.opts.maxRequests
	if f, ok := t.(*firstOf); ok {
		c.several = f
		f.choice = session.NewChoice(len(f.all), c.opts.probeDelay, c.opts.maxProbeDelay)
	}
	c.session.init(c)
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
	run := newClientRun()
	c.run = run
	c.attempts = 0
	c.mu.Unlock()
	return c.start(ctx, run)
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
	c.handlers.add(event, anyHandler(func(_ Socket, data interface{}) { handler(data) }))
}

// Once adds a handler that runs for the next message of an event only. In all
// else it is [Client.On].
func (c *Client) Once(event Event, f func(data interface{})) {
	if f == nil {
		panic("socket: Client.Once: nil handler")
	}
	var h *handler
	h = anyHandler(func(_ Socket, data interface{}) {
		c.handlers.remove(event, h)
		f(data)
	})
	c.handlers.add(event, h)
}

// Off removes all handlers of an event, and what [OnRequest] has added for it.
func (c *Client) Off(event Event) {
	c.handlers.clear(event)
	c.responders.remove(event)
}

// ID returns the id under which the server knows the connection: that of its
// [Socket]. Each session has another, and so has each connection where there is no
// session; without one it is that of the last. It is
// "" before the first connection, and when the transport is no
// [IdentifiedTransport].
func (c *Client) ID() string {
	if id := c.session.socketID(); id != "" {
		return id
	}
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

// The events by which a client asks for membership in a room and gives it up.
const (
	joinEvent  Event = "join"
	leaveEvent Event = "leave"
)

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
	open := c.reaches()
	c.mu.Unlock()
	if !open {
		return nil
	}
	return c.Send(joinEvent, room)
}

// reaches reports whether what is sent now gets to the server: over the connection, or
// over the next one of the session, in which rooms are not asked for again. It is called
// with mu held.
func (c *Client) reaches() bool {
	return c.phase == connected || c.phase == reconnecting && !c.run.closing && c.session.active()
}

// Leave forgets a room and tells the server, by the event "leave" with the
// room's name. The error is that of [Client.Send].
func (c *Client) Leave(room string) error {
	c.mu.Lock()
	c.rooms = slices.DeleteFunc(c.rooms, func(r string) bool { return r == room })
	open := c.reaches()
	c.mu.Unlock()
	if !open {
		return nil
	}
	return c.Send(leaveEvent, room)
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
	_ SessionTransport     = (*transport.WebSocketTransport)(nil)
	_ PingTransport        = (*transport.WebSocketTransport)(nil)
	_ VolatileTransport    = (*transport.WebSocketTransport)(nil)
	_ BatchTransport       = (*transport.LongPollingTransport)(nil)
	_ BinaryTransport      = (*transport.LongPollingTransport)(nil)
	_ IdentifiedTransport  = (*transport.LongPollingTransport)(nil)
	_ SessionTransport     = (*transport.LongPollingTransport)(nil)
	_ VolatileTransport    = (*transport.LongPollingTransport)(nil)
)
