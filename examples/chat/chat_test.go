package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// transports are the schemes that choose them. Each test body runs over both.
var transports = map[string]string{"websocket": "ws", "polling": "http"}

func overBoth(t *testing.T, body func(t *testing.T, scheme string)) {
	for name, scheme := range transports {
		t.Run(name, func(t *testing.T) { body(t, scheme) })
	}
}

// startChat serves the chat and returns its host:port.
func startChat(t *testing.T) string {
	t.Helper()
	sockets := newSocketServer(100, slog.New(slog.DiscardHandler))
	server := httptest.NewServer(newHandler(sockets))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := sockets.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		server.Close()
	})
	return server.Listener.Addr().String()
}

// A visitor is a terminal client in the hands of a test.
type visitor struct {
	t     *testing.T
	keys  *io.PipeWriter
	lines chan string
	ended chan error
}

func (v *visitor) Write(p []byte) (int, error) {
	v.lines <- strings.TrimSuffix(string(p), "\n")
	return len(p), nil
}

// enter starts a terminal client and waits until it is in the lobby.
func enter(t *testing.T, scheme, host, name string) *visitor {
	t.Helper()
	in, keys := io.Pipe()
	v := &visitor{t: t, keys: keys, lines: make(chan string, 1000), ended: make(chan error, 1)}
	go func() { v.ended <- runTerminal(t.Context(), scheme+"://"+host+"/socket", name, "lobby", in, v) }()
	t.Cleanup(func() { keys.Close() })
	v.wants("* in #lobby: ")
	return v
}

func (v *visitor) types(line string) {
	v.t.Helper()
	if _, err := io.WriteString(v.keys, line+"\n"); err != nil {
		v.t.Fatalf("type %q: %v", line, err)
	}
}

// wants returns the next line that begins with prefix; other lines are passed over.
func (v *visitor) wants(prefix string) string {
	v.t.Helper()
	timeout := time.After(patience)
	var passed []string
	for {
		select {
		case line := <-v.lines:
			if strings.HasPrefix(line, prefix) {
				return line
			}
			passed = append(passed, line)
		case <-timeout:
			v.t.Fatalf("no line with %q came, only %q", prefix, passed)
		}
	}
}

// leaves ends the input and waits for the polite end.
func (v *visitor) leaves() {
	v.t.Helper()
	v.keys.Close()
	select {
	case err := <-v.ended:
		if err != nil {
			v.t.Fatalf("terminal client ended with %v", err)
		}
	case <-time.After(patience):
		v.t.Fatal("terminal client does not end with its input")
	}
}

func TestTwoTerminalsChat(t *testing.T) {
	overBoth(t, func(t *testing.T, scheme string) {
		host := startChat(t)
		ann := enter(t, scheme, host, "ann")
		bob := enter(t, scheme, host, "bob")
		ann.wants("* bob joined #lobby")
		ann.types("hello")
		bob.wants("[#lobby] ann: hello")
		bob.types("hello yourself")
		ann.wants("[#lobby] bob: hello yourself")
		ann.leaves()
		bob.wants("* ann left #lobby")
		bob.leaves()
	})
}

func TestTransportsMeetInOneRoom(t *testing.T) {
	host := startChat(t)
	ann := enter(t, "ws", host, "ann")
	bob := enter(t, "http", host, "bob")
	ann.types("over WebSocket")
	bob.wants("[#lobby] ann: over WebSocket")
	bob.types("over polling")
	ann.wants("[#lobby] bob: over polling")
	ann.leaves()
	bob.leaves()
}

func TestEverythingReadIsDeliveredBeforeTheEnd(t *testing.T) {
	overBoth(t, func(t *testing.T, scheme string) {
		host := startChat(t)
		bob := enter(t, "ws", host, "bob")
		var script strings.Builder
		for i := range 200 {
			fmt.Fprintln(&script, "line", i)
		}
		url := scheme + "://" + host + "/socket"
		if err := runTerminal(t.Context(), url, "ann", "lobby", strings.NewReader(script.String()), io.Discard); err != nil {
			t.Fatal(err)
		}
		for i := range 200 {
			want := fmt.Sprintf("[#lobby] ann: line %d", i)
			if got := bob.wants("[#lobby] ann: "); got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
		bob.leaves()
	})
}

func TestTerminalCommands(t *testing.T) {
	host := startChat(t)
	ann := enter(t, "ws", host, "ann")
	bob := enter(t, "ws", host, "bob")
	ann.types("/join garden")
	ann.wants("* in #garden: ann")
	ann.types("/join \u200b")
	ann.wants("! the room's name cannot be seen")
	ann.types("/dance")
	ann.wants("* /join room")
	bob.types("/join garden")
	bob.wants("* in #garden: ann, bob")
	ann.types("among flowers")
	bob.wants("[#garden] ann: among flowers")
	bob.types("/quit")
	ann.wants("* bob left #garden")
	ann.leaves()
}

func TestTerminalShowsNoControlCharacters(t *testing.T) {
	host := startChat(t)
	ann := enter(t, "ws", host, "ann")
	eve := dial(t, "ws", host)
	eve.send(eventJoin, joinRequest{Room: "lobby", Name: "eve"})
	eve.wants(eventMembers)
	eve.send(eventChat, chatRequest{Room: "lobby", Text: "a\n[#lobby] bob: \u202eb"})
	if got, want := ann.wants("[#lobby] eve"), "[#lobby] eve: a ⏎ [#lobby] bob: ·b"; got != want {
		t.Errorf("shown as %q, want %q", got, want)
	}
	ann.leaves()
}

func TestTerminalRefusesOtherSchemes(t *testing.T) {
	err := runTerminal(t.Context(), "ftp://localhost/socket", "ann", "lobby", strings.NewReader(""), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "ftp://localhost/socket") {
		t.Errorf("error %v, want one that names the URL", err)
	}
}

// A peer is a Go client that looks at the events themselves.
type peer struct {
	t      *testing.T
	client *socket.Client
	events chan received
}

type received struct {
	event string
	data  json.RawMessage
}

func dial(t *testing.T, scheme, host string) *peer {
	t.Helper()
	link, err := transportFor(scheme + "://" + host + "/socket")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, client: socket.NewClient(link), events: make(chan received, 1000)}
	for _, event := range []string{
		eventHistory, eventMembers, eventUserJoined, eventUserLeft, eventChat, eventTyping, eventRooms, eventError,
	} {
		socket.On(p.client, event, func(data json.RawMessage) { p.events <- received{event, data} })
	}
	if err := p.client.Connect(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.client.Close() })
	return p
}

func (p *peer) send(event string, data any) {
	p.t.Helper()
	if err := p.client.Send(event, data); err != nil {
		p.t.Fatalf("Send(%q): %v", event, err)
	}
}

// wants returns the data of the next such event; others are passed over.
func (p *peer) wants(event string) json.RawMessage {
	p.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case r := <-p.events:
			if r.event == event {
				return r.data
			}
		case <-timeout:
			p.t.Fatalf("no %s came", event)
		}
	}
}

// next decodes the data of the next such event.
func next[T any](p *peer, event string) T {
	p.t.Helper()
	data := p.wants(event)
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		p.t.Fatalf("%s with %s: %v", event, data, err)
	}
	return v
}

func TestJoinIsAnsweredByHistoryAndMembers(t *testing.T) {
	overBoth(t, func(t *testing.T, scheme string) {
		host := startChat(t)
		ann := dial(t, scheme, host)
		ann.send(eventJoin, joinRequest{Room: "lobby", Name: "ann"})
		if h := next[history](ann, eventHistory); h.Room != "lobby" || h.Messages == nil || len(h.Messages) != 0 {
			t.Errorf("history of a new room = %+v", h)
		}
		ann.wants(eventMembers)
		text := strings.Repeat("<", maxText) // the longest JSON that a text can have
		for range maxHistory + 10 {
			ann.send(eventChat, chatRequest{Room: "lobby", Text: text})
			ann.wants(eventChat)
		}

		bob := dial(t, scheme, host)
		bob.send(eventJoin, "lobby")
		messages := 0
		for messages < maxHistory {
			h := next[history](bob, eventHistory)
			messages += len(h.Messages)
		}
		list := next[members](bob, eventMembers)
		if messages != maxHistory || len(list.Members) != 2 || list.Members[0].Name != "ann" ||
			!slices.Contains(list.Members, member{list.You, guestName(list.You)}) {
			t.Errorf("%d messages, %+v", messages, list)
		}
	})
}

func TestDisconnectIsLeaving(t *testing.T) {
	overBoth(t, func(t *testing.T, scheme string) {
		host := startChat(t)
		ann, bob := dial(t, scheme, host), dial(t, scheme, host)
		ann.send(eventJoin, joinRequest{Room: "lobby", Name: "ann"})
		ann.wants(eventMembers)
		bob.send(eventJoin, joinRequest{Room: "lobby", Name: "bob"})
		bob.wants(eventMembers)
		bob.send(eventTyping, typingRequest{Room: "lobby", Typing: true})
		if got := next[typing](ann, eventTyping); got.Name != "bob" || !got.Typing {
			t.Errorf("typing = %+v", got)
		}
		if err := bob.client.Close(); err != nil {
			t.Fatal(err)
		}
		if gone := next[presence](ann, eventUserLeft); gone.Name != "bob" || gone.Room != "lobby" {
			t.Errorf("userLeft = %+v", gone)
		}
		ann.send(eventRooms, nil)
		if got, want := next[[]openRoom](ann, eventRooms), []openRoom{{"lobby", 1}}; !slices.Equal(got, want) {
			t.Errorf("rooms = %v, want %v", got, want)
		}
	})
}

func TestRefusalsSayWhy(t *testing.T) {
	tests := []struct {
		name  string
		event string
		data  any
		want  problem
	}{
		{
			name:  "chat outside the room",
			event: eventChat,
			data:  chatRequest{Room: "lobby", Text: "hi", Ref: "7"},
			want:  problem{Event: "chat", Room: "lobby", Ref: "7", Message: "you are not in this room"},
		},
		{
			name:  "empty text",
			event: eventChat,
			data:  chatRequest{Room: "lobby", Text: " "},
			want:  problem{Event: "chat", Room: "lobby", Message: "the message is empty"},
		},
		{
			name:  "room without a name",
			event: eventJoin,
			data:  "",
			want:  problem{Event: "join", Message: "the room's name is empty"},
		},
		{
			name:  "long room",
			event: eventJoin,
			data:  strings.Repeat("x", 1000),
			want:  problem{Event: "join", Message: "the room's name is longer than 40 characters"},
		},
		{
			name:  "bad name",
			event: eventJoin,
			data:  joinRequest{Room: "lobby", Name: "\u202e"},
			want:  problem{Event: "join", Room: "lobby", Message: "the name has characters in it that cannot be shown"},
		},
		{
			name:  "long ref",
			event: eventChat,
			data:  chatRequest{Room: "lobby", Text: "hi", Ref: strings.Repeat("x", 100)},
			want:  problem{Event: "chat", Room: "lobby", Message: "the message's ref is too long"},
		},
		{
			name:  "data of another kind",
			event: eventChat,
			data:  []int{7},
			want:  problem{Event: "chat", Message: "this message was not understood"},
		},
	}
	host := startChat(t)
	ann := dial(t, "ws", host)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ann.send(tt.event, tt.data)
			if got := next[problem](ann, eventError); got != tt.want {
				t.Errorf("error = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestServeEndsPolitely(t *testing.T) {
	overBoth(t, func(t *testing.T, scheme string) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- serve(ctx, listener, 10, slog.New(slog.DiscardHandler)) }()
		ann := dial(t, scheme, listener.Addr().String())
		gone := make(chan struct{})
		ann.client.On(socket.EventDisconnect, func(interface{}) { close(gone) })
		cancel()
		for range 2 {
			select {
			case <-gone:
				gone = nil
			case err := <-ended:
				if err != nil {
					t.Errorf("serve: %v", err)
				}
			case <-time.After(patience):
				t.Fatal("the server does not end, or its client does not hear of it")
			}
		}
	})
}

func TestPartsKeepOrderAndSize(t *testing.T) {
	var list []message
	for i := range 50 {
		list = append(list, message{Seq: int64(i), Text: strings.Repeat("<", i*40)})
	}
	cut := parts(list, 4096)
	if !slices.Equal(slices.Concat(cut...), list) {
		t.Error("the parts together are not the list")
	}
	for _, part := range cut {
		if b, _ := json.Marshal(part); len(part) == 0 || len(part) > 1 && len(b) > 4096+2 {
			t.Errorf("a part of %d messages has %d bytes", len(part), len(b))
		}
	}
}
