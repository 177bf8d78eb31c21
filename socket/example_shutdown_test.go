package socket_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// A server that lets its clients go one after the other, and then ends. Whatever is sent
// to them until their turn arrives.
func ExampleServer_ShutdownOver() {
	server := socket.NewServer()
	server.HandleFunc(socket.EventDisconnect, func(socket.Socket, interface{}) { fmt.Println("a client has gone") })
	web := socket.NewHTTPServer("127.0.0.1:0", server)
	l, err := net.Listen("tcp", web.Addr)
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- web.Serve(l) }()

	client := socket.NewClient(transport.NewWebSocketTransport("ws://" + l.Addr().String()))
	if err := client.Connect(); err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	// When the process is told to end:
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := server.ShutdownOver(ctx, 100*time.Millisecond); err != nil {
		log.Print("connections were cut off: ", err)
	}
	if err := web.Shutdown(ctx); err != nil {
		log.Print(err)
	}
	fmt.Println(server.Count(), "connections,", <-served)

	// Output:
	// a client has gone
	// 0 connections, http: Server closed
}
