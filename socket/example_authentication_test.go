package socket_test

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// Only users with a token may connect, and one that signs out is disconnected and does
// not come back.
func ExampleWithAuthenticator() {
	users := map[string]string{"token of ann": "ann"}
	server := socket.NewServer(socket.WithAuthenticator(func(r *http.Request) (string, error) {
		user, ok := users[r.Header.Get("Authorization")]
		if !ok {
			return "", errors.New("unknown token")
		}
		return user, nil
	}))
	server.HandleFunc("who am i", func(s socket.Socket, _ interface{}) { s.Send("you are", s.Identity()) })
	web := httptest.NewServer(server)
	defer web.Close()

	connect := func(token string) (*socket.Client, error) {
		client := socket.NewClient(transport.NewLongPollingTransport(web.URL,
			transport.WithHeaders(map[string][]string{"Authorization": {token}})))
		return client, client.Connect()
	}
	_, err := connect("a guess")
	fmt.Println("a guess is refused:", err != nil)

	client, err := connect("token of ann")
	if err != nil {
		log.Fatal(err)
	}
	known, stopped := make(chan struct{}), make(chan struct{})
	socket.On(client, "you are", func(user string) {
		fmt.Println("you are", user)
		close(known)
	})
	socket.On(client, socket.EventError, func(err error) {
		fmt.Println("stopped:", errors.Is(err, socket.ErrStopped))
		close(stopped)
	})
	client.Send("who am i", nil)
	<-known

	n := server.ToIdentity("ann").Disconnect(socket.DisconnectReason{Reason: "signed out", Retry: socket.RetryNever})
	fmt.Println("disconnected:", n)
	<-stopped
	// Output:
	// a guess is refused: true
	// you are ann
	// disconnected: 1
	// stopped: true
}
