package socket_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

func TestSmoke(t *testing.T) {
	for _, kind := range []string{"websocket", "polling"} {
		t.Run(kind, func(t *testing.T) { smoke(t, kind) })
	}
}

func smoke(t *testing.T, kind string) {
	server := socket.NewServer(socket.WithMaxConcurrency(0))
	server.HandleFunc("join", func(s socket.Socket, data interface{}) { server.Join(s.ID(), data.(string)) })
	server.HandleFunc("chat", func(s socket.Socket, data interface{}) {
		server.BroadcastToRoom("lobby", "chat", data)
	})
	gone := make(chan error, 10)
	server.HandleFunc(socket.EventDisconnect, func(s socket.Socket, data interface{}) { gone <- data.(error) })
	h := httptest.NewServer(server)
	defer h.Close()
	var clients []*socket.Client
	got := make(chan string, 100000)
	n := 20000
	for i := range 3 {
		var tr socket.Transport = transport.NewWebSocketTransport(strings.Replace(h.URL, "http", "ws", 1))
		if kind == "polling" {
			tr = transport.NewLongPollingTransport(h.URL)
		}
		c := socket.NewClient(tr)
		c.On(socket.EventConnect, func(interface{}) {
			c.Send("join", "lobby")
			c.Send("chat", fmt.Sprint("hello from ", i))
		})
		c.On("chat", func(d interface{}) { got <- fmt.Sprint(i, d) })
		if err := c.Connect(); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	time.Sleep(300 * time.Millisecond)
	for len(got) > 0 {
		t.Log(<-got)
	}
	start := time.Now()
	for i := range n {
		if err := server.Broadcast("chat", i); err != nil {
			t.Fatal(err)
		}
	}
	t.Log("broadcast", time.Since(start))
	time.Sleep(time.Second)
	t.Log(len(got), server.Count())
	for _, c := range clients {
		t.Log(c.ID(), c.Close())
	}
	for range clients {
		t.Log(<-gone)
	}
	server.Shutdown(t.Context())
}
