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
	"strings"
	"syscall"
	"time"

	"github.com/kleeedolinux/socket.go/distributed"
	"github.com/kleeedolinux/socket.go/socket"
)

const shutdownTimeout = 10 * time.Second

func main() {
	// The tree of processes is nothing for the public, and neither are the buttons.
	addr := flag.String("addr", "localhost:8080", "address to serve on")
	rooms := flag.String("rooms", "lobby,garden,workshop", "names of the rooms: each is two processes and their supervisor")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", *addr)
	if err == nil {
		err = serve(ctx, listener, strings.Split(*rooms, ","), slog.New(slog.NewTextHandler(os.Stderr, nil)))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "distributed-chat:", err)
		os.Exit(1)
	}
}

// serve runs the chat until ctx ends, and then lets everybody go politely: the sockets
// first, so that the processes hear of it, and the processes last.
func serve(ctx context.Context, listener net.Listener, rooms []string, log *slog.Logger) error {
	server := socket.NewServer(socket.WithLogger(log), socket.WithMaxConcurrency(1000))
	node := distributed.NewNode("chat", distributed.WithSocketServer(server), distributed.WithLogger(log))
	if err := newChat(node, rooms); err != nil {
		return err
	}
	web := &http.Server{
		Handler:           newHandler(node),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	log.Info("chat is open", "url", "http://"+listener.Addr().String()+"/")
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	return errors.Join(server.Shutdown(limit), web.Shutdown(limit), node.Shutdown(limit))
}

// newHandler puts everything on its path.
func newHandler(node *distributed.Node) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", pageHandler())
	mux.Handle("/socket", node.SocketServer)
	mux.Handle("/tree", node.Handler())
	return mux
}
