package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

func main() {
	var o options
	flag.DurationVar(&o.duration, "duration", 30*time.Second, "how long to run, connecting included")
	flag.DurationVar(&o.every, "every", time.Second, "how often to print a line")
	flag.IntVar(&o.conns, "conns", 5000, "connections; each needs a descriptor in both processes")
	flag.IntVar(&o.active, "active", 100, "connections that send")
	flag.IntVar(&o.churn, "churn", 50, "connections that are replaced each second")
	flag.IntVar(&o.rooms, "rooms", 100, "rooms")
	flag.StringVar(&o.svg, "svg", "", "write a picture of the run to this file")
	flag.StringVar(&o.clientsOf, "clients-of", "", "be the clients of the server with this URL; for the command's own use")
	flag.Parse()
	if err := o.check(); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(2)
	}
	run := soak
	if o.clientsOf != "" {
		run = beClients
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

type options struct {
	duration, every             time.Duration
	conns, active, churn, rooms int
	svg, clientsOf              string
}

func (o options) check() error {
	switch {
	case o.duration <= 0 || o.every <= 0:
		return errors.New("-duration and -every are to be positive")
	case o.conns < 1 || o.rooms < 1:
		return errors.New("-conns and -rooms are to be positive")
	case o.active < 0 || o.active > o.conns:
		return errors.New("-active is to be between 0 and -conns")
	case o.churn < 0:
		return errors.New("-churn is not to be negative")
	}
	return nil
}

// soak is the whole of the server's process.
func soak(o options) error {
	start := measure()
	server := newServer(o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	h := socket.NewHTTPServer("", server)
	go h.Serve(l) // ends with Close
	clients, err := startClients(o, "ws://"+l.Addr().String()+"/")
	if err != nil {
		h.Close()
		return err
	}
	samples, err := watch(o, server, clients)
	if err != nil {
		clients.stop()
		h.Close()
		return err
	}
	plot(os.Stdout, samples)
	if o.svg != "" {
		if err := writeSVG(o.svg, o, samples); err != nil {
			return err
		}
	}
	if err := clients.stop(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(lost(samples), leftOver(ctx, start, server, h))
}

// newServer returns a server whose sockets join rooms in turn.
func newServer(o options) *socket.Server {
	server := socket.NewServer(socket.WithMaxConcurrency(0), socket.WithLogger(nil))
	turn := make(chan int, 1)
	turn <- 0
	server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) {
		n := <-turn
		turn <- (n + 1) % o.rooms
		s.Join(roomName(n)) // fails only when the socket is gone
	})
	socket.Handle(server, "echo", func(s socket.Socket, sent int64) { s.Send("echo", sent) })
	return server
}

// pollers is how many descriptors the runtime and os/exec keep for themselves once
// there were connections and a process.
const pollers = 8

func roomName(n int) string { return "room-" + strconv.Itoa(n) }

// publish sends a message to one room after the other until ctx ends.
func publish(ctx context.Context, o options, server *socket.Server) {
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for n := 0; ; n = (n + 1) % o.rooms {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			server.BroadcastToRoom(roomName(n), "news", time.Now().UnixNano()) // a number is always encoded
		}
	}
}

// lost says what was wrong with the connections.
func lost(samples []sample) error {
	last := samples[len(samples)-1]
	var errs []error
	if last.Lost > 0 {
		errs = append(errs, fmt.Errorf("%d connections were lost", last.Lost))
	}
	if last.Missing > 0 {
		errs = append(errs, fmt.Errorf("%d events have not come back", last.Missing))
	}
	return errors.Join(errs...)
}

// leftOver ends the server once the clients have gone, and says what is left of it
// when ctx ends.
func leftOver(ctx context.Context, start vitals, server *socket.Server, h *http.Server) error {
	for ctx.Err() == nil && server.Count() > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	if n := server.Count(); n > 0 {
		return fmt.Errorf("%d sockets are left of clients that have gone", n)
	}
	if err := errors.Join(server.Shutdown(ctx), h.Close()); err != nil {
		return err
	}
	for {
		now := measure()
		if now.goroutines <= start.goroutines && now.files <= start.files+pollers {
			fmt.Printf("\nall are gone: %d goroutines, %d descriptors, %.1f MB resident\n", now.goroutines, now.files, float64(now.memory)/1e6)
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%d goroutines and %d descriptors are left, there were %d and %d before",
				now.goroutines, now.files, start.goroutines, start.files)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
