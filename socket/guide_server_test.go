package socket_test

import (
	"context"
	"errors"
	"log"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// The tests TestGuide… hold the snippets of the user guide, under its own names,
// and try that each does what its text says. What a snippet logs goes to the
// test's log.

// guide is run for a snippet: log is what its calls of package log write to.
func guide(t *testing.T, test func(t *testing.T, e *env)) {
	was := log.Writer()
	log.SetOutput(t.Output())
	t.Cleanup(func() { log.SetOutput(was) })
	run(t, test, websocket, polling)
}

func TestGuideBasicServer(t *testing.T) {
	guide(t, func(t *testing.T, e *env) {
		// The default mux is the process's: a fresh one for each test.
		http.DefaultServeMux = http.NewServeMux()

		// Create a new server with default settings
		server := socket.NewServer()

		// Set up HTTP handler
		http.HandleFunc("/socket", server.HandleHTTP)

		// In place of http.ListenAndServe(":8080", nil):
		e.server = server
		e.mount(http.DefaultServeMux)
		defer e.end()

		server.HandleFunc("chat", func(s socket.Socket, data interface{}) { s.Send("reply", data) })
		client := e.client()
		defer client.Close()
		reply := make(chan interface{}, 1)
		client.On("reply", func(data interface{}) { reply <- data })
		e.connect(client)
		client.Send("chat", "both transports at one endpoint")
		if got := <-reply; got != "both transports at one endpoint" {
			t.Errorf("the reply is %v", got)
		}
		// 100 connections by default.
		for range 99 {
			c := e.client()
			defer c.Close()
			e.connect(c)
		}
		if err := e.client().Connect(); err == nil {
			t.Error("the server took more than 100 connections")
		}
	})
}

func TestGuideServerOptions(t *testing.T) {
	guide(t, func(t *testing.T, e *env) {
		server := socket.NewServer(
			socket.WithMaxConcurrency(1000),         // Limit concurrent connections
			socket.WithCompression(true),            // Enable WebSocket compression
			socket.WithBufferSize(4096),             // Set buffer size for performance
			socket.WithPingInterval(20*time.Second), // How often to ping clients
			socket.WithPingTimeout(5*time.Second),   // How long to wait for pong
			socket.WithLogger(nil),
		)
		e.server = server
		e.mount(server)
		defer e.end()
		e.connected(socket.WithReconnectAttempts(-1))
		time.Sleep(time.Minute)
		if server.Count() != 1 {
			t.Error("a connection that answers pings was closed")
		}
		e.silence() // the last pong was up to an interval ago
		time.Sleep(4 * time.Second)
		if server.Count() != 1 {
			t.Error("the connection was closed before interval and timeout were over")
		}
		time.Sleep(35 * time.Second) // the interval, the timeout, 5 s to notice, 5 s for the closing handshake
		synctest.Wait()
		if server.Count() != 0 {
			t.Error("a silent connection was not closed after interval and timeout")
		}
	})
}

func TestGuideEventHandling(t *testing.T) {
	guide(t, func(t *testing.T, e *env) {
		server := e.serve()
		var tr trace

		// Handle connection events
		server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) {
			log.Printf("Client connected: %s", s.ID())
			tr.add("connect")
		})

		// Handle disconnect events
		server.HandleFunc(socket.EventDisconnect, func(s socket.Socket, _ interface{}) {
			log.Printf("Client disconnected: %s", s.ID())
			tr.add("disconnect")
		})

		// Handle custom messages
		server.HandleFunc("chat", func(s socket.Socket, data interface{}) {
			log.Printf("Received message from %s: %v", s.ID(), data)
			tr.add("chat %v", data)

			// Reply to this specific client
			s.Send("reply", "Message received")
		})

		client, other := e.client(), e.connected()
		e.settle() // the two sockets run in parallel
		reply := make(chan interface{}, 1)
		client.On("reply", func(data interface{}) { reply <- data })
		other.On("reply", func(data interface{}) { t.Error("the reply came to another client") })
		e.connect(client)
		client.Send("chat", "hello")
		if got := <-reply; got != "Message received" {
			t.Errorf("the reply is %v", got)
		}
		client.Close()
		e.settle()
		tr.want(t, "connect", "connect", "chat hello", "disconnect")
	})
}

func TestGuideBuiltInEvents(t *testing.T) {
	for event, want := range map[socket.Event]string{
		socket.EventConnect:    "connect",
		socket.EventDisconnect: "disconnect",
		socket.EventError:      "error",
		socket.EventMessage:    "message",
	} {
		if event != want {
			t.Errorf("a built-in event is %q, want %q", event, want)
		}
	}
}

func TestGuideRoomBasedCommunication(t *testing.T) {
	guide(t, func(t *testing.T, e *env) {
		server := e.serve()
		m := e.crowd(1)
		socketID := m.clients[0].ID()

		// Add a socket to a room
		server.Join(socketID, "room-name")
		if !slices.Equal(server.RoomsOf(socketID), []string{"room-name"}) {
			t.Error("not in the room after Join")
		}

		// Get all rooms a socket is in
		rooms := server.RoomsOf(socketID)

		// Get all sockets in a room
		sockets := server.In("room-name")
		if len(rooms) != 1 || len(sockets) != 1 || sockets[0].ID() != socketID {
			t.Errorf("rooms %v, sockets %v", rooms, sockets)
		}

		// Remove a socket from a room
		server.Leave(socketID, "room-name")
		if len(server.In("room-name")) != 0 {
			t.Error("in the room after Leave")
		}

		// Remove a socket from all rooms
		server.Join(socketID, "a")
		server.Join(socketID, "b")
		server.LeaveAll(socketID)
		if len(server.RoomsOf(socketID)) != 0 {
			t.Error("in a room after LeaveAll")
		}
	})
}

func TestGuideRoomRequestsOfClients(t *testing.T) {
	guide(t, func(t *testing.T, e *env) {
		server := e.serve()

		// Handle room join requests
		server.HandleFunc("join", func(s socket.Socket, data interface{}) {
			room, ok := data.(string)
			if !ok {
				s.Send("error", "Invalid room name")
				return
			}

			// Add socket to room
			server.Join(s.ID(), room)

			// Notify room members
			server.BroadcastToRoom(room, "userJoined", map[string]interface{}{
				"userId": s.ID(),
				"room":   room,
			})
		})

		// Handle room leave requests
		server.HandleFunc("leave", func(s socket.Socket, data interface{}) {
			room, ok := data.(string)
			if !ok {
				return
			}

			server.Leave(s.ID(), room)
		})

		var tr trace
		first, second := e.client(), e.client()
		first.On("userJoined", func(data interface{}) {
			joined := data.(map[string]interface{})
			tr.add("%v joined %v", map[interface{}]string{first.ID(): "first", second.ID(): "second"}[joined["userId"]], joined["room"])
		})
		first.On(socket.EventError, func(data interface{}) { tr.add("error: %v", data) })
		e.connect(first)
		e.connect(second)
		first.Join("lobby")
		e.settle()
		second.Join("lobby")
		e.settle()
		first.Send("join", 7)
		first.Leave("lobby")
		e.settle()
		second.Join("lobby")
		e.settle()
		tr.want(t, "first joined lobby", "second joined lobby", "error: Invalid room name")
		if got := server.In("lobby"); len(got) != 1 || got[0].ID() != second.ID() {
			t.Errorf("In(lobby) = %v", got)
		}
	})
}

func TestGuideBroadcastingMessages(t *testing.T) {
	guide(t, func(t *testing.T, e *env) {
		server := e.serve()
		var traces [3]trace
		for i := range traces {
			c := e.client()
			for _, event := range []string{"announcement", "notification", "event"} {
				c.On(event, func(data interface{}) { traces[i].add("%s %v", event, data) })
			}
			e.connect(c)
			if i < 2 {
				server.Join(c.ID(), "room1")
			}
			if i == 1 {
				server.Join(c.ID(), "room2")
			}
		}
		data := map[string]interface{}{"n": 1}

		// Broadcast to all clients
		server.Broadcast("announcement", "Server maintenance in 5 minutes")

		// Broadcast to a specific room
		server.BroadcastToRoom("room1", "notification", data)

		// Broadcast to multiple rooms
		server.BroadcastToRooms([]string{"room1", "room2"}, "notification", data)

		// High-performance parallel broadcast (uses worker pool)
		server.BroadcastParallel("event", data)

		e.settle()
		for i := range 2 {
			traces[i].want(t, "announcement Server maintenance in 5 minutes", "notification map[n:1]", "notification map[n:1]", "event map[n:1]")
		}
		traces[2].want(t, "announcement Server maintenance in 5 minutes", "event map[n:1]")
	})
}

func TestGuideServerPerformanceOptimization(t *testing.T) {
	var data interface{}
	{
		server := socket.NewServer(socket.WithMaxConcurrency(5000))
		server.BroadcastParallel("event", data)
		server.BroadcastToRoom("room-name", "event", data)
	}
	{
		server := socket.NewServer(socket.WithBufferSize(8192))
		server.Broadcast("event", data)
	}
	{
		server := socket.NewServer(socket.WithCompression(true))
		server.Broadcast("event", data)
	}
}

func TestGuideServerSideErrorHandling(t *testing.T) {
	guide(t, func(t *testing.T, e *env) {
		server := e.serve()
		var tr, onServer trace
		processCommand := func(cmd map[string]interface{}) (interface{}, error) {
			if cmd["name"] == "fail" {
				return nil, errors.New("it failed")
			}
			return cmd["name"], nil
		}

		// Handle global errors
		server.HandleFunc(socket.EventError, func(s socket.Socket, data interface{}) {
			log.Printf("Error for client %s: %v", s.ID(), data)
			onServer.add("error %T", data)
		})

		// Handle errors in event handlers
		server.HandleFunc("command", func(s socket.Socket, data interface{}) {
			cmd, ok := data.(map[string]interface{})
			if !ok {
				s.Send("error", "Invalid command format")
				return
			}

			// Process command
			result, err := processCommand(cmd)
			if err != nil {
				s.Send("error", map[string]interface{}{
					"code":    "command_failed",
					"message": err.Error(),
				})
				return
			}

			s.Send("commandResult", result)
		})

		client := e.client()
		client.On("error", func(data interface{}) { tr.add("error %v", data) })
		client.On("commandResult", func(data interface{}) { tr.add("result %v", data) })
		e.connect(client)
		client.Send("command", "no map")
		client.Send("command", map[string]string{"name": "fail"})
		client.Send("command", map[string]string{"name": "work"})
		client.Send("connect", "reserved")
		e.settle()
		onServer.want(t, "error *socket.MessageError")
		tr.want(t, "error Invalid command format", "error map[code:command_failed message:it failed]", "result work")
	})
}

func TestGuideServerGracefulShutdown(t *testing.T) {
	guide(t, func(t *testing.T, e *env) {
		server := e.serve()
		client := e.connected(socket.WithReconnectAttempts(-1))
		var tr trace
		client.On("bye", func(interface{}) { tr.add("bye") })
		client.On(socket.EventDisconnect, func(data interface{}) { tr.add("closed with %d", transport.CloseStatus(data.(error))) })
		e.settle()
		server.Broadcast("bye", nil)

		// Create a shutdown context with timeout
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()

		// Shutdown the server
		if err := server.Shutdown(ctx); err != nil {
			log.Printf("Error during shutdown: %v", err)
			t.Error(err)
		}

		e.settle()
		tr.want(t, "bye", "closed with 1001")
		if err := client.Connect(); err == nil {
			t.Error("a new connection was accepted after Shutdown")
		}
	})
}

func TestGuideScalingConsiderations(t *testing.T) {
	guide(t, func(t *testing.T, e *env) {
		server := e.serve()
		client := e.client()
		var data, batchedChanges interface{} = "data", []string{"a", "b"}
		handleServerError := func(s socket.Socket, data interface{}) { log.Println(s.ID(), data) }
		handleClientError := func(data interface{}) { log.Println(data) }
		roomName := "roomName"
		determineShardForRoom := func(room string) int { return len(room) % 2 }
		getShardServer := func(int) *socket.Server { return server }

		server.BroadcastToRoom("roomName", "event", data)

		// Instead of broadcasting every change:
		server.BroadcastToRoom("room", "batchUpdate", batchedChanges)

		server.HandleFunc(socket.EventError, handleServerError)
		client.On(socket.EventError, handleClientError)

		// Determine shard based on room name
		shardID := determineShardForRoom(roomName)
		shardServer := getShardServer(shardID)

		// Route message to appropriate shard
		shardServer.BroadcastToRoom(roomName, "event", data)
	})
}
