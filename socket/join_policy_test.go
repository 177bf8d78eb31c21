package socket_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kleeedolinux/socket.go/socket"
)

func TestJoinPolicyDecidesEveryJoin(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		var tr trace
		cause := errors.New("no row in table members")
		server := e.serve(socket.WithMaxRooms(2, 10), socket.WithAuthenticator(byHeader),
			socket.WithJoinPolicy(func(s socket.Socket, room string) error {
				tr.add("%s asks for %s", s.Identity(), room)
				s.Rooms() // no lock is held
				switch room {
				case "secret":
					return cause
				case "typed":
					return fmt.Errorf("policy: %w", &socket.RoomError{Room: room, Reason: "members only"})
				}
				return nil
			}))
		c := e.as("alice").connected()
		s, _ := server.GetSocket(c.ID())
		join := func(room, reason string, err error) {
			t.Helper()
			for _, got := range []error{s.Join(room), server.Join(s.ID(), room)} {
				var re *socket.RoomError
				switch {
				case reason == "" && got != nil:
					t.Errorf("Join(%q) = %v", room, got)
				case reason == "":
				case !errors.As(got, &re) || re.Room != room || !strings.Contains(re.Reason, reason) || err != nil && !errors.Is(got, err):
					t.Errorf("Join(%q) = %v, want %s", room, got, reason)
				case strings.Contains(got.Error(), cause.Error()):
					t.Errorf("Join(%q) tells %v", room, got)
				}
			}
		}
		join("secret", "it is not allowed (WithJoinPolicy)", cause)
		join("typed", "members only", nil)
		join("", "empty", nil)
		join(strings.Repeat("x", 11), "10 (WithMaxRooms)", nil)
		join("one", "", nil) // the second time it is a member
		join("two", "", nil)
		join("three", "the most it may be in", nil)
		if got := fmt.Sprint(s.Rooms()); got != "[one two]" {
			t.Errorf("rooms: %s", got)
		}
		tr.want(t, "alice asks for secret", "alice asks for secret", "alice asks for typed", "alice asks for typed",
			"alice asks for one", "alice asks for two")
		s.Close()
		e.settle()
		join("four", "", nil) // nobody to join it
		if n := len(tr.all()); n != 6 {
			t.Errorf("the policy was asked %d times", n)
		}
	}, websocket, polling)
}

// A client that asks without end is stopped by its rate, not by the policy.
func TestJoinPolicyIsAskedWithinTheRateOnly(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		asked := 0
		server := e.serve(socket.WithRateLimits(socket.RateLimits{Joins: 2}),
			socket.WithJoinPolicy(func(socket.Socket, string) error {
				asked++
				return errors.New("no")
			}))
		s, _ := server.GetSocket(e.connected().ID())
		for i := range 20 {
			if s.Join(fmt.Sprint(i)) == nil {
				t.Error("it is in")
			}
		}
		if asked != 4 { // twice the rate after a rest
			t.Errorf("asked %d times", asked)
		}
	}, websocket, polling)
}

// A join counts once for the rate although it is looked at twice.
func TestJoinThatThePolicyAllowsCountsOnce(t *testing.T) {
	run(t, func(t *testing.T, e *env) {
		server := e.serve(socket.WithRateLimits(socket.RateLimits{Joins: 2}),
			socket.WithJoinPolicy(func(socket.Socket, string) error { return nil }))
		s, _ := server.GetSocket(e.connected().ID())
		for i := range 4 {
			if err := s.Join(fmt.Sprint(i)); err != nil {
				t.Error(err)
			}
		}
		if s.Join("5") == nil {
			t.Error("the rate is gone")
		}
	}, websocket, polling)
}
