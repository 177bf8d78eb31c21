// Command chat is a chat in rooms: a server with its page, and a client for the
// terminal.
//
//	go run ./examples/chat
//	go run ./examples/chat -connect ws://localhost:8080/socket -name ann -room lobby
//
// The first command serves a page on localhost:8080 and the chat itself at /socket. The
// page in web/ uses nothing but what a browser has: web/socket.js is a client
// for the wire format, WebSocket and long polling, in one file. The second
// command is the same chat over the Go client; a URL with the scheme http makes
// it use long polling.
//
// A client sends join, leave, chat, typing and rooms. The server answers a join
// with history and members, and tells a room by userJoined, userLeft, chat and
// typing what happens in it. Whatever cannot be done is answered by error.
// Every event of a room carries a number, seq; numbers only grow. Events can
// overtake each other between the room and one of its members, so a client goes
// by the numbers: of two things said about one person the later one holds.
//
// What is kept is bounded: a room has at most 50 messages of history, and the
// rooms that nobody is in are forgotten when there are too many.
package main
