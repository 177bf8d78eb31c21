// Package wsproto is the WebSocket protocol as values: RFC 6455 framing,
// message assembly, closing and opening handshake, and the permessage-deflate
// extension of RFC 7692, without any input or output.
//
// Bytes go in and events come out; values go in and bytes are appended. The
// package opens no socket, starts no goroutine, reads no clock and draws no
// random number: mask keys, handshake keys and time belong to the caller. So
// every rule of the protocol can be tested at every split of the input, and
// client and server run the same lines. Which end of the connection a value
// stands for is its [Role], given once to its constructor.
//
// What a peer can make a connection hold is bounded: a [Decoder] has [Limits] on
// messages and their fragments, and its memory follows the bytes that have come,
// never a length that was only announced.
//
// Nothing here is safe for concurrent use. A connection has one [Decoder] for
// what it receives and appends what it sends with the Append functions; the two
// directions share nothing but the small [Closing] table.
package wsproto
