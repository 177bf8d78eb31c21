package socket

import (
	"context"
	"net/http"
)

// Socket is a server's end of one connection. The library makes it and hands it
// to handlers; it stays valid, though not connected, for as long as it is
// referred to.
//
// All methods may be called from any goroutine and any handler, at any time.
type Socket interface {
	// ID returns the connection's public name, unique and unguessable: 22
	// characters. It may be shown to other clients.
	ID() string

	// Identity returns who made the connection, as [WithAuthenticator] has found out.
	// It is "" where nobody was asked, and never changes.
	Identity() string

	// Send sends an event to this client. data is what [encoding/json] can
	// encode, and is not retained; a []byte under [EventMessage] becomes a bare
	// binary message.
	//
	// Messages arrive in the order of the calls. Send returns once the message
	// is written or queued. While a quarter of the queue is taken (256 KiB or 256
	// messages, see [WithSendQueue]) it waits for the client to read, for the write
	// timeout at most; a client that has not read by then is closed as a slow
	// consumer. The rest of the queue is for broadcasts, which do not wait.
	//
	// The error is a *[MessageError] when data cannot be encoded, and a
	// *[ConnectionError] that matches [ErrConnectionClosed] or [ErrTimeout] when
	// the message cannot be delivered.
	Send(event Event, data interface{}) error

	// Call sends a request to this client and waits for the reply. In all else it is
	// [Client.Call], and to send it is to Send. The wait ends with the socket, which
	// the client's session may carry over lost connections. It may be called from the
	// socket's own handlers: replies do not wait for them.
	Call(ctx context.Context, event Event, data interface{}) (Reply, error)

	// SendVolatile is Send for a message that is of no use later: it never waits. It is
	// not sent, and sent is false, when the client does not keep up at the moment, where
	// Send would wait; the client is not told. In a session the message is not
	// kept: it is lost if the connection is, and not sent while there is none. The error
	// is that of Send.
	SendVolatile(event Event, data interface{}) (sent bool, err error)

	// Buffered returns how much waits for the client, in bytes and in messages, of what
	// [WithSendQueue] bounds; for one whose session has no connection, what is kept for
	// the next. See also [Server.OnDrain].
	Buffered() (bytes, messages int)

	// On adds a handler for events of this client alone. It runs after those of
	// [Server.HandleFunc] for the same event. Handlers of one socket run one at a
	// time. It panics when handler is nil.
	On(event Event, handler func(interface{}))

	// Once adds a handler that runs for the next message of an event only. In all
	// else it is On.
	Once(event Event, handler func(interface{}))

	// Off removes the handlers that On and Once have added for event.
	Off(event Event)

	// Join makes the socket a member of a room, and Leave ends that; Rooms are
	// the rooms that it is in, in the order it joined them. A socket that is
	// disconnected joins nothing, and is out of its rooms once its disconnect
	// handlers have run. The error of Join is that of [Server.Join]; it may wait for
	// the function of [WithJoinPolicy].
	Join(room string) error
	Leave(room string)
	Rooms() []string

	// BroadcastToRoom is [Server.BroadcastToRoom] to the members of a room without this
	// socket, which need not be one of them. See [Target.Except] for more than one.
	BroadcastToRoom(room string, event Event, data interface{}) error

	// Close ends the connection: what is queued is sent, then a closing
	// handshake with code 1000. It does not wait for that. Handlers of later
	// messages do not run; the disconnect handler does. Calls after the first do
	// nothing. The error is nil. A [Client] takes the end for a loss and connects
	// again.
	Close() error

	// Disconnect is Close with a reason for the client and a verdict: whether it is to
	// connect again, which a [Client] obeys, and a page in a browser can read. The
	// disconnect handlers get r. A client that is to stay away, and could not hear it
	// because its session had no connection just then, is told when it comes back within
	// [WithSessionWindow]. It panics when r is impossible.
	Disconnect(r DisconnectReason)

	// IsConnected reports whether the connection is open.
	IsConnected() bool

	// Context returns a context that ends when the connection does, with the
	// reason as its [context.Cause]. It has nothing of the request's context.
	Context() context.Context

	// Request returns a copy of the HTTP request that opened the connection:
	// method, URL, headers, host and remote address, without body and context.
	// It is made anew by each call. Behind a proxy the remote address is the
	// proxy's.
	Request() *http.Request

	// Set keeps a value of the application's with the socket, and Get returns
	// it. Set with a nil value removes the key. The values stay after the end of
	// the connection; a client that connects again has a new socket without them.
	Set(key string, value any)
	Get(key string) (value any, ok bool)
}
