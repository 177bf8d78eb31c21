package distributed_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
)

// counter is a process that counts, and does not know how to go on beyond three.
type counter struct{ n int }

type add struct{ reply distributed.From[int] }

func (c *counter) Handle(p *distributed.Process, m add) error {
	if c.n++; c.n > 3 {
		return errors.New("three is as far as I can count")
	}
	m.reply.Reply(c.n)
	return nil
}

// A process that crashes is started again by its supervisor, with a fresh Handler and under
// the same name. Nobody else is hurt: who has called it gets the reason as an error.
func ExampleNewSupervisor() {
	node := distributed.NewNode("example", distributed.WithLogger(nil))
	defer node.Stop()
	_, err := distributed.NewSupervisor(distributed.SupervisorSpec{
		ID: "app",
		Processes: []distributed.ProcessSpec{{
			ID:    "counter",
			Start: distributed.ChildOf(func() distributed.Handler[add] { return new(counter) }),
		}},
	}, node)
	if err != nil {
		log.Fatal(err)
	}

	count := func() (int, error) {
		c, err := distributed.Lookup[add](node, "counter")
		if err != nil {
			return 0, err
		}
		return distributed.Call(context.Background(), c, func(f distributed.From[int]) add { return add{f} })
	}
	for range 4 {
		n, err := count()
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(n)
	}
	for { // until it is there again, which takes some microseconds
		if n, err := count(); err == nil {
			fmt.Println(n)
			break
		}
		time.Sleep(time.Millisecond)
	}
	// Output:
	// 1
	// 2
	// 3
	// distributed: call counter: three is as far as I can count
	// 1
}

// Rooms come and go, so they are started later, after a template. Each has a name. One that
// crashes is started again; one that ends in good order is forgotten.
func ExampleSupervisor_StartChild() {
	node := distributed.NewNode("example", distributed.WithLogger(nil))
	defer node.Stop()
	rooms, err := distributed.NewSupervisor(distributed.SupervisorSpec{
		ID:          "rooms",
		Strategy:    distributed.SimpleOneForOne,
		MaxRestarts: 100,
		Processes: []distributed.ProcessSpec{{
			Restart: distributed.Transient,
			Function: func(ctx context.Context, self distributed.ProcessID, _ *distributed.Node, msg interface{}) error {
				if msg == "close" {
					return distributed.ErrNormal
				}
				fmt.Println(self, "hears", msg)
				return nil
			},
		}},
	}, node)
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	room, err := rooms.StartChild(ctx, distributed.ProcessSpec{ID: "room/tea"})
	if err != nil {
		log.Fatal(err)
	}
	node.Send(room, "hello")
	node.Send(room, "close")
	node.Wait(ctx, room)
	children, err := rooms.CountChildren(ctx)
	fmt.Println(children.Specs, err)
	// Output:
	// room/tea hears hello
	// 0 <nil>
}

// Supervisors are children too, and so are goroutines that are no processes. When the
// database ends, for whatever reason, the server that uses it is stopped before it is started again.
func ExampleSupervisorSpec() {
	server := func(ctx context.Context) error {
		s := &http.Server{Addr: "127.0.0.1:8080"}
		defer context.AfterFunc(ctx, func() { s.Close() })()
		return s.ListenAndServe()
	}
	connection := func(_ context.Context, _ distributed.ProcessID, _ *distributed.Node, query interface{}) error {
		return fmt.Errorf("no answer to %v", query)
	}
	spec := distributed.SupervisorSpec{
		ID:            "app",
		Strategy:      distributed.RestForOne,
		MaxRestarts:   3,
		RestartPeriod: time.Minute,
		Processes: []distributed.ProcessSpec{
			{Supervisor: &distributed.SupervisorSpec{
				ID: "database",
				Processes: []distributed.ProcessSpec{
					{ID: "reader", Function: connection},
					{ID: "writer", Function: connection, Backoff: distributed.Backoff{Min: 100 * time.Millisecond}},
				},
			}},
			{ID: "server", Service: server, Shutdown: 20 * time.Second},
		},
	}
	node := distributed.NewNode("example")
	app, err := distributed.NewSupervisor(spec, node)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(app.Wait(context.Background()))
}
