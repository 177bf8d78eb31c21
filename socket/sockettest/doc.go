// Package sockettest tests what is built on package socket: a server's handlers, and what
// becomes of them when the network is bad. Server and clients run in the test, on a network
// in memory and in the virtual time of testing/synctest. A test says what clients do and
// what they expect:
//
//	func TestLobby(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			net := sockettest.New(t, newChat())
//			ann, bob := net.Connect("ann"), net.ConnectPolling("bob")
//			ann.Send("join", "lobby")
//			ann.Expect("userJoined", ann.ID())
//			bob.Send("join", "lobby")
//			ann.Expect("userJoined", bob.ID())
//			bob.Send("chat", "hello")
//			ann.Expect("chat", "hello")
//			ann.ExpectNothing(time.Hour)
//		})
//	}
//
// The hour takes no time. Nothing is to be closed: clients and server end with the test,
// which fails if they do not.
//
// # What there is
//
// A [Network] holds one server. [Network.Connect] adds a [Client], which is a socket.Client
// of Go with all that it can do, over WebSocket or long polling: it connects again by itself
// and goes on with its session. [Network.Browser] adds a [Browser], which knows only the
// JSON object {"event": …, "data": …}, as a page does. [Run] runs a test over both
// transports.
//
// # What comes
//
// Clients and browsers remember every event that comes. Expect waits for the next one of a
// name, for 5 s if it has to, and compares its data as JSON; the function [Expect] returns it
// as a type of yours; ExpectNothing, ExpectDisconnect, ExpectError and ExpectConnect are what
// their names say. Events of other names that came before are passed over for good, so that a
// test goes through what came in its order. A test that fails says what came instead, and
// where data differs:
//
//	ann.Expect("userJoined", …): the data is not as wanted:
//		.name: got "eve", want "bob"
//		.rooms[1]: got nothing, want "garden"
//
// What happens on the server, and sends no message, can be looked at after
// [synctest.Wait].
//
// # Faults
//
// [Client.Faults], [Browser.Faults] and [Network.Faults] make the network bad: connections
// break at once or behind a byte, hang, are half open, slow, or cannot be made; requests of
// long polling arrive twice.
//
//	ann.Faults().Cut()
//	bob.Send("chat", "are you there?")
//	ann.ExpectDisconnect()
//	ann.ExpectConnect()
//	ann.Expect("chat", "are you there?") // the session goes on
//
// # Goroutines and limits
//
// Methods that fail the test are for its own goroutine, as those of [testing.T] are; the
// others may be called from any. The network carries bytes, and what is on top of it is the
// real thing: net/http, the framing of WebSocket, compression. There is no TLS, and one
// server for each network. Addresses are names without meaning, all from one host.
// In the FIPS 140-3 modes of the runtime no bubble can draw random bytes: tests for these run
// without one, in real time.
package sockettest
