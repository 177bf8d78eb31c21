package socket

import (
	"context"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// Transport moves the messages of one client. Package transport has two; a type
// of your own needs these four methods and nothing else, and its stream then
// holds nothing but the messages.
//
// The client calls Connect first, and again after Receive has failed, which must
// release what is left of the earlier connection. Send and Receive are each called
// by one goroutine at a time, Close by any. Messages are to arrive whole and in
// order. A slice that Send is given is the transport's to keep, and one that
// Receive returns is the client's. A message is JSON text in UTF-8; those given to
// Send hold no line feeds.
type Transport interface {
	// Connect opens the connection, within the bounds of ctx. A client that connects
	// again looks into its error for a [*transport.HandshakeError]: it waits for as long as
	// that says, and stops when the status is 401 or 403 twice in a row. In between the
	// transport may get a new credential.
	Connect(ctx context.Context) error

	// Send sends one message. It may wait; an error means that the message was
	// not sent, or that it is not known.
	Send(data []byte) error

	// Receive waits for the next message. Any error means that the connection
	// has ended.
	Receive() ([]byte, error)

	// Close ends the connection and makes Receive return.
	Close() error
}

// BatchTransport is a [Transport] that can send several messages at the price of
// one, see [WithBatchSend]. With another one, batches go out message by message.
type BatchTransport interface {
	Transport

	// SendBatch is Send for several messages, in their order. An error means that
	// some of them may not have been sent. It is called in turn with Send.
	SendBatch(batch [][]byte) error
}

// BinaryTransport is a [Transport] that tells text messages and binary ones
// apart. With another one, every message is JSON text, and [Client.Send] refuses
// binary ones.
type BinaryTransport interface {
	Transport

	// SendBinary is Send for a binary message. It is called in turn with Send.
	SendBinary(data []byte) error

	// ReceiveMessage is called in place of Receive.
	ReceiveMessage() (data []byte, binary bool, err error)
}

// CompressionTransport is a [Transport] that can compress, see
// [WithClientCompression].
type CompressionTransport interface {
	Transport

	// EnableCompression is called once, before Connect.
	EnableCompression()
}

// SessionTransport is a [Transport] that can go on with a session over another
// connection, see [WithSession]. What is offered and answered is a line of text that it
// carries in its handshake. An error of Send that does not match [net.ErrClosed] means
// that the message was refused and will not arrive.
type SessionTransport interface {
	Transport

	// ConnectSession is called in place of Connect. The answer is "" when the server
	// has none.
	ConnectSession(ctx context.Context, offer string) (answer string, err error)

	// Abort ends the connection as if it had been lost: the server is told nothing. It
	// makes Receive and Send return and may be called by any goroutine, also when there
	// is no connection any more.
	Abort()
}

// PingTransport is a [Transport] that can find out whether the server answers, see
// [FirstOf].
type PingTransport interface {
	Transport

	// Ping asks the server for an answer that is no message, and waits for it until ctx
	// ends. Another goroutine is inside Receive meanwhile, or about to be.
	Ping(ctx context.Context) error
}

// VolatileTransport is a [Transport] that can refuse what it cannot take at once, see
// [Client.SendVolatile].
type VolatileTransport interface {
	Transport

	// SendNow is Send, for a binary message SendBinary, that never waits: the error
	// matches [transport.ErrQueueFull] when it would have to. It is called in turn with
	// Send.
	SendNow(typ transport.MessageType, data []byte) error
}

// IdentifiedTransport is a [Transport] that learns in Connect under which id the
// server knows the connection.
type IdentifiedTransport interface {
	Transport

	// SocketID returns the id, "" when there is none. It may be called by any
	// goroutine and must not wait.
	SocketID() string
}
