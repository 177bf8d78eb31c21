package socket_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kleeedolinux/socket.go/socket"
	"github.com/kleeedolinux/socket.go/socket/transport"
)

// userHeader names the user in these tests.
const userHeader = "X-User"

// byHeader is an authenticator that believes what it is told, and knows no "stranger".
func byHeader(r *http.Request) (string, error) {
	user := r.Header.Get(userHeader)
	if user == "stranger" {
		return "", errors.New("no row in table users at 10.0.0.7")
	}
	return user, nil
}

// as lets the transports that are made from now on name a user.
func (e *env) as(user string) *env {
	headers := transport.WithHeaders(map[string][]string{userHeader: {user}})
	e.webSocket = []transport.WebSocketOption{headers}
	e.longPolling = []transport.LongPollingOption{headers}
	return e
}

// ask makes the request that opens a connection, and returns the answer.
func (e *env) ask(header map[string]string) (status int, body string) {
	e.t.Helper()
	method, url := http.MethodGet, "http://server/socket"
	if e.kind == polling {
		method, url = http.MethodPost, url+"?transport=polling"
	}
	r, err := http.NewRequestWithContext(e.t.Context(), method, url, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	if e.kind == websocket {
		for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket",
			"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
			r.Header.Set(name, value)
		}
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	web := &http.Transport{DialContext: e.dial}
	defer web.CloseIdleConnections()
	answer, err := web.RoundTrip(r)
	if err != nil {
		e.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestAuthenticatorRefusesWithItsStatusAndTellsNothingElse(t *testing.T) {
	secret := errors.New("no row in table users at 10.0.0.7")
	for _, tt := range []struct {
		name   string
		err    error
		status int
		reason string
	}{
		{"any error", secret, 401, "the server does not know who you are"},
		{"a status", &socket.AuthError{Status: 403, Err: secret}, 403, "the server does not know who you are"},
		{"a reason", &socket.AuthError{Reason: "the token has \"expired\"\x01", Err: secret}, 401, `the token has \"expired\"\u0001`},
		{"wrapped", fmt.Errorf("users: %w", &socket.AuthError{Status: 429, Reason: "too often"}), 429, "too often"},
		{"no failure", &socket.AuthError{Status: 200}, 401, "the server does not know who you are"},
		{"our fault", &socket.AuthError{Status: 503, Reason: "try again", Err: secret}, 503, "try again"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(t *testing.T, e *env) {
				server := e.serve(socket.WithMaxConcurrency(1), socket.WithAuthenticator(
					func(r *http.Request) (string, error) { return "alice", tt.err }))
				server.HandleFunc(socket.EventConnect, func(socket.Socket, interface{}) { t.Error("it is connected") })
				for range 3 {
					status, body := e.ask(nil)
					if status != tt.status || strings.TrimSpace(body) != `{"error":"`+tt.reason+`"}` {
						t.Errorf("answer %d %s, want %d %s", status, body, tt.status, tt.reason)
					}
				}
				if n := server.Count(); n != 0 {
					t.Errorf("%d places are taken", n)
				}
				if got := e.logged("socket: the authenticator failed", "WithAuthenticator"); got != (tt.status >= 500) {
					t.Errorf("a warning was logged: %v", got)
				}
				if n := socket.Admissions(server); n != 0 {
					t.Errorf("%d admissions are left", n)
				}
			}, websocket, polling)
		})
	}
}

func TestAuthErrorSaysStatusReasonAndCause(t *testing.T) {
	cause := errors.New("expired")
	err := error(&socket.AuthError{Status: 403, Reason: "no", Err: cause})
	if got, want := err.Error(), "socket: not authenticated: no (HTTP status 403): expired"; got != want || !errors.Is(err, cause) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestIdentityIsTheAuthenticators(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithAuthenticator(byHeader))
		var tr trace
		server.UseConnect(func(s socket.Socket) error { tr.add("passes %q", s.Identity()); return nil })
		server.HandleFunc(socket.EventConnect, func(s socket.Socket, _ interface{}) { tr.add("connected %q", s.Identity()) })
		e.as("alice").connected(socket.WithSession(false))
		synctest.Wait()
		e.as("").connected()
		synctest.Wait()
		tr.want(t, `passes "alice"`, `connected "alice"`, `passes ""`, `connected ""`)
		if n := socket.IdentityCount(server); n != 1 {
			t.Errorf("%d identities are kept", n)
		}
	}, websocket, polling)
}

func TestWithoutAuthenticatorEverybodyIsNobody(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve()
		c := e.as("alice").connected()
		s, ok := server.GetSocket(c.ID())
		if !ok || s.Identity() != "" {
			t.Errorf("identity %q", s.Identity())
		}
	}, websocket, polling)
}

func TestPagesOfOtherOriginsAreRefusedBeforeTheAuthenticatorIsAsked(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		e.serve(socket.WithAuthenticator(func(*http.Request) (string, error) {
			t.Error("it was asked")
			return "alice", nil
		}))
		if status, body := e.ask(map[string]string{"Origin": "http://evil.example"}); status != http.StatusForbidden {
			t.Errorf("answer %d %s", status, body)
		}
	}, websocket, polling)
}

// A client that goes on with its session is asked who it is again: another identity is
// refused, and the owner can still go on.
func TestResumeUnderAnotherIdentityIsRefusedAndTheOwnerGoesOn(t *testing.T) {
	for _, other := range []string{"mallory", "", "stranger"} {
		run(t, func(t *testing.T, e *env) {
			server := e.serve(socket.WithAuthenticator(byHeader))
			var tr trace
			server.HandleFunc(socket.EventDisconnect, func(socket.Socket, interface{}) { tr.add("server: disconnect") })
			users := []string{"alice", other, "alice"}
			link := &switching{pick: func(n int) socket.SessionTransport {
				return e.as(users[n]).transport().(socket.SessionTransport)
			}}
			c := socket.NewClient(link, socket.WithReconnectDelay(time.Second), socket.WithReconnectAttempts(0))
			defer c.Close()
			c.On(socket.EventError, func(err interface{}) { tr.add("refused") })
			socket.On(c, "n", func(n int) { tr.add("got %d", n) })
			e.connect(c)
			e.settle()
			id := c.ID()
			s, ok := server.GetSocket(id)
			if !ok {
				t.Fatal("there is no socket")
			}
			link.Abort()
			synctest.Wait()
			for n := range 3 {
				if err := s.Send("n", n); err != nil {
					t.Error(err)
				}
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			tr.want(t, "refused", "got 0", "got 1", "got 2")
			if c.ID() != id || !s.IsConnected() || server.Count() != 1 {
				t.Errorf("the client has %q, not %q; the socket is connected: %v; %d sockets", c.ID(), id, s.IsConnected(), server.Count())
			}
		}, websocket, polling)
	}
}

// Somebody who has got hold of a token does not even disturb its owner.
func TestStolenTokenDoesNotDisturbItsOwner(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithAuthenticator(byHeader))
		owner := e.as("alice").transport().(socket.SessionTransport)
		defer owner.Close()
		answer, err := owner.ConnectSession(t.Context(), "new")
		if err != nil {
			t.Fatal(err)
		}
		if err := owner.Send([]byte(`{"ack":0}`)); err != nil {
			t.Fatal(err)
		}
		id, rest, _ := strings.Cut(answer, "; ")
		token, _, _ := strings.Cut(rest, "; ")
		offer := id + "; " + token + "; last=0"
		thief := e.as("mallory").transport().(socket.SessionTransport)
		defer thief.Close()
		if _, err := thief.ConnectSession(t.Context(), offer); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("the thief: %v", err)
		}
		if err := server.Broadcast("n", 1); err != nil {
			t.Error(err)
		}
		if got, err := owner.Receive(); err != nil || string(got) != `{"seq":1,"event":"n","data":1}` {
			t.Errorf("Receive() = %s, %v", got, err)
		}
		// Without the token nothing is learned of the session: it is a new one.
		guess := e.as("mallory").transport().(socket.SessionTransport)
		defer guess.Close()
		answer, err = guess.ConnectSession(t.Context(), id+"; token="+strings.Repeat("A", 32)+"; last=0")
		if err != nil || strings.Contains(answer, "last=") || strings.HasPrefix(answer, id) {
			t.Errorf("the answer to a guess: %q, %v", answer, err)
		}
		again := e.as("alice").transport().(socket.SessionTransport)
		defer again.Close()
		if answer, err = again.ConnectSession(t.Context(), offer); err != nil || !strings.Contains(answer, "; last=0") || !strings.HasPrefix(answer, id) {
			t.Errorf("the owner's answer: %q, %v", answer, err)
		}
	}, websocket, polling)
}

// An authenticator that waits takes no place and keeps nobody else waiting, and its
// context ends when the client goes away.
func TestSlowAuthenticatorHoldsNothingUp(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var tr trace
		server := e.serve(socket.WithMaxConcurrency(1), socket.WithAuthenticator(func(r *http.Request) (string, error) {
			user := r.Header.Get(userHeader)
			if user == "slow" {
				<-r.Context().Done()
				tr.add("gave up")
				return "", r.Context().Err()
			}
			return user, nil
		}))
		slow := e.as("slow").client(socket.WithConnectTimeout(5 * time.Second))
		failed := make(chan error, 1)
		go func() { failed <- slow.Connect() }()
		synctest.Wait()
		if n := server.Count(); n != 0 || socket.Admissions(server) != 1 {
			t.Errorf("%d places are taken, %d admissions", n, socket.Admissions(server))
		}
		c := e.as("quick").client()
		got := make(chan struct{})
		c.On("n", func(interface{}) { close(got) })
		e.connect(c)
		server.Broadcast("n", 1)
		<-got
		if err := <-failed; err == nil {
			t.Error("the slow one is connected")
		}
		e.settle()
		tr.want(t, "gave up")
		if n := socket.Admissions(server); n != 0 {
			t.Errorf("%d admissions are left", n)
		}
	}, websocket, polling)
}

func TestPanicOfAnAuthenticatorIsOneRequests(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithMaxConcurrency(1), socket.WithAuthenticator(func(r *http.Request) (string, error) {
			if r.Header.Get(userHeader) == "trouble" {
				panic("trouble")
			}
			return "alice", nil
		}))
		if err := e.as("trouble").client(socket.WithConnectTimeout(3 * time.Second)).Connect(); err == nil {
			t.Error("it is connected")
		}
		if n := socket.Admissions(server); n != 0 {
			t.Errorf("%d admissions are left", n)
		}
		e.as("alice").connected()
	}, websocket, polling)
}

// The authenticator may have said yes before the rights of the identity ended.
func TestIdentityThatIsDisconnectedWhileItConnectsDoesNotSlipThrough(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		asked, answer := make(chan struct{}), make(chan struct{})
		server := e.serve(socket.WithAuthenticator(func(r *http.Request) (string, error) {
			close(asked)
			<-answer
			return r.Header.Get(userHeader), nil
		}))
		var tr trace
		c := e.as("alice").client()
		c.On(socket.EventError, func(err interface{}) { tr.add("%v", errors.Is(err.(error), socket.ErrStopped)) })
		done := make(chan error, 1)
		go func() { done <- c.Connect() }()
		<-asked
		never := socket.DisconnectReason{Reason: "signed out", Retry: socket.RetryNever}
		if n := server.ToIdentity("alice", "bob").Disconnect(never); n != 0 {
			t.Errorf("Disconnect() = %d", n)
		}
		close(answer)
		if err := <-done; err != nil {
			t.Errorf("Connect() = %v", err)
		}
		e.settle()
		tr.want(t, "true")
		if n := server.Count(); n != 0 || c.IsConnected() {
			t.Errorf("%d sockets, connected: %v", n, c.IsConnected())
		}
	}, websocket, polling)
}

func TestRevalidateDisconnectsThoseWhoseCredentialsHaveExpired(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithAuthenticator(byHeader))
		socket.Handle(server, "renew", func(s socket.Socket, seconds int) {
			s.Set("expires", time.Now().Add(time.Duration(seconds)*time.Second))
		})
		server.UseConnect(func(s socket.Socket) error {
			s.Set("expires", time.Now().Add(time.Minute))
			return nil
		})
		var tr trace
		for _, user := range []string{"alice", "bob", "carol"} {
			c := e.as(user).connected()
			c.On(socket.EventDisconnect, func(reason interface{}) {
				tr.add("%s %d", user, transport.CloseStatus(reason.(error)))
			})
			if user == "bob" {
				c.Send("renew", 3600)
			}
		}
		check := func(s socket.Socket) error {
			expires, _ := s.Get("expires")
			switch {
			case time.Now().Before(expires.(time.Time)):
				return nil
			case s.Identity() == "alice":
				return errors.New("it has expired")
			}
			return fmt.Errorf("banned: %w", socket.DisconnectReason{Code: 4501, Reason: "banned"})
		}
		if n := server.Revalidate(check); n != 0 {
			t.Errorf("Revalidate() = %d at first", n)
		}
		time.Sleep(2 * time.Minute)
		if n := server.Revalidate(check); n != 2 {
			t.Errorf("Revalidate() = %d", n)
		}
		e.settle()
		got := tr.all()
		if len(got) == 2 && got[0] > got[1] {
			got[0], got[1] = got[1], got[0]
		}
		if fmt.Sprint(got) != "[alice 4500 carol 4501]" || server.Count() != 1 {
			t.Errorf("disconnected: %v, %d are left", got, server.Count())
		}
	}, websocket, polling)
}
