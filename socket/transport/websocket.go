package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// WebSocketTransport moves the messages of one client over a WebSocket
// connection. It can be connected again after the connection was lost. It takes
// messages of up to 1 MiB; a larger one ends the connection with close code 1009.
//
// Send, SendBinary, SendBatch and Close may be called from any goroutine;
// Receive and ReceiveMessage from one at a time.
type WebSocketTransport struct {
	url  string
	opts webSocketOptions

	mu     sync.Mutex // guards the fields below, and opts
	conn   *Conn      // nil before the first Connect
	id     string
	calls  int   // of Connect and Close: the latest wins
	closed *Conn // that Close was called for
}

// The names that a client of this module and the server use in the handshake to
// tell each other what a plain client neither asks nor is told.
const (
	versionHeader = "Socket-Version" // of the client, asks for the answer's Socket-Id
	idHeader      = "Socket-Id"
	sessionHeader = "Socket-Session" // an offer, and the answer to it
	wireVersion   = "1"
)

// sessionHead is how much a session puts in front of a message at most, in bytes. It
// does not count towards the size of the message.
const sessionHead = 64

const defaultReadTimeout = 30 * time.Second

// NewWebSocketTransport returns a transport for a URL with the scheme ws or wss.
// It does nothing before Connect, which also reports a URL or option that cannot
// be used.
func NewWebSocketTransport(url string, opts ...WebSocketOption) *WebSocketTransport {
	t := &WebSocketTransport{url: url}
	for _, o := range opts {
		o.applyWebSocket(&t.opts)
	}
	return t
}

// EnableCompression is [WithCompression] for callers that have got the transport
// ready-made. It takes effect with the next Connect.
func (t *WebSocketTransport) EnableCompression() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.opts.compression == nil {
		t.opts.compression = new(Compression)
	}
}

// Connect opens a connection, in place of an earlier one, which is closed. A
// Close, or another Connect, that is called meanwhile makes it fail. ctx
// bounds the opening only, and 10 s bound it too. An answer that is no handshake
// is a *[HandshakeError].
func (t *WebSocketTransport) Connect(ctx context.Context) error {
	_, err := t.connect(ctx, "")
	return err
}

// ConnectSession is Connect with an offer to go on with a session, of which only a
// server of this module knows what it means, and returns the server's answer, "" from
// another server.
func (t *WebSocketTransport) ConnectSession(ctx context.Context, offer string) (answer string, err error) {
	return t.connect(ctx, offer)
}

func (t *WebSocketTransport) connect(ctx context.Context, offer string) (answer string, err error) {
	t.mu.Lock()
	t.calls++
	call, old, opts := t.calls, t.conn, t.opts
	t.mu.Unlock()
	if old != nil {
		_ = old.CloseNow() // never fails
	}
	var id string
	header := map[string][]string{versionHeader: {wireVersion}}
	message := opts.message
	if offer != "" {
		header[sessionHeader] = []string{offer}
		message = orDefault(message, defaultClientMessage) + sessionHead
	}
	for name, values := range opts.header {
		header[name] = values
	}
	conn, err := Dial(ctx, t.url, &DialOptions{
		Header:      header,
		TLSConfig:   opts.tlsConfig,
		Compression: opts.compression,
		DialContext: opts.dial,
		answered: func(header map[string][]string) {
			id, answer = first(header[idHeader]), first(header[sessionHeader])
		},
		Limits: Limits{
			MaxMessageSize: message,
			ReadTimeout:    orDefault(opts.readTimeout, defaultReadTimeout),
			WriteTimeout:   opts.writeTimeout,
		},
	})
	if err != nil {
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calls != call {
		_ = conn.CloseNow() // never fails
		return "", errOvertaken
	}
	t.conn, t.id = conn, id
	return answer, nil
}

// Abort cuts the connection off, as if it had been lost.
func (t *WebSocketTransport) Abort() {
	t.mu.Lock()
	c := t.conn
	t.mu.Unlock()
	if c != nil {
		_ = c.CloseNow() // never fails
	}
}

// errOvertaken is the end of a Connect during which Close, or Connect again, was
// called.
var errOvertaken = fmt.Errorf("transport: closed while connecting: %w", net.ErrClosed)

// Send sends a text message, which must be UTF-8 and is not retained. It waits
// while the server does not keep up, for the write timeout at most.
func (t *WebSocketTransport) Send(data []byte) error { return t.send(MessageText, data) }

// SendBinary sends a binary message, in the way of Send.
func (t *WebSocketTransport) SendBinary(data []byte) error { return t.send(MessageBinary, data) }

func (t *WebSocketTransport) send(typ MessageType, data []byte) error {
	c, err := t.current()
	if err != nil {
		return err
	}
	// The connection's write timeout ends a wait for a server that reads nothing.
	return c.Write(context.Background(), typ, data)
}

// SendBatch sends text messages that leave in one write. An error means that
// some of them may not have been sent.
func (t *WebSocketTransport) SendBatch(batch [][]byte) error {
	c, err := t.current()
	if err != nil {
		return err
	}
	c.cork()
	defer c.uncork()
	for _, data := range batch {
		if err := c.Write(context.Background(), MessageText, data); err != nil {
			return err
		}
	}
	return nil
}

// SendNow is Send, for a binary message SendBinary, that never waits: the error is
// [ErrQueueFull] when it would have to.
func (t *WebSocketTransport) SendNow(typ MessageType, data []byte) error {
	c, err := t.current()
	if err != nil {
		return err
	}
	return c.Queue(typ, data)
}

// Ping sends a ping and waits for its pong, until ctx ends. Another goroutine must be
// inside Receive.
func (t *WebSocketTransport) Ping(ctx context.Context) error {
	c, err := t.current()
	if err != nil {
		return err
	}
	return c.Ping(ctx)
}

// Receive returns the next message, text or binary. It waits for it; Close ends
// the wait. The memory is the caller's. The error matches [net.ErrClosed] and is
// that of [Conn.Read].
func (t *WebSocketTransport) Receive() ([]byte, error) {
	data, _, err := t.ReceiveMessage()
	return data, err
}

// ReceiveMessage is Receive for callers that want to know whether the message
// was binary.
func (t *WebSocketTransport) ReceiveMessage() (data []byte, binary bool, err error) {
	c, err := t.current()
	if err != nil {
		return nil, false, err
	}
	typ, data, err := c.Read(context.Background())
	return data, typ == MessageBinary, err
}

// Close ends the connection with a closing handshake: what was sent is
// delivered first. It waits for the server's answer, for the close timeout at
// most. Calls after the first do nothing. The error says how the connection has ended
// instead, now or before.
func (t *WebSocketTransport) Close() error {
	t.mu.Lock()
	t.calls++
	c := t.conn
	again := c == t.closed
	t.closed = c
	t.mu.Unlock()
	if c == nil {
		return nil
	}
	err := c.Close(StatusNormalClosure, "")
	if errors.Is(err, errClosed) {
		// It had ended before: what was sent may not have arrived.
		if err = c.ended(); again || errors.Is(err, errClosed) {
			return nil
		}
	}
	return err
}

// SocketID returns the id under which a server of this module knows the
// connection, "" for other servers.
func (t *WebSocketTransport) SocketID() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.id
}

// errNotConnected is what a transport answers before Connect has succeeded.
var errNotConnected = errors.New("transport: not connected")

func (t *WebSocketTransport) current() (*Conn, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn == nil {
		return nil, errNotConnected
	}
	return t.conn, nil
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
