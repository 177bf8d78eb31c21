package sockettest

import (
	"context"
	"encoding/json"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// Client is a [socket.Client] that remembers what comes, for a test to expect it. It
// has all methods of one. Those of its own fail the test: call them on the goroutine
// of the test. It is closed when the test ends.
type Client struct {
	*socket.Client
	receiver
	ears *ears
}

// Setup says how a client connects. The zero value is what [Network.Connect] does.
type Setup struct {
	// Kind is the transport. Default: that of the network.
	Kind Kind

	// Client are options of the client.
	Client []socket.ClientOption

	// WebSocket and LongPolling are options of the transport, for example
	// transport.WithHeaders. Those of the other kind are not used.
	WebSocket   []transport.WebSocketOption
	LongPolling []transport.LongPollingOption
}

// Connect returns a client that is connected, over the network's kind of transport.
// In a bubble the connect handlers have run on both ends. It fails the test if it
// does not succeed. The name is for the messages of failing tests.
func (n *Network) Connect(name string, opts ...socket.ClientOption) *Client {
	n.t.Helper()
	return n.connect(name, Setup{Client: opts})
}

// ConnectPolling is [Network.Connect] over long polling.
func (n *Network) ConnectPolling(name string, opts ...socket.ClientOption) *Client {
	n.t.Helper()
	return n.connect(name, Setup{Kind: LongPolling, Client: opts})
}

// connectLimit is how long the connect handlers may take to run: the network may be slow.
const connectLimit = time.Minute

func (n *Network) connect(name string, s Setup) *Client {
	n.t.Helper()
	c := n.NewClient(name, s)
	if err := c.Client.Connect(); err != nil {
		n.t.Fatalf("%s cannot connect: %v", name, err)
	}
	c.Within(connectLimit).ExpectConnect()
	n.settle() // the server's end, too
	return c
}

// NewClient returns a client that is not connected: for handlers that must not miss a
// message, for other options of the transport, and for connections that are to be
// refused. Its Connect returns an error as that of a [socket.Client] does, and it then
// has [Client.ExpectConnect] to look for.
func (n *Network) NewClient(name string, s Setup) *Client {
	n.t.Helper()
	if s.Kind == "" {
		s.Kind = n.opts.kind
	}
	c := &Client{receiver: newReceiver(n, name), ears: &ears{known: map[string]bool{}}}
	dial := transport.WithDialContext(func(ctx context.Context, _, _ string) (net.Conn, error) { return n.dial(ctx, c.line) })
	var t socket.Transport
	switch s.Kind {
	case WebSocket:
		opts := append(slices.Clip(s.WebSocket), dial)
		t = &webSocketTap{transport.NewWebSocketTransport(n.URL(s.Kind), opts...), c.ears}
	case LongPolling:
		opts := append(slices.Clip(s.LongPolling), dial)
		t = &pollingTap{transport.NewLongPollingTransport(n.URL(s.Kind), opts...), c.ears}
	default:
		panic("sockettest: Setup.Kind: there is no transport " + strconv.Quote(string(s.Kind)))
	}
	c.Client = socket.NewClient(t, s.Client...)
	c.ears.client, c.ears.in = c.Client, c.in
	for _, event := range builtIn {
		c.ears.listen(event)
	}
	n.t.Cleanup(func() {
		c.Faults().leave()
		c.Client.Close() // what cannot be sent any more is of no interest at the end
	})
	return c
}

// Send sends an event, and fails the test if that fails. Client.Client.Send returns
// the error.
func (c *Client) Send(event socket.Event, data any) {
	c.t.Helper()
	if err := c.Client.Send(event, data); err != nil {
		c.t.Fatalf("%s.Send(%q, …): %v", c.name, event, err)
	}
}

// Join asks for a room, as that of a [socket.Client] does, and fails the test if that
// fails.
func (c *Client) Join(room string) {
	c.t.Helper()
	if err := c.Client.Join(room); err != nil {
		c.t.Fatalf("%s.Join(%q): %v", c.name, room, err)
	}
}

// Leave gives a room up, as that of a [socket.Client] does, and fails the test if that
// fails.
func (c *Client) Leave(room string) {
	c.t.Helper()
	if err := c.Client.Leave(room); err != nil {
		c.t.Fatalf("%s.Leave(%q): %v", c.name, room, err)
	}
}

// Off removes the handlers of an event, as that of a [socket.Client] does. The client
// remembers the event's messages all the same.
func (c *Client) Off(event socket.Event) { c.ears.off(event) }

// Within returns the same client with another limit for what is expected of it, see
// [DefaultLimit].
func (c *Client) Within(limit time.Duration) *Client {
	same := *c
	same.limit = limit
	return &same
}

// ExpectConnect waits until the client has connected, in most cases once more.
func (c *Client) ExpectConnect() {
	c.t.Helper()
	c.expect("ExpectConnect()", func(i item) bool { return i.kind == itemConnect })
}

// ExpectError waits for an error that the client reports under [socket.EventError], and
// returns it: look at it with [errors.Is] and [errors.As]. What the server sends under
// that name is no such error but an event for Expect.
func (c *Client) ExpectError() error {
	c.t.Helper()
	return c.expect("ExpectError()", func(i item) bool { return i.kind == itemError }).err
}

// builtIn are the events that are listened to from the start.
var builtIn = []string{socket.EventConnect, socket.EventDisconnect, socket.EventError, socket.EventMessage}

// ears have a handler for every event that comes, the first of its name included: the
// transport tells them of a message before the client gets it. So what is remembered is
// what handlers see, in their order, and not what travels.
type ears struct {
	client *socket.Client
	in     *inbox

	mu    sync.Mutex // guards known, and that handlers and known agree
	known map[string]bool
}

// hear is told of a text message that has come.
func (e *ears) hear(message []byte) {
	var m struct {
		Event string `json:"event"`
	}
	// What is no such object is a message without an event, or none for handlers.
	if json.Unmarshal(message, &m) == nil && m.Event != "" {
		e.listen(m.Event)
	}
}

// listen adds the handler for an event, unless it is there.
func (e *ears) listen(event string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.known[event] {
		e.known[event] = true
		e.add(event)
	}
}

func (e *ears) off(event string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.client.Off(event)
	if e.known[event] {
		e.add(event)
	}
}

func (e *ears) add(event string) {
	switch event {
	case socket.EventConnect:
		e.client.On(event, func(any) { e.in.put(item{kind: itemConnect}) })
	case socket.EventDisconnect:
		socket.On(e.client, event, func(err error) { e.in.put(item{kind: itemDisconnect, err: err}) })
	case socket.EventError, socket.EventMessage:
		e.client.On(event, func(data any) {
			switch data := data.(type) {
			case error:
				e.in.put(item{kind: itemError, err: data})
			case []byte:
				e.in.put(item{event: event, binary: data})
			default:
				raw, err := json.Marshal(data)
				if err != nil {
					panic("BUG: sockettest: " + err.Error()) // it was JSON before
				}
				e.in.put(item{event: event, raw: raw})
			}
		})
	default:
		socket.On(e.client, event, func(raw json.RawMessage) { e.in.put(item{event: event, raw: raw}) })
	}
}

// webSocketTap and pollingTap are transports that the ears hear. They hold the
// transports as they are, so that the client finds all that these can do.
type webSocketTap struct {
	*transport.WebSocketTransport
	ears *ears
}

func (t *webSocketTap) ReceiveMessage() (data []byte, binary bool, err error) {
	data, binary, err = t.WebSocketTransport.ReceiveMessage()
	if err == nil && !binary {
		t.ears.hear(data)
	}
	return data, binary, err
}

type pollingTap struct {
	*transport.LongPollingTransport
	ears *ears
}

func (t *pollingTap) ReceiveMessage() (data []byte, binary bool, err error) {
	data, binary, err = t.LongPollingTransport.ReceiveMessage()
	if err == nil && !binary {
		t.ears.hear(data)
	}
	return data, binary, err
}

// receiver is the end of the network that something comes to.
type receiver struct {
	t     testing.TB
	n     *Network
	name  string
	line  *line
	in    *inbox
	limit time.Duration
}

func newReceiver(n *Network, name string) receiver {
	l := newLine(name)
	return receiver{t: n.t, n: n, name: name, line: &l, in: newInbox(), limit: DefaultLimit}
}

// Name returns the name that the test has given.
func (r *receiver) Name() string { return r.name }

// Faults returns the faults of its connections, those there are and will be.
func (r *receiver) Faults() *Faults { return &Faults{r.n, r.line} }
