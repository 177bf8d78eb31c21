package socket_test

import (
	"errors"
	"log"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

func TestGuideBasicClient(t *testing.T) {
	guide(t, func(t *testing.T, e *env) {
		server := e.serve()
		server.HandleFunc("chat", func(s socket.Socket, data interface{}) { s.Send("reply", "Message received") })
		wsTransport := e.transport() // transport.NewWebSocketTransport("ws://localhost:8080/socket")
		replies := make(chan interface{}, 1)

		// Create client with transport
		client := socket.NewClient(wsTransport)

		// Handle connect event
		client.On(socket.EventConnect, func(data interface{}) {
			log.Println("Connected to server!")

			// Send a message after connecting
			client.Send("chat", "Hello, server!")
		})

		// Handle custom events
		client.On("reply", func(data interface{}) {
			log.Println("Server replied:", data)
			replies <- data
		})

		// Connect to the server
		if err := client.Connect(); err != nil {
			log.Fatalf("Failed to connect: %v", err)
		}

		// Keep the program running
		if got := <-replies; got != "Message received" {
			t.Errorf("the reply is %v", got)
		}
		client.Close()
	})
}

func TestGuideClientOptions(t *testing.T) {
	guide(t, func(t *testing.T, e *env) {
		e.serve()
		transport := e.transport()

		client := socket.NewClient(
			transport,
			socket.WithReconnectDelay(1*time.Second),       // Initial reconnect delay
			socket.WithMaxReconnectDelay(30*time.Second),   // Maximum reconnect delay
			socket.WithReconnectAttempts(5),                // Max reconnection attempts (0 = unlimited)
			socket.WithBatchSend(20, 100*time.Millisecond), // Enable message batching
			socket.WithClientCompression(true),             // Enable compression
		)

		defer client.Close()
		e.connect(client)
		e.settle()
		attempts := 0
		client.On(socket.EventError, func(interface{}) { attempts++ })
		e.setDown(syscall.ECONNREFUSED)
		e.lose()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if attempts != 5+1 || client.IsConnected() {
			t.Errorf("%d errors, connected %t: want 5 attempts and giving up", attempts, client.IsConnected())
		}
	})
}

func TestGuideClientEventHandling(t *testing.T) {
	guide(t, func(t *testing.T, e *env) {
		server := e.serve()
		var tr trace
		client := e.client(socket.WithReconnectAttempts(-1))

		// Built-in events
		client.On(socket.EventConnect, func(data interface{}) {
			log.Println("Connected!")
			tr.add("connected")
		})

		client.On(socket.EventDisconnect, func(data interface{}) {
			log.Println("Disconnected:", data)
			tr.add("disconnected")
		})

		client.On(socket.EventError, func(data interface{}) {
			log.Println("Error:", data)
			tr.add("error")
		})

		// Custom events
		client.On("chat", func(data interface{}) {
			msg, ok := data.(map[string]interface{})
			if !ok {
				log.Println("Invalid message format")
				tr.add("invalid")
				return
			}

			log.Printf("Chat: %s: %s", msg["user"], msg["text"])
			tr.add("%s: %s", msg["user"], msg["text"])
		})

		var sent trace
		server.HandleFunc("chat", func(s socket.Socket, data interface{}) {
			if m, ok := data.(map[string]interface{}); ok {
				_, isNumber := m["timestamp"].(float64)
				sent.add("%v %v %t", m["user"], m["text"], isNumber)
			} else {
				sent.add("%v", data)
			}
			s.Send("chat", data)
		})
		e.connect(client)

		// Send a simple string message
		client.Send("chat", "Hello world")

		// Send a structured message
		client.Send("chat", map[string]interface{}{
			"user":      "Alice",
			"text":      "Hello everyone!",
			"timestamp": time.Now().Unix(),
		})

		e.settle()
		client.Close()
		sent.want(t, "Hello world", "Alice Hello everyone! true")
		tr.want(t, "connected", "invalid", "Alice: Hello everyone!", "disconnected")
	})
}

func TestGuideClientRoomManagement(t *testing.T) {
	guide(t, func(t *testing.T, e *env) {
		server := e.serve()
		server.HandleFunc("join", func(s socket.Socket, data interface{}) {
			server.Join(s.ID(), data.(string))
			server.BroadcastToRoom(data.(string), "roomMessage", map[string]string{"room": data.(string), "message": "hello"})
		})
		server.HandleFunc("leave", func(s socket.Socket, data interface{}) { server.Leave(s.ID(), data.(string)) })
		client := e.client()
		var tr trace

		// Join a room (sends join event to server)
		client.On(socket.EventConnect, func(data interface{}) {
			client.Send("join", "room-name")
		})

		// Handle room-specific messages
		client.On("roomMessage", func(data interface{}) {
			msg := data.(map[string]interface{})
			log.Printf("Room message in %s: %s", msg["room"], msg["message"])
			tr.add("Room message in %s: %s", msg["room"], msg["message"])
		})

		e.connect(client)
		e.settle()
		tr.want(t, "Room message in room-name: hello")
		if rooms := client.Rooms(); len(rooms) != 0 {
			t.Errorf("Rooms() = %v: an event that is merely sent records nothing", rooms)
		}

		// Join a room
		client.Join("room-name")
		e.settle()
		if len(server.In("room-name")) != 1 {
			t.Error("not in the room after Join")
		}

		// Get rooms the client has joined
		rooms := client.Rooms()
		if !slices.Equal(rooms, []string{"room-name"}) {
			t.Errorf("Rooms() = %v", rooms)
		}

		// Check if client is in a specific room
		if client.InRoom("room-name") {
			// Do something
		} else {
			t.Error("InRoom after Join")
		}

		// Leave a room
		client.Leave("room-name")
		e.settle()
		if client.InRoom("room-name") || len(server.In("room-name")) != 0 {
			t.Error("in the room after Leave")
		}
	})
}

func TestGuideTransportOptions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const token = "secret"
		for _, k := range []kind{websocket, polling} {
			e := newEnv(t, k)
			server := e.serve()
			authorized := make(chan string, 1)
			server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) {
				authorized <- s.Request().Header.Get("Authorization")
			})

			wsTransport := transport.NewWebSocketTransport(
				"ws://localhost:8080/socket",
				transport.WithReadTimeout(30*time.Second),
				transport.WithWriteTimeout(10*time.Second),
				transport.WithCompression(true),
				transport.WithHeaders(map[string][]string{
					"Authorization": {"Bearer " + token},
				}),
				transport.WithDialContext(e.dial),
			)

			lpTransport := transport.NewLongPollingTransport(
				"http://localhost:8080/socket",
				transport.WithPollInterval(1*time.Second),
				transport.WithTimeout(30*time.Second),
				transport.WithHeaders(map[string][]string{
					"Authorization": {"Bearer " + token},
				}),
				transport.WithDialContext(e.dial),
			)

			var any socket.Transport = wsTransport
			if k == polling {
				any = lpTransport
			}
			client := socket.NewClient(any)
			e.connect(client)
			if got := <-authorized; got != "Bearer secret" {
				t.Errorf("%s: the server got %q", k, got)
			}
			client.Close()
		}
	})
}

func TestGuideClientPerformanceOptimization(t *testing.T) {
	guide(t, func(t *testing.T, e *env) {
		e.serve()
		{
			transport := transport.NewWebSocketTransport("ws://server/socket")
			client := socket.NewClient(transport, socket.WithBatchSend(20, 50*time.Millisecond))
			_ = client
		}
		{
			transport := transport.NewWebSocketTransport("ws://server/socket", transport.WithCompression(true))
			client := socket.NewClient(transport, socket.WithClientCompression(true))
			_ = client
		}
		client := e.client()
		var tr trace

		client.On(socket.EventConnect, func(data interface{}) {
			// Check if this is a reconnection
			if client.ReconnectCount() > 0 {
				// Restore state, rejoin rooms, etc.
				tr.add("reconnected")
			} else {
				tr.add("connected")
			}
		})

		e.connect(client)
		e.settle()
		e.lose()
		time.Sleep(time.Minute)
		tr.want(t, "connected", "reconnected")
	})
}

func TestGuideClientSideErrorHandling(t *testing.T) {
	guide(t, func(t *testing.T, e *env) {
		server := e.serve()
		server.HandleFunc("message", func(s socket.Socket, data interface{}) { s.Send("error", "as the guide's server does") })
		client := e.client(socket.WithReconnectAttempts(1))
		var tr trace
		var data interface{} = "data"

		// Handle connection errors
		client.On(socket.EventError, func(data interface{}) {
			switch err := data.(type) {
			case *socket.ConnectionError:
				log.Printf("Connection error: %v", err)
				// Perhaps show a connection error UI
				tr.add("connection error")
			case *socket.MessageError:
				log.Printf("Message error: %v", err)
				// Perhaps retry the message
				tr.add("message error")
			default:
				log.Printf("Unknown error: %v", err)
				tr.add("unknown error: %v", err)
			}
		})

		send := func() string {
			// Handling send errors
			if err := client.Send("message", data); err != nil {
				if errors.Is(err, socket.ErrConnectionClosed) {
					log.Println("Cannot send, connection closed")
					return "closed"
				} else {
					log.Printf("Send error: %v", err)
					return "error"
				}
			}
			return "sent"
		}

		if got := send(); got != "closed" {
			t.Errorf("before Connect: %s", got)
		}
		e.connect(client)
		if got := send(); got != "sent" {
			t.Errorf("connected: %s", got)
		}
		data = make(chan int)
		if got := send(); got != "error" {
			t.Errorf("data that cannot be encoded: %s", got)
		}
		e.settle()
		socket.On(client, "number", func(int) {})
		server.Broadcast("number", "no number")
		e.settle()
		e.setDown(syscall.ECONNREFUSED)
		e.lose()
		time.Sleep(time.Minute)
		data = "data"
		if got := send(); got != "closed" {
			t.Errorf("after giving up: %s", got)
		}
		tr.want(t, "unknown error: as the guide's server does", "message error", "connection error", "connection error")
	})
}

func TestGuideClientGracefulDisconnection(t *testing.T) {
	guide(t, func(t *testing.T, e *env) {
		var tr trace
		server := e.serve()
		server.HandleFunc("goodbye", func(_ socket.Socket, data interface{}) { tr.add("goodbye: %v", data) })
		server.HandleFunc(socket.EventDisconnect, func(_ socket.Socket, data interface{}) {
			tr.add("closed with %d", transport.CloseStatus(data.(error)))
		})
		client := e.connected()
		client.On(socket.EventDisconnect, func(interface{}) { tr.add("disconnect") })

		// Send a notification before disconnecting (optional)
		client.Send("goodbye", "Client disconnecting")

		// Close the connection
		if err := client.Close(); err != nil {
			log.Printf("Error closing connection: %v", err)
			t.Error(err)
		}

		e.settle()
		got := tr.all()
		slices.Sort(got)
		if want := []string{"closed with 1000", "disconnect", "goodbye: Client disconnecting"}; !slices.Equal(got, want) {
			t.Errorf("what happened: %v, want %v", got, want)
		}
	})
}

func TestGuideHandlingReconnections(t *testing.T) {
	guide(t, func(t *testing.T, e *env) {
		var atServer, tr trace
		server := e.serve()
		server.HandleFunc("join", func(s socket.Socket, data interface{}) { server.Join(s.ID(), data.(string)) })
		server.HandleFunc("getState", func(s socket.Socket, data interface{}) {
			atServer.add("getState %v in %v", data, s.Rooms())
			s.Send("state", "the state")
		})
		client := e.client()
		var savedRooms []string

		client.On(socket.EventConnect, func(data interface{}) {
			reconnectCount := client.ReconnectCount()

			if reconnectCount > 0 {
				log.Printf("Reconnected after %d attempts", reconnectCount)
				tr.add("reconnected after %d", reconnectCount)

				// Rejoin rooms
				for _, room := range savedRooms {
					client.Join(room)
				}

				// Request state from server
				client.Send("getState", nil)
			} else {
				log.Println("Connected for the first time")
				tr.add("connected")
			}
		})

		client.On(socket.EventDisconnect, func(data interface{}) {
			log.Println("Disconnected, will attempt to reconnect...")
			tr.add("disconnected")

			// Save state that needs to be restored on reconnection
			savedRooms = client.Rooms()
		})

		client.On("state", func(data interface{}) { tr.add("%v", data) })
		e.connect(client)
		client.Join("room1")
		client.Join("room2")
		e.settle()
		e.lose()
		time.Sleep(time.Minute)
		tr.want(t, "connected", "disconnected", "reconnected after 1", "the state")
		atServer.want(t, "getState <nil> in [room1 room2]")
	})
}
