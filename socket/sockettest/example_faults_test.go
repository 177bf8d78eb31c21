package sockettest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/sockettest"
)

func ExampleFaults() {
	var t *testing.T // the argument of the test

	synctest.Test(t, func(t *testing.T) {
		net := sockettest.New(t, newChat())
		ann, bob := net.Connect("ann", socket.WithReconnectAttempts(0)), net.Connect("bob")
		ann.Send("join", "lobby")
		ann.Expect("userJoined", ann.ID())
		bob.Send("join", "lobby")
		ann.Expect("userJoined", bob.ID())

		// The train is in a tunnel for ten seconds.
		ann.Faults().Down(nil)
		bob.Send("chat", "are you there?")
		ann.ExpectDisconnect()
		time.Sleep(10 * time.Second)
		ann.Faults().Up()
		ann.Within(time.Minute).ExpectConnect()
		ann.Expect("chat", "are you there?")
	})
}

func ExampleNetwork_Browser() {
	var t *testing.T // the argument of the test

	synctest.Test(t, func(t *testing.T) {
		net := sockettest.New(t, newChat())
		page := net.Browser("page")
		page.SendText(`{"event": "join", "data": "lobby"}`)
		page.SendText(`this is no JSON`)
		page.SendText(`{"event": "chat", "data": "still here"}`)
		page.Expect("chat", "still here")
	})
}

func ExampleRun() {
	var t *testing.T // the argument of the test

	sockettest.Run(t, newChat, func(t *testing.T, net *sockettest.Network) {
		ann := net.Connect("ann") // over WebSocket first, then over long polling
		ann.Join("lobby")
		if id := sockettest.Expect[string](ann, "userJoined"); id != ann.ID() {
			t.Errorf("%q joined, want %q", id, ann.ID())
		}
	})
}
