package sockettest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/sockettest"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// newEcho sends back what it is sent, and tells everybody of what "all" says.
func newEcho() *socket.Server {
	server := socket.NewServer(socket.WithLogger(nil))
	socket.Handle(server, "echo", func(s socket.Socket, data any) { s.Send("echo", data) })
	server.HandleFunc(socket.EventMessage, func(s socket.Socket, data any) { s.Send(socket.EventMessage, data) })
	server.HandleFunc("all", func(_ socket.Socket, data any) { server.Broadcast("all", data) })
	server.HandleFunc("leave me", func(s socket.Socket, _ any) { s.Close() })
	server.HandleFunc("three", func(s socket.Socket, _ any) {
		for _, event := range []string{"one", "two", "three"} {
			s.Send(event, event)
		}
	})
	return server
}

type order struct {
	Item  string `json:"item"`
	Count int64  `json:"count"`
	Note  string `json:"note,omitempty"`
}

func TestDataIsComparedAsJSON(t *testing.T) {
	sockettest.Run(t, newEcho, func(t *testing.T, net *sockettest.Network) {
		ann := net.Connect("ann")
		for _, tt := range []struct{ send, want any }{
			{"text", "text"},
			{7, 7.0},
			{nil, nil},
			{order{Item: "tea", Count: 2}, map[string]any{"count": 2, "item": "tea"}},
			{[]int{1, 2}, [2]float64{1, 2}},
			{map[string]any{"a": []any{true, nil}}, map[string][]any{"a": {true, nil}}},
		} {
			ann.Send("echo", tt.send)
			ann.Expect("echo", tt.want)
		}
	})
}

func TestDataIsDecodedIntoAType(t *testing.T) {
	sockettest.Run(t, newEcho, func(t *testing.T, net *sockettest.Network) {
		ann := net.Connect("ann")
		want := order{Item: "tea", Count: 2}
		ann.Send("echo", want)
		if got := sockettest.Expect[order](ann, "echo"); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		ann.Send("echo", nil)
		if got := sockettest.Expect[order](ann, "echo"); got != (order{}) {
			t.Errorf("null is %+v, want the zero value", got)
		}
		ann.Send("echo", "any")
		if got := sockettest.Expect[any](ann, "echo"); got != "any" {
			t.Errorf("got %v as any", got)
		}
	})
}

func TestMessagesWithoutAnEvent(t *testing.T) {
	sockettest.Run(t, newEcho, func(t *testing.T, net *sockettest.Network) {
		ann := net.Connect("ann")
		ann.Send(socket.EventMessage, []byte{0, 1, 2})
		ann.Expect(socket.EventMessage, []byte{0, 1, 2})
		ann.Send(socket.EventMessage, []byte("again"))
		if got := sockettest.Expect[[]byte](ann, socket.EventMessage); string(got) != "again" {
			t.Errorf("got %q", got)
		}
		ann.Send(socket.EventMessage, []string{"bare"})
		ann.Expect(socket.EventMessage, []string{"bare"})
	})
}

func TestWhatComesIsGoneThroughInItsOrder(t *testing.T) {
	sockettest.Run(t, newEcho, func(t *testing.T, net *sockettest.Network) {
		ann := net.Connect("ann")
		ann.Send("three", nil)
		ann.Expect("one", "one")
		ann.Expect("three", "three") // passes over two
		got := failure(t, ann, func(ann *sockettest.Client) { ann.Expect("two", "two") })
		if want := `ann.Expect("two", …): not within 5s; nothing came`; got != want {
			t.Errorf("failed with %q, want %q", got, want)
		}
	})
}

func TestWaitingIsInVirtualTime(t *testing.T) {
	sockettest.Run(t, newEcho, func(t *testing.T, net *sockettest.Network) {
		ann := net.Connect("ann")
		for limit, call := range map[time.Duration]func(*sockettest.Client){
			5 * time.Second: func(c *sockettest.Client) { c.Expect("nothing", nil) },
			time.Hour:       func(c *sockettest.Client) { c.Within(time.Hour).Expect("nothing", nil) },
		} {
			start := time.Now()
			if failure(t, ann, call) == "" || time.Since(start) != limit {
				t.Errorf("gave up after %v, want %v", time.Since(start), limit)
			}
		}
		start := time.Now()
		time.AfterFunc(3*time.Second, func() { ann.Client.Send("echo", "late") })
		ann.Expect("echo", "late")
		if got := time.Since(start); got != 3*time.Second {
			t.Errorf("came after %v, want 3s", got)
		}
	})
}

func TestFailuresSayWhatCame(t *testing.T) {
	lost := errors.New("down")
	tests := []struct {
		name string
		call func(t *testing.T, c *sockettest.Client)
		want string
	}{
		{
			name: "other data",
			call: func(t *testing.T, c *sockettest.Client) {
				c.Send("echo", map[string]any{"name": "eve", "rooms": []string{"lobby"}, "age": 7})
				c.Expect("echo", map[string]any{"name": "bob", "rooms": []string{"lobby", "garden"}})
			},
			want: `ann.Expect("echo", …): the data is not as wanted:
	.age: got 7, want nothing
	.name: got "eve", want "bob"
	.rooms[1]: got nothing, want "garden"
got:  {"age":7,"name":"eve","rooms":["lobby"]}
want: {"name":"bob","rooms":["lobby","garden"]}`,
		},
		{
			name: "another event",
			call: func(t *testing.T, c *sockettest.Client) {
				c.Send("three", nil)
				c.Send(socket.EventMessage, []byte("\x01"))
				c.Within(time.Minute).Expect("four", 4)
			},
			want: `ann.Expect("four", …): not within 1m0s; what came:
	one "one"
	two "two"
	three "three"
	message 1 bytes: 01`,
		},
		{
			name: "another type",
			call: func(t *testing.T, c *sockettest.Client) {
				c.Send("echo", "seven")
				sockettest.Expect[int](c, "echo")
			},
			want: `ann.Expect[int]("echo"): json: cannot unmarshal string into Go value of type int
came: echo "seven"`,
		},
		{
			name: "bytes that are none",
			call: func(t *testing.T, c *sockettest.Client) {
				c.Send(socket.EventMessage, []byte("\x01"))
				sockettest.Expect[string](c, socket.EventMessage)
			},
			want: `ann.Expect[string]("message"): a binary message came, message 1 bytes: 01`,
		},
		{
			name: "other bytes",
			call: func(t *testing.T, c *sockettest.Client) {
				c.Send(socket.EventMessage, []byte("\x01"))
				c.Expect(socket.EventMessage, []byte("\x02\x03"))
			},
			want: "ann.Expect(\"message\", …): the data is not as wanted:\ngot:  message 1 bytes: 01\nwant: 0203",
		},
		{
			name: "something in place of nothing",
			call: func(t *testing.T, c *sockettest.Client) {
				c.Send("echo", strings.Repeat("x", 1000))
				c.ExpectNothing(0)
			},
			want: `ann.ExpectNothing(0s): what came:
	echo "` + strings.Repeat("x", 399) + `… (1002 bytes)`,
		},
		{
			name: "a loss in place of nothing",
			call: func(t *testing.T, c *sockettest.Client) {
				c.Faults().Refuse(lost)
				c.Send("leave me", nil)
				c.ExpectDisconnect()
				c.ExpectNothing(time.Second)
			},
			want: "(error: socket: reconnect: ",
		},
		{
			name: "what has no JSON",
			call: func(t *testing.T, c *sockettest.Client) {
				c.Send("echo", 1)
				c.Expect("echo", func() {})
			},
			want: `ann.Expect("echo", …): what is wanted has no JSON: json: unsupported type: func()`,
		},
		{
			name: "no error",
			call: func(t *testing.T, c *sockettest.Client) { c.ExpectError() },
			want: "ann.ExpectError(): not within 5s; nothing came",
		},
		{
			name: "no connection",
			call: func(t *testing.T, c *sockettest.Client) { c.ExpectConnect() },
			want: "ann.ExpectConnect(): not within 5s; nothing came",
		},
		{
			name: "no loss",
			call: func(t *testing.T, c *sockettest.Client) { c.ExpectDisconnect() },
			want: "ann.ExpectDisconnect(): not within 5s; nothing came",
		},
		{
			name: "nobody to send to",
			call: func(t *testing.T, c *sockettest.Client) {
				c.Close()
				c.Send("echo", 1)
			},
			want: `ann.Send("echo", …): socket: send: socket: connection closed`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &failing{TB: t}
				net := sockettest.New(f, newEcho())
				got := f.run(func() { tt.call(t, net.Connect("ann", socket.WithReconnectDelay(time.Millisecond))) })
				if got != tt.want && (!strings.HasPrefix(tt.want, "(") || !strings.Contains(got, tt.want)) {
					t.Errorf("failed with:\n%s\nwant:\n%s", got, tt.want)
				}
			})
		})
	}
}

// failing is the T of a test that is to fail. What it says is kept.
type failing struct {
	testing.TB

	mu     sync.Mutex // guards the fields below
	said   []string
	logged []string
}

func (f *failing) Helper() {}

func (f *failing) Log(args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logged = append(f.logged, fmt.Sprint(args...))
}

func (f *failing) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said = append(f.said, fmt.Sprintf(format, args...))
}

func (f *failing) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}

// run returns what a test has failed with, "" if it has not.
func (f *failing) run(test func()) string {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		test()
	}()
	<-ended
	f.mu.Lock()
	defer f.mu.Unlock()
	said := strings.Join(f.said, "\n")
	f.said = nil
	return said
}

// failure returns what a call on a client fails with.
func failure(t *testing.T, c *sockettest.Client, call func(c *sockettest.Client)) string {
	t.Helper()
	f := &failing{TB: t}
	return f.run(func() { call(c.WithT(f)) })
}

func TestBrowserIsServedInFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := sockettest.New(t, newEcho())
		bob := net.Browser("bob")
		bob.Send("echo", order{Item: "tea"})
		bob.Expect("echo", order{Item: "tea"})
		bob.SendText(`"bare"`)
		bob.Expect(socket.EventMessage, "bare")
		bob.SendBinary([]byte{7})
		bob.Expect(socket.EventMessage, []byte{7})
		bob.SendText(`{"event":"echo"}`)
		if got := sockettest.Expect[any](bob, "echo"); got != nil {
			t.Errorf("no data came back as %v", got)
		}
		bob.ExpectNothing(time.Hour)
		bob.Send("leave me", nil)
		if err := bob.ExpectDisconnect(); transport.CloseStatus(err) != transport.StatusNormalClosure {
			t.Errorf("ended by %v, want code 1000", err)
		}
		if f := (&failing{TB: t}); f.run(func() { bob.WithT(f).Send("echo", 1) }) == "" {
			t.Error("Send on a page that is closed does not fail the test")
		}
	})
}

func TestBrowserTellsWhatNoPageUnderstands(t *testing.T) {
	for _, text := range []string{`{"event":"x","data":1,"seq":7}`, `{"data":1}`, `[1]`, `x`, `{"event":"x"} 7`} {
		synctest.Test(t, func(t *testing.T) {
			f := &failing{TB: t}
			net := sockettest.New(f, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := transport.Accept(w, r, nil)
				if err != nil {
					t.Error(err)
					return
				}
				defer c.CloseNow()
				c.Write(r.Context(), transport.MessageText, []byte(text))
				c.Read(r.Context()) // the page goes
			}))
			got := f.run(func() {
				net.Browser("bob")
				synctest.Wait()
			})
			if want := "bob gets what no page would understand: " + text; got != want {
				t.Errorf("failed with %q, want %q", got, want)
			}
		})
	}
}

func TestManyConnectAtOnce(t *testing.T) {
	sockettest.Run(t, newEcho, func(t *testing.T, net *sockettest.Network) {
		var wg sync.WaitGroup
		clients := make([]*sockettest.Client, 20)
		for i := range clients {
			wg.Go(func() { clients[i] = net.Connect(fmt.Sprint("client ", i)) })
		}
		wg.Wait()
		clients[0].Send("all", "hello")
		for _, c := range clients {
			c.Expect("all", "hello")
		}
	})
}

func TestPagesOfOtherOriginsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := sockettest.New(t, newEcho())
		_, err := net.DialBrowser("eve", http.Header{"Origin": {"https://evil.test"}})
		if he := new(transport.HandshakeError); !errors.As(err, &he) || he.Status != http.StatusForbidden {
			t.Errorf("DialBrowser = %v, want status 403", err)
		}
	})
}

func TestServerInsideAMux(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newEcho()
		mux := http.NewServeMux()
		mux.Handle("/api/socket", server)
		mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "the page") })
		net := sockettest.New(t, mux, sockettest.WithServer(server, "/api/socket"))
		for _, c := range []*sockettest.Client{net.Connect("ann"), net.ConnectPolling("bob")} {
			c.Send("echo", 1)
			c.Expect("echo", 1)
		}
		net.Browser("page").Send("echo", 1)
		tr := &http.Transport{DialContext: net.DialContext}
		defer tr.CloseIdleConnections()
		resp, err := (&http.Client{Transport: tr}).Get("http://localhost/")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got, err := io.ReadAll(resp.Body); string(got) != "the page" || err != nil {
			t.Errorf("GET / = %q, %v", got, err)
		}
	})
}

func TestClientsOfOnesOwnUseTheNetwork(t *testing.T) {
	sockettest.Run(t, newEcho, func(t *testing.T, net *sockettest.Network) {
		dial := transport.WithDialContext(net.DialContext)
		var tr socket.Transport = transport.NewWebSocketTransport(net.URL(net.Kind()), dial)
		if net.Kind() == sockettest.LongPolling {
			tr = transport.NewLongPollingTransport(net.URL(net.Kind()), dial)
		}
		client := socket.NewClient(tr)
		got := make(chan any, 1)
		client.On("echo", func(data any) { got <- data })
		if err := client.Connect(); err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		client.Send("echo", "own")
		if v := <-got; v != "own" {
			t.Errorf("got %v", v)
		}
	})
}

func TestRefusedConnectionIsAnErrorToLookAt(t *testing.T) {
	serve := func() *socket.Server { return socket.NewServer(socket.WithMaxConcurrency(1), socket.WithLogger(nil)) }
	sockettest.Run(t, serve, func(t *testing.T, net *sockettest.Network) {
		net.Connect("ann")
		bob := net.NewClient("bob", sockettest.Setup{})
		if err := bob.Connect(); err == nil || bob.IsConnected() {
			t.Errorf("Connect to a full server = %v", err)
		}
	})
}

func TestSetupReachesClientAndTransport(t *testing.T) {
	serve := func() *socket.Server {
		server := socket.NewServer()
		server.HandleFunc("who", func(s socket.Socket, _ any) { s.Send("you", s.Request().Header.Get("X-User")) })
		return server
	}
	sockettest.Run(t, serve, func(t *testing.T, net *sockettest.Network) {
		header := transport.WithHeaders(map[string][]string{"X-User": {"ann"}})
		ann := net.NewClient("ann", sockettest.Setup{
			Client:      []socket.ClientOption{socket.WithSession(false)},
			WebSocket:   []transport.WebSocketOption{header},
			LongPolling: []transport.LongPollingOption{header},
		})
		seen := make(chan string, 1)
		socket.On(ann.Client, "you", func(name string) { seen <- name }) // misses nothing
		if err := ann.Connect(); err != nil {
			t.Fatal(err)
		}
		ann.ExpectConnect()
		ann.Send("who", nil)
		ann.Expect("you", "ann")
		if got := <-seen; got != "ann" {
			t.Errorf("a handler got %q", got)
		}
		if net.Kind() == sockettest.LongPolling {
			return // its connection is not lost by a cut
		}
		id := ann.ID()
		ann.Faults().Cut()
		ann.ExpectDisconnect()
		ann.ExpectConnect()
		if ann.ID() == id {
			t.Error("the session goes on, though it is switched off")
		}
	})
}

func TestOffDoesNotMakeTheKitDeaf(t *testing.T) {
	sockettest.Run(t, newEcho, func(t *testing.T, net *sockettest.Network) {
		ann := net.Connect("ann")
		ann.On("echo", func(any) { t.Error("a handler that was removed runs") })
		ann.Off("echo")
		ann.Off("never heard of")
		ann.Send("echo", 1)
		ann.Expect("echo", 1)
		ann.Off("echo")
		ann.Send("echo", 2)
		ann.Expect("echo", 2)
		ann.ExpectNothing(0) // each came once
	})
}

func TestErrorsOfTheServerAndOfTheLibraryAreTold(t *testing.T) {
	serve := func() *socket.Server {
		server := socket.NewServer()
		server.HandleFunc("refuse", func(s socket.Socket, _ any) {
			s.Send(socket.EventError, "no entry")
			s.Send("tries", "many")
		})
		return server
	}
	sockettest.Run(t, serve, func(t *testing.T, net *sockettest.Network) {
		ann := net.Connect("ann")
		socket.On(ann.Client, "tries", func(int) { t.Error("a text became a number") })
		ann.Send("refuse", nil)
		ann.Expect(socket.EventError, "no entry")
		if err := ann.ExpectError(); !errors.Is(err, socket.ErrInvalidMessage) {
			t.Errorf("ExpectError() = %v, want that the data is of another type", err)
		}
	})
}

func TestNetworkEndsBeforeTheTest(t *testing.T) {
	sockettest.Run(t, newEcho, func(t *testing.T, net *sockettest.Network) {
		ann := net.Connect("ann", socket.WithReconnectAttempts(-1))
		net.Close()
		net.Close()
		ann.ExpectDisconnect()
		if err := ann.Connect(); err == nil {
			t.Error("Connect succeeds on a network that has ended")
		}
	})
}

func TestServerThatDoesNotEndFailsTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &failing{TB: t}
		release := make(chan struct{})
		server := socket.NewServer(socket.WithLogger(nil))
		server.HandleFunc("stick", func(socket.Socket, any) { <-release })
		net := sockettest.New(f, server)
		net.Connect("ann").Send("stick", nil)
		synctest.Wait()
		got := f.run(net.Close)
		close(release)
		if want := "sockettest: the server does not end within 1m0s: context deadline exceeded"; !strings.HasPrefix(got, want) {
			t.Errorf("failed with %q, want %q", got, want)
		}
	})
}

func TestPanicsOfHTTPHandlersAreLogged(t *testing.T) {
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oh") })
	synctest.Test(t, func(t *testing.T) {
		f := &failing{TB: t}
		net := sockettest.New(f, h)
		if err := net.NewClient("ann", sockettest.Setup{}).Connect(); err == nil {
			t.Error("Connect succeeds")
		}
		net.Close()
		if len(f.logged) != 1 || !strings.Contains(f.logged[0], "oh") || strings.HasSuffix(f.logged[0], "\n") {
			t.Errorf("the log of the test: %q", f.logged)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var lines strings.Builder
		net := sockettest.New(t, h, sockettest.WithErrorLog(log.New(&lines, "", 0)), sockettest.WithKind(sockettest.LongPolling))
		if err := net.NewClient("ann", sockettest.Setup{}).Connect(); err == nil {
			t.Error("Connect succeeds")
		}
		net.Close()
		if !strings.Contains(lines.String(), "oh") {
			t.Errorf("logged: %q", lines.String())
		}
	})
}

// Outside of a bubble time is real, and all else the same.
func TestWithoutABubble(t *testing.T) {
	for _, kind := range []sockettest.Kind{sockettest.WebSocket, sockettest.LongPolling} {
		t.Run(string(kind), func(t *testing.T) {
			net := sockettest.New(t, newEcho(), sockettest.WithKind(kind))
			ann := net.Connect("ann")
			ann.Send("echo", 1)
			ann.Expect("echo", 1)
			ann.ExpectNothing(time.Millisecond)
			if _, err := net.DialContext(context.Background(), "tcp", "anywhere:1"); err != nil {
				t.Error(err)
			}
		})
	}
}

// counter counts requests that bring something.
type counter struct {
	h     *socket.Server
	posts atomic.Int32
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		c.posts.Add(1)
	}
	c.h.ServeHTTP(w, r)
}
