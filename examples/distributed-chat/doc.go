// Command distributed-chat is a chat whose rooms are supervised processes. The page has a
// button that crashes the process of the room one is in, and shows it come back: with its
// history, and with nobody disconnected.
//
//	go run ./examples/distributed-chat
//
// The page is on localhost:8080, the tree of processes at /tree.
//
// Each room has a supervisor with two processes below it, in this order: a store, which
// keeps what was said, and the room, which does everything that can go wrong. The strategy
// is RestForOne: when the room crashes it is started again and asks the store for the
// history; when the store crashes the history is gone, and the room is started again behind
// it, for what it believes to know is true no more. That is the second button.
//
// Sockets are members of rooms of the socket server, which no crash of a process changes.
// A room that begins learns who is there, and is told by events who comes and goes. What a
// client says while its room is down is not lost either: the page sends what it has not
// seen come back, and the room leaves out what it knows.
package main
