package socket_test

import (
	"fmt"
	"log"
	"net/http/httptest"
	"strings"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// What a member of a chat says goes to the room, but not to the one who has said it.
func ExampleSocket_toARoomButNotToMe() {
	server := socket.NewServer()
	socket.Handle(server, "join", func(s socket.Socket, room string) {
		s.Join(room)
		s.Send("joined", room)
	})
	socket.Handle(server, "chat", func(s socket.Socket, text string) {
		s.BroadcastToRoom("lobby", "chat", text)
		s.Send("sent", text)
	})
	web := httptest.NewServer(server)
	defer web.Close()

	enter := func(heard func(string)) (*socket.Client, chan struct{}) {
		client := socket.NewClient(transport.NewWebSocketTransport(strings.Replace(web.URL, "http", "ws", 1)))
		joined, sent := make(chan struct{}), make(chan struct{})
		client.Once("joined", func(interface{}) { close(joined) })
		client.Once("sent", func(interface{}) { close(sent) })
		socket.On(client, "chat", heard)
		if err := client.Connect(); err != nil {
			log.Fatal(err)
		}
		client.Join("lobby")
		<-joined
		return client, sent
	}
	heard := make(chan struct{})
	ann, sent := enter(func(text string) { fmt.Println("Ann hears:", text) })
	defer ann.Close()
	bob, _ := enter(func(text string) {
		fmt.Println("Bob hears:", text)
		close(heard)
	})
	defer bob.Close()
	ann.Send("chat", "Hello!")
	<-sent
	<-heard
	// Output: Bob hears: Hello!
}
