// Package socket sends events between a server and its clients, over WebSocket
// and, where that does not get through, HTTP long polling.
//
// A [Server] is mounted at one path of an HTTP server and passes what clients
// send to handlers:
//
//	server := socket.NewServer()
//	socket.Handle(server, "join", func(s socket.Socket, room string) { s.Join(room) })
//	socket.Handle(server, "chat", func(s socket.Socket, text string) {
//		server.BroadcastToRoom("lobby", "chat", text)
//	})
//	http.Handle("/socket", server)
//
// A [Client] connects, and connects again when the connection is lost:
//
//	client := socket.NewClient(transport.NewWebSocketTransport("ws://localhost:8080/socket"))
//	socket.On(client, "chat", func(text string) { fmt.Println(text) })
//	if err := client.Connect(); err != nil {
//		log.Fatal(err)
//	}
//	client.Join("lobby")
//
// A browser needs no library: a message is the JSON object {"event": …, "data": …}.
//
// Each end can ask the other and wait for the reply, see [Call], [HandleRequest] and
// [OnRequest].
//
// # Order
//
// Messages arrive in the order in which they were sent. The handlers of one
// [Socket], and those of one [Client], run one at a time and in the order of the
// messages; those of different sockets run in parallel. [EventConnect] comes
// before the first message, [EventDisconnect] once and last. Requests are handled in
// their place among the messages, apart from what a handler needs that waits for a
// reply, see [HandleRequest].
//
// # Concurrency
//
// Every method may be called from any goroutine and any handler, at any time. A
// handler that blocks holds up its own socket: reading from it stops when a few
// messages wait, while heartbeats go on. A handler that panics is reported under
// [EventError] and closes its own socket.
//
// # Who connects
//
// [WithAuthenticator] says who makes a connection, before there is one, and again
// when a client goes on with its session. [Server.UseConnect] and [Server.UseEvent]
// stand in front of all handlers, [WithJoinPolicy] in front of all rooms.
// [Server.ToIdentity] finds the connections of a user, and [Target.Disconnect] ends
// them with a verdict: whether the client is to come back.
//
// # Slow clients
//
// What waits for a client is bounded, see [WithSendQueue]. [Socket.Send] waits
// when it is full. A broadcast does not: the client is closed with the code of a
// slow consumer (1013), as is one that takes nothing for the write timeout. Its
// disconnect handlers are told at once; the connection itself, which counts until
// then, has the close timeout to end. Nothing is dropped in silence.
//
// Where the latest message is worth more than all of them, messages can be dropped or
// replaced in place of that, or waited for: see [Policy]. The client is told, see
// [EventGap].
//
// # Limits
//
// What a client can make a server hold, and for how long, is bounded, and each
// bound is an option: connections, the size of messages and the time that they
// take to arrive, queues, rooms, silence, the memory of all clients together. A
// WebSocket client that passes one is closed, and the close reason and a line in
// the log name the option. Web pages of other origins than the server's own may
// not connect, see [WithAllowedOrigins].
//
// # Errors
//
// What a call can return it returns; the rest comes under [EventError]. A
// *[MessageError] concerns one message, and the connection goes on. A
// *[ConnectionError] concerns the connection. Both unwrap to their cause.
package socket
