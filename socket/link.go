package socket

import (
	"context"

	"github.com/kleeedolinux/socket.go/socket/transport"
)

// link is the physical half of a connection: what moves messages. The socket
// above it does not know which transport it has.
type link interface {
	// queue takes a message without ever blocking on the peer. stage takes messages
	// that others get too, and returns how many; what it has taken leaves with flush.
	// A full queue is transport.ErrQueueFull, a message that will never fit into
	// it errTooLarge. queue does not retain p.
	queue(typ transport.MessageType, p []byte) error
	stage(b *transport.PreparedBatch) (int, error)
	flush()

	// wait returns when there may be room in the queue again, queued how much
	// of it is taken.
	wait(ctx context.Context) error
	queued() (bytes, messages int)

	// notifyRoom has f called, once, when there may be room in the queue again; at once
	// if it is empty. f may be called with locks of the link held. It is not called when
	// the connection is lost, nor after another notifyRoom.
	notifyRoom(f func())

	// close ends the connection after what is queued; refuse ends it in place of
	// what is queued; closeNow cuts it off. None blocks.
	close(code transport.StatusCode, reason string)
	refuse(code transport.StatusCode, reason string)
	closeNow()

	// beats reports whether the peer has to be asked for signs of life. ping
	// does that, and activity returns a number that changes with each.
	beats() bool
	ping()
	activity() uint32

	// handOff lets reading go on behind a handler that runs for long.
	handOff()
}

// errTooLarge is returned for a message that is larger than the whole queue.
var errTooLarge = invalid("the message is larger than the send queue (WithSendQueue)")

// webSocketLink is the link over a WebSocket connection.
type webSocketLink struct{ *transport.Conn }

func (l webSocketLink) queue(typ transport.MessageType, p []byte) error { return l.Queue(typ, p) }

func (l webSocketLink) stage(b *transport.PreparedBatch) (int, error) { return l.StagePrepared(b) }

func (l webSocketLink) flush() { l.Flush() }

func (l webSocketLink) wait(ctx context.Context) error { return l.WaitQueue(ctx) }

func (l webSocketLink) queued() (bytes, messages int) { return l.Buffered() }

func (l webSocketLink) notifyRoom(f func()) { l.NotifyQueue(f) }

func (l webSocketLink) close(code transport.StatusCode, reason string) {
	_ = l.QueueClose(code, reason) // an error means: it is closing already
}

func (l webSocketLink) refuse(code transport.StatusCode, reason string) { l.Refuse(code, reason) }

func (l webSocketLink) closeNow() { _ = l.CloseNow() }

func (l webSocketLink) beats() bool { return true }

func (l webSocketLink) ping() {
	_ = l.QueuePing() // one that is not sent is missed in time
}

func (l webSocketLink) activity() uint32 { return l.Received() }

func (l webSocketLink) handOff() { l.HandOff() }

// webSocketHandler passes what happens on a WebSocket connection to its socket.
type webSocketHandler struct{ c *conn }

func (h webSocketHandler) OnMessage(_ *transport.Conn, typ transport.MessageType, payload []byte) {
	h.c.received(typ, payload)
}

func (h webSocketHandler) OnStall(*transport.Conn) { h.c.stalled() }

func (h webSocketHandler) OnClose(_ *transport.Conn, err error) { h.c.ended(err) }
