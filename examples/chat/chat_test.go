package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/sockettest"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// patience is how long a test waits for what must happen. Time is virtual.
const patience = 20 * time.Second

// newTestServer is the chat as main serves it, without a log.
func newTestServer() *socket.Server { return newSocketServer(100, slog.New(slog.DiscardHandler)) }

// overBoth runs a test body over each transport.
func overBoth(t *testing.T, body func(t *testing.T, net *sockettest.Network)) {
	sockettest.Run(t, newTestServer, body)
}

// overOne runs a test body for which the transport is of no interest, or is chosen there.
func overOne(t *testing.T, body func(t *testing.T, net *sockettest.Network)) {
	synctest.Test(t, func(t *testing.T) { body(t, sockettest.New(t, newTestServer())) })
}

// transportOn returns a transport for clients that are not those of package sockettest.
func transportOn(net *sockettest.Network, kind sockettest.Kind) socket.Transport {
	dial := transport.WithDialContext(net.DialContext)
	if kind == sockettest.LongPolling {
		return transport.NewLongPollingTransport(net.URL(kind), dial)
	}
	return transport.NewWebSocketTransport(net.URL(kind), dial)
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
func enter(t *testing.T, net *sockettest.Network, kind sockettest.Kind, name string) *visitor {
	t.Helper()
	in, keys := io.Pipe()
	v := &visitor{t: t, keys: keys, lines: make(chan string, 1000), ended: make(chan error, 1)}
	go func() { v.ended <- runTerminal(t.Context(), transportOn(net, kind), name, "lobby", in, v) }()
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
	overBoth(t, func(t *testing.T, net *sockettest.Network) {
		ann := enter(t, net, net.Kind(), "ann")
		bob := enter(t, net, net.Kind(), "bob")
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
	overOne(t, func(t *testing.T, net *sockettest.Network) {
		ann := enter(t, net, sockettest.WebSocket, "ann")
		bob := enter(t, net, sockettest.LongPolling, "bob")
		ann.types("over WebSocket")
		bob.wants("[#lobby] ann: over WebSocket")
		bob.types("over polling")
		ann.wants("[#lobby] bob: over polling")
		ann.leaves()
		bob.leaves()
	})
}

func TestEverythingReadIsDeliveredBeforeTheEnd(t *testing.T) {
	overBoth(t, func(t *testing.T, net *sockettest.Network) {
		bob := enter(t, net, sockettest.WebSocket, "bob")
		var script strings.Builder
		for i := range 200 {
			fmt.Fprintln(&script, "line", i)
		}
		link := transportOn(net, net.Kind())
		if err := runTerminal(t.Context(), link, "ann", "lobby", strings.NewReader(script.String()), io.Discard); err != nil {
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
	overOne(t, func(t *testing.T, net *sockettest.Network) {
		ann := enter(t, net, sockettest.WebSocket, "ann")
		bob := enter(t, net, sockettest.WebSocket, "bob")
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
	})
}

func TestTerminalShowsNoControlCharacters(t *testing.T) {
	overOne(t, func(t *testing.T, net *sockettest.Network) {
		ann := enter(t, net, sockettest.WebSocket, "ann")
		eve := net.Connect("eve")
		eve.Send(eventJoin, joinRequest{Room: "lobby", Name: "eve"})
		sockettest.Expect[any](eve, eventMembers)
		eve.Send(eventChat, chatRequest{Room: "lobby", Text: "a\n[#lobby] bob: \u202eb"})
		if got, want := ann.wants("[#lobby] eve"), "[#lobby] eve: a ⏎ [#lobby] bob: ·b"; got != want {
			t.Errorf("shown as %q, want %q", got, want)
		}
		ann.leaves()
	})
}

func TestTerminalRefusesOtherSchemes(t *testing.T) {
	_, err := transportFor("ftp://localhost/socket")
	if err == nil || !strings.Contains(err.Error(), "ftp://localhost/socket") {
		t.Errorf("error %v, want one that names the URL", err)
	}
}

func TestJoinIsAnsweredByHistoryAndMembers(t *testing.T) {
	overBoth(t, func(t *testing.T, net *sockettest.Network) {
		ann := net.Connect("ann")
		ann.Send(eventJoin, joinRequest{Room: "lobby", Name: "ann"})
		if h := sockettest.Expect[history](ann, eventHistory); h.Room != "lobby" || h.Messages == nil || len(h.Messages) != 0 {
			t.Errorf("history of a new room = %+v", h)
		}
		sockettest.Expect[any](ann, eventMembers)
		text := strings.Repeat("<", maxText) // the longest JSON that a text can have
		for range maxHistory + 10 {
			ann.Send(eventChat, chatRequest{Room: "lobby", Text: text})
			sockettest.Expect[any](ann, eventChat)
		}

		bob := net.Connect("bob")
		bob.Send(eventJoin, "lobby")
		messages := 0
		for messages < maxHistory {
			h := sockettest.Expect[history](bob, eventHistory)
			messages += len(h.Messages)
		}
		list := sockettest.Expect[members](bob, eventMembers)
		if messages != maxHistory || len(list.Members) != 2 || list.Members[0].Name != "ann" ||
			!slices.Contains(list.Members, member{list.You, guestName(list.You)}) {
			t.Errorf("%d messages, %+v", messages, list)
		}
	})
}

func TestDisconnectIsLeaving(t *testing.T) {
	overBoth(t, func(t *testing.T, net *sockettest.Network) {
		ann, bob := net.Connect("ann"), net.Connect("bob")
		ann.Send(eventJoin, joinRequest{Room: "lobby", Name: "ann"})
		sockettest.Expect[any](ann, eventMembers)
		bob.Send(eventJoin, joinRequest{Room: "lobby", Name: "bob"})
		sockettest.Expect[any](bob, eventMembers)
		bob.Send(eventTyping, typingRequest{Room: "lobby", Typing: true})
		if got := sockettest.Expect[typing](ann, eventTyping); got.Name != "bob" || !got.Typing {
			t.Errorf("typing = %+v", got)
		}
		if err := bob.Close(); err != nil {
			t.Fatal(err)
		}
		if gone := sockettest.Expect[presence](ann, eventUserLeft); gone.Name != "bob" || gone.Room != "lobby" {
			t.Errorf("userLeft = %+v", gone)
		}
		ann.Send(eventRooms, nil)
		ann.Expect(eventRooms, []openRoom{{"lobby", 1}})
	})
}

func TestMembersComeBackFromABadNetwork(t *testing.T) {
	overBoth(t, func(t *testing.T, net *sockettest.Network) {
		ann, bob := net.Connect("ann"), net.Connect("bob", socket.WithReconnectAttempts(0))
		for _, c := range []*sockettest.Client{ann, bob} {
			c.Send(eventJoin, joinRequest{Room: "lobby", Name: c.Name()})
			sockettest.Expect[members](c, eventMembers)
		}
		bob.Faults().Down(nil)
		ann.Send(eventChat, chatRequest{Room: "lobby", Text: "are you there?"})
		time.Sleep(20 * time.Second)
		bob.Faults().Up()
		if got := sockettest.Expect[message](bob.Within(time.Minute), eventChat); got.Text != "are you there?" {
			t.Errorf("heard %+v", got)
		}
		bob.Send(eventChat, chatRequest{Room: "lobby", Text: "I am"})
		sockettest.Expect[message](ann, eventChat) // her own
		if got := sockettest.Expect[message](ann, eventChat); got.Text != "I am" || got.Name != "bob" {
			t.Errorf("heard %+v", got)
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
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			overOne(t, func(t *testing.T, net *sockettest.Network) {
				ann := net.Connect("ann")
				ann.Send(tt.event, tt.data)
				ann.Expect(eventError, tt.want)
				ann.ExpectNothing(time.Minute)
			})
		})
	}
}

// What main does is tested over a real network.
func TestServeEndsPolitely(t *testing.T) {
	for _, scheme := range []string{"ws", "http"} {
		t.Run(scheme, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- serve(ctx, listener, 10, slog.New(slog.DiscardHandler)) }()
			link, err := transportFor(scheme + "://" + listener.Addr().String() + "/socket")
			if err != nil {
				t.Fatal(err)
			}
			ann := socket.NewClient(link)
			gone := make(chan struct{})
			ann.Once(socket.EventDisconnect, func(interface{}) { close(gone) })
			if err := ann.Connect(); err != nil {
				t.Fatal(err)
			}
			defer ann.Close()
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
