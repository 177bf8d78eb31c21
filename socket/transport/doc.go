// Package transport moves whole messages between a client and a server: over
// WebSocket, and over HTTP long polling where WebSocket does not get through.
//
// It has two layers. The upper one is what a socket.Client is given: a
// [WebSocketTransport] or a [LongPollingTransport], each with the four methods
// Connect, Send, Receive and Close.
//
// The lower one is WebSocket (RFC 6455) by itself, without events or rooms.
// [Accept] makes a [Conn] of an HTTP request and [Dial] opens one:
//
//	conn, err := transport.Accept(w, r, nil)
//	if err != nil {
//		return // the response has been sent
//	}
//	defer conn.CloseNow()
//	for {
//		typ, message, err := conn.Read(ctx)
//		if err != nil {
//			return
//		}
//		if err := conn.Write(ctx, typ, message); err != nil {
//			return
//		}
//	}
//
// A server with many connections lets [Conn.Start] call a [Handler] instead: then a
// connection that waits costs no read buffer and, on Linux, no goroutine.
//
// # Order and concurrency
//
// All methods may be called from any goroutine. Messages arrive in the order of
// the calls that sent them. Nothing that sends blocks on a slow peer unless its
// comment says so: Queue and QueuePrepared return [ErrQueueFull], Write and
// Writer wait.
//
// # Limits
//
// Everything that a peer can make a connection hold is bounded, see [Limits].
// Origins other than the server's own are refused, and redirects are not
// followed.
package transport
