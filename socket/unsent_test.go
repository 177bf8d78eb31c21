package socket_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
)

// ends collects what disconnect handlers are told.
type ends struct {
	mu  sync.Mutex
	all []error
}

func listenEnds(server *socket.Server) *ends {
	var e ends
	server.HandleFunc(socket.EventDisconnect, func(_ socket.Socket, data interface{}) {
		e.mu.Lock()
		defer e.mu.Unlock()
		err, _ := data.(error)
		e.all = append(e.all, err)
	})
	return &e
}

// wantUnknown checks that one session has ended, with messages of event "late" from one number
// to another, in order, and whatever else before them.
func (e *ends) wantUnknown(t *testing.T, from, to int) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.all) != 1 {
		t.Fatalf("%d disconnects were told, want 1: %v", len(e.all), e.all)
	}
	var lost *socket.SessionError
	if !errors.As(e.all[0], &lost) {
		t.Fatalf("told %v, want a SessionError", e.all[0])
	}
	var got, want []string
	for _, u := range lost.Unknown {
		if s := string(u.Data); strings.Contains(s, `"late"`) {
			got = append(got, s)
		}
	}
	for i := from; i <= to; i++ {
		want = append(want, fmt.Sprintf(`{"event":"late","data":%d}`, i))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("told of\n%v\nwant\n%v", got, want)
	}
}

// A member whose session has ended is in its rooms until its disconnect handlers have run.
func TestBroadcastsToASessionThatHasEndedAreToldToItsDisconnectHandlers(t *testing.T) {
	for name, send := range map[string]func(*socket.Server, int) error{
		"broadcast": func(s *socket.Server, i int) error { return s.Broadcast("late", i) },
		"room":      func(s *socket.Server, i int) error { return s.BroadcastToRoom("room", "late", i) },
		"policy": func(s *socket.Server, i int) error {
			return s.Under(socket.DropOldest()).BroadcastToRoom("room", "late", i)
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				server := e.serve(socket.WithSessionWindow(time.Minute))
				told := listenEnds(server)
				busy := make(chan struct{})
				server.HandleFunc("join", func(s socket.Socket, _ interface{}) {
					s.Join("room")
					<-busy
				})
				p := e.offer("new")
				p.say(`{"ack":0}`)
				p.say(`{"seq":1,"event":"join"}`)
				e.settle()
				p.abort()
				time.Sleep(3 * time.Minute) // the session has ended, and waits for its handler
				e.settle()
				for i := range 3 {
					if err := send(server, i); err != nil {
						t.Error(err)
					}
				}
				close(busy)
				e.settle()
				told.wantUnknown(t, 0, 2)
			}, websocket, polling)
		})
	}
}

// awayInRoom returns the socket of a client in "room" that has lost its connection, and finds no other.
func awayInRoom(e *env, server *socket.Server) socket.Socket {
	c := e.client(socket.WithReconnectAttempts(0))
	e.connect(c)
	e.settle()
	s, _ := server.GetSocket(c.ID())
	s.Join("room")
	e.setDown(syscall.ECONNREFUSED)
	e.cut()
	time.Sleep(40 * time.Second) // long polling notices by then
	return s
}

// What waits above a session, because something under a policy does, is of it too.
func TestWhatIsHeldForASessionIsToldWhenItEnds(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithSessionBuffer(0, 40), socket.WithSessionWindow(time.Minute))
		told := listenEnds(server)
		s := awayInRoom(e, server)
		sent := 0
		for range 30 {
			if err := s.Send("late", sent); err != nil {
				break
			}
			sent++
		}
		if err := server.Under(socket.Volatile()).BroadcastToRoom("room", "cursor", 1); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if err := server.BroadcastToRoom("room", "late", sent); err != nil {
				t.Fatal(err)
			}
			sent++
		}
		time.Sleep(2 * time.Minute)
		e.settle()
		told.wantUnknown(t, 0, sent-1)
	}, websocket, polling)
}

// A client without a connection can be found to be slow too. Its session is over at once then.
func TestWhatASessionKeepsIsToldWhenItsClientIsClosedAsSlowWhileItIsAway(t *testing.T) {
	for range 10 { // who tells is not always the same
		run(t, func(t *testing.T, e *env) {
			server := e.serve(socket.WithSessionBuffer(0, 40), socket.WithSessionWindow(time.Hour))
			told := listenEnds(server)
			s := awayInRoom(e, server)
			sent := 0
			for range 20 {
				if err := s.Send("late", sent); err != nil {
					t.Fatal(err)
				}
				sent++
			}
			if err := server.Under(socket.WaitSlow(time.Second)).BroadcastToRoom("room", "late", sent); err != nil {
				t.Fatal(err)
			}
			e.settle()
			told.wantUnknown(t, 0, sent)
		}, websocket, polling)
	}
}

// A socket that UseConnect refuses has no disconnect handlers to tell.
func TestNothingIsKeptOfBroadcastsForASocketThatWasRefused(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		server.UseConnect(func(socket.Socket) error { return errors.New("not today") })
		server.HandleFunc(socket.EventDisconnect, func(socket.Socket, interface{}) { t.Error("it was never connected") })
		var broadcasting sync.WaitGroup
		over := make(chan struct{})
		broadcasting.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				if err := server.Broadcast("late", 1); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Microsecond)
			}
		})
		for range 20 {
			c := e.client(socket.WithReconnectAttempts(0))
			e.connect(c)
			time.Sleep(20 * time.Microsecond)
			c.Close()
		}
		close(over)
		broadcasting.Wait()
		e.settle()
		if n := socket.Missed(server); n != 0 {
			t.Errorf("messages are kept for %d sockets", n)
		}
	}, websocket, polling)
}

// A client that cannot be sent a message is closed, and never sees what comes behind it.
func TestNothingIsSentBehindAMessageThatASocketIsClosedFor(t *testing.T) {
	for name, policy := range map[string]socket.Policy{"close": socket.CloseSlow(), "wait": socket.WaitSlow(time.Second)} {
		t.Run(name, func(t *testing.T) {
			for range 10 { // who is first is not always the same
				run(t, func(t *testing.T, e *env) {
					server := e.serve(socket.WithSendQueue(64<<10, 0))
					told := listenEnds(server)
					c := e.client(socket.WithReconnectAttempts(0))
					c.On("late", func(interface{}) { t.Error("it came") })
					e.connect(c)
					e.settle()
					s, _ := server.GetSocket(c.ID())
					s.Join("room")
					if err := server.Under(policy).BroadcastToRoom("room", "large", strings.Repeat("x", 70<<10)); err != nil {
						t.Fatal(err)
					}
					if err := s.Send("late", 0); err == nil {
						t.Error("Send = nil")
					}
					e.settle()
					told.wantUnknown(t, 1, 0)
				}, polling) // over WebSocket one large message always has room
			}
		})
	}
}
