// Package poll is the long-polling protocol as values: how messages are spelled
// in a body, how they are numbered, acknowledged and sent again, and when a
// session is dead, without any input or output.
//
// A session carries whole messages both ways over separate HTTP requests. Each
// direction numbers its messages from 1. A sender keeps every message until the
// other side has acknowledged its number, and a receiver takes exactly the
// number after the last one it took; so a request or an answer that was lost is
// simply sent again, and one that came twice changes nothing.
//
// The nouns:
//
//   - A [Message] is spelled as a record of a body by [AppendRecord] and read
//     back by [ParseRecords], which is bounded by [Limits].
//   - An [Outbox] is the sending half of one direction, an [Inbox] the receiving
//     half. Both ends use the same two types.
//   - A [Session] is the server's end: an Outbox, an Inbox, the one poll that may
//     be parked, and the way the session closes.
//   - A [Lifetime] says when a session that nobody asks about any more is dead.
//   - A [Link] is the client's end: an Outbox and an Inbox.
//
// The package opens no socket, starts no goroutine, reads no clock and draws no
// random number. Nothing in it is safe for concurrent use: the caller holds one
// lock around each value. Payloads are shared, never copied and never written
// to; whoever gives a payload to an Outbox must not change it afterwards.
package poll
