package main

import (
	"slices"
	"time"
)

// kind is what the load process does, and what the row says about it.
type kind int

const (
	echoes     kind = iota // each connection sends, and gets its own messages back
	broadcasts             // one connection sends, all receive
	arrivals               // each connection sends, and gets an answer to the last of several
	chats                  // many send at once, all receive
	connects               // connections are opened
	idles                  // connections are held that do nothing
)

// A workload is one row of the table.
type workload struct {
	name     string
	kind     kind
	conns    int
	inFlight int // echoes, arrivals: messages under way on each connection; broadcasts: in all
	senders  int // chats: connections that send at once
	size     int // of a message, bytes
	deflate  deflating
	rounds   int // at most, 0: as many as -rounds says; for rows whose rounds take a second or more
}

// workloads are the rows of the table. Messages are of 64 bytes where a row does
// not say otherwise.
var workloads = []workload{
	{name: "echo, 100 connections, 1 in flight, 64 B", kind: echoes, conns: 100, inFlight: 1, size: 64},
	{name: "echo, 1000 connections, 1 in flight, 64 B", kind: echoes, conns: 1000, inFlight: 1, size: 64},
	{name: "echo, 100 connections, 64 KiB", kind: echoes, conns: 100, inFlight: 1, size: 64 << 10},
	{name: "echo, 100 connections, 32 in flight", kind: echoes, conns: 100, inFlight: 32, size: 64},
	{name: "one way, 100 connections, 32 in flight", kind: arrivals, conns: 100, inFlight: 32, size: 64},
	{name: "broadcast to 1000, one message at a time", kind: broadcasts, conns: 1000, inFlight: 1, size: 64},
	{name: "broadcast to 5000, 16 in flight", kind: broadcasts, conns: 5000, inFlight: 16, size: 64, rounds: 9},
	{name: "chat, 1000 members, 64 senders at once", kind: chats, conns: 1000, senders: 64, size: 64, rounds: 11},
	{name: "compressed echo, 100 connections, 1 in flight, 500 B JSON", kind: echoes, conns: 100, inFlight: 1, size: 500, deflate: alone},
	{name: "compressed echo, 100 connections, 16 in flight, 500 B JSON", kind: echoes, conns: 100, inFlight: 16, size: 500, deflate: alone},
	{name: "compressed echo with takeover, 100 connections, 1 in flight, 500 B JSON", kind: echoes, conns: 100, inFlight: 1, size: 500, deflate: takeover},
	{name: "compressed echo with takeover, 100 connections, 16 in flight, 500 B JSON", kind: echoes, conns: 100, inFlight: 16, size: 500, deflate: takeover},
	{name: "memory per idle connection, 10,000 connections", kind: idles, conns: 10000, inFlight: 1, size: 64, rounds: 3},
	{name: "CPU per accepted connection", kind: connects, conns: 2000, size: 64},
}

// measures reports whether a server offers what the row is about.
func (w workload) measures(server string) bool {
	switch {
	case w.kind == arrivals:
		return server == "socket.go events" || server == withSessions
	case server == withSessions && w.size > 1<<15:
		return false // it is read frame by frame, which is of no use where one fills a read
	}
	return w.deflate == notDeflated || slices.Contains(deflates[w.deflate], server)
}

// mode is what the server has to do.
func (w workload) mode() string {
	switch w.kind {
	case broadcasts:
		return "broadcast"
	case chats:
		return "chat"
	}
	return "echo"
}

// answers is how many messages one answer stands for.
func (w workload) answers() int {
	if w.kind == arrivals {
		return w.inFlight
	}
	return 1
}

// copies is how many connections receive a message.
func (w workload) copies() int {
	if w.mode() == "echo" {
		return 1
	}
	return w.conns
}

// settle is how long a server with idle connections is left alone before its
// memory is looked at: time for what only idle connections give back.
const settle = 6 * time.Second
