// Package pollhttp serves long-polling sessions over net/http: the server's end
// of the protocol whose rules are in package poll.
//
// # The protocol
//
// Everything happens on one path, told apart by method and query. The query
// names the transport: ?transport=polling.
//
//   - POST without a token opens a session. The answer is JSON:
//     {"v":1,"id":"…","token":"…","wait":25000,"limit":{"messages":64,"bytes":1048576,"message":65536}}.
//     The id is public. The token is the secret that every later request carries
//     in the header Socket-Token, and never in the URL. wait is the longest time
//     in milliseconds that a poll is held; the limits are those of a body in
//     either direction.
//   - GET with ack=N polls: N is the number of the last message that the client
//     has, 0 at first. Messages up to N are forgotten; those after N are the
//     answer (200, with the number of the first in the header Socket-Seq). When
//     there are none, the poll is held until there is one, and answered 204 when
//     there was none for as long as wait says, or wait=N in the query, in
//     milliseconds, if that is less. A new poll supersedes one that is held,
//     which is answered 204.
//   - POST with seq=N sends the messages of its body, the first of which has the
//     number N, counted from 1. The answer, {"ack":M}, comes when the handler has
//     seen them: the server has every message up to M. Messages it had before are
//     passed over, so a POST without an answer is sent again as it was. A gap is
//     refused with 409.
//   - DELETE ends the session (204).
//
// A body is records separated by the byte 0x1E, text/plain in UTF-8. A record is
// a text message as it stands, or b and the base64 of a binary message, or u and
// the base64 of a text message that is empty, begins with b or u, or holds 0x1E.
//
// Every refusal is JSON, {"error":"…"}. A session that the server closed answers
// 410 with the code and the reason of the closing once its messages are polled;
// one that the server does not know, or no longer, answers 404.
//
// # The package
//
// An [Engine] is an http.Handler that holds all sessions of a server. A [Session]
// is one of them, with a [Handler] for what its client sends. Nothing runs for a
// session between its requests: no goroutine, no timer. The owner calls
// [Engine.Advance] from time to time, about once a second, and sessions whose
// client went away are ended then.
//
//	engine := pollhttp.New(pollhttp.Config{
//		Open: func(s *pollhttp.Session, r *http.Request) (pollhttp.Handler, error) {
//			return newConnection(s, r), nil
//		},
//	})
//
// The engine does not look at the Origin header; its owner does, before it hands
// a request on, and adds the CORS headers (see [AllowOrigin]) if it allows
// another origin.
//
// # Goroutines and order
//
// All methods may be called from any goroutine and from within handlers. A
// session's messages are handed to its handler one at a time, in the order in
// which the client sent them, each exactly once. The POST that brought them is
// answered afterwards, which holds back a client that is too fast, while its
// polls go on; see [Session.HandOff] for handlers that take long. Closed is the
// handler's last call.
package pollhttp
