// Package distributed is the process model of Erlang/OTP: processes that share nothing but
// messages, links and monitors between them, and supervisors that start them again.
//
// A [Node] is where processes live. A [Process] handles its messages one at a time, in the
// order in which they came from each sender, and ends with a reason, which is an error. It is
// addressed by a [Ref], which knows the type of its messages, or by a [ProcessID], which may
// be a name.
//
//	node := distributed.NewNode("chat")
//	room, err := distributed.Spawn(node, func(p *distributed.Process, line string) error {
//		fmt.Println(line)
//		return nil
//	})
//	room.Send("hello")
//
// [Call] waits for a reply. A [Handler] may have methods beside Handle: [Initializer],
// [Terminator], [DownHandler], [ExitHandler], [RoomHandler]. [NewSupervisor] starts processes
// and starts them again. [WithSocketServer] joins a node to a server of package socket.
//
// # Goroutines
//
// A process without messages has no goroutine. While it has some, one handles them, and up to
// a number of them in one go ([WithPriority]). Messages are not copied.
//
// # Order
//
// What one process does to another takes effect in the order in which it does it: messages,
// and then its end. That a process has to exit it learns at once, unless it traps exits.
//
// # Limits
//
// Mailboxes are bounded ([WithMailbox]). A handler that is running cannot be stopped, see
// [Node.Kill]. There is one node: processes of others cannot be reached, and an address on
// another node is answered with [ErrNoConnection].
package distributed
