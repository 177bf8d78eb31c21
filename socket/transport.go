package socket

import "context"

// Transport moves the messages of one client. Package transport has two; a type
// of your own needs these four methods and nothing else, and its stream then
// holds nothing but the messages.
//
// The client calls Connect first and again after Receive has failed; it must
// then release what is left of the earlier connection. Send and Receive are each
// called by one goroutine at a time, Close by any. Messages are to arrive whole
// and in order, and neither side's slices are used again after the call.
type Transport interface {
	// Connect opens the connection, within the bounds of ctx.
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
// one, see [WithBatchSend].
type BatchTransport interface {
	Transport
	SendBatch(batch [][]byte) error
}

// BinaryTransport is a [Transport] that tells text messages and binary ones
// apart. With another one, every message is JSON text.
type BinaryTransport interface {
	Transport
	SendBinary(data []byte) error
	ReceiveMessage() (data []byte, binary bool, err error)
}

// CompressionTransport is a [Transport] that can compress, see
// [WithClientCompression]. EnableCompression is called before Connect.
type CompressionTransport interface {
	Transport
	EnableCompression()
}

// IdentifiedTransport is a [Transport] that learns in Connect under which id the
// server knows the connection.
type IdentifiedTransport interface {
	Transport
	SocketID() string
}
