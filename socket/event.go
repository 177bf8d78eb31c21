package socket

// Event is the name of an event. It is an alias, so that any string is one.
//
// A peer's message carries a name of 1 to 128 bytes. The names [EventConnect] and
// [EventDisconnect], and on a server also [EventError], are told by the library
// and never taken from a peer.
type Event = string

// The built-in events.
const (
	// EventConnect: a connection was made. It comes before the first message.
	// Data is nil.
	EventConnect Event = "connect"

	// EventDisconnect: a connection ended. It comes once and last. Data is an
	// error that tells why: [ErrConnectionClosed] when this side closed it, a
	// [DisconnectReason] when it did so by Disconnect, a *[MessageError] when a handler of the server panicked, and otherwise a
	// *[ConnectionError]. transport.CloseStatus finds the close code in it.
	EventDisconnect Event = "disconnect"

	// EventError: something went wrong that no call could return. Data is a
	// *[ConnectionError] or a *[MessageError]. A client also gets what its
	// server has sent under this name, as it was sent.
	EventError Event = "error"

	// EventMessage: a message that names no event. Data is the bare JSON value,
	// or a []byte for a binary message.
	EventMessage Event = "message"

	// EventGap: the server tells a client that it was not sent some messages, in front of
	// the next one that it is sent. It happens only where the application has chosen a
	// [Policy] other than [CloseSlow]. Data is a [Gap].
	EventGap Event = "gap"
)
