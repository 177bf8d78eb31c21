package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

const shutdownTimeout = 10 * time.Second

func main() {
	addr := flag.String("addr", "localhost:8080", "address to serve on; :8080 is that port of all networks")
	people := flag.Int("max", 1000, "connections that the server takes at most")
	connect := flag.String("connect", "", "be a terminal client of the chat at this URL, such as ws://localhost:8080/socket")
	name := flag.String("name", "", "name in the chat, for -connect")
	room := flag.String("room", "lobby", "room to join, for -connect")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if *connect != "" {
		var link socket.Transport
		if link, err = transportFor(*connect); err == nil {
			err = runTerminal(ctx, link, *name, *room, os.Stdin, os.Stdout)
		}
	} else {
		err = listenAndServe(ctx, *addr, *people)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chat:", err)
		os.Exit(1)
	}
}

func listenAndServe(ctx context.Context, addr string, people int) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	log.Info("chat is open", "url", pageURL(listener.Addr()))
	return serve(ctx, listener, people, log)
}

// serve runs the server until ctx ends, and then lets everybody go politely.
func serve(ctx context.Context, listener net.Listener, people int, log *slog.Logger) error {
	sockets := newSocketServer(people, log)
	server := &http.Server{
		Handler:           newHandler(sockets),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("closing")
	limit, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	// The sockets first: http.Server waits for requests that are being answered,
	// and a parked poll is one.
	return errors.Join(sockets.Shutdown(limit), server.Shutdown(limit))
}

// newSocketServer returns the server of the chat, with its handlers.
func newSocketServer(people int, log *slog.Logger) *socket.Server {
	server := socket.NewServer(
		socket.WithMaxConcurrency(people),
		socket.WithCompression(true),
		socket.WithLogger(log),
	)
	newChat(server, log)
	return server
}

// newHandler puts the page and the chat on their paths.
func newHandler(sockets *socket.Server) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", pageHandler())
	mux.HandleFunc("/socket", sockets.HandleHTTP)
	return mux
}

// pageURL is an address to open in a browser on this machine.
func pageURL(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}
