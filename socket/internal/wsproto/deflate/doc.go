// Package deflate is DEFLATE, RFC 1951, for messages: what the permessage-deflate
// extension of WebSocket, RFC 7692, sends is a stream of blocks that is flushed at
// the end of every message. The package works on whole messages in memory, and so
// is several times faster than a coder of streams.
//
// The nouns: a payload is one message in compressed form, without the 00 00 ff ff
// that every flush ends with and that RFC 7692 does not send. A history is the
// plaintext of earlier messages that a payload may refer back to, of at most 32 KiB;
// without context takeover there is none. A [Window] keeps the history of one
// direction of a connection from message to message. A [Decoder] makes a message of
// a payload:
//
//	var d deflate.Decoder // pooled by whoever has many connections
//	message, err := d.Inflate(nil, payload, window.Tail(), maxMessage)
//	if err != nil {
//		return err
//	}
//	window.Append(message)
//
// and an [Encoder] makes a payload of a message, if that makes it shorter:
//
//	var e deflate.Encoder // pooled likewise
//	payload, ok := e.Deflate(nil, message, window.Tail(), deflate.Options{})
//
// An end that takes its context over is better off with a [Context] in place of the
// window, which the coders keep themselves:
//
//	payload, ok := e.DeflateContext(nil, message, &outbound, deflate.Options{})
//	message, err := d.InflateContext(nil, payload, &inbound, maxMessage)
//
// A window has to be moved with each message, and a sender has to search through it
// anew, which takes longer than a short message itself. The sender's context remembers
// where what is, in as much memory again. Messages that are compressed thoroughly, and
// long ones, have no use for that. If a peer gets a frame that was compressed for many,
// without history, [Context.Append] keeps the sender's context in step with it, or
// [Context.Reset] lets go of it.
//
// The large parts have nothing to do with a connection and hold nothing between two
// messages: a few of them serve any number of connections, of which each has its
// windows or contexts and nothing else. Nothing here is safe for concurrent use, starts a
// goroutine or does input or output.
//
// Limits: a message has the limit that the caller gives, and no byte beyond it is
// written or allocated. Memory follows what came in and what has come out of it,
// never a length that the sender announced. A payload that is damaged or cut off is
// an error, and nothing of it is delivered.
package deflate
