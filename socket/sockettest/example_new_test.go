package sockettest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/sockettest"
)

// newChat is what is tested: the handlers of a small chat.
func newChat() *socket.Server {
	server := socket.NewServer()
	socket.Handle(server, "join", func(s socket.Socket, room string) {
		s.Join(room)
		server.BroadcastToRoom(room, "userJoined", s.ID())
	})
	socket.Handle(server, "chat", func(s socket.Socket, text string) {
		if len(s.Rooms()) == 0 {
			s.Send("error", "join a room first")
			return
		}
		server.BroadcastToRooms(s.Rooms(), "chat", text)
	})
	return server
}

func ExampleNew() {
	var t *testing.T // the argument of the test

	synctest.Test(t, func(t *testing.T) {
		net := sockettest.New(t, newChat())
		ann, bob := net.Connect("ann"), net.ConnectPolling("bob")
		ann.Send("join", "lobby")
		ann.Expect("userJoined", ann.ID())
		bob.Send("chat", "hello")
		bob.Expect("error", "join a room first")
		bob.Send("join", "lobby")
		ann.Expect("userJoined", bob.ID())
		bob.Send("chat", "hello")
		ann.Expect("chat", "hello")
		ann.ExpectNothing(time.Hour)
	})
}
