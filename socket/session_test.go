package socket_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/internal/memnet"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// ledger is what one end has received, in order.
type ledger struct {
	mu  sync.Mutex
	got []int
}

func (l *ledger) add(i int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got = append(l.got, i)
}

// want checks that exactly the first n numbers have come, each once and in order.
func (l *ledger) want(t *testing.T, who string, n int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, v := range l.got {
		if v != i {
			t.Errorf("%s: number %d came in place of %d, of %d: %v", who, v, i, n, l.got[max(0, i-3):min(len(l.got), i+4)])
			return
		}
	}
	if len(l.got) != n {
		t.Errorf("%s: %d of %d messages came", who, len(l.got), n)
	}
}

// number makes a message of i: in four ways, one of them binary.
func number(i int) (socket.Event, interface{}) {
	if i%4 == 3 {
		return socket.EventMessage, binary.BigEndian.AppendUint32(nil, uint32(i))
	}
	return "n", i
}

// count lets l know of all numbers that a client is sent.
func (l *ledger) count(c *socket.Client) {
	socket.On(c, "n", l.add)
	socket.On(c, socket.EventMessage, func(p []byte) { l.add(int(binary.BigEndian.Uint32(p))) })
}

// countServer lets l know of all numbers that a server is sent.
func (l *ledger) countServer(s *socket.Server) {
	socket.Handle(s, "n", func(_ socket.Socket, i int) { l.add(i) })
	socket.Handle(s, socket.EventMessage, func(_ socket.Socket, p []byte) { l.add(int(binary.BigEndian.Uint32(p))) })
}

// Whatever byte of a conversation a connection breaks at, in either direction: every
// message of both ends arrives once and in order.
func TestSessionCutAtEveryByteLosesAndRepeatsNothing(t *testing.T) {
	for _, side := range []string{"client", "server"} {
		for _, nth := range []int{0, 1} {
			run(t, func(t *testing.T, e *env) {
				if e.kind == websocket && nth > 0 {
					t.Skip("there is one")
				}
				for n := 1; ; n += stride() {
					if over := sessionCutAt(t, side, nth, n, e.kind); over {
						t.Logf("%s, connection %d: %d bytes", side, nth, n)
						return
					}
				}
			}, websocket, polling)
		}
	}
}

func sessionCutAt(t *testing.T, side string, nth, bytes int, k kind) (over bool) {
	e := newEnv(t, k)
	var mu sync.Mutex
	count, broken := 0, (*memnet.Conn)(nil)
	cut := func(c *memnet.Conn) {
		mu.Lock()
		defer mu.Unlock()
		if count++; count == nth+1 {
			broken = c
			c.CutAfter(bytes)
		}
	}
	if side == "client" {
		e.each(cut, nil)
	} else {
		e.each(nil, cut)
	}
	server := e.serve()
	defer e.end()
	var up, down ledger
	up.countServer(server)
	server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) { s.Join("room") })
	c := socket.NewClient(e.transport(), socket.WithReconnectAttempts(0), socket.WithReconnectDelay(10*time.Millisecond))
	defer c.Close()
	down.count(c)
	for c.Connect() != nil {
	}
	synctest.Wait() // it is in the room
	s, ok := server.GetSocket(c.ID())
	for !ok { // the connection broke before the client had shown that it knows the session
		time.Sleep(time.Second)
		s, ok = server.GetSocket(c.ID())
	}
	for i := range 12 {
		if err := c.Send(number(i)); err != nil {
			t.Errorf("%s cut at %d: Send = %v", side, bytes, err)
		}
		event, data := number(i)
		if i%2 == 0 {
			server.BroadcastToRoom("room", event, data)
		} else if err := s.Send(event, data); err != nil {
			t.Errorf("%s cut at %d: Socket.Send = %v", side, bytes, err)
		}
		if i%3 == 2 {
			time.Sleep(700 * time.Millisecond)
		}
	}
	mu.Lock()
	over = broken == nil
	if !over {
		_, err := broken.Write(nil)
		over = err == nil // it is still whole
		broken.CutAfter(-1)
	}
	mu.Unlock()
	time.Sleep(time.Minute)
	e.settle()
	who := fmt.Sprintf("%s, connection %d cut at %d", side, nth, bytes)
	up.want(t, who+", to the server", 12)
	down.want(t, who+", to the client", 12)
	if n := server.Count(); n != 1 {
		t.Errorf("%s: %d sockets", who, n)
	}
	return over
}

// switching is a client's end of both transports: each connection is over one of them.
type switching struct {
	pick  func(n int) socket.SessionTransport
	mu    sync.Mutex // guards the fields below
	n     int
	under socket.SessionTransport
}

func (s *switching) current() socket.SessionTransport {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.under
}

func (s *switching) ConnectSession(ctx context.Context, offer string) (string, error) {
	t := s.pick(s.n)
	s.mu.Lock()
	old := s.under
	s.n++
	s.under = t
	s.mu.Unlock()
	if old != nil {
		old.Abort() // it is lost, and must let go of what it has
	}
	return t.ConnectSession(ctx, offer)
}

func (s *switching) Connect(context.Context) error { return errors.New("not used") }
func (s *switching) Send(p []byte) error           { return s.current().Send(p) }
func (s *switching) SendBinary(p []byte) error {
	return s.current().(socket.BinaryTransport).SendBinary(p)
}
func (s *switching) Receive() ([]byte, error) { return s.current().Receive() }
func (s *switching) ReceiveMessage() ([]byte, bool, error) {
	return s.current().(socket.BinaryTransport).ReceiveMessage()
}
func (s *switching) Close() error { return s.current().Close() }
func (s *switching) Abort()       { s.current().Abort() }

// A client that stays away for too long: both ends are told, with what they sent and is
// not known to have arrived.
func TestSessionThatIsGivenUpTellsBothEndsWhatIsUnknown(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithSessionWindow(time.Minute))
		defer e.end()
		ends := make(chan error, 1)
		server.HandleFunc(socket.EventDisconnect, func(_ socket.Socket, reason interface{}) { ends <- reason.(error) })
		c := e.client(socket.WithReconnectAttempts(0))
		errs := make(chan error, 100)
		c.On(socket.EventError, func(data interface{}) {
			var se *socket.SessionError
			if errors.As(data.(error), &se) {
				errs <- data.(error)
			}
		})
		e.connect(c)
		c.Send("n", 0)
		s := socket.Sockets(server)[0]
		s.Send("n", 0)
		time.Sleep(10 * time.Second) // both are acknowledged
		id := c.ID()
		e.setDown(syscall.ECONNREFUSED)
		e.cut()
		time.Sleep(35 * time.Second) // long polling notices by then
		for i := 1; i < 4; i++ {
			if err := c.Send("n", i); err != nil {
				t.Errorf("Send without a connection = %v", err)
			}
			if err := s.Send("n", i); err != nil {
				t.Errorf("Socket.Send without a connection = %v", err)
			}
		}
		select {
		case err := <-ends:
			t.Fatalf("the session ended within its window: %v", err)
		default:
		}
		want := []string{`{"event":"n","data":1}`, `{"event":"n","data":2}`, `{"event":"n","data":3}`}
		check := func(who string, err error) {
			t.Helper()
			var se *socket.SessionError
			if !errors.As(err, &se) || !errors.Is(err, socket.ErrConnectionClosed) {
				t.Fatalf("the %s got %v", who, err)
			}
			var got []string
			for _, u := range se.Unknown {
				got = append(got, string(u.Data))
			}
			if !slices.Equal(got, want) || se.Dropped != 0 {
				t.Errorf("unknown to the %s: %q and %d, want %q", who, got, se.Dropped, want)
			}
		}
		check("server", <-ends)
		e.setDown(nil)
		check("client", <-errs)
		e.settle()
		if !c.IsConnected() || c.ID() == id || server.Count() != 1 {
			t.Errorf("IsConnected() = %t, id %s after %s, %d sockets", c.IsConnected(), c.ID(), id, server.Count())
		}
	}, websocket, polling)
}

// A token that was used up, guessed, or belongs to another session opens a new session
// and does not touch the old one.
func TestSessionIsRefusedToWhoeverHasNotItsToken(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := socket.NewServer(socket.WithLogger(nil))
		e.server = server
		var mu sync.Mutex
		var seen []string
		e.mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if line := r.Header.Get("Socket-Session"); line != "" {
				mu.Lock()
				seen = append(seen, line)
				mu.Unlock()
			}
			server.ServeHTTP(w, r)
		}))
		defer e.end()
		offer := func(line string) string {
			tr := transport.NewWebSocketTransport("ws://server/socket", transport.WithDialContext(e.dial))
			answer, err := tr.ConnectSession(t.Context(), line)
			if err != nil {
				t.Fatal(err)
			}
			tr.Abort()
			return answer
		}
		c := e.client(socket.WithReconnectAttempts(0))
		var got ledger
		got.count(c)
		e.connect(c)
		e.settle()
		server.Broadcast("n", 0)
		e.settle()
		e.cut()
		if e.kind == polling { // which survives that
			for _, s := range socket.Sockets(server) {
				socket.Cut(s)
			}
		}
		time.Sleep(5 * time.Second) // it is back, and its first token is used up
		server.Broadcast("n", 1)
		e.settle()
		mu.Lock()
		used := seen[len(seen)-1]
		mu.Unlock()
		if used == "new" {
			t.Fatal("the client has not gone on with its session")
		}
		other := offer("new")
		for name, line := range map[string]string{
			"replayed":           used,
			"guessed":            "id=" + c.ID() + "; token=" + strings.Repeat("A", 32) + "; last=0",
			"of another session": "id=" + c.ID() + "; " + strings.Split(other, "; ")[1] + "; last=0",
			"of nobody":          "id=" + strings.Repeat("A", 22) + "; token=" + strings.Repeat("A", 32) + "; last=0",
		} {
			answer := offer(line)
			if answer == "" || strings.Contains(answer, c.ID()) || strings.Contains(answer, "last=") {
				t.Errorf("%s: %q is answered %q, want a new session", name, line, answer)
			}
		}
		if answer := offer("id=" + c.ID()); answer != "" {
			t.Errorf("malformed: answered %q", answer)
		}
		server.Broadcast("n", 2)
		e.settle()
		got.want(t, "the owner", 3)
		if !c.IsConnected() {
			t.Error("the owner lost its connection")
		}
	}, websocket, polling)
}

// What waits for a client without a connection is bounded: when more does, the session
// ends at once, and the disconnect handler gets all of it.
func TestSessionThatTooMuchWaitsForEnds(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithSessionBuffer(-1, 10))
		defer e.end()
		ends := make(chan error, 1)
		server.HandleFunc(socket.EventDisconnect, func(_ socket.Socket, reason interface{}) { ends <- reason.(error) })
		c := e.client(socket.WithReconnectAttempts(0), socket.WithClientSessionBuffer(-1, 10))
		e.connect(c)
		e.settle()
		e.setDown(syscall.ECONNREFUSED)
		e.cut()
		time.Sleep(35 * time.Second)
		for i := range 10 {
			server.Broadcast("n", i)
			if err := c.Send("n", i); err != nil {
				t.Errorf("Send of message %d = %v", i, err)
			}
		}
		synctest.Wait()
		if server.Count() != 1 {
			t.Fatal("ten messages are too many")
		}
		if err := c.Send("n", 10); !errors.Is(err, socket.ErrBufferFull) {
			t.Errorf("Send of the eleventh message = %v, want ErrBufferFull", err)
		}
		server.Broadcast("n", 10)
		var se *socket.SessionError
		if err := <-ends; !errors.As(err, &se) || len(se.Unknown) != 11 {
			t.Errorf("the session ended with %v", err)
		}
		e.setDown(nil)
		time.Sleep(time.Minute)
	}, websocket, polling)
}

// Sessions without a connection do not keep others out.
func TestSessionsWithoutConnectionsMakeRoomForOthers(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithMaxConcurrency(2))
		defer e.end()
		for range 2 {
			e.connected(socket.WithReconnectAttempts(0))
		}
		e.settle()
		e.setDown(syscall.ECONNREFUSED)
		e.cut()
		time.Sleep(35 * time.Second)
		if n := server.Count(); n != 2 {
			t.Fatalf("%d sessions are kept, want 2", n)
		}
		e.setDown(nil)
		// The two come back, or new ones take their places; nobody is refused for long.
		c := e.client(socket.WithReconnectAttempts(-1))
		if err := c.Connect(); err != nil {
			t.Errorf("Connect() = %v", err)
		}
		time.Sleep(time.Minute)
		if n := server.Count(); n > 2 {
			t.Errorf("%d sockets", n)
		}
	}, websocket)
}

// Rooms that are joined and left while the connection is lost are joined and left on the
// server once the session goes on.
func TestRoomsJoinedWithoutAConnectionAreJoinedInTheSession(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		defer e.end()
		socket.Handle(server, "join", func(s socket.Socket, room string) { s.Join(room) })
		socket.Handle(server, "leave", func(s socket.Socket, room string) { s.Leave(room) })
		c := e.client(socket.WithReconnectAttempts(0))
		c.Join("before")
		c.Join("always")
		e.connect(c)
		e.settle()
		e.setDown(syscall.ECONNREFUSED)
		e.cut()
		time.Sleep(35 * time.Second)
		c.Join("meanwhile")
		c.Leave("before")
		e.setDown(nil)
		time.Sleep(time.Minute)
		rooms := server.RoomsOf(c.ID())
		slices.Sort(rooms)
		if want := []string{"always", "meanwhile"}; !slices.Equal(rooms, want) {
			t.Errorf("the socket is in %q, want %q", rooms, want)
		}
	}, websocket, polling)
}
