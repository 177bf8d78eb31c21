package socket_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"strings"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// A client asks its server, which asks back before it answers.
func ExampleCall() {
	server := socket.NewServer(socket.WithLogger(nil))
	socket.HandleRequest(server, "greet", func(ctx context.Context, s socket.Socket, greeting string) (string, error) {
		if greeting == "" {
			return "", &socket.ReplyError{Code: "empty", Message: "a greeting has a word at least"}
		}
		name, err := socket.Call[string](ctx, s, "name", nil)
		return greeting + ", " + name, err
	})
	web := httptest.NewServer(server)
	defer web.Close()

	client := socket.NewClient(transport.NewWebSocketTransport(strings.Replace(web.URL, "http", "ws", 1)))
	socket.OnRequest(client, "name", func(context.Context, any) (string, error) { return "Ann", nil })
	if err := client.Connect(); err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	text, err := socket.Call[string](context.Background(), client, "greet", "Hello")
	fmt.Println(text, err)

	_, err = socket.Call[string](context.Background(), client, "greet", "")
	var no *socket.ReplyError
	if errors.As(err, &no) {
		fmt.Println(no.Code, "-", no.Message)
	}
	// Output:
	// Hello, Ann <nil>
	// empty - a greeting has a word at least
}
