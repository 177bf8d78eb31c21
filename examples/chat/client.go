package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// deliveryTimeout is how long the end of the input waits for the server to
// confirm the last messages.
const deliveryTimeout = 10 * time.Second

const help = "* /join room   go to a room    /quit   leave the chat    anything else is said in the room"

// runTerminal is the chat with a keyboard and a screen, or with a script's input
// and output: what is read from in is said, what others say is written to out.
// It returns at the end of the input or at /quit, once all is delivered.
func runTerminal(ctx context.Context, link socket.Transport, name, room string, in io.Reader, out io.Writer) error {
	client := socket.NewClient(link, socket.WithReconnectAttempts(0))
	t := newTerminal(client, name, out)
	if err := client.ConnectContext(ctx); err != nil {
		return err
	}
	err := t.run(ctx, room, in)
	if ctx.Err() != nil {
		err = nil // an interrupt is a way to leave, not a failure
	}
	return errors.Join(err, t.close())
}

// transportFor chooses by the scheme: ws and wss, or http and https for long
// polling.
func transportFor(address string) (socket.Transport, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "ws", "wss":
		return transport.NewWebSocketTransport(address), nil
	case "http", "https":
		return transport.NewLongPollingTransport(address), nil
	}
	return nil, fmt.Errorf("-connect %q: the scheme must be ws, wss, http or https", address)
}

// run joins a room and says line after line.
func (t *terminal) run(ctx context.Context, room string, in io.Reader) error {
	if err := t.join(ctx, room); err != nil {
		return err
	}
	lines, failed := readLines(ctx, in)
	for {
		select {
		case line, more := <-lines:
			if !more || line == "/quit" {
				return errors.Join(t.delivered(ctx), <-failed)
			}
			if err := t.do(ctx, line); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (t *terminal) do(ctx context.Context, line string) error {
	room, joins := strings.CutPrefix(line, "/join ")
	switch {
	case line == "":
		return nil
	case joins:
		if err := t.join(ctx, room); err != nil {
			t.print("! %v", err)
		}
		return ctx.Err()
	case strings.HasPrefix(line, "/"):
		t.print(help)
		return nil
	}
	return t.say(ctx, line)
}

// readLines reads in on a goroutine of its own, which ends with the input. Where
// nobody wants the rest, as after /quit, it is left behind in a read that cannot
// be interrupted, and the end of the program ends it.
func readLines(ctx context.Context, in io.Reader) (<-chan string, <-chan error) {
	lines, failed := make(chan string), make(chan error, 1)
	go func() {
		defer close(failed)
		defer close(lines)
		scanner := bufio.NewScanner(in)
		for scanner.Scan() {
			line := strings.TrimSpace(scanner.Text())
			select {
			case lines <- line:
			case <-ctx.Done():
				return
			}
			if line == "/quit" {
				return
			}
		}
		failed <- scanner.Err()
	}()
	return lines, failed
}
