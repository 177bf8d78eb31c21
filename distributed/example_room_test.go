package distributed_test

import (
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"strings"

	"github.com/kleeedolinux/socket.go/distributed"
	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// say is a message of a client to a room's process.
type say struct {
	from socket.Socket
	text string
}

// room is the process of one room. It knows its members in each of its lives: those that
// are there when it begins, and then those that come and go.
type room struct {
	name    string
	node    *distributed.Node
	members map[string]bool
}

func (r *room) Init(p *distributed.Process) error {
	members, err := p.SubscribeRoom(r.name)
	r.members = make(map[string]bool)
	for _, s := range members {
		r.members[s.ID()] = true
	}
	return err
}

func (r *room) HandleRoom(_ *distributed.Process, e distributed.RoomEvent) error {
	switch e.Kind {
	case distributed.RoomJoined:
		r.members[e.SocketID] = true
		r.node.SocketServer.BroadcastToRoom(r.name, "news", fmt.Sprint("members: ", len(r.members)))
	case distributed.RoomLeft:
		delete(r.members, e.SocketID)
	}
	return nil
}

func (r *room) Handle(_ *distributed.Process, m say) error {
	if m.text == "crash" {
		return errors.New("somebody wanted it")
	}
	return r.node.SocketServer.BroadcastToRoom(r.name, "news", fmt.Sprintf("%s, says one of %d", m.text, len(r.members)))
}

// A process for each room, found by its name and started again when it crashes. The sockets
// stay what they are: members of a room of the server.
func Example_aProcessPerRoom() {
	server := socket.NewServer()
	node := distributed.NewNode("chat", distributed.WithSocketServer(server), distributed.WithLogger(nil))
	defer node.Stop()
	rooms := distributed.SupervisorSpec{ID: "rooms", Processes: []distributed.ProcessSpec{{
		ID:    "room:lobby",
		Start: distributed.ChildOf(func() distributed.Handler[say] { return &room{name: "lobby", node: node} }),
	}}}
	if _, err := distributed.NewSupervisor(rooms, node); err != nil {
		log.Fatal(err)
	}
	socket.Handle(server, "join", func(s socket.Socket, name string) { s.Join(name) })
	distributed.Forward(node, "say", func(s socket.Socket, text string) (distributed.ProcessID, say) {
		return "room:lobby", say{s, text}
	}, nil)

	web := httptest.NewServer(server)
	defer web.Close()
	client := socket.NewClient(transport.NewWebSocketTransport(strings.Replace(web.URL, "http", "ws", 1)))
	news := make(chan string, 10)
	socket.On(client, "news", func(text string) { news <- text })
	if err := client.Connect(); err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	client.Join("lobby")
	fmt.Println(<-news)
	client.Send("say", "hello")
	fmt.Println(<-news)

	restarted := make(chan bool)
	stop := node.Monitor(func(e distributed.SystemEvent) {
		if e.Type == distributed.ProcessStarted && e.ProcessID == "room:lobby" {
			close(restarted)
		}
	})
	defer stop()
	client.Send("say", "crash")
	<-restarted
	client.Send("say", "still here")
	fmt.Println(<-news)
	// Output:
	// members: 1
	// hello, says one of 1
	// still here, says one of 1
}

// session is the process of one client: what is known of it lives and dies with it.
type session struct {
	client distributed.SocketRef
	total  int
}

func (s *session) Handle(_ *distributed.Process, n int) error {
	if n < 0 {
		return errors.New("a number that nobody may send")
	}
	s.total += n
	return s.client.Send("total", s.total)
}

func (s *session) Terminate(_ *distributed.Process, reason error) {
	fmt.Println("session over:", reason)
}

// A process for each client. It is linked to the socket: when the client leaves, or its
// session is given up, the process ends; and when the process crashes, the client is
// disconnected, and begins anew when it comes back.
func Example_aProcessPerSession() {
	server := socket.NewServer()
	node := distributed.NewNode("sums", distributed.WithSocketServer(server), distributed.WithLogger(nil))
	defer node.Stop()
	name := func(s socket.Socket) distributed.ProcessID { return distributed.ProcessID("session:" + s.ID()) }
	server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) {
		client, err := node.Socket(s.ID())
		if err != nil {
			return // it has left already
		}
		r, err := distributed.SpawnHandler[int](node, &session{client: client}, distributed.WithName(name(s)))
		if err == nil {
			err = node.LinkProcesses(r.ID(), client.ID())
		}
		if err != nil {
			s.Close()
		}
	})
	distributed.Forward(node, "add", func(s socket.Socket, n int) (distributed.ProcessID, int) { return name(s), n }, nil)

	web := httptest.NewServer(server)
	defer web.Close()
	client := socket.NewClient(transport.NewWebSocketTransport(strings.Replace(web.URL, "http", "ws", 1)),
		socket.WithReconnectAttempts(-1))
	totals, left := make(chan int), make(chan bool)
	socket.On(client, "total", func(n int) { totals <- n })
	client.On(socket.EventDisconnect, func(interface{}) { close(left) })
	if err := client.Connect(); err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	for _, n := range []int{1, 2, 3} {
		client.Send("add", n)
		fmt.Println(<-totals)
	}
	client.Send("add", -1)
	<-left
	// Output:
	// 1
	// 3
	// 6
	// session over: a number that nobody may send
}
